/* libpinhole: a direct, end-to-end encrypted QUIC path between two peers behind NATs.
 *
 * The library does no I/O of its own: every object here stands on a ph_host (host/host.h), which
 * carries its datagrams and keeps its timer. host/loop.h is the one for Linux. Nothing here is
 * thread-safe; all objects on one host live on one thread. Times are ph_ns of the host's clock;
 * lengths are bytes; returned ints are PH_OK or a negative PH_ERR_*. */
#ifndef PINHOLE_H
#define PINHOLE_H

#include "base/addr.h"
#include "base/err.h"
#include "base/time.h"
#include "host/host.h"
#include "nat/facts.h"
#include "nat/plan.h"
#include "portmap/portmap.h"
#include "wire/signal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PH_SEED_LEN      32
#define PH_RELAYS_MAX    8
#define PH_RELAY_LISTENS 4
#define PH_STUNS_MAX     16

/* The stages of the waterfall, best first. */
enum ph_stage {
    PH_STAGE_PORTMAP,
    PH_STAGE_PUNCH,
    PH_STAGE_PREDICT,
    PH_STAGE_BIRTHDAY,
    PH_STAGE_RELAY,
    PH_STAGE_COUNT,
    PH_STAGE_NONE = PH_STAGE_COUNT,
};

const char *ph_stage_name(enum ph_stage stage);

enum ph_stage_state {
    PH_STAGE_IDLE, /* not started */
    PH_STAGE_RUNNING,
    PH_STAGE_WON,     /* the call's path is this stage's */
    PH_STAGE_LOST,    /* tried all it may, found nothing */
    PH_STAGE_BEATEN,  /* another stage found a better path first */
    PH_STAGE_SKIPPED, /* not tried, reason says why */
};

const char *ph_stage_state_name(enum ph_stage_state state);

/* What one stage did in one call, at this peer. */
struct ph_stage_report {
    enum ph_stage_state state;
    char reason[64];  /* NUL-terminated; empty: none */
    ph_ns start;      /* PH_NEVER: not started */
    ph_ns end;        /* PH_NEVER: not ended */
    uint64_t packets; /* sent by this stage */
    uint64_t bytes;
    uint32_t sockets;       /* the most it had open at once, beyond the call's own */
    uint32_t openers;       /* packets of low TTL that only open a hole */
    uint32_t probes;        /* full-TTL checks */
    uint32_t probes_to_hit; /* of guessed ports: which one was the first to be answered; 0: none */
    uint32_t mappings;      /* new ones that it asked of the own NAT, the most at once */
};

/* Media is a paced stream of numbered, time-stamped frames of 20 ms. */
struct ph_media_report {
    uint64_t sent;
    uint64_t received;   /* distinct frames */
    uint64_t duplicates; /* came again by the way that they had come by */
    uint64_t copies;     /* came again by the other way: both were used (call/steering.h) */
    ph_ns max_gap;       /* the longest time between two frames that came one after the other */
    ph_ns jitter;        /* RFC 3550 section 6.4.1 */
};

/* How much is sent: both sides' media are of one profile, and change it together. */
enum ph_profile {
    PH_PROFILE_GOOD,         /* 28.8 kbit/s */
    PH_PROFILE_DEGRADED,     /* 9 kbit/s */
    PH_PROFILE_CATASTROPHIC, /* 2.4 kbit/s */
    PH_PROFILE_COUNT,
};

const char *ph_profile_name(enum ph_profile profile);

/* One direction of a call in the last second that is over, as its receiver measures it. */
struct ph_quality_numbers {
    bool known;    /* false: nothing was to come, or the other side does not say */
    ph_ns rtt;     /* of the path in use; 0: not measured */
    ph_ns jitter;  /* RFC 3550 section 6.4.1 */
    uint32_t loss; /* frames that did not come, thousandths */
};

/* The application's bytes in a call: see ph_call_stream_send. */
struct ph_stream_report {
    uint64_t sent, received;
    bool ended; /* the other side sends no more, and all of it has come */
    bool done;  /* both sides have ended, and all of ours has arrived */
    int error;  /* PH_ERR_REFUSED: the other side takes no stream, or no more; PH_ERR_CLOSED: the
                 * call ended before the stream was done; PH_ERR_NOMEM */
};

/* One frame as it arrived. */
struct ph_media_frame {
    uint64_t number;  /* the sender's, from 1 on; not always in order */
    uint64_t sent_us; /* the sender's time stamp: microseconds of a clock of its own */
    ph_ns arrived;    /* on this host's clock */
    bool direct;      /* on a direct path; else by the relay */
};

enum ph_call_state {
    PH_CALL_DIALING,    /* caller: the offer is out */
    PH_CALL_RINGING,    /* callee: the offer is there, not answered yet */
    PH_CALL_CONNECTING, /* both sides' terms are known, the end-to-end handshake runs */
    PH_CALL_CONNECTED,  /* end-to-end keys are verified, media may flow */
    PH_CALL_ENDED,
};

struct ph_call_report {
    uint8_t call_id[PH_CALL_ID_LEN];
    uint8_t peer[PH_FINGERPRINT_LEN];
    enum ph_call_state state;
    int error; /* why it ended: PH_OK, or PH_ERR_* */
    bool caller;
    /* Instants on the host's clock; PH_NEVER: not yet. */
    ph_ns started;        /* dialled, or the offer arrived */
    ph_ns relay_at;       /* first authenticated application byte by way of the relay */
    ph_ns direct_at;      /* first authenticated application byte on a direct path */
    ph_ns media_at;       /* first media frame on any path */
    ph_ns decided_at;     /* when this side first sent media by a direct path */
    uint32_t upgrades;    /* so often it went from the relay to a direct path ... */
    uint32_t fallbacks;   /* ... and back */
    bool settled;         /* no stage is running any more */
    bool direct;          /* the path in use now is a direct one, and proved by an echo */
    bool peer_direct;     /* so are the other side's media, as it has told in the last seconds */
    enum ph_stage stage;  /* that gave the path in use, PH_STAGE_NONE before */
    struct ph_addr local; /* of the direct path in use; family NONE otherwise */
    struct ph_addr remote;
    struct ph_addr relay; /* the relay's address */
    struct ph_stage_report stages[PH_STAGE_COUNT];
    struct ph_media_report media;
    struct ph_quality_numbers in, out;
    uint64_t profile_since; /* the first frame that this side sent of it; 0: it never changed */
    enum ph_profile profile;
    enum ph_stage peer_stage; /* that gave the path of the other side's media, likewise;
                               * PH_STAGE_NONE: it has not told */
    struct ph_stream_report stream;
};

/* What is sent to guessed ports. */
enum ph_probe_kind {
    PH_PROBE_CHECK,        /* authenticated checks (path/check.h), 96 bytes */
    PH_PROBE_QUIC_INITIAL, /* one QUIC connection's first packet, to all of them; 1,200 bytes. What
                            * gets through is answered with a check */
};

struct ph_agent;
struct ph_call;

/* Called at the end of an event, when the agent's affairs are in order: every function of this
 * header but ph_agent_free may be called from inside. on_offer is asked, and on_media told, in the
 * middle of one: they only answer, and take note. Any of them may be NULL. */
struct ph_agent_callbacks {
    /* Registered with a relay (PH_OK), also when it is another one than before, or not registered
     * any more (why; it goes on trying). `reflexive` is what the relay saw. */
    void (*on_registered)(void *user, int err, const struct ph_addr *reflexive);
    /* Somebody calls: return how to answer. NULL: the config's answer_mode. */
    enum ph_answer_mode (*on_offer)(void *user, const uint8_t peer[PH_FINGERPRINT_LEN]);
    /* Something in the call's report has changed that is worth a look (state, path, a stage). A
     * call that was answered becomes known by its first one. */
    void (*on_call)(void *user, struct ph_call *call);
    /* Of the call's stream: bytes have come, there is room for what is to be sent (for the first
     * time, or again), or its report has changed. Where this is NULL there is no stream. */
    void (*on_stream)(void *user, struct ph_call *call);
    /* A media frame has come that had not come before, on whichever path. Told in the middle of an
     * event: it takes note, and calls nothing of this header. */
    void (*on_media)(void *user, struct ph_call *call, const struct ph_media_frame *frame);
    /* What ph_agent_close began is done. */
    void (*on_closed)(void *user);
};

struct ph_agent_config {
    struct ph_host *host;      /* its own: one agent on one host */
    uint8_t seed[PH_SEED_LEN]; /* of the Ed25519 identity */
    /* Of the IPv4 and of the IPv6 socket. Family NONE: any address and port, if this host has an
     * address of that family; so a host with one family has one socket. */
    struct ph_addr bind[2];
    /* At least one of a family that the host has. All are asked at once, and of several the nearest
     * serves, the others when that one does not. Without a clear difference it is the first, those
     * of IPv6 before those of IPv4 (RFC 8305); a relay's address of either family may be given. */
    struct ph_addr relays[PH_RELAYS_MAX];
    size_t relay_count;
    struct ph_addr stuns[PH_STUNS_MAX]; /* may be none: then the relay's reflection serves */
    size_t stun_count;
    unsigned stages; /* 1u << PH_STAGE_x each; relay always runs. 0: all */
    ph_ns give_up;   /* for the direct path; 0: 15 s */
    enum ph_answer_mode answer_mode;
    bool no_ttl_learning; /* keep the default of 3 for openers */
    /* Hard NATs. */
    struct ph_budget budget; /* 0: the defaults of nat/plan.h */
    enum ph_probe_kind probe;
    bool privileged_ports; /* ports below 1024 may be bound, and are of use (nat/plan.h) */
    bool no_canary;        /* do not look whether others can still open flows: for comparison */
    /* In place of ph_plan_make: for comparison. Both peers need the same. `user` is the config's.
     */
    void (*plan)(void *user, const struct ph_plan_input *in, uint64_t seed, struct ph_plan *out);
    bool deterministic; /* see quic/quic.h; for the simulator */
    struct ph_agent_callbacks callbacks;
    void *user;
};

/* Starts to register at once. PH_ERR_INVAL, PH_ERR_NOMEM, PH_ERR_SYS, PH_ERR_CRYPTO. */
int ph_agent_new(const struct ph_agent_config *config, struct ph_agent **out);
/* Ends its calls without a word (hang up first to say one) and closes its sockets. Not from inside
 * a callback of its own. */
void ph_agent_free(struct ph_agent *agent);
/* Hangs up every call and gives back what routers have mapped for it, which takes at most a second:
 * on_closed is called then. No call begins after this. */
void ph_agent_close(struct ph_agent *agent);
bool ph_agent_closed(const struct ph_agent *agent);
const uint8_t *ph_agent_fingerprint(const struct ph_agent *agent);
bool ph_agent_registered(const struct ph_agent *agent);
/* The TTL learnt for openers (own NATs + 1), or the default of 3. */
uint8_t ph_agent_opener_ttl(const struct ph_agent *agent);
/* What is known so far of the NAT before this agent. */
void ph_agent_nat(const struct ph_agent *agent, struct ph_nat_facts *out);
/* The port that a router has mapped to this agent's socket; false: there is none now. */
bool ph_agent_mapping(const struct ph_agent *agent, struct ph_mapping *out);

/* A relay that the agent knows: of its config, or named by a relay that it was registered with. */
struct ph_relay_report {
    ph_ns rtt; /* 0: not measured */
    struct ph_addr addr;
    bool answers; /* false: it was silent when it was measured last */
    bool configured;
    bool preferred;                    /* where the agent is, or wants to be */
    bool in_use;                       /* where it is registered */
    char region[PH_SIGNAL_REGION_MAX]; /* empty: not known */
};

#define PH_RELAY_REPORTS_MAX 16

/* Fills in at most cap of them, the best first, and returns how many there are. */
size_t ph_agent_relays(const struct ph_agent *agent, struct ph_relay_report *out, size_t cap);

/* Dials. The callee may be registered with any of the relays that the agent knows: it is looked for
 * at one after the other. PH_ERR_AGAIN: not registered; PH_ERR_SPACE: too many calls; PH_ERR_NOMEM,
 * PH_ERR_CRYPTO. The call belongs to the agent and lives, ended or not, until ph_call_release or
 * ph_agent_free. `out` may be NULL. */
int ph_agent_call(struct ph_agent *agent, const uint8_t peer[PH_FINGERPRINT_LEN],
                  struct ph_call **out);
/* A call that this agent has now (dialled or answered), one that has not ended if there is such a
 * one; NULL: none. */
struct ph_call *ph_agent_current_call(struct ph_agent *agent);

void ph_call_report(const struct ph_call *call, struct ph_call_report *out);

/* The stream: bytes of the application's, all of them and in order, both ways, sealed end to end;
 * it needs a peer that takes one too (on_stream). Each side holds back what it does not want yet,
 * and ends its own direction.
 *
 * Sends all of it or nothing. PH_ERR_SPACE: more than there is room for (on_stream is called when
 * there is some); PH_ERR_AGAIN: not connected yet (the same); PH_ERR_CLOSED: it was ended;
 * PH_ERR_NOMEM; or the error of the report. */
int ph_call_stream_send(struct ph_call *call, const void *data, size_t len);
/* How many bytes it takes now. on_stream is called when that is few and gets more. */
size_t ph_call_stream_room(struct ph_call *call);
/* Nothing more will be sent. Once the call is connected; before, it does nothing. */
void ph_call_stream_end(struct ph_call *call);
/* What has come and is not consumed: returns how many bytes lie at *data, until the next consume;
 * behind them there may be more. They stay, and the other side is held up when there are many
 * (256 kB), until they are consumed; also when the call has ended, until it is released. */
size_t ph_call_stream_peek(const struct ph_call *call, const uint8_t **data);
void ph_call_stream_consume(struct ph_call *call, size_t len);

/* Media flows from CONNECTED on; this stops this side's sending for good. */
void ph_call_media_stop(struct ph_call *call);
void ph_call_hangup(struct ph_call *call);
void ph_call_release(struct ph_call *call);

/* The relay: registry, cross-wiring, forwarding, and STUN on the same port. */
struct ph_relay;

struct ph_relay_config {
    struct ph_host *host;
    uint8_t seed[PH_SEED_LEN];
    /* Where clients come. The others are the STUN server's further addresses (RFC 5780): with
     * A1:P1, A2:P1, A1:P2 and A2:P2 it has all that behaviour discovery asks for. Up to the first
     * of family NONE. */
    struct ph_addr listen[PH_RELAY_LISTENS];
    char region[PH_SIGNAL_REGION_MAX];
    struct ph_addr others[PH_SIGNAL_RELAYS_MAX]; /* relays that the Ack names ... */
    char other_regions[PH_SIGNAL_RELAYS_MAX]
                      [PH_SIGNAL_REGION_MAX]; /* ... and theirs; may be empty */
    size_t other_count;
    /* Caps; 0: the default that is given here. */
    uint32_t clients_max;             /* 4096 */
    uint32_t sessions_per_client_max; /* 16 */
    uint32_t sessions_max;            /* 16384 */
    uint32_t packets_per_second_max;  /* of one leg, 2000, in bursts of as many */
    uint32_t packets_per_second_all;  /* of all legs together, in bursts of a tenth; 0: no cap */
    bool deterministic;
};

struct ph_relay_stats {
    uint64_t clients, sessions; /* now */
    bool draining, overloaded;  /* now */
    uint64_t forwarded_packets, forwarded_bytes;
    uint64_t dropped_unknown_tag, dropped_wrong_source, dropped_rate;
    uint64_t dropped_rate_all; /* over packets_per_second_all */
    uint64_t dropped_unproved; /* to a client that has moved, beyond three times what came from
                                * there (RFC 9000 section 8) */
    uint64_t dropped_no_peer;  /* the other end has not resumed the call yet */
    uint64_t stun_requests;
    uint64_t handshakes; /* begun with a valid token */
    uint64_t refused_clients, refused_calls;
    uint64_t notices, resets; /* told to strangers: of a tag, of a connection */
    uint64_t returns;         /* legs whose client has registered again */
    uint64_t resumes;         /* calls that both ends have resumed after a restart */
};

int ph_relay_new(const struct ph_relay_config *config, struct ph_relay **out);
void ph_relay_free(struct ph_relay *relay);
void ph_relay_get_stats(const struct ph_relay *relay, struct ph_relay_stats *out);
/* Takes no new clients and no new calls from now on, and tells the clients so, with the relays that
 * they may go to. Calls that there are go on, and their clients may come back. It stops when its
 * owner frees it, best when stats say that there are no sessions any more. */
void ph_relay_drain(struct ph_relay *relay);
/* Closes every connection with a word: before the end, where no other process takes over. */
void ph_relay_farewell(struct ph_relay *relay);

/* How old what a relay has left behind may be: calls that have waited longer are over. */
#define PH_RELAY_STATE_AGE_S 60
/* The running calls, for a relay with the same seed and addresses to go on with; the caller frees
 * the bytes. wall_s: the wall clock, in seconds of any epoch that both relays share. PH_ERR_NOMEM.
 */
int ph_relay_export(const struct ph_relay *relay, uint64_t wall_s, uint8_t **out, size_t *len);
/* Takes them up: they flow at once, and their clients have half a minute to register again. Returns
 * how many. PH_ERR_FORMAT: damaged, or nothing of a relay's; PH_ERR_AUTH: of a relay with another
 * seed or other addresses; PH_ERR_TIMEOUT: too old, or written in the future. Nothing is taken
 * then. */
int ph_relay_import(struct ph_relay *relay, uint64_t wall_s, const uint8_t *data, size_t len);
struct ph_addr ph_relay_address(const struct ph_relay *relay);

/* A plain STUN server (RFC 8489, with CHANGE-REQUEST of RFC 5780 where it has two addresses or
 * more): names as an address's other one the next that differs in IP and port, or else in IP. */
struct ph_stun_server;

int ph_stun_server_new(struct ph_host *host, const struct ph_addr *addrs, size_t n,
                       struct ph_stun_server **out);
void ph_stun_server_free(struct ph_stun_server *server);

#endif
