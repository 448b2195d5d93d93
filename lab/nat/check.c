/* What was seen of a NAT, held against what it declares. */
#include "lab/nat/check.h"

#include "lab/nat/observe.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ports that lie in a narrower range than this look like a block, whoever drew them. */
#define NARROW 16384

struct verdict {
    const struct nat_profile *p; /* as it looks through the home NAT inside, if there is one */
    const struct observation *o;
    struct nat_check_result *r;
};

__attribute__((format(printf, 3, 4))) static void append(char *out, size_t cap, const char *fmt,
                                                         ...)
{
    size_t len = strlen(out);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(out + len, cap - len, fmt, ap);
    va_end(ap);
}

/* "field: declared D, saw S" */
static void differs(struct verdict *v, const char *field, const char *declared, const char *saw)
{
    char *out = v->r->mismatch;
    append(out, sizeof(v->r->mismatch), "%s%s: declared %s, saw %s", out[0] != '\0' ? "; " : "",
           field, declared, saw);
}

static void differs_flag(struct verdict *v, const char *field, bool declared, enum seen saw)
{
    if (saw != SEEN_UNKNOWN && declared != (saw == SEEN_YES))
        differs(v, field, declared ? "true" : "false", declared ? "false" : "true");
}

static void describe_ports(const struct observation *o, char *out, size_t cap)
{
    out[0] = '\0';
    switch (o->allocation) {
    case NAT_ALLOC_SEQUENTIAL:
        append(out, cap, "sequential by %d", o->step);
        break;
    case NAT_ALLOC_BLOCK:
        append(out, cap, "random within %d", o->high - o->low + 1);
        break;
    default:
        append(out, cap, "%s", nat_allocation_name(o->allocation));
        break;
    }
    append(out, cap, " (%u-%u)", o->low, o->high);
}

static void describe(const struct observation *o, char *out, size_t cap)
{
    char ports[64];
    out[0] = '\0';
    if (o->udp != SEEN_YES) {
        append(out, cap, "no UDP passes, TCP does");
        return;
    }
    append(out, cap, "mapping %s, filtering %s", nat_mapping_name(o->mapping),
           nat_filtering_name(o->filtering));
    if (o->translated == SEEN_YES) {
        describe_ports(o, ports, sizeof(ports));
        append(out, cap, ", ports %s", ports);
    }
    if (o->addresses > 1)
        append(out, cap, ", %zu addresses", o->addresses);
    if (o->contention != SEEN_UNKNOWN)
        append(out, cap, ", two hosts on one port: %s",
               o->contention == SEEN_YES ? "each keeps one" : "the second gets several");
    if (o->hairpin != SEEN_UNKNOWN)
        append(out, cap, ", hairpin %s",
               o->hairpin != SEEN_YES ? "no"
               : o->hairpin_inside    ? "with inside addresses"
                                      : "yes");
    if (o->answers != SEEN_UNKNOWN)
        append(out, cap, ", gateway %s", o->answers == SEEN_YES ? "answers" : "silent");
    if (o->trap != SEEN_UNKNOWN)
        append(out, cap, ", an early packet %s",
               o->trap == SEEN_YES ? "moves the mapping" : "does no harm");
    if (o->holds != SEEN_UNKNOWN)
        append(out, cap, ", timeouts %s, of streams %s",
               o->holds == SEEN_YES && o->expires == SEEN_YES ? "kept" : "not kept",
               o->stream_holds == SEEN_YES && o->stream_expires == SEEN_YES ? "kept" : "not kept");
}

/* Of all ports seen, what the declared allocation cannot have given out. */
static void judge_ports(struct verdict *v)
{
    const struct nat_profile *p = v->p;
    const struct observation *o = v->o;
    unsigned lo = p->allocation.range_lo;
    unsigned hi = p->allocation.range_hi;
    bool drawn =
        o->allocation == NAT_ALLOC_RANDOM || (o->allocation == NAT_ALLOC_BLOCK && hi - lo < NARROW);
    bool right = false;
    char declared[96];
    char saw[96];
    describe_ports(o, saw, sizeof(saw));
    (void)snprintf(declared, sizeof(declared), "%s", nat_allocation_name(p->allocation.type));
    switch (p->allocation.type) {
    case NAT_ALLOC_PRESERVING:
        right = o->allocation == NAT_ALLOC_PRESERVING;
        break;
    case NAT_ALLOC_SEQUENTIAL:
        (void)snprintf(declared, sizeof(declared), "sequential by %d", p->allocation.step);
        /* With cross-traffic only multiples of the step can be seen. */
        right = o->allocation == NAT_ALLOC_SEQUENTIAL &&
                (o->step == p->allocation.step ||
                 (p->background.flows_per_second > 0 && o->step % p->allocation.step == 0 &&
                  (o->step > 0) == (p->allocation.step > 0)));
        break;
    case NAT_ALLOC_RANDOM:
        right = drawn;
        break;
    case NAT_ALLOC_HASH:
        right = (drawn && o->repeats == SEEN_UNKNOWN) || o->allocation == NAT_ALLOC_HASH;
        break;
    case NAT_ALLOC_BLOCK: {
        unsigned block = p->allocation.block;
        unsigned span = (unsigned)(o->high - o->low) + 1u;
        (void)snprintf(declared, sizeof(declared), "%sblock of %u",
                       p->allocation.aligned ? "aligned " : "", block);
        right = o->allocation == NAT_ALLOC_BLOCK && span <= block && span >= block / 8 &&
                (!p->allocation.aligned || o->low / block == o->high / block);
        break;
    }
    }
    if (!right) {
        differs(v, "allocation", declared, saw);
    } else if (p->allocation.type != NAT_ALLOC_PRESERVING && (o->low < lo || o->high > hi)) {
        (void)snprintf(declared, sizeof(declared), "%u-%u", lo, hi);
        differs(v, "allocation.range", declared, saw);
    }
}

static void judge_pool(struct verdict *v)
{
    const struct nat_profile *p = v->p;
    char declared[64];
    char saw[32];
    bool arbitrary = p->pool.arbitrary && p->pool.addresses > 1;
    if (v->o->addresses <= p->pool.addresses && (v->o->addresses > 1) == arbitrary)
        return;
    (void)snprintf(declared, sizeof(declared), "%u addresses, %s", p->pool.addresses,
                   p->pool.arbitrary ? "arbitrary" : "paired");
    (void)snprintf(saw, sizeof(saw), "%zu for one host", v->o->addresses);
    differs(v, "pool", declared, saw);
}

static void judge_gateway(struct verdict *v)
{
    const struct nat_profile *p = v->p;
    const struct observation *o = v->o;
    bool silent = p->gateway == NAT_GATEWAY_DROP;
    bool harmful = p->gateway == NAT_GATEWAY_ACCEPT;
    if (o->answers != SEEN_UNKNOWN && silent != (o->answers == SEEN_NO))
        differs(v, "gateway", nat_gateway_name(p->gateway),
                o->answers == SEEN_YES ? "an answer" : "silence");
    else if (o->trap != SEEN_UNKNOWN && harmful != (o->trap == SEEN_YES))
        differs(v, "gateway", nat_gateway_name(p->gateway),
                o->trap == SEEN_YES ? "that an early packet moves the mapping"
                                    : "that an early packet does no harm");
}

static void judge_timeouts(struct verdict *v)
{
    const struct nat_profile *p = v->p;
    const struct observation *o = v->o;
    const struct {
        const char *field;
        uint32_t seconds;
        enum seen holds, expires;
    } kinds[] = {
        {"timeout.udp", p->timeout.udp_s, o->holds, o->expires},
        {"timeout.udp_stream", p->timeout.udp_stream_s, o->stream_holds, o->stream_expires},
    };
    for (size_t i = 0; i < 2; i++) {
        char declared[32];
        if (kinds[i].holds == SEEN_UNKNOWN)
            continue;
        (void)snprintf(declared, sizeof(declared), "%u s", kinds[i].seconds);
        if (kinds[i].holds == SEEN_NO)
            differs(v, kinds[i].field, declared, "less");
        else if (kinds[i].expires == SEEN_NO)
            differs(v, kinds[i].field, declared, "more");
    }
}

static void judge(struct verdict *v)
{
    const struct nat_profile *p = v->p;
    const struct observation *o = v->o;
    if (o->udp != SEEN_YES || p->udp_blocked) {
        if (p->udp_blocked != (o->udp == SEEN_NO))
            differs(v, "udp", p->udp_blocked ? "block" : "allow",
                    o->udp == SEEN_NO ? "no UDP pass" : "UDP pass");
        return;
    }
    if (o->mapping != p->mapping)
        differs(v, "mapping", nat_mapping_name(p->mapping), nat_mapping_name(o->mapping));
    if (o->filtering != p->filtering)
        differs(v, "filtering", nat_filtering_name(p->filtering), nat_filtering_name(o->filtering));
    if (p->mapping == NAT_MAPPING_NONE) {
        if (o->allocation != NAT_ALLOC_PRESERVING)
            differs(v, "mapping", "none", "other ports outside");
        judge_timeouts(v);
        return;
    }
    if (o->translated == SEEN_NO) {
        differs(v, "mapping", nat_mapping_name(p->mapping), "inside addresses outside");
        return;
    }
    judge_ports(v);
    judge_pool(v);
    /* Hosts with blocks or addresses of their own are no rivals; elsewhere the profile says whether
     * one yields. */
    if (nat_profile_exact(p) ||
        (p->allocation.type == NAT_ALLOC_PRESERVING && p->pool.addresses == 1))
        differs_flag(v, "allocation.exact", nat_profile_exact(p), o->contention);
    differs_flag(v, "hairpin", p->hairpin, o->hairpin);
    if (o->hairpin_inside)
        differs(v, "hairpin", "outside addresses", "inside ones");
    judge_gateway(v);
    judge_timeouts(v);
}

/* All packets of the check are handled on one core, one after the other: what was sent first has
 * then arrived first, or never will. */
static bool stay_on_one_core(cpu_set_t *before)
{
    cpu_set_t one;
    int core = sched_getcpu();
    if (core < 0 || sched_getaffinity(0, sizeof(*before), before) != 0)
        return false;
    CPU_ZERO(&one);
    CPU_SET((size_t)core, &one);
    return sched_setaffinity(0, sizeof(one), &one) == 0;
}

static int observe_and_judge(const struct nat_profile *through, const struct nat_check_site *site,
                             unsigned flags, struct nat_check_result *out, struct lab_error *err)
{
    struct observation o;
    struct verdict v = {.p = through, .o = &o, .r = out};
    memset(out, 0, sizeof(*out));
    if (nat_observe(through, site, flags, &o, err) != 0)
        return -1;
    out->mapping = o.mapping;
    out->filtering = o.filtering;
    out->allocation = o.allocation;
    describe(&o, out->observed, sizeof(out->observed));
    judge(&v);
    out->ok = out->mismatch[0] == '\0';
    return 0;
}

int nat_check(const struct nat_profile *declared, const struct nat_check_site *site, unsigned flags,
              struct nat_check_result *out, struct lab_error *err)
{
    struct nat_profile through = *declared;
    cpu_set_t before;
    if (declared->inside[0] != '\0') {
        struct nat_profile home;
        if (nat_profile_find(declared->inside, &home, err) != 0)
            return -1;
        through = nat_profile_compose(declared, &home);
        memcpy(through.inside, declared->inside, sizeof(through.inside));
    }
    bool pinned = stay_on_one_core(&before);
    int rc = observe_and_judge(&through, site, flags, out, err);
    /* A NAT that is wrong is wrong twice; a machine that stumbled is not. */
    if ((rc != 0 || !out->ok) && (flags & NAT_CHECK_TIMEOUT) == 0)
        rc = observe_and_judge(&through, site, flags, out, err);
    if (pinned)
        (void)sched_setaffinity(0, sizeof(before), &before);
    return rc;
}
