#include "lab/net/nft.h"

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

static int run_here(const char *text, char **out, struct lab_error *err)
{
    struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
    int rc = 0;
    if (ctx == NULL)
        return lab_fail(err, LAB_CANNOT, "libnftables cannot open its netlink socket: %s", MEND);
    if (nft_ctx_buffer_error(ctx) != 0 || nft_ctx_buffer_output(ctx) != 0) {
        rc = lab_fail(err, LAB_CANNOT, "out of memory");
        goto cleanup;
    }
    if (nft_run_cmd_from_buffer(ctx, text) != 0) {
        rc = nft_failed(nft_ctx_get_error_buffer(ctx), err);
    } else if (out != NULL) {
        *out = strdup(nft_ctx_get_output_buffer(ctx));
        if (*out == NULL)
            rc = lab_fail(err, LAB_CANNOT, "out of memory");
    }
cleanup:
    nft_ctx_free(ctx);
    return rc;
}

int nft_run(int netns_fd, const char *text, char **out, struct lab_error *err)
{
    int home = netns_here(err);
    int rc = -1;
    if (out != NULL)
        *out = NULL;
    if (home < 0)
        return -1;
    if (netns_enter(netns_fd, err) == 0) {
        rc = run_here(text, out, err);
        if (netns_enter(home, err) != 0)
            rc = -1;
    }
    (void)close(home);
    return rc;
}
