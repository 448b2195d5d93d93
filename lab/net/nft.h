/* nftables commands in a network namespace, by libnftables. */
#ifndef LAB_NET_NFT_H
#define LAB_NET_NFT_H

#include "lab/error.h"

/* Runs commands as `nft -f` reads them. What they print goes to *out, malloc'ed; out may be NULL.
 * LAB_CANNOT where the process or the kernel cannot, with the mend; LAB_BROKEN where the text was
 * not taken. */
int nft_run(int netns_fd, const char *text, char **out, struct lab_error *err);

#endif
