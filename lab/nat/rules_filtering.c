/* Who may send in from outside: the chains `prerouting` and `forwarding`, and what they remember.
 *
 * @fc finds the inside endpoint of a public port; it is keyed on the port AFTER translation and fed
 * behind srcnat. @seen holds whom a public port has sent to (address-dependent filtering); it is
 * asked in prerouting, so that what it refuses meets the gateway's own policy, as in a real router.
 */
#include "lab/nat/ruleset.h"

static bool pooled(const struct ruleset *rs)
{
    return rs->site->wan_count > 1;
}

void filtering_declare(const struct ruleset *rs)
{
    FILE *f = rs->f;
    const char *ip = pooled(rs) ? "ipv4_addr . " : "";
    const char *dynamic = "flags dynamic,timeout";
    if (rs->keeps.forwards)
        (void)fprintf(f,
                      "\tmap fc {\n\t\ttype %sinet_service : ipv4_addr . inet_service\n"
                      "\t\tsize %u\n\t\t%s\n\t}\n",
                      ip, rs->size, dynamic);
    if (rs->p->filtering == NAT_FILTERING_ADF) {
        if (rs->p->mapping == NAT_MAPPING_NONE)
            ip = "ipv4_addr . ";
        (void)fprintf(f,
                      "\tset seen {\n\t\ttype %sinet_service . ipv4_addr\n"
                      "\t\tsize %u\n\t\t%s\n\t}\n",
                      ip, rs->size, dynamic);
    }
}

/* "{ 192.0.2.1, 192.0.2.2 }" */
static void wan_set(const struct ruleset *rs)
{
    char ip[PH_ADDR_STRLEN];
    (void)fprintf(rs->f, "{ ");
    for (size_t i = 0; i < rs->site->wan_count; i++)
        (void)fprintf(rs->f, "%s%s", i > 0 ? ", " : "", ph_addr_format_ip(&rs->site->wan[i], ip));
    (void)fprintf(rs->f, " }");
}

void filtering_admit(const struct ruleset *rs)
{
    FILE *f = rs->f;
    const char *to = pooled(rs) ? "ip daddr . udp dport" : "udp dport";
    if (!rs->keeps.forwards)
        return;
    if (rs->p->filtering == NAT_FILTERING_EIF)
        (void)fprintf(f, "\t\tiifname \"%s\" meta l4proto udp dnat to %s map @fc\n",
                      rs->site->wan_if, to);
    else if (rs->p->filtering == NAT_FILTERING_ADF)
        (void)fprintf(
            f, "\t\tiifname \"%s\" meta l4proto udp %s . ip saddr @seen dnat to %s map @fc\n",
            rs->site->wan_if, to, to);
    if (rs->p->hairpin) {
        /* Inside hosts are let in by anyone's mapping, whatever holds for outside ones. */
        (void)fprintf(f, "\t\tiifname \"%s\" meta l4proto udp ip daddr ", rs->site->lan_if);
        wan_set(rs);
        (void)fprintf(f, " dnat to %s map @fc\n", to);
    }
}

void filtering_forward(const struct ruleset *rs)
{
    FILE *f = rs->f;
    const struct nat_profile *p = rs->p;
    const char *wan = rs->site->wan_if;
    const char *lan = rs->site->lan_if;
    if (p->udp_blocked)
        (void)fprintf(f, "\t\tmeta l4proto udp drop\n");
    if (p->limits.mappings > 0)
        (void)fprintf(f, "\t\tiifname \"%s\" meta l4proto udp ct state new ct count over %u drop\n",
                      lan, p->limits.mappings);
    if (p->limits.new_per_second > 0)
        (void)fprintf(f,
                      "\t\tiifname \"%s\" meta l4proto udp ct state new limit rate over %u/second "
                      "burst %u packets drop\n",
                      lan, p->limits.new_per_second, p->limits.new_per_second);
    if (p->mapping == NAT_MAPPING_NONE && p->filtering == NAT_FILTERING_EIF)
        return;
    (void)fprintf(f, "\t\tiifname \"%s\" ct state established,related accept\n", wan);
    if (p->mapping != NAT_MAPPING_NONE)
        (void)fprintf(f, "\t\tiifname \"%s\" ct status dnat accept\n", wan);
    else if (p->filtering == NAT_FILTERING_ADF)
        (void)fprintf(f,
                      "\t\tiifname \"%s\" meta l4proto udp "
                      "ip daddr . udp dport . ip saddr @seen accept\n",
                      wan);
    (void)fprintf(f, "\t\tiifname \"%s\" drop\n", wan);
}

bool filtering_learns(const struct ruleset *rs)
{
    return rs->keeps.forwards || rs->p->filtering == NAT_FILTERING_ADF;
}

void filtering_learn(const struct ruleset *rs)
{
    const char *from = pooled(rs) ? "ip saddr . udp sport" : "udp sport";
    if (rs->keeps.forwards) {
        ruleset_learn(rs, "ct direction original", "fc", from,
                      "ct original ip saddr . ct original proto-src");
        /* A mapping that is kept alive by answers alone. */
        ruleset_learn(rs, "ct direction reply", "fc", from,
                      "ct reply ip saddr . ct reply proto-src");
    }
    if (rs->p->filtering == NAT_FILTERING_ADF) {
        char key[64];
        (void)snprintf(key, sizeof(key), "%s . ip daddr",
                       rs->p->mapping == NAT_MAPPING_NONE ? "ip saddr . udp sport" : from);
        ruleset_learn(rs, "", "seen", key, NULL);
    }
}
