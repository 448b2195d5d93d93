/* Between the shaper's handle and its process: one request and its reply at a time, each a packet
 * of a SOCK_SEQPACKET pair. */
#ifndef LAB_NET_SHAPER_PRIVATE_H
#define LAB_NET_SHAPER_PRIVATE_H

#include "lab/net/shaper.h"

#include <sys/types.h>

enum shaper_op {
    SHAPER_ADD,
    SHAPER_SET,
    SHAPER_RESET,
    SHAPER_STATS,
    SHAPER_REMOVE,
    SHAPER_TRANSLATE,
};

struct shaper_request {
    uint32_t op; /* enum shaper_op */
    uint32_t world;
    int32_t if_a, if_b;
    uint64_t seed;
    struct translator translator;
    uint64_t count;
    struct shaper_link links[SHAPER_LINKS_MAX]; /* only `count` of them are sent */
};

struct shaper_reply {
    int32_t status;
    int32_t code; /* enum lab_exit, when status is not 0 */
    uint64_t worst, packets;
    struct link_drops drops;
    char text[256];
};

/* The process: never returns. Its first reply says whether it could start, and carries the
 * descriptor of its namespace. */
__attribute__((noreturn)) void shaper_process(int control, pid_t parent);

#endif
