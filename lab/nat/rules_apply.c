/* The rules and the sysctls into a namespace. */
#include "lab/nat/rules.h"
#include "lab/net/netns.h"
#include "lab/net/nft.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int write_sysctl(const char *name, uint32_t value, struct lab_error *err)
{
    char path[128];
    char text[16];
    (void)snprintf(path, sizeof(path), "net/%s", name);
    (void)snprintf(text, sizeof(text), "%u", value);
    return netns_sysctl(path, text, err);
}

static int write_sysctls(const struct nat_profile *p, const struct nat_site *site,
                         struct lab_error *err)
{
    char name[64];
    if (write_sysctl("ipv4/ip_forward", 1, err) != 0)
        return -1;
    if (p->hairpin) {
        /* A redirect would tell the sender that the receiver is its neighbour. */
        (void)snprintf(name, sizeof(name), "ipv4/conf/%s/send_redirects", site->lan_if);
        if (write_sysctl("ipv4/conf/all/send_redirects", 0, err) != 0 ||
            write_sysctl(name, 0, err) != 0)
            return -1;
    }
    if (p->mapping == NAT_MAPPING_NONE && !p->firewall &&
        !(site->ipv6 && nat_profile_ipv6(p) == NAT_IPV6_FIREWALL))
        return 0;
    if (write_sysctl("netfilter/nf_conntrack_udp_timeout", p->timeout.udp_s, err) != 0 ||
        write_sysctl("netfilter/nf_conntrack_udp_timeout_stream", p->timeout.udp_stream_s, err) !=
            0)
        return -1;
    return 0;
}

/* In one text, which is one transaction: each table of the new rules goes first, there or not. */
static char *after_deletion(const char *rules)
{
    static const char *const tables[] = {"table ip pinhole", "table ip6 pinhole"};
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (f == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        if (strstr(rules, tables[i]) != NULL)
            (void)fprintf(f, "%s\ndelete %s\n", tables[i], tables[i]);
    (void)fputs(rules, f);
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}

int nat_reload(int netns_fd, const struct nat_profile *p, const struct nat_site *site,
               struct lab_error *err)
{
    char *rules = NULL;
    if (nat_rules(p, site, &rules, err) != 0)
        return -1;
    char *text = after_deletion(rules);
    int rc = text != NULL ? nft_run(netns_fd, text, NULL, err)
                          : lab_fail(err, LAB_CANNOT, "out of memory");
    free(text);
    free(rules);
    return rc;
}

int nat_apply(int netns_fd, const struct nat_profile *p, const struct nat_site *site,
              struct lab_error *err)
{
    char *text = NULL;
    int rc = -1;
    int home = -1;
    if (nat_rules(p, site, &text, err) != 0)
        return -1;
    if (nft_run(netns_fd, text, NULL, err) != 0)
        goto cleanup;
    home = netns_here(err);
    if (home < 0 || netns_enter(netns_fd, err) != 0)
        goto cleanup;
    rc = write_sysctls(p, site, err);
    if (netns_enter(home, err) != 0)
        rc = -1;
cleanup:
    if (home >= 0)
        (void)close(home);
    free(text);
    return rc;
}
