/* What a link does to the packets that cross it. */
#ifndef LAB_NET_LINK_H
#define LAB_NET_LINK_H

#include <stdint.h>

/* In one direction. All zero: nothing at all. */
struct link_direction {
    uint64_t delay_ns;
    uint64_t jitter_ns; /* uniform in +- jitter, order is kept */
    double loss;        /* 0..1 */
    uint64_t rate_bps;  /* 0: none; a queue of 100 ms drains at it, then drops */
};

struct link_params {
    struct link_direction up; /* away from the host: from between[0] to between[1] */
    struct link_direction down;
};

/* Packets that links lost: by their loss, or for want of room before a rate. */
struct link_drops {
    uint64_t packets;
    uint64_t large; /* of at least LINK_LARGE bytes of UDP payload: only these can hold a media
                     * frame (PH_MEDIA_GOOD_BYTES, call/media.h) */
};

#define LINK_LARGE 72

#endif
