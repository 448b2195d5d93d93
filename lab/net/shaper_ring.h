/* The frames that a packet socket receives, in memory that it shares with the kernel: none of it is
 * charged to the socket's buffer, whose limit (net.core.rmem_max) only root may exceed. */
#ifndef LAB_NET_SHAPER_RING_H
#define LAB_NET_SHAPER_RING_H

#include "base/time.h"
#include "lab/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shaper_ring {
    uint8_t *mem;
    size_t next; /* the slot that the next frame is in */
};

struct shaper_ring_frame {
    const uint8_t *data; /* until its slot is given back */
    size_t len;
    int if_in;
    ph_ns stamp; /* when it came in, by the wall clock */
    bool cut;    /* it is longer than a slot */
};

/* For a packet socket that is not bound yet. The ring goes with the process. */
int shaper_ring_open(struct shaper_ring *r, int sock, struct lab_error *err);
/* How many frames wait, `most` at most. */
size_t shaper_ring_ready(const struct shaper_ring *r, size_t most);
/* The oldest of them: only after shaper_ring_ready() has seen it. */
void shaper_ring_front(const struct shaper_ring *r, struct shaper_ring_frame *out);
/* Gives the oldest one's slot back to the kernel. */
void shaper_ring_pop(struct shaper_ring *r);

#endif
