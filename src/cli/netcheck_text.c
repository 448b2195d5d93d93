/* The report for people: at a glance, the verdict last. */
#include "cli/netcheck.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#define LABEL "%-14s"

const char *netcheck_name(const struct netcheck_view *v, const struct ph_addr *addr)
{
    for (size_t i = 0; i < v->name_count; i++) {
        if (ph_addr_eq(&v->names[i].addr, addr)) {
            return v->names[i].text;
        }
    }
    return NULL;
}

enum ph_answer netcheck_udp(const struct ph_netcheck_report *r)
{
    if (r->v4.udp == PH_YES || r->v6.udp == PH_YES) {
        return PH_YES;
    }
    if (r->v4.udp == PH_NO || r->v6.udp == PH_NO) {
        return PH_NO;
    }
    /* Without any address nobody needs to be asked. */
    return r->ipv4 == PH_NO && r->ipv6 == PH_NO ? PH_NO : PH_ANSWER_UNKNOWN;
}

static bool anybody_was_asked(const struct ph_netcheck_report *r)
{
    return r->v4.sample_count + r->v6.sample_count > 0;
}

/* ---- The verdict */

struct phrase {
    char *buf;
    size_t cap, len;
};

__attribute__((format(printf, 2, 3))) static void say(struct phrase *p, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(p->buf + p->len, p->cap - p->len, fmt, ap);
    va_end(ap);
    if (n > 0) {
        p->len = p->len + (size_t)n < p->cap ? p->len + (size_t)n : p->cap - 1;
    }
}

/* "a", "a or b", "a, b or c" of the stages with that chance; how many there are. */
static size_t say_stages(struct phrase *p, const struct ph_outlook *o, enum ph_chance chance)
{
    const struct {
        enum ph_chance chance;
        const char *name;
    } stages[] = {
        {o->portmap, "a mapped port"},
        {o->punch, "hole punching"},
        {o->predict, "port prediction"},
        {o->birthday, "port guessing"},
    };
    size_t left = 0, n;

    for (size_t i = 0; i < 4; i++) {
        left += stages[i].chance == chance ? 1 : 0;
    }
    n = left;
    for (size_t i = 0; i < 4; i++) {
        if (stages[i].chance == chance) {
            left--;
            say(p, "%s%s", stages[i].name, left == 0 ? "" : left == 1 ? " or " : ", ");
        }
    }
    return n;
}

static bool has(const struct ph_outlook *o, enum ph_chance chance)
{
    return o->portmap == chance || o->punch == chance || o->predict == chance ||
           o->birthday == chance;
}

static void say_outlook(struct phrase *p, const struct ph_outlook *o)
{
    if (has(o, PH_CHANCE_GOOD)) {
        say(p, "direct by ");
        say_stages(p, o, PH_CHANCE_GOOD);
    } else if (has(o, PH_CHANCE_SOME)) {
        say(p, "maybe direct by ");
        say_stages(p, o, PH_CHANCE_SOME);
        say(p, ", else by relay");
    } else if (has(o, PH_CHANCE_UNKNOWN)) {
        say(p, "not known, by relay at least");
    } else {
        say(p, "by relay");
    }
}

char *netcheck_verdict(const struct ph_netcheck_report *r, char buf[NETCHECK_VERDICT])
{
    struct phrase p = {.buf = buf, .cap = NETCHECK_VERDICT};

    buf[0] = '\0';
    if (netcheck_udp(r) == PH_YES) {
        say(&p, "against an easy peer: ");
        say_outlook(&p, &r->easy);
        say(&p, "; against a hard peer: ");
        say_outlook(&p, &r->hard);
    } else if (netcheck_udp(r) == PH_NO) {
        say(&p, anybody_was_asked(r)
                    ? "no server answered: UDP is blocked here, or none of them is up; calls need "
                      "a relay that answers"
                    : "this machine has no IP address that leads anywhere: no call can be made "
                      "from here");
    } else {
        say(&p, "no server was asked that can be reached from here: name a relay or a STUN server");
    }
    return buf;
}

/* ---- Lines */

static void family_line(FILE *to, const char *label, enum ph_answer answer,
                        const struct ph_nat_facts *f, bool nat64)
{
    char text[PH_ADDR_STRLEN];

    fprintf(to, LABEL "%s%s", label, ph_answer_name(answer),
            nat64 ? ", by the network's NAT64" : "");
    if (ph_addr_is_set(&f->reflexive)) {
        fprintf(to, ", seen as %s", ph_addr_format(&f->reflexive, text));
    } else if (answer == PH_NO) {
        fprintf(to, f->sample_count > 0 ? ", no server answered" : ", no address");
    } else if (f->sample_count == 0) {
        fprintf(to, ", no server was asked");
    }
    fputc('\n', to);
}

static void allocation_line(FILE *to, const struct ph_allocation *a)
{
    char text[PH_ALLOCATION_TEXT];

    fprintf(to, LABEL "%s", "allocation", ph_nat_allocation_text(a, text));
    if (a->type != PH_ALLOCATION_UNKNOWN) {
        fprintf(to, " (%.0f%% sure, %zu samples)", 100 * a->confidence, a->samples);
    }
    if ((a->type == PH_ALLOCATION_BLOCK || a->type == PH_ALLOCATION_RANDOM) && a->high != 0) {
        fprintf(to, ", ports %u-%u", a->low, a->high);
    }
    if (a->type == PH_ALLOCATION_SEQUENTIAL && a->cross_rate >= 0) {
        fprintf(to, ", %.1f flows/s of others (%.1f to %.1f)", a->cross_rate, a->cross_low,
                a->cross_high);
    }
    if (a->addresses > 1) {
        fprintf(to, ", %zu outside addresses", a->addresses);
    }
    fputc('\n', to);
}

static void lifetime_line(FILE *to, const struct ph_lifetime *l)
{
    fprintf(to, LABEL, "lifetime");
    if (l->at_least == 0 && l->less_than == PH_NEVER) {
        fprintf(to, "unknown\n");
    } else if (l->less_than == PH_NEVER) {
        fprintf(to, "at least %.0f s idle\n", ph_ns_to_ms(l->at_least) / 1000);
    } else {
        fprintf(to, "between %.0f and %.0f s idle\n", ph_ns_to_ms(l->at_least) / 1000,
                ph_ns_to_ms(l->less_than) / 1000);
    }
}

static void behaviour_lines(FILE *to, const struct netcheck_view *v, const struct ph_nat_facts *f)
{
    fprintf(to, LABEL "%s%s\n", "mapping", ph_mapping_behaviour_name(f->mapping),
            f->mapping == PH_MAPPING_NONE ? " (no NAT)"
            : f->mapping_guessed          ? " (likely)"
                                          : "");
    fprintf(to, LABEL "%s\n", "filtering", ph_filtering_behaviour_name(f->filtering));
    if (f->mapping != PH_MAPPING_NONE) {
        allocation_line(to, &f->allocation);
        fprintf(to, LABEL "%s\n", "hairpin", ph_answer_name(f->hairpin));
    }
    if (v->asked_lifetime) {
        lifetime_line(to, &f->lifetime);
    }
    if (f->liars > 0) {
        fprintf(to, LABEL "%zu server%s said what does not hold\n", "liars", f->liars,
                f->liars == 1 ? "" : "s");
    }
}

static void sample_lines(FILE *to, const struct netcheck_view *v, const struct ph_nat_facts *f,
                         const char *label)
{
    char server[PH_ADDR_STRLEN], mapped[PH_ADDR_STRLEN];

    if (f->sample_count == 0) {
        return;
    }
    fprintf(to, "\n%s\n", label);
    for (size_t i = 0; i < f->sample_count; i++) {
        const struct ph_nat_sample *s = &f->samples[i];
        const char *name = netcheck_name(v, &s->server);

        fprintf(to, "  %2u %7.1f ms  %-22s -> %s%s%s%s\n", s->order,
                ph_ns_to_ms(s->sent - f->samples[0].sent), ph_addr_format(&s->server, server),
                ph_addr_is_set(&s->mapped) ? ph_addr_format(&s->mapped, mapped) : "no answer",
                name ? "  (" : "", name ? name : "", name ? ")" : "");
    }
}

/* Of a mapping that was made and given back, the first is what matters to who reads. */
static const char *said_to_people(enum ph_portmap_said said)
{
    return said == PH_PORTMAP_RELEASED ? "maps" : ph_portmap_said_name(said);
}

/* What a router says of itself, without what a terminal would obey. */
static void print_foreign(FILE *to, const char *text, size_t cap)
{
    for (size_t i = 0; i < cap && text[i] != '\0'; i++) {
        fputc(isprint((unsigned char)text[i]) ? text[i] : '?', to);
    }
}

static void portmap_lines(FILE *to, const struct netcheck_view *v)
{
    const struct ph_netcheck_report *r = &v->report;
    char text[PH_ADDR_STRLEN];

    if (!v->asked_portmap) {
        return;
    }
    fprintf(to, "\nport mapping\n");
    for (int p = 0; p < PH_PORTMAP_PROTOCOLS; p++) {
        const struct ph_portmap_protocol_report *x = &r->portmap[p];

        fprintf(to, "  %-8s %s", ph_portmap_protocol_name((enum ph_portmap_protocol)p),
                said_to_people(x->said));
        if (ph_addr_is_set(&x->server)) {
            fprintf(to, "  by %s", ph_addr_format_ip(&x->server, text));
        }
        if (ph_addr_is_set(&x->external)) {
            fprintf(to, "  outside %s",
                    x->external.port ? ph_addr_format(&x->external, text)
                                     : ph_addr_format_ip(&x->external, text));
        }
        if (x->took > 0) {
            fprintf(to, "  %.1f ms", ph_ns_to_ms(x->took));
        }
        if (x->text[0] != '\0' && x->said != PH_PORTMAP_SILENT) {
            fprintf(to, "  ");
            print_foreign(to, x->text, sizeof(x->text));
        }
        fputc('\n', to);
    }
    if (r->mapped && r->double_nat == PH_YES) {
        fprintf(to, "  behind the second NAT a mapped port is of no use\n");
    }
}

static void relay_lines(FILE *to, const struct netcheck_view *v)
{
    char text[PH_ADDR_STRLEN];

    if (v->report.relay_count == 0) {
        return;
    }
    fprintf(to, "\nrelays\n");
    for (size_t i = 0; i < v->report.relay_count; i++) {
        const struct ph_netcheck_relay_report *r = &v->report.relays[i];
        const char *name = netcheck_name(v, &r->relay.addr);

        fprintf(to, "  %-22s ", ph_addr_format(&r->relay.addr, text));
        if (r->answered) {
            fprintf(to, "%8.1f ms%s", ph_ns_to_ms(r->rtt), i == 0 ? "  preferred" : "");
        } else {
            fprintf(to, "  no answer");
        }
        fprintf(to, "%s%s%s\n", name ? "  (" : "", name ? name : "", name ? ")" : "");
    }
}

static void verdict_lines(FILE *to, const struct ph_netcheck_report *r)
{
    const struct {
        const char *peer;
        const struct ph_outlook *outlook;
    } lines[] = {
        {"easy peer (behind an ordinary home router)", &r->easy},
        {"hard peer (behind a NAT of random ports)", &r->hard},
    };
    char buf[NETCHECK_VERDICT];

    if (netcheck_udp(r) != PH_YES) {
        fprintf(to, "\n%s\n", netcheck_verdict(r, buf));
        return;
    }
    fprintf(to, "\ncalls\n");
    for (size_t i = 0; i < 2; i++) {
        struct phrase p = {.buf = buf, .cap = sizeof(buf)};

        say_outlook(&p, lines[i].outlook);
        fprintf(to, "  %-44s %s\n", lines[i].peer, buf);
    }
}

void netcheck_text(FILE *to, const struct netcheck_view *v)
{
    const struct ph_netcheck_report *r = &v->report;
    bool v4 = r->v4.udp == PH_YES, v6 = r->v6.udp == PH_YES;

    fprintf(to, LABEL "%s\n", "UDP", ph_answer_name(netcheck_udp(r)));
    family_line(to, "IPv4", r->ipv4, &r->v4, r->nat64);
    if (v4) {
        behaviour_lines(to, v, &r->v4);
        fprintf(to, LABEL "%s\n", "double NAT", ph_answer_name(r->double_nat));
    }
    family_line(to, "IPv6", r->ipv6, &r->v6, false);
    if (v6) {
        behaviour_lines(to, v, &r->v6);
    }
    sample_lines(to, v, &r->v4, "samples");
    sample_lines(to, v, &r->v6, "samples, IPv6");
    portmap_lines(to, v);
    relay_lines(to, v);
    verdict_lines(to, r);
    fprintf(to, "\n(%.0f ms)\n", ph_ns_to_ms(r->took));
}
