/* The shaper: one process that carries the frames of every link that has delay, jitter, loss or a
 * rate. Such a link is two veth pairs whose inner ends stand in the shaper's namespace; what comes
 * in on one leaves on the other, when it is time. Frames of any protocol pass.
 *
 * Order is kept in each direction. Loss and jitter come from a generator for each direction, seeded
 * by the world's seed and the place of the link in its world, so they repeat; broadcast, multicast
 * and ARP frames are delayed alone and draw nothing, so that what a kernel sends of its own accord
 * does not shift the sequence. A rate counts whole frames.
 *
 * The process dies with the thread that started it. */
#ifndef LAB_NET_SHAPER_H
#define LAB_NET_SHAPER_H

#include "lab/error.h"
#include "lab/net/link.h"
#include "lab/net/translator.h"

#include <stddef.h>
#include <stdint.h>

#define SHAPER_LINKS_MAX 128 /* of one world */
#define SHAPER_FRAME_MAX 2048
/* A frame that the shaper itself had to lose (no room, too long) counts as this late. */
#define SHAPER_LOST_NS 1000000000u

struct shaper;

struct shaper_link {
    int if_a;                  /* the end that was named first when the link was added */
    struct link_params params; /* up: from a to b */
};

/* Forks the process; it makes a fresh network namespace of its own. */
int shaper_start(struct shaper **out, struct lab_error *err);
/* The namespace's descriptor, owned by the shaper: the inner ends of links are made there. */
int shaper_netns(const struct shaper *s);

/* world: an id of the caller's choice that groups links. if_a, if_b: the inner ends. Frames pass at
 * once until the link is set. */
int shaper_link_add(struct shaper *s, uint32_t world, int if_a, int if_b, struct lab_error *err);
/* Frames of the link that if_a belongs to are translated from now on: IPv6 to IPv4 and back. */
int shaper_link_translate(struct shaper *s, int if_a, const struct translator *translator,
                          struct lab_error *err);
/* Links that are not named stay as they are. All are seeded anew. */
int shaper_world_set(struct shaper *s, uint32_t world, const struct shaper_link *links, size_t n,
                     uint64_t seed, struct lab_error *err);
/* Drops what is under way, seeds anew, zeroes the statistics. */
int shaper_world_reset(struct shaper *s, uint32_t world, uint64_t seed, struct lab_error *err);
/* Since the last reset: how late the latest frame was sent, and how many were sent. */
int shaper_world_stats(struct shaper *s, uint32_t world, uint64_t *worst_lateness_ns,
                       uint64_t *packets, struct lab_error *err);
/* Since the last reset: the frames that the links' loss and rates took. */
int shaper_world_drops(struct shaper *s, uint32_t world, struct link_drops *out,
                       struct lab_error *err);
/* Forgets the world and its links. */
int shaper_world_remove(struct shaper *s, uint32_t world, struct lab_error *err);

/* Ends the process and waits until it is gone. NULL is allowed. */
void shaper_stop(struct shaper *s);

#endif
