/* One peer behind a NAT, STUN servers with two ports each, and a surveyed socket, in the in-memory
 * world: for tests of the survey and of netcheck. */
#ifndef TESTS_SURVEY_WORLD_H
#define TESTS_SURVEY_WORLD_H

#include "lab/world/sim/sim.h"
#include "nat/facts.h"
#include "path/survey.h"
#include "pinhole.h"

struct survey_world_config {
    const char *nat;  /* of the peer; NULL: port-preserving */
    const char *link; /* preset; NULL: 20ms */
    uint64_t seed;
    size_t ips;      /* of the STUN server; 0: all five */
    size_t ports;    /* of each; 0: two */
    bool no_servers; /* nobody answers at the STUN server's addresses */
};

struct survey_world {
    struct layout layout;
    struct world *world;
    size_t node, stun_node, relay_node;
    struct ph_host *host; /* the peer's */
    struct ph_host *stun_host;
    struct ph_stun_server *stun;
    size_t ips;
    struct ph_addr server[TOPO_ADDRESSES_MAX]; /* each IP of the STUN server, at its first port */

    /* Where survey_start made it. */
    struct ph_endpoint ep;
    ph_sock sock;
    struct ph_survey *survey;
    ph_ns started, done_at;
    size_t strays; /* datagrams that were not the survey's */
};

struct survey_world *survey_world_new(const struct survey_world_config *config);
void survey_world_free(struct survey_world *w);
/* Opens the surveyed socket and starts a survey; host, sock and, where none are given, the servers
 * are filled in. */
void survey_start(struct survey_world *w, const struct ph_survey_config *config);
/* Runs until it is done; fails the test when it is not within `limit`. */
void survey_run(struct survey_world *w, ph_ns limit, struct ph_nat_facts *out);

/* What a survey is to say of a shipped profile. */
struct survey_wanted {
    enum ph_mapping_behaviour mapping;
    enum ph_filtering_behaviour filtering;
    enum ph_allocation_type allocation;
    int step;
    bool hairpin;
};

struct survey_wanted survey_wanted_of(const char *nat);

#endif
