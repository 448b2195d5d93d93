/* What the box does with IPv6: nothing is translated, so there is a chain at the forward hook and
 * no more. */
#include "lab/nat/ruleset.h"

void ipv6_table(const struct ruleset *rs)
{
    FILE *f = rs->f;
    const char *wan = rs->site->wan_if;
    enum nat_ipv6 kind = nat_profile_ipv6(rs->p);
    if (kind == NAT_IPV6_OPEN && !rs->p->udp_blocked)
        return;
    (void)fprintf(f, "table ip6 pinhole {\n\tchain forwarding {\n"
                     "\t\ttype filter hook forward priority filter\n");
    if (rs->p->udp_blocked)
        (void)fprintf(f, "\t\tmeta l4proto udp drop\n");
    if (kind == NAT_IPV6_BLOCK)
        (void)fprintf(f, "\t\tiifname \"%s\" drop\n\t\toifname \"%s\" drop\n", wan, wan);
    if (kind == NAT_IPV6_FIREWALL)
        (void)fprintf(
            f, "\t\tiifname \"%s\" ct state established,related accept\n\t\tiifname \"%s\" %s\n",
            wan, wan,
            rs->p->gateway == NAT_GATEWAY_REJECT ? "reject with icmpv6 type admin-prohibited"
                                                 : "drop");
    (void)fprintf(f, "\t}\n}\n");
}
