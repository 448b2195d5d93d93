/* The rules and the sysctls into a namespace. */
#include "lab/nat/rules.h"
#include "lab/net/netns.h"

#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEND                                                                                       \
    "sudo modprobe -a nf_tables nf_conntrack nf_nat nft_ct nft_nat nft_masq nft_chain_nat "        \
    "nft_reject_ipv4 nft_hash nft_numgen nft_limit nft_connlimit"

/* libnftables says what the kernel said as text alone. */
static int nft_failed(const char *said, struct lab_error *err)
{
    char line[400];
    size_t n = strcspn(said, "\n");
    if (n == 0)
        said = "nothing", n = 7;
    (void)snprintf(line, sizeof(line), "%.*s", (int)(n < sizeof(line) ? n : sizeof(line) - 1),
                   said);
    if (strstr(said, "Operation not permitted") != NULL)
        return lab_fail(err, LAB_CANNOT,
                        "nftables refuses this process (%s): run it as root or where user "
                        "namespaces are allowed (natlab doctor)",
                        line);
    if (strstr(said, "Operation not supported") != NULL || strstr(said, "Protocol not") != NULL ||
        strstr(said, "No such file or directory") != NULL ||
        strstr(said, "netlink socket") != NULL || strstr(said, "cache init") != NULL)
        return lab_fail(err, LAB_CANNOT, "this kernel lacks a part of nftables (%s): %s", line,
                        MEND);
    return lab_fail(err, LAB_BROKEN, "nftables did not take the rules: %s", line);
}

static int load_rules(const char *text, struct lab_error *err)
{
    struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
    int rc = 0;
    if (ctx == NULL)
        return lab_fail(err, LAB_CANNOT, "libnftables cannot open its netlink socket: %s", MEND);
    if (nft_ctx_buffer_error(ctx) != 0 || nft_ctx_buffer_output(ctx) != 0) {
        rc = lab_fail(err, LAB_CANNOT, "out of memory");
        goto cleanup;
    }
    if (nft_run_cmd_from_buffer(ctx, text) != 0)
        rc = nft_failed(nft_ctx_get_error_buffer(ctx), err);
cleanup:
    nft_ctx_free(ctx);
    return rc;
}

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
    if (p->mapping == NAT_MAPPING_NONE && !p->firewall)
        return 0;
    if (write_sysctl("netfilter/nf_conntrack_udp_timeout", p->timeout.udp_s, err) != 0 ||
        write_sysctl("netfilter/nf_conntrack_udp_timeout_stream", p->timeout.udp_stream_s, err) !=
            0)
        return -1;
    return 0;
}

int nat_apply(int netns_fd, const struct nat_profile *p, const struct nat_site *site,
              struct lab_error *err)
{
    char *text = NULL;
    int rc = -1;
    int home = -1;
    if (nat_rules(p, site, &text, err) != 0)
        return -1;
    home = netns_here(err);
    if (home < 0 || netns_enter(netns_fd, err) != 0)
        goto cleanup;
    rc = load_rules(text, err);
    if (rc == 0)
        rc = write_sysctls(p, site, err);
    if (netns_enter(home, err) != 0)
        rc = -1;
cleanup:
    if (home >= 0)
        (void)close(home);
    free(text);
    return rc;
}
