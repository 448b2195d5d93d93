#include "lab/nat/observe.h"

#include "lab/nat/probe.h"
#include "lab/nat/rules.h"

#include <string.h>

#define MAPPING_SOCKETS 4 /* of the flows: these go on to other destinations */
#define FILTER_FLOW     4
#define HAIRPIN_FLOW    5
#define SETTLE_FLOW     6
#define DISCARD_PORT    9 /* of the router itself: below 1024, so no mapping's */

/* Outside: A and B differ in the port, C and D in the address, E is for the trap. */
struct bench {
    struct probe x;
    const struct nat_profile *declared;
    const struct nat_check_site *site;
    struct observation *o;
    int flows[OBSERVE_FLOWS];
    int a, b, c, d, e;
    struct ph_addr to_a, to_b, to_c;
};

static int open_outside(struct bench *w, size_t address, int *socket, struct ph_addr *addr)
{
    struct ph_addr at = w->site->outside[address];
    at.port = 0;
    *socket = probe_open(&w->x, w->site->outside_fd, &at, 1);
    if (*socket < 0)
        return -1;
    if (addr != NULL)
        *addr = w->x.sockets[*socket].addr;
    return 0;
}

static int open_inside(struct bench *w, int fd, const struct ph_addr *inside, size_t count)
{
    struct ph_addr at = *inside;
    at.port = 0;
    return probe_open(&w->x, fd, &at, count);
}

/* A socket whose port the NAT would keep, if it keeps any. */
static int open_kept(struct bench *w)
{
    const struct nat_profile *p = w->declared;
    bool narrow = p->allocation.type == NAT_ALLOC_PRESERVING &&
                  (p->allocation.range_lo > 32768 || p->allocation.range_hi < 60999);
    if (!narrow)
        return open_inside(w, w->site->inside_fd, &w->site->inside, 1);
    return probe_open_in(&w->x, w->site->inside_fd, &w->site->inside, p->allocation.range_lo,
                         p->allocation.range_hi);
}

static int open_bench(struct bench *w)
{
    if (open_outside(w, 0, &w->a, &w->to_a) != 0 || open_outside(w, 0, &w->b, &w->to_b) != 0 ||
        open_outside(w, 1, &w->c, &w->to_c) != 0 || open_outside(w, 2, &w->d, NULL) != 0 ||
        open_outside(w, 1, &w->e, NULL) != 0)
        return -1;
    for (int i = 0; i < OBSERVE_FLOWS; i++) {
        w->flows[i] = open_kept(w);
        if (w->flows[i] < 0)
            return -1;
    }
    return 0;
}

static const struct probe_tag *tag_of(const struct bench *w, int tag)
{
    return &w->x.tags[tag];
}

/* Where ports are few, another socket's mapping may have the same port toward another endpoint. */
static bool heard_by(const struct bench *w, int tag, int socket)
{
    return tag_of(w, tag)->heard && tag_of(w, tag)->on == socket;
}

/* Nothing came out: is it UDP alone? 0 when TCP passes. */
static int explain_silence(struct bench *w)
{
    int tcp = probe_tcp(&w->x, w->site->inside_fd, w->site->outside_fd, &w->site->outside[0]);
    if (tcp < 0)
        return -1;
    if (tcp == 0)
        return lab_fail(w->x.err, LAB_BROKEN,
                        "nothing passes from inside to outside, neither UDP nor TCP");
    w->o->udp = SEEN_NO;
    return 0;
}

/* Each fresh socket sends to A when the one before it was heard: so allocation shows in order. */
static int observe_flows(struct bench *w)
{
    struct observation *o = w->o;
    int tag;
    if (w->declared->udp_blocked) {
        /* Once TCP has passed, the devices of the world are ready; once it has passed again, a
         * datagram in between has, if it may. */
        if (explain_silence(w) != 0)
            return -1;
        tag = probe_send(&w->x, w->flows[0], &w->to_a);
        if (tag < 0 || explain_silence(w) != 0)
            return -1;
        probe_rest(&w->x, probe_now() + PH_MS);
        o->udp = tag_of(w, tag)->heard ? SEEN_YES : SEEN_NO;
        if (o->udp == SEEN_NO)
            return 0;
    }
    for (int i = 0; i < OBSERVE_FLOWS; i++) {
        if (!probe_ask(&w->x, w->flows[i], &w->to_a, &tag)) {
            if (tag < 0)
                return -1;
            /* Right after it was built, a world may lose what is sent until its devices are ready.
             * TCP passes when they are. */
            if (i == 0 && explain_silence(w) != 0)
                return -1;
            if (i == 0 && !probe_wait(&w->x, tag))
                return 0;
            if (i > 0)
                return lab_fail(w->x.err, LAB_BROKEN,
                                "socket %d of %d got no datagram through, the ones before it did",
                                i + 1, OBSERVE_FLOWS);
        }
        o->source[i] = w->x.sockets[w->flows[i]].addr;
        o->mapped[i] = tag_of(w, tag)->from;
        o->flow_count++;
    }
    o->udp = SEEN_YES;
    o->translated = SEEN_NO;
    for (size_t i = 0; i < o->flow_count; i++) {
        size_t k = 0;
        if (!ph_addr_ip_eq(&o->source[i], &o->mapped[i]))
            o->translated = SEEN_YES;
        while (k < i && !ph_addr_ip_eq(&o->mapped[k], &o->mapped[i]))
            k++;
        o->addresses += k == i ? 1 : 0;
    }
    return 0;
}

static int observe_mapping(struct bench *w)
{
    struct observation *o = w->o;
    int b[MAPPING_SOCKETS];
    int c[MAPPING_SOCKETS];
    bool by_address = false;
    bool by_port = false;
    for (int i = 0; i < MAPPING_SOCKETS; i++) {
        b[i] = probe_send(&w->x, w->flows[i], &w->to_b);
        c[i] = probe_send(&w->x, w->flows[i], &w->to_c);
        if (b[i] < 0 || c[i] < 0)
            return -1;
    }
    if (!probe_wait(&w->x, b[0]))
        return lab_fail(w->x.err, LAB_BROKEN,
                        "a socket that reached one outside endpoint did not reach another");
    for (int i = 0; i < MAPPING_SOCKETS; i++) {
        by_port = by_port || !ph_addr_eq(&tag_of(w, b[i])->from, &o->mapped[i]);
        by_address = by_address || !ph_addr_eq(&tag_of(w, c[i])->from, &o->mapped[i]);
    }
    if (by_port)
        o->mapping = NAT_MAPPING_APDM;
    else if (by_address)
        o->mapping = NAT_MAPPING_ADM;
    else if (o->translated == SEEN_YES)
        o->mapping = NAT_MAPPING_EIM;
    else
        o->mapping = NAT_MAPPING_NONE;
    return 0;
}

/* A round trip through an open mapping, both ways and out again: what was sent before it has
 * arrived by then, or never will. */
static int settle(struct bench *w)
{
    const struct observation *o = w->o;
    int socket = w->flows[SETTLE_FLOW];
    int tag;
    if (!probe_ask(&w->x, w->a, &o->mapped[SETTLE_FLOW], &tag) ||
        !probe_ask(&w->x, socket, &w->to_a, &tag) ||
        !probe_ask(&w->x, w->a, &o->mapped[SETTLE_FLOW], &tag))
        return tag < 0 ? -1
                       : lab_fail(w->x.err, LAB_BROKEN,
                                  "the outside endpoint that was sent to cannot answer");
    /* Another core may still carry one. */
    probe_rest(&w->x, probe_now() + PH_MS);
    return 0;
}

/* Filtering, hairpin and the gateway's own policy in one round: none of them answers a no. */
static int observe_admission(struct bench *w)
{
    struct observation *o = w->o;
    const struct nat_check_site *site = w->site;
    bool nat = o->mapping != NAT_MAPPING_NONE;
    bool composed = w->declared->inside[0] != '\0';
    struct ph_addr router = o->mapped[0];
    int hairpin = -1;
    int early = -1;
    int knock = -1;
    int fresh = -1;
    int tag;

    int same_address = probe_send(&w->x, w->b, &o->mapped[FILTER_FLOW]);
    int other_address = probe_send(&w->x, w->d, &o->mapped[FILTER_FLOW]);
    if (same_address < 0 || other_address < 0)
        return -1;
    if (nat) {
        router.port = DISCARD_PORT;
        if (open_outside(w, 0, &knock, NULL) != 0 || probe_connect(&w->x, knock, &router) != 0 ||
            probe_send(&w->x, knock, &router) < 0)
            return -1;
    }
    if (nat && !composed) {
        int sender = w->flows[SETTLE_FLOW];
        if (site->inside2_fd >= 0) {
            sender = open_inside(w, site->inside2_fd, &site->inside2, 1);
            if (sender < 0)
                return -1;
            if (!probe_ask(&w->x, sender, &w->to_a, &tag))
                return lab_fail(w->x.err, LAB_BROKEN, "the second inside host reaches nothing");
        }
        hairpin = probe_send(&w->x, sender, &o->mapped[HAIRPIN_FLOW]);
        if (hairpin < 0)
            return -1;
    }
    if (nat && o->allocation == NAT_ALLOC_PRESERVING) {
        struct ph_addr ahead = o->mapped[0];
        fresh = open_kept(w);
        if (fresh < 0)
            return -1;
        ahead.port = w->x.sockets[fresh].addr.port;
        early = probe_send(&w->x, w->e, &ahead);
        if (early < 0)
            return -1;
    }
    if (settle(w) != 0)
        return -1;

    if (heard_by(w, other_address, w->flows[FILTER_FLOW]))
        o->filtering = NAT_FILTERING_EIF;
    else if (heard_by(w, same_address, w->flows[FILTER_FLOW]))
        o->filtering = NAT_FILTERING_ADF;
    else
        o->filtering = NAT_FILTERING_APDF;
    if (knock >= 0)
        o->answers = w->x.sockets[knock].refused ? SEEN_YES : SEEN_NO;
    if (hairpin >= 0) {
        o->hairpin = heard_by(w, hairpin, w->flows[HAIRPIN_FLOW]) ? SEEN_YES : SEEN_NO;
        o->hairpin_inside = o->hairpin == SEEN_YES &&
                            !ph_addr_ip_eq(&tag_of(w, hairpin)->from, &o->mapped[HAIRPIN_FLOW]);
    }
    if (early >= 0 && !tag_of(w, early)->heard) {
        if (!probe_ask(&w->x, fresh, &w->x.sockets[w->e].addr, &tag)) {
            if (tag < 0)
                return -1;
            /* A mapping that cannot move is shut out for good: the trap at its worst. */
            o->trap = SEEN_YES;
        } else {
            o->trap =
                tag_of(w, tag)->from.port == w->x.sockets[fresh].addr.port ? SEEN_NO : SEEN_YES;
        }
    }
    return 0;
}

/* Two hosts with one source port, in the order that shows whether the second keeps one port: first
 * where nobody is in its way, then where the first already is. */
static int observe_contention(struct bench *w)
{
    struct observation *o = w->o;
    const struct nat_check_site *site = w->site;
    struct ph_addr at = site->inside2;
    int one_a;
    int two_c;
    int two_a;
    int first = open_kept(w);
    if (first < 0)
        return -1;
    at.port = w->x.sockets[first].addr.port;
    int second = probe_open(&w->x, site->inside2_fd, &at, 1);
    if (second < 0)
        return -1;
    if (!probe_ask(&w->x, first, &w->to_a, &one_a) || !probe_ask(&w->x, second, &w->to_c, &two_c) ||
        !probe_ask(&w->x, second, &w->to_a, &two_a))
        return w->x.tag_count == PROBE_TAGS_MAX
                   ? -1
                   : lab_fail(w->x.err, LAB_BROKEN,
                              "of two inside hosts with one source port the second is cut off");
    o->contention = ph_addr_eq(&tag_of(w, two_c)->from, &tag_of(w, two_a)->from) &&
                            !ph_addr_eq(&tag_of(w, two_c)->from, &tag_of(w, one_a)->from)
                        ? SEEN_YES
                        : SEEN_NO;
    return 0;
}

/* Only a computed port comes again when the NAT has forgotten everything. */
static int observe_repeats(struct bench *w)
{
    struct observation *o = w->o;
    int tags[MAPPING_SOCKETS];
    int same = 0;
    if (nat_flush(w->site->nat_fd, w->declared, w->x.err) != 0)
        return -1;
    for (int i = 0; i < MAPPING_SOCKETS; i++) {
        tags[i] = probe_send(&w->x, w->flows[i], &w->to_a);
        if (tags[i] < 0)
            return -1;
    }
    if (!probe_wait(&w->x, tags[0]))
        return lab_fail(w->x.err, LAB_BROKEN, "nothing passes after the NAT's table was flushed");
    for (int i = 0; i < MAPPING_SOCKETS; i++)
        same += ph_addr_eq(&tag_of(w, tags[i])->from, &o->mapped[i]) ? 1 : 0;
    /* Two sockets may have wanted one port; the later of them then had another. */
    o->repeats = same >= MAPPING_SOCKETS - 1 ? SEEN_YES : SEEN_NO;
    nat_observe_allocation(o);
    return 0;
}

int nat_observe(const struct nat_profile *declared, const struct nat_check_site *site,
                unsigned flags, struct observation *out, struct lab_error *err)
{
    struct bench w = {.declared = declared, .site = site, .o = out};
    int rc = -1;
    memset(out, 0, sizeof(*out));
    if (site->outside_count < 3)
        return lab_fail(err, LAB_BROKEN, "checking a NAT needs three outside addresses, not %zu",
                        site->outside_count);
    probe_init(&w.x, site->round_trip_ms, err);
    if (open_bench(&w) != 0 || observe_flows(&w) != 0)
        goto cleanup;
    if (out->udp == SEEN_NO) {
        rc = 0;
        goto cleanup;
    }
    nat_observe_allocation(out);
    if (observe_mapping(&w) != 0 || observe_admission(&w) != 0)
        goto cleanup;
    if (site->inside2_fd >= 0 && declared->inside[0] == '\0' && out->mapping == NAT_MAPPING_EIM &&
        observe_contention(&w) != 0)
        goto cleanup;
    if ((flags & NAT_CHECK_TIMEOUT) != 0 &&
        nat_observe_timeouts(&w.x, declared, w.a, site, out) != 0)
        goto cleanup;
    if (site->nat_fd >= 0 && out->translated == SEEN_YES &&
        out->allocation != NAT_ALLOC_PRESERVING && out->allocation != NAT_ALLOC_SEQUENTIAL &&
        observe_repeats(&w) != 0)
        goto cleanup;
    rc = 0;
cleanup:
    probe_fini(&w.x);
    return rc;
}
