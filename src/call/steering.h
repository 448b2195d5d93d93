/* Steering: which way this side's packets take, from packet to packet, so that nobody hears a call
 * move between the relay and a direct path. Each side steers its own sending.
 *
 *   RELAY -> BOTH      a direct path is proved: media goes both ways at once ...
 *   BOTH -> DIRECT     ... until the peer says that it hears it directly
 *   DIRECT -> BOTH     in doubt: the peer's media is overdue by the direct path, or it says that it
 *                      hears nothing by it
 *   BOTH -> RELAY      the doubt has lasted too long
 *
 * Every change between RELAY and a direct path (or from one direct path to another) begins a new
 * epoch, which each frame of media names: an even one lies on the relay, in an odd one the sender
 * counts on its direct path. So the receiver knows when to miss frames there, and its word, which
 * names the epoch that it is about, cannot undo what came after. Words go both ways, since one of
 * the two may be dead. They travel sealed by the end-to-end keys: a relay can lose them, and no
 * more.
 *
 * What is sent both ways is one frame in two packets, each with its own lane (wire/inband.h); the
 * receiver takes the first and drops the other. Packets that are not media (acknowledgements, the
 * stream) are sent twice as they are, and QUIC drops the copies. */
#ifndef PH_CALL_STEERING_H
#define PH_CALL_STEERING_H

#include "path/table.h"
#include "wire/inband.h"

struct ph_call;

enum ph_steering_state {
    PH_STEERING_RELAY,
    PH_STEERING_BOTH,
    PH_STEERING_DIRECT,
};

/* What this side hears of the peer's media. */
struct ph_hearing {
    uint32_t epoch;   /* the newest */
    uint64_t highest; /* frame number, by any way */
    bool paused;      /* it sends none now */
    ph_ns heard;      /* its last direct frame, or when the first was to be expected; PH_NEVER: none
                       * is expected */
    ph_ns well_since; /* since when they have come without a doubt; PH_NEVER: they do not */
    struct ph_path *by; /* whose place its last direct frame came by; NULL: none yet */
    bool deaf;          /* the peer was told that we hear nothing */
    unsigned words;     /* how often */
    ph_ns quiet_until;  /* no word before; 0: whenever there is one to say */
};

struct ph_steering {
    struct ph_call *call;
    enum ph_steering_state state;
    struct ph_path *path; /* the direct one; NULL in RELAY */
    uint32_t epoch;       /* of what this side sends */
    bool confirmed;       /* the peer hears this epoch directly, by its last word */
    bool paused;          /* this side sends no media */
    uint64_t last;        /* paused: the number of the last frame */
    ph_ns give_up_at;     /* BOTH: when the path is given up; PH_NEVER otherwise */
    ph_ns decided_at;     /* when a direct path was first begun; PH_NEVER: not yet */
    uint32_t upgrades;    /* from the relay to a direct path */
    uint32_t fallbacks;   /* from a direct path to the relay */
    struct ph_hearing peer;
};

void ph_steering_init(struct ph_steering *s, struct ph_call *call);
/* A direct path is proved, and better than the one in use. */
void ph_steering_take(struct ph_steering *s, ph_ns now, struct ph_path *path);
/* To the relay: the path in use leads nowhere any more, or is not to be used. */
void ph_steering_drop(struct ph_steering *s, ph_ns now, const char *why);
/* A frame of the peer's media, also one that came before by another way. */
void ph_steering_on_media(struct ph_steering *s, ph_ns now, const struct ph_inband *frame);
/* The peer's words: HEARD, DEAF, PAUSE. */
void ph_steering_on_word(struct ph_steering *s, ph_ns now, const struct ph_inband *m);
/* This side sends no more media, up to `last`: the peer is not to miss it. */
void ph_steering_pause(struct ph_steering *s, ph_ns now, uint64_t last);
/* The peer's media comes by a direct path, now. */
bool ph_steering_hears(const struct ph_steering *s, ph_ns now);
void ph_steering_pump(struct ph_steering *s, ph_ns now);
ph_ns ph_steering_deadline(const struct ph_steering *s);

#endif
