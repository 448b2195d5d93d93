/* Two peers, a relay and STUN servers in the in-memory world, for tests of the core: virtual time,
 * nothing sleeps. */
#ifndef TESTS_SIM_FIXTURE_H
#define TESTS_SIM_FIXTURE_H

#include "lab/world/sim/sim.h"
#include "pinhole.h"
#include "tests/hostile_relay.h"
#include "wire/hardnat.h"

struct sim_fixture_config {
    const char *topology; /* NULL: two-nats */
    const char *nat[2];   /* profiles of a and b; NULL: port-preserving */
    const char *link;     /* preset; NULL: 20ms */
    const char *family;   /* of both peers, as of the axis `family`; NULL: v4 */
    const char *ipv6[2];  /* of each NAT, in place of what its profile says; NULL */
    /* Protocols for port mapping that each NAT's router (the home NAT inside it, where there is
     * one) speaks: 1u << PH_PORTMAP_x, 0: what the profile says; and a fault of its, NULL: none. */
    unsigned routers[2];
    const char *faults[2];
    ph_ns jitter; /* of every link that has a delay, each way */
    uint64_t seed;
    void (*trace)(void *user, const char *line); /* of both peers; user is their struct sim_peer */
    unsigned stages[2];                          /* 0: all */
    /* Takes streams, of each; user is the struct sim_peer. NULL: none. */
    void (*on_stream[2])(void *user, struct ph_call *call);
    enum ph_answer_mode answer;
    bool no_stun;
    bool dead_stun; /* one more STUN server is named, and never answers */
    bool two_ports; /* the STUN server has a second port at each of its addresses (RFC 5780) */
    bool no_ttl_learning;
    const struct hostile_relay_config
        *hostile; /* in place of the relay; host and listen filled in */
};

struct sim_peer {
    struct sim_fixture *fixture;
    size_t node;
    struct ph_host *host;
    struct ph_agent *agent;
    int registered; /* 1: not told yet; then PH_OK or an error */
    struct ph_addr reflexive;
    struct ph_call *call;
    struct ph_call_report report; /* brought up to date by sim_fixture_report */
};

struct sim_fixture {
    struct layout layout;
    struct world *world;
    struct sim_peer peer[2];
    struct ph_host *relay_host, *stun_host;
    size_t relay_node;
    struct ph_relay_config relay_config;
    struct ph_relay *relay; /* NULL: dead */
    struct hostile_relay *hostile;
    struct ph_addr relay_addr, relay_addr6; /* family NONE: it has none */
    struct ph_stun_server *stun;
};

/* Fails the test on any error. */
struct sim_fixture *sim_fixture_new(const struct sim_fixture_config *config);
void sim_fixture_free(struct sim_fixture *f);
/* The relay ends without a word, and begins anew: on the same address, with the same seed, and no
 * memory. */
void sim_fixture_kill_relay(struct sim_fixture *f);
void sim_fixture_start_relay(struct sim_fixture *f);
/* Runs until both peers are registered; fails the test when they are not within 10 s. */
void sim_fixture_register(struct sim_fixture *f);
/* a dials b; runs until both are settled, or `limit` has passed since the dial. */
void sim_fixture_call(struct sim_fixture *f, ph_ns limit);
/* The same, with any fingerprint dialled. */
void sim_fixture_dial(struct sim_fixture *f, const uint8_t peer[PH_FINGERPRINT_LEN], ph_ns limit);
/* Dials, and runs until each has heard what the other's NAT does. */
void sim_fixture_until_told(struct sim_fixture *f);
/* Says whatever it likes to the other peer, with the keys of this one, while it has any. */
void sim_peer_say(struct sim_peer *p, const struct ph_hard_message *m);
void sim_fixture_run(struct sim_fixture *f, ph_ns time);
void sim_fixture_report(struct sim_fixture *f);

#endif
