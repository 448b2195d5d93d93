/* A batch of requests being written. Private to rtnl.c, which sends it, and rtnl_requests.c. */
#ifndef LAB_NET_RTNL_PRIVATE_H
#define LAB_NET_RTNL_PRIVATE_H

#include "lab/net/rtnl.h"

#include <netlink/msg.h>
#include <netlink/netlink.h>

#define BATCH_BYTES    65536
#define BATCH_REQUESTS 512
#define WHAT_LEN       64

struct rtnl {
    struct nl_sock *sock;
    uint32_t seq;   /* of the next request */
    uint32_t first; /* of the batch */
    size_t len;
    size_t last; /* where the last request of the batch starts */
    bool bad;    /* a request did not fit, or there was no memory */
    char what[BATCH_REQUESTS][WHAT_LEN];
    _Alignas(NLMSG_ALIGNTO) uint8_t bytes[BATCH_BYTES];
};

/* A new request with the next number; NULL, and the batch is bad, when there is no memory. */
struct nl_msg *rtnl_request(struct rtnl *r, int type, int flags);
/* Takes the request over, under a name for people. failed: an attribute did not fit. */
__attribute__((format(printf, 4, 5))) void rtnl_append(struct rtnl *r, struct nl_msg *msg,
                                                       bool failed, const char *fmt, ...);

#endif
