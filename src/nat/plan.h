/* The plan: from what is known of both sides of a call to the moves that can join them, in order,
 * each with its chance, its packets and its time. A pure function: both peers compute the same plan
 * from the same facts, `pinhole plan` prints it, the lab holds it against what it measures, and the
 * waterfall executes it without knowing a thing about NATs.
 *
 * Side 0 is the caller, side 1 the callee, in every array here. */
#ifndef PH_NAT_PLAN_H
#define PH_NAT_PLAN_H

#include "nat/facts.h"
#include "nat/ports.h"

/* What a router's own INPUT does with a new packet from outside. One that accepts takes a packet
 * that comes before its hole for a flow to itself, and gives the later outbound packet another
 * port; so what is not known is planned for as that. */
enum ph_gateway_policy {
    PH_GATEWAY_UNKNOWN,
    PH_GATEWAY_ACCEPT,
    PH_GATEWAY_DROP, /* or rejects */
};

/* What one side may spend in one call. 0 is the default, PH_BUDGET_x; more than PH_BUDGET_x_MOST is
 * cut: nothing is unlimited. */
struct ph_budget {
    uint16_t probes;  /* packets to guessed ports, and full-TTL ones from fresh sockets: each may be
                       * an entry in the own router */
    uint16_t openers; /* fresh sockets that only open holes; and of all fresh ones at once */
    uint16_t rate;    /* packets a second */
    uint16_t burst;   /* of them back to back: a wave */
};

#define PH_BUDGET_PROBES       1200
#define PH_BUDGET_OPENERS      256
#define PH_BUDGET_RATE         200
#define PH_BUDGET_BURST        64
#define PH_BUDGET_PROBES_MOST  8192
#define PH_BUDGET_OPENERS_MOST 1024
#define PH_BUDGET_RATE_MOST    2000
#define PH_BUDGET_BURST_MOST   1024

/* One side, as HardNatProbe tells it (wire/signal.h): nothing else goes into a plan. */
struct ph_plan_side {
    enum ph_answer udp; /* PH_NO: it has the relay alone */
    enum ph_mapping_behaviour mapping;
    enum ph_filtering_behaviour filtering;
    struct ph_allocation allocation;
    enum ph_gateway_policy gateway;
    /* Where others see its call socket; of an endpoint-independent mapping, and of one that keeps
     * the socket's own port, its port is the one to aim at, of others the IP alone counts. Family
     * NONE: not known (the plan is the same). */
    struct ph_addr external;
    bool privileged; /* may bind ports below 1024: netfilter keeps 600-1023 among themselves */
    struct ph_budget budget;
};

struct ph_plan_input {
    struct ph_plan_side side[2];
    ph_ns signalling; /* one way between the peers, by the relay */
    ph_ns stun;       /* round trip to a STUN server, the longer of both sides' */
    ph_ns direct;     /* round trip between the peers, as far as can be guessed */
};

enum ph_move_kind {
    /* Both send to the endpoints that the other named (call/punch.h). */
    PH_MOVE_PUNCH,
    /* The acceptor opens fresh sockets, all towards the prober's one endpoint; the prober probes
     * ports of the acceptor's IP from that endpoint's socket. */
    PH_MOVE_FAN_IN,
    /* The prober opens holes at low TTL from its one endpoint towards ports of the acceptor's IP;
     * then the acceptor sends from fresh sockets at full TTL to that endpoint. */
    PH_MOVE_MIRROR,
    /* Each samples where its counter stands and names the port that lies `sockets` moves on; each
     * opens as many fresh sockets towards the port that the other has named, so that it does not
     * matter how few flows of other people come in between; then all send at full TTL. Up to
     * `passes` rounds, each with new ports. */
    PH_MOVE_RENDEZVOUS,
    /* The acceptor sends at low TTL from a few sockets to every port of the prober's range; then
     * the prober does the same at full TTL to the acceptor's (to those that it measured, with
     * PORTS_MEASURED). Both ranges are cut to what the budgets allow. */
    PH_MOVE_SWEEP,
};

/* How the acceptor's ports become known to the prober. */
enum ph_move_ports {
    PH_PORTS_ORDER,    /* guessed: `order` */
    PH_PORTS_MEASURED, /* the acceptor measures what it got, between two STUN samples, and says so
                        */
    PH_PORTS_OWN,      /* the acceptor's NAT keeps ports: it names those of its sockets */
};

#define PH_MOVE_WHY_MAX 128

struct ph_move {
    enum ph_move_kind kind;
    enum ph_move_ports ports;
    bool predicted;   /* of the stage predict; otherwise birthday. Not of PUNCH */
    uint8_t acceptor; /* side: 0, 1. The prober is the other one */
    /* Openers. */
    uint16_t sockets; /* fresh ones: of the acceptor; of each side for RENDEZVOUS and SWEEP */
    uint16_t bind_low, bind_high; /* the ports that they are bound to; 0, 0: any */
    uint8_t opener_ttl;           /* 0: the one learnt (path/opener.h); PH_TTL_FULL: the system's */
    uint8_t opener_ttl_up;        /* added with each repetition */
    uint8_t repeats;              /* of each opener, after the first */
    ph_ns repeat_after;           /* between two of them */
    /* Probes. */
    /* Of the acceptor's ports; SWEEP: its range, all of it; MEASURED: what is left to try where the
     * measurement failed; RENDEZVOUS: the port it would name, if it opened at once. */
    struct ph_port_order order;
    struct ph_port_order back; /* SWEEP, RENDEZVOUS: the same of the prober */
    uint16_t probes;           /* at most, in one pass; SWEEP: packets of one side */
    uint8_t passes;            /* over the same ports in the same order; 0 is 1 */
    bool probes_first;         /* without waiting for the openers: what one must not do */
    /* Both. */
    struct ph_budget acceptor_pace, prober_pace; /* rate and burst alone */
    bool no_canary;
    /* What to expect. */
    double success;      /* given that everything before it has failed for other reasons */
    uint32_t packets[2]; /* of each side, on average */
    uint32_t mappings[2];
    ph_ns time; /* half of those that succeed have done so by then; after both sides' facts */
    char why[PH_MOVE_WHY_MAX];
};

#define PH_TTL_FULL 255

enum ph_plan_outlook {
    PH_PLAN_UNKNOWN,  /* facts are missing: nothing but punching yet */
    PH_PLAN_DIRECT,   /* the moves below */
    PH_PLAN_HOPELESS, /* the relay, at once: no guess is worth its packets */
    PH_PLAN_NO_UDP,
};

#define PH_PLAN_MOVES_MAX 4

struct ph_plan {
    enum ph_plan_outlook outlook;
    struct ph_move
        moves[PH_PLAN_MOVES_MAX]; /* in order; the first is always PUNCH, unless NO_UDP */
    size_t count;
    double success;            /* of all together */
    char why[PH_MOVE_WHY_MAX]; /* of the outlook */
    char no_predict[48];       /* why there is no move of that stage; empty: there is one */
    char no_birthday[48];
};

/* seed: of the order of probes (part of the same exchanged facts: the call's id). */
void ph_plan_make(const struct ph_plan_input *in, uint64_t seed, struct ph_plan *out);

/* No move can join them: HOPELESS or NO_UDP. */
bool ph_plan_is_hopeless(const struct ph_plan_input *in);

/* A side out of a survey's facts, for who plans without a call (a call tells them to the peer, and
 * reads its own as the peer does). What no survey knows is left to be added. */
void ph_plan_side(const struct ph_nat_facts *facts, struct ph_plan_side *out);
/* Of what a peer says, and it may say what it likes: what no version of ours knows, or contradicts
 * itself, becomes unknown. Both peers do it to both sides' words, so that they plan alike. */
void ph_plan_side_settle(struct ph_plan_side *s);
/* Budgets with their defaults in place of 0, and cut to what may be. */
struct ph_budget ph_budget_resolve(const struct ph_budget *b);
/* When the n-th packet leaves, after the first, at this rate and in waves of this burst; neither is
 * 0. */
ph_ns ph_pace_until(const struct ph_budget *pace, uint64_t n);

const char *ph_move_kind_name(enum ph_move_kind k);
const char *ph_move_ports_name(enum ph_move_ports p);
const char *ph_plan_outlook_name(enum ph_plan_outlook o);
const char *ph_gateway_policy_name(enum ph_gateway_policy g);

#endif
