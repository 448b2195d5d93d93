#include "lab/nat/rules.h"

#include "lab/nat/ports.h"
#include "lab/nat/ruleset.h"

#include <stdlib.h>
#include <string.h>

#define SET_SIZE     2048u /* 256 openers and 1,200 probes of a call, and room */
#define SET_SIZE_MAX 4096u

void ruleset_plan(struct ruleset *rs)
{
    const struct nat_profile *p = rs->p;
    rs->keeps = nat_memory_of(p);
    /* What the other hosts behind this NAT keep alive comes on top. */
    uint64_t busy = (uint64_t)p->background.flows_per_second * p->timeout.udp_s;
    rs->size = busy + SET_SIZE < SET_SIZE_MAX ? (unsigned)busy + SET_SIZE : SET_SIZE_MAX;
    if (rs->keeps.drawn)
        rs->ports = nat_drawn_count(p);
}

void ruleset_learn(const struct ruleset *rs, const char *match, const char *name, const char *key,
                   const char *data)
{
    uint32_t seconds[2] = {rs->p->timeout.udp_s, rs->p->timeout.udp_stream_s};
    const char *status[2] = {"", "ct status assured "};
    for (int i = 0; i < (seconds[0] == seconds[1] ? 1 : 2); i++)
        (void)fprintf(rs->f,
                      "\t\toifname \"%s\" meta l4proto udp %s%s%supdate @%s { %s timeout "
                      "%us%s%s }\n",
                      rs->site->wan_if, match, match[0] != '\0' ? " " : "", status[i], name, key,
                      seconds[i], data != NULL ? " : " : "", data != NULL ? data : "");
}

/* What happens to new packets to the router itself from outside. */
static void write_gateway(const struct ruleset *rs)
{
    FILE *f = rs->f;
    const char *wan = rs->site->wan_if;
    bool pinned = nat_profile_pinned(rs->p);
    if (rs->p->gateway == NAT_GATEWAY_ACCEPT && !pinned)
        return;
    (void)fprintf(f,
                  "\tchain input {\n\t\ttype filter hook input priority filter\n"
                  "\t\tiifname \"%s\" ct state established,related accept\n",
                  wan);
    switch (rs->p->gateway) {
    case NAT_GATEWAY_ACCEPT:
        (void)fprintf(
            f,
            "\t\t# gateway accept: a mapping of this NAT cannot move to another port, and\n"
            "\t\t# an accepted packet would take its place. What a sender sees of a router\n"
            "\t\t# where nobody listens is the same.\n"
            "\t\tiifname \"%s\" meta l4proto udp reject with icmp type port-unreachable\n",
            wan);
        break;
    case NAT_GATEWAY_DROP:
        (void)fprintf(f, "\t\tiifname \"%s\" drop\n", wan);
        break;
    case NAT_GATEWAY_REJECT:
        (void)fprintf(f,
                      "\t\tiifname \"%s\" meta l4proto tcp reject with tcp reset\n"
                      "\t\tiifname \"%s\" reject with icmp type port-unreachable\n",
                      wan, wan);
        break;
    }
    (void)fprintf(f, "\t}\n");
}

static void write_nat(const struct ruleset *rs)
{
    FILE *f = rs->f;
    char lan[PH_ADDR_STRLEN];
    if (rs->p->mapping == NAT_MAPPING_NONE)
        return;
    /* The prerouting chain stands there even when empty: replies need it on some kernels. */
    (void)fprintf(f, "\tchain prerouting {\n\t\ttype nat hook prerouting priority dstnat\n");
    filtering_admit(rs);
    (void)fprintf(f, "\t}\n");
    mapping_translate(rs);
    if (rs->p->hairpin)
        mapping_hairpin(rs);
    (void)fprintf(f,
                  "\tchain postrouting {\n\t\ttype nat hook postrouting priority srcnat\n"
                  "\t\toifname \"%s\" meta l4proto udp goto translate\n"
                  "\t\toifname \"%s\" masquerade\n",
                  rs->site->wan_if, rs->site->wan_if);
    if (rs->p->hairpin)
        (void)fprintf(f,
                      "\t\tip saddr %s/%u oifname != \"%s\" meta l4proto udp ct status dnat "
                      "goto hairpin\n",
                      ph_addr_format_ip(&rs->site->lan, lan), rs->site->lan_prefix,
                      rs->site->wan_if);
    (void)fprintf(f, "\t}\n");
}

static void write_forwarding(const struct ruleset *rs)
{
    (void)fprintf(rs->f, "\tchain forwarding {\n\t\ttype filter hook forward priority filter\n");
    filtering_forward(rs);
    (void)fprintf(rs->f, "\t}\n");
}

static void write_table(const struct ruleset *rs)
{
    FILE *f = rs->f;
    (void)fprintf(f, "table ip pinhole {\n");
    mapping_declare(rs);
    filtering_declare(rs);
    write_gateway(rs);
    write_forwarding(rs);
    write_nat(rs);
    if (mapping_learns(rs) || filtering_learns(rs)) {
        (void)fprintf(f, "\tchain learn {\n"
                         "\t\ttype filter hook postrouting priority srcnat + 10\n");
        mapping_learn(rs);
        filtering_learn(rs);
        (void)fprintf(f, "\t}\n");
    }
    (void)fprintf(f, "}\n");
    if (rs->site->ipv6)
        ipv6_table(rs);
}

/* An interface's name goes into the text as it is. */
static bool name_fits(const char *name)
{
    size_t n = name == NULL ? 0 : strlen(name);
    return n > 0 && n < 16 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789_.-") == n;
}

static int site_fits(const struct nat_profile *p, const struct nat_site *site,
                     struct lab_error *err)
{
    if (!name_fits(site->wan_if) || !name_fits(site->lan_if))
        return lab_fail(err, LAB_BROKEN, "a NAT's interface has no usable name");
    if (site->wan_count < 1 || site->wan_count > NAT_POOL_MAX ||
        site->wan_count < p->pool.addresses)
        return lab_fail(err, LAB_BROKEN, "profile %s wants %u outside addresses, the site has %zu",
                        p->name, p->pool.addresses, site->wan_count);
    for (size_t i = 0; i < site->wan_count; i++)
        if (site->wan[i].family != PH_AF_V4)
            return lab_fail(err, LAB_BROKEN, "an outside address of a NAT is not IPv4");
    if (site->lan.family != PH_AF_V4 || site->lan_prefix > 32)
        return lab_fail(err, LAB_BROKEN, "the inside network of a NAT is not IPv4");
    if (site->subscriber_count > NAT_SUBSCRIBERS_MAX)
        return lab_fail(err, LAB_BROKEN, "a NAT has too many subscribers");
    return 0;
}

int nat_rules(const struct nat_profile *p, const struct nat_site *site, char **out,
              struct lab_error *err)
{
    struct nat_site used = *site;
    struct ruleset rs = {.p = p, .site = &used};
    char *text = NULL;
    size_t len = 0;
    if (nat_profile_validate(p, err) != 0 || site_fits(p, site, err) != 0)
        return -1;
    if (p->allocation.exclusive)
        return lab_fail(err, LAB_USAGE,
                        "profile %s: netfilter gives one port to flows of different destinations: "
                        "allocation.exclusive is for the simulator alone (--world sim)",
                        p->name);
    used.wan_count = p->pool.addresses;
    ruleset_plan(&rs);
    rs.f = open_memstream(&text, &len);
    if (rs.f == NULL)
        return lab_fail(err, LAB_CANNOT, "out of memory");
    write_table(&rs);
    if (fclose(rs.f) != 0 || text == NULL) {
        free(text);
        return lab_fail(err, LAB_CANNOT, "out of memory");
    }
    *out = text;
    return 0;
}
