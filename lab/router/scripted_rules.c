/* The scripted router's mappings in the kernel: a table of its own, whose chains come before the
 * NAT's, with a map in each direction. What a mapping lets in passes the NAT's forward chain as
 * anything that was translated does. */
#include "lab/net/nft.h"
#include "lab/router/scripted_child.h"

#include <stdio.h>
#include <stdlib.h>

char *scripted_rules(const struct router_site *site, bool translate_back)
{
    char wan[PH_ADDR_STRLEN];
    char *text = NULL;
    int n = asprintf(
        &text,
        "table ip pinhole_map {\n"
        "\tmap forward {\n\t\ttype inet_proto . inet_service : ipv4_addr . inet_service\n"
        "\t\tsize 256\n\t}\n"
        "\tmap back {\n\t\ttype inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service\n"
        "\t\tsize 256\n\t}\n"
        "\tmap wildcard {\n\t\ttype inet_proto : ipv4_addr\n\t\tsize 4\n\t}\n"
        "\tchain prerouting {\n\t\ttype nat hook prerouting priority dstnat - 10\n"
        "\t\tiifname \"%s\" ip daddr %s meta l4proto { tcp, udp } "
        "dnat ip to meta l4proto . th dport map @forward\n"
        "\t\tiifname \"%s\" ip daddr %s dnat ip to meta l4proto map @wildcard\n\t}\n"
        "\tchain postrouting {\n\t\ttype nat hook postrouting priority srcnat - 10\n"
        "\t\t%soifname \"%s\" meta l4proto { tcp, udp } "
        "snat ip to meta l4proto . ip saddr . th sport map @back\n\t}\n}\n",
        site->wan_if, ph_addr_format_ip(&site->wan, wan), site->wan_if, wan,
        translate_back ? "" : "#", site->wan_if);
    return n < 0 ? NULL : text;
}

int scripted_rules_load(const struct router_site *site, bool translate_back, struct lab_error *err)
{
    char *text = scripted_rules(site, translate_back);
    int rc = text == NULL ? lab_fail(err, LAB_CANNOT, "out of memory")
                          : nft_run(site->netns_fd, text, NULL, err);
    free(text);
    return rc;
}

int scripted_rules_map(const struct router_site *site, const struct scripted_mapping *m, bool on,
                       struct lab_error *err)
{
    char text[512], inside[PH_ADDR_STRLEN], wan[PH_ADDR_STRLEN];
    const char *verb = on ? "add" : "delete";
    const char *protocol = m->tcp ? "tcp" : "udp";
    (void)ph_addr_format_ip(&m->inside, inside);
    (void)ph_addr_format_ip(&site->wan, wan);
    if (m->wildcard)
        (void)snprintf(text, sizeof(text), "%s element ip pinhole_map wildcard { %s : %s }\n", verb,
                       protocol, inside);
    else
        (void)snprintf(text, sizeof(text),
                       "%s element ip pinhole_map forward { %s . %u : %s . %u }\n"
                       "%s element ip pinhole_map back { %s . %s . %u : %s . %u }\n",
                       verb, protocol, m->external, inside, m->inside.port, verb, protocol, inside,
                       m->inside.port, wan, m->external);
    return nft_run(site->netns_fd, text, NULL, err);
}
