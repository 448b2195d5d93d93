/* The insides of the mapper, for the files that it is made of. */
#ifndef PH_PORTMAP_MAPPER_H
#define PH_PORTMAP_MAPPER_H

#include "portmap/contest.h"
#include "portmap/natpmp_client.h"
#include "portmap/pcp_client.h"
#include "portmap/upnp_client.h"

#define PH_MAPPER_CLIENTS_MAX (2 * PH_GATEWAYS_MAX + 1)

/* A nonce that a server may still know a mapping of ours by, though we have moved away. */
struct ph_kept_nonce {
    struct ph_addr server, local;
    uint8_t nonce[PH_PCP_NONCE_LEN];
};

struct ph_mapper {
    struct ph_mapper_config config;
    struct ph_outlet outlet;
    enum ph_mapper_state state;

    struct ph_gateway gateways[PH_GATEWAYS_MAX]; /* of both families */
    size_t gateway_count;
    struct ph_addr bound; /* the mapped socket's address when they were read */
    struct ph_pcp_client pcp[PH_GATEWAYS_MAX];
    struct ph_natpmp_client natpmp[PH_GATEWAYS_MAX];
    struct ph_upnp_client upnp;
    struct ph_kept_nonce nonces[PH_GATEWAYS_MAX];
    size_t nonce_next;                                /* the oldest one's place */
    struct ph_client *clients[PH_MAPPER_CLIENTS_MAX]; /* those that are in use */
    size_t client_count;

    struct ph_contest contest;
    struct ph_client *winner;  /* of MAPPED */
    struct ph_mapping mapping; /* ... as it was told */
    uint32_t changes;
    struct ph_addr reflexive;

    bool wanted;       /* a mapping is */
    bool looked;       /* discovery was asked for */
    ph_ns settled;     /* the last event's time */
    ph_ns started;     /* DISCOVERING, ACQUIRING, RELEASING: since when */
    ph_ns retry_at;    /* of FAILED */
    unsigned refusals; /* acquisitions that failed, in a row */
    unsigned brief;    /* mappings that were lost as soon as they were made, in a row */
};

/* mapper_gateways.c */

bool ph_mapper_speaks(const struct ph_mapper *m, enum ph_portmap_protocol p);
/* Reads the gateways anew; true: they are others than before, or our address is, and the clients
 * have been made anew. */
bool ph_mapper_read_gateways(struct ph_mapper *m, ph_ns now);
void ph_mapper_drop_clients(struct ph_mapper *m, ph_ns now);

#endif
