/* One move of a plan under way, at one peer (nat/plan.h says what each kind is). The one executor
 * of all plans: it knows sockets, ports and paces, and nothing of NATs.
 *
 *              acceptor                             prober
 *   FAN_IN     opens its fan, says so, waits        waits, probes, says that it is over
 *   MIRROR     waits, sends from its fan, over      opens holes, says so, waits
 *   RENDEZVOUS both: sample, name a port, open a fan to the other's, say so, send at full TTL
 *   SWEEP      opens everything, says so, waits     waits, sends to everything, over
 *
 * Who begins is the leader: the acceptor, of a MIRROR the prober. A barrier is a message that has
 * arrived; times are counted from there. */
#ifndef PH_CALL_RUN_H
#define PH_CALL_RUN_H

#include "nat/plan.h"
#include "path/fan.h"
#include "path/sounding.h"
#include "path/table.h"
#include "path/volley.h"
#include "wire/hardnat.h"

struct ph_call;
struct ph_hard;

enum ph_run_phase {
    PH_RUN_NONE,           /* no move is under way */
    PH_RUN_AWAITING,       /* the other side has its turn */
    PH_RUN_SAMPLING,       /* RENDEZVOUS: where the own counter stands */
    PH_RUN_OPENING,        /* low TTL, or whatever the plan says */
    PH_RUN_MEASURING,      /* what the openers got */
    PH_RUN_PROBING,        /* full TTL */
    PH_RUN_DRAINING,       /* all is out: the last answers */
    PH_RUN_AWAITING_ROUND, /* RENDEZVOUS, callee: in vain; the caller begins the next round */
    PH_RUN_FINISHED,       /* it found nothing */
};

/* Which sounding is where: two before the openers, two after them, and one between waves. */
enum {
    PH_RUN_BEFORE = 0,
    PH_RUN_AFTER = 2,
    PH_RUN_CANARY = 4,
    PH_RUN_SOUNDINGS = 5,
};

struct ph_run {
    struct ph_hard *hard;
    ph_ns deadline; /* of the phase; PH_NEVER */
    struct ph_move move;
    struct ph_addr target; /* where the peer was when it began */
    enum ph_run_phase phase;
    uint32_t counter;        /* of the volley's first check */
    uint64_t guesses_before; /* in earlier volleys of the call */
    uint8_t *initial;        /* the datagram of PH_PROBE_QUIC_INITIAL; malloc'ed */
    size_t initial_len;
    struct ph_fan fan;
    struct ph_volley volley;
    struct ph_sounding soundings[PH_RUN_SOUNDINGS];
    uint8_t prefix[8];            /* of the transaction ids of the volley's checks */
    uint16_t own_port, peer_port; /* RENDEZVOUS: 0: not named yet */
    uint16_t round;
    bool acceptor;    /* this side is */
    bool main_socket; /* the volley leaves from the call's own socket */
    bool canary_out;
    bool peer_opened; /* RENDEZVOUS */
    bool told;        /* the ports that are being probed are those that the acceptor has named */
};

void ph_run_init(struct ph_run *r, struct ph_hard *hard);
/* Closes everything, but for sockets that the peer may be sending to (ph_hard_keep_warm). */
void ph_run_stop(struct ph_run *r);
void ph_run_fini(struct ph_run *r);
/* Begins a move, as its leader or to wait for that. */
void ph_run_begin(struct ph_run *r, ph_ns now, const struct ph_move *move, bool acceptor);
/* The peer says where it stands with this move. */
void ph_run_on_start(struct ph_run *r, ph_ns now, const struct ph_hard_start *s);
bool ph_run_owns(const struct ph_run *r, ph_sock sock);
/* True when it was a sounding's. */
bool ph_run_on_datagram(struct ph_run *r, ph_ns now, ph_sock sock, const struct ph_datagram *in);
/* The number of the guess (from 1) that a transaction and its source answer; 0: none. */
uint64_t ph_run_answered(const struct ph_run *r, const uint8_t tid[PH_STUN_TID_LEN],
                         const struct ph_source *from);
/* The number of the guess that went to this port; 0: none did. */
uint64_t ph_run_aimed_at(const struct ph_run *r, uint16_t port);
/* An answer has come: the volley pauses while it is proved. */
void ph_run_on_hit(struct ph_run *r, ph_ns now);
void ph_run_pump(struct ph_run *r, ph_ns now);
ph_ns ph_run_deadline(const struct ph_run *r, ph_ns now);

#endif
