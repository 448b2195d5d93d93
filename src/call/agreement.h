/* How both sides change the media profile together: propose, ack, switch.
 *
 * Either side may propose a profile and the number of the frame that is to be the first of it, far
 * enough ahead that the word gets round; it repeats that until it is answered. The other one
 * answers with that frame, or with a later one when its own frames are further already, and both
 * begin with it, each in its own numbering: those have begun together and go at one pace. The same
 * proposal gets the same answer again. A better profile than the own numbers allow is answered with
 * the one in force: it stays.
 *
 *   idle -> proposing   ours is out
 *   idle -> agreed      the peer's was answered
 *   proposing -> agreed the peer's answer is there, or its own proposal won
 *   proposing -> idle   it stays as it is, or nobody answers
 *   agreed -> idle      the frame is there: the profile is in force
 *
 * Of two proposals at once the worse profile wins, and of two alike the caller's; the other is
 * dropped by its maker. Pure: the caller of these functions sends, and says what time it is. */
#ifndef PH_CALL_AGREEMENT_H
#define PH_CALL_AGREEMENT_H

#include "base/bucket.h"
#include "pinhole.h"
#include "wire/quality.h"

/* After a change, and after a proposal that came to nothing. A peer that proposes all the time
 * makes one change a second. */
#define PH_AGREEMENT_PAUSE (1 * PH_SEC)
#define PH_AGREEMENT_SULK  (5 * PH_SEC)
/* Proposals are repeated so often and so many times: several get round before the frame is there,
 * also where a third of all packets is lost. */
#define PH_AGREEMENT_REPEAT (60 * PH_MS)
#define PH_AGREEMENT_TRIES  50
/* Frame numbers further apart than this (10 s) are no longer held to be of one beat. */
#define PH_AGREEMENT_APART 500

enum ph_agreement_state {
    PH_AGREEMENT_IDLE,
    PH_AGREEMENT_PROPOSING,
    PH_AGREEMENT_AGREED,
};

struct ph_agreement {
    bool caller;
    enum ph_agreement_state state;
    enum ph_profile profile; /* in force */
    uint64_t since;          /* its first frame; 0: from the beginning */
    enum ph_profile coming;  /* AGREED: from own frame `at` on */
    uint64_t at;
    struct ph_quality_propose own; /* the last that was made */
    unsigned tries;
    ph_ns repeat;                   /* PH_NEVER unless PROPOSING */
    ph_ns not_before;               /* no new one is made ... */
    ph_ns deaf_until;               /* ... nor taken */
    struct ph_quality_ack answered; /* the peer's last proposal; number 0: none */
    struct ph_bucket answers;       /* a peer that asks all the time is not answered each time */
};

void ph_agreement_init(struct ph_agreement *a, bool caller);
/* Nothing is under way any more: what is in force stays. */
void ph_agreement_stop(struct ph_agreement *a);
/* Proposes, unless something is under way or was just now. next_frame: the number of the next own
 * frame. */
void ph_agreement_want(struct ph_agreement *a, ph_ns now, enum ph_profile profile,
                       uint64_t next_frame, ph_ns rtt);
/* The proposal, when it is due to be sent (again). */
bool ph_agreement_pump(struct ph_agreement *a, ph_ns now, struct ph_quality_propose *out);
ph_ns ph_agreement_deadline(const struct ph_agreement *a);
/* `worst`: what the own numbers call for. True: answer with *out. */
bool ph_agreement_on_propose(struct ph_agreement *a, ph_ns now, const struct ph_quality_propose *p,
                             uint64_t next_frame, ph_ns rtt, enum ph_profile worst,
                             struct ph_quality_ack *out);
void ph_agreement_on_ack(struct ph_agreement *a, ph_ns now, const struct ph_quality_ack *ack,
                         uint64_t next_frame);
/* The frame of this number is about to be sent. True: it is the first of another profile. */
bool ph_agreement_on_frame(struct ph_agreement *a, ph_ns now, uint64_t number);

#endif
