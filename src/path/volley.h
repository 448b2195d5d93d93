/* A volley: one packet from each of some sockets to each of some ports of one address, paced, in
 * waves, and over again in the same order where that is asked for. It says what is due; sending is
 * its owner's. */
#ifndef PH_PATH_VOLLEY_H
#define PH_PATH_VOLLEY_H

#include "base/bucket.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ph_volley_config {
    uint32_t sockets; /* at least 1 */
    uint16_t *ports;  /* malloc'ed; taken over */
    uint32_t port_count;
    uint8_t passes;       /* at least 1 */
    ph_ns pass_every;     /* the least time from one pass's start to the next one's */
    uint8_t ttl, ttl_up;  /* of the first pass, and what each one adds; 0 and 0: full TTL */
    uint16_t rate, burst; /* packets a second, and of them back to back; not 0 */
    bool waves;           /* stop after each `burst` packets until ph_volley_go_on */
};

struct ph_volley {
    struct ph_volley_config config; /* port_count 0: there is none */
    uint64_t next, total;
    uint64_t until; /* the end of the wave */
    ph_ns pass_start;
    ph_ns paused_until;
    struct ph_bucket bucket;
};

struct ph_volley_shot {
    uint32_t socket;
    uint16_t port;
    uint8_t ttl;
    uint64_t number; /* 0, 1, 2 ... over all passes */
    bool first_pass;
};

void ph_volley_init(struct ph_volley *v);
/* What has left counts for the pace of the next one. */
void ph_volley_fini(struct ph_volley *v);
/* In place of what there was. */
void ph_volley_begin(struct ph_volley *v, ph_ns now, const struct ph_volley_config *config);
/* The next one that is due; false: none is now. */
bool ph_volley_next(struct ph_volley *v, ph_ns now, struct ph_volley_shot *out);
/* What the nth one was. */
struct ph_volley_shot ph_volley_shot_at(const struct ph_volley *v, uint64_t number);
/* All are out. */
bool ph_volley_done(const struct ph_volley *v);
/* A wave is out, and waits for ph_volley_go_on. */
bool ph_volley_waits(const struct ph_volley *v);
void ph_volley_go_on(struct ph_volley *v);
void ph_volley_pause(struct ph_volley *v, ph_ns until);
ph_ns ph_volley_deadline(const struct ph_volley *v, ph_ns now);

#endif
