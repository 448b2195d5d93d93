/* What the shaper decides, without clock and sockets: which frame leaves where and when. Each
 * direction of a link is a queue whose order holds, so the heap has one entry for each of them. */
#ifndef LAB_NET_SHAPER_TABLE_H
#define LAB_NET_SHAPER_TABLE_H

#include "base/heap.h"
#include "base/time.h"
#include "lab/net/shaper.h"

#include <stdbool.h>

struct shaper_world;

struct shaper_frame {
    struct shaper_frame *next;
    struct shaper_world *world; /* valid until the next change of the table */
    ph_ns deadline;
    int if_out;
    size_t len;
    uint8_t data[SHAPER_FRAME_MAX];
};

struct shaper_table;

/* frames: how many there are at most, those at the caller's included. */
int shaper_table_new(size_t frames, struct shaper_table **out, struct lab_error *err);
void shaper_table_free(struct shaper_table *t);

/* The frames' owner. NULL: none left. */
struct shaper_frame *shaper_table_frame(struct shaper_table *t);
void shaper_table_give_back(struct shaper_table *t, struct shaper_frame *f);

/* Queues a frame of f->len bytes that came in at `stamp`, or drops it. Returns an empty frame for
 * the caller to go on with: another one, or the same. */
struct shaper_frame *shaper_table_offer(struct shaper_table *t, struct shaper_frame *f, int if_in,
                                        ph_ns stamp);
/* Frames that never got as far: counted as SHAPER_LOST_NS late, in every world when if_in is 0. */
void shaper_table_lost(struct shaper_table *t, int if_in);

/* When the next frame is due; PH_NEVER: nothing waits. */
ph_ns shaper_table_next(const struct shaper_table *t);
/* Takes out a frame that is due; NULL: none. Then it is sent (or could not be), and given back. */
struct shaper_frame *shaper_table_due(struct shaper_table *t, ph_ns now);
void shaper_table_sent(struct shaper_table *t, struct shaper_frame *f, ph_ns now);

/* As in shaper.h. */
int shaper_table_add(struct shaper_table *t, uint32_t world, int if_a, int if_b,
                     struct lab_error *err);
int shaper_table_translate(struct shaper_table *t, int if_a, const struct translator *translator,
                           struct lab_error *err);
int shaper_table_set(struct shaper_table *t, uint32_t world, const struct shaper_link *links,
                     size_t n, uint64_t seed, struct lab_error *err);
int shaper_table_reset(struct shaper_table *t, uint32_t world, uint64_t seed,
                       struct lab_error *err);
int shaper_table_stats(struct shaper_table *t, uint32_t world, uint64_t *worst, uint64_t *packets,
                       struct lab_error *err);
int shaper_table_drops(struct shaper_table *t, uint32_t world, struct link_drops *out,
                       struct lab_error *err);
int shaper_table_remove(struct shaper_table *t, uint32_t world, struct lab_error *err);

#endif
