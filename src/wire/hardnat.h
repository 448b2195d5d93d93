/* What two peers tell each other to get through NATs that nobody can just punch through: on the
 * stream of their own connection, so that the words are the peer's own, whoever carries them. Same
 * frame and same fields-with-ids as signalling (wire/signal.h); unknown types and fields are
 * skipped, missing fields are what the comments here say.
 *
 *   HardNatProbe          what this peer's NAT does. Again whenever more is known
 *   HardNatBirthdayStart  where a move stands (nat/plan.h): which, which round of it, what is open
 *
 * Numbers of mapping, filtering, allocation and moves are those of the enums in nat/; what only a
 * newer peer knows reads as unknown (0). */
#ifndef PH_WIRE_HARDNAT_H
#define PH_WIRE_HARDNAT_H

#include "base/addr.h"
#include "wire/signal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PH_HARD_SEQUENCE_MAX   5
#define PH_HARD_ALLOCATION_MAX 32
#define PH_HARD_PORTS_MAX      64
/* Of either message, whole. */
#define PH_HARD_MESSAGE_MAX 512

enum ph_hard_type {
    PH_HARD_NAT_PROBE = 8,
    PH_HARD_NAT_BIRTHDAY_START = 9,
};

struct ph_hard_probe {
    uint8_t call_id[PH_CALL_ID_LEN];
    uint32_t generation;                          /* grows with each one of a call */
    bool final;                                   /* nothing more is being measured now */
    uint16_t port_sequence[PH_HARD_SEQUENCE_MAX]; /* last ports observed, newest first */
    size_t port_count;                            /* of them */
    uint32_t probe_time_ms;                       /* how old the newest was when this was sent */
    char allocation[PH_HARD_ALLOCATION_MAX];      /* "sequential:2": ph_nat_allocation_text */
    struct ph_addr external;                      /* what most servers saw; NONE: not known */
    uint8_t udp, mapping, filtering, gateway;     /* enums of nat/ */
    uint16_t low, high;                           /* range of ports; 0, 0: not known */
    bool aligned;
    bool rated;                         /* the next three are known */
    uint32_t rate, rate_low, rate_high; /* other people's flows, thousandths a second */
    uint16_t confidence;                /* of the allocation, thousandths */
    uint16_t samples;                   /* that it rests on */
    uint8_t addresses;                  /* mapped IPs that were seen; more than 1: a pool */
    bool privileged;                    /* may bind ports below 1024 */
    uint16_t probes, openers, packet_rate, burst; /* budget; 0: default */
    uint32_t relay_rtt_ms, stun_rtt_ms;           /* 0: not known */
};

/* Where a move stands with its sender. */
enum ph_hard_phase {
    PH_HARD_OPENING = 1, /* the first are open, more are coming */
    PH_HARD_OPENED = 2,  /* all are open */
    PH_HARD_OVER = 3,    /* nothing more will be done in this round: it found nothing */
};

struct ph_hard_start {
    uint8_t call_id[PH_CALL_ID_LEN];
    uint8_t move;   /* enum ph_move_kind */
    uint8_t phase;  /* enum ph_hard_phase; 0: one that is not known */
    uint16_t index; /* of the move in the plan that the sender goes by */
    uint16_t round;
    uint32_t start_at_ms; /* from the arrival of this message: when the receiver is to begin */
    uint16_t acceptor_port_count;               /* how many are open */
    uint16_t acceptor_ports[PH_HARD_PORTS_MAX]; /* when they are known, and few enough */
    size_t port_count;                          /* of them */
    uint16_t low, high, stride; /* they lie here; 0: not known. Of a rendezvous: low is the port */
};

struct ph_hard_message {
    enum ph_hard_type type; /* 0: one that is not known */
    union {
        struct ph_hard_probe probe;
        struct ph_hard_start start;
    };
};

/* Encodes with its length prefix. Returns the length, or PH_ERR_SPACE, PH_ERR_INVAL. */
int ph_hard_encode(const struct ph_hard_message *m, uint8_t *out, size_t cap);
/* As ph_signal_decode: how many bytes it took; PH_ERR_SHORT, PH_ERR_FORMAT (also when longer than
 * PH_HARD_MESSAGE_MAX). Lists longer than their cap are cut. */
int ph_hard_decode(const uint8_t *data, size_t len, struct ph_hard_message *out);

#endif
