/* Port mapping: a port of the router that leads to one of ours. The mapper runs the three clients
 * (PCP, NAT-PMP, UPnP IGD) at once, keeps the best mapping among what answers within a short grace
 * after the first, releases the others, renews it, makes it again where the router forgot it, and
 * deletes it at the end.
 *
 *   IDLE -> DISCOVERING   who is there is asked; nothing is made, nobody but routers hears of it
 *   IDLE, DISCOVERING -> ACQUIRING -> MAPPED | FAILED
 *   MAPPED -> ACQUIRING   the mapping is lost: the router restarted, or our address has changed
 *   any -> RELEASING -> IDLE
 *
 * NAT-PMP and PCP leave the socket that is to be mapped; SSDP has a socket of its own for each
 * interface (its answers are HTTP, whose first byte would pass for QUIC's). */
#ifndef PH_PORTMAP_PORTMAP_H
#define PH_PORTMAP_PORTMAP_H

#include "host/host.h"

#include <stdbool.h>

enum ph_portmap_protocol { /* in order of preference */
    PH_PORTMAP_PCP,
    PH_PORTMAP_NATPMP,
    PH_PORTMAP_UPNP,
    PH_PORTMAP_PROTOCOLS,
    PH_PORTMAP_NONE = PH_PORTMAP_PROTOCOLS,
};

const char *ph_portmap_protocol_name(enum ph_portmap_protocol protocol); /* "pcp", "nat-pmp", ... */

/* What one protocol's server has said so far. */
enum ph_portmap_said {
    PH_PORTMAP_UNASKED,
    PH_PORTMAP_WAITING,
    PH_PORTMAP_SILENT,      /* nobody answered */
    PH_PORTMAP_ANSWERS,     /* it is there; no mapping was asked for */
    PH_PORTMAP_MAPPED,      /* it gave us one */
    PH_PORTMAP_RELEASED,    /* it gave us one, and has it back */
    PH_PORTMAP_REFUSED,     /* it is there, and said no: `code` */
    PH_PORTMAP_UNSUPPORTED, /* somebody answered, but does not speak this protocol */
    PH_PORTMAP_BROKEN,      /* what answers cannot be understood, or did not end in time */
};

const char *ph_portmap_said_name(enum ph_portmap_said said);

struct ph_portmap_protocol_report {
    enum ph_portmap_said said;
    struct ph_addr server;   /* that answered: the gateway, or (UPnP) where its control URL leads */
    struct ph_addr external; /* as the router has it, port 0 where only the IP is known */
    int code;      /* its own last result: NAT-PMP or PCP result, UPnP error, HTTP status */
    char text[96]; /* the same in words; of UPnP's device the name comes first */
    ph_ns rtt;     /* to it; 0: not known */
    ph_ns took;    /* from the question to the mapping, or to the answer; 0: none */
};

/* How far an external address is worth anything. */
enum ph_portmap_reach {
    PH_PORTMAP_REACH_UNKNOWN, /* nothing to compare with */
    PH_PORTMAP_REACH_PUBLIC,  /* it is what the world sees, or at least a public address */
    PH_PORTMAP_REACH_DOUBLE,  /* private, shared, or another than the world sees: another NAT stands
                               * before the router that maps */
};

struct ph_mapping {
    enum ph_portmap_protocol protocol;
    struct ph_addr gateway;
    struct ph_addr external; /* IP and port at that router; IPv6: our own, through its firewall */
    uint16_t internal_port;
    uint32_t lifetime_s; /* as given; 0: permanent, until deleted */
    ph_ns made, renew;
    enum ph_portmap_reach reach;
};

enum ph_mapper_state {
    PH_MAPPER_IDLE,
    PH_MAPPER_DISCOVERING,
    PH_MAPPER_ACQUIRING,
    PH_MAPPER_MAPPED,
    PH_MAPPER_FAILED, /* nobody maps; asked again when the network changes, or after a while */
    PH_MAPPER_RELEASING,
};

const char *ph_mapper_state_name(enum ph_mapper_state state);

/* An answer that comes this long after the first one is not waited for any more. */
#define PH_PORTMAP_GRACE (30 * PH_MS)
/* What we ask for. Routers that know only permanent leases get those (lease 0), and are asked to
 * delete them. Never above 604800, which some refuse. */
#define PH_PORTMAP_LIFETIME_S 7200
/* When everything that was asked is given up, from the first question on. */
#define PH_PORTMAP_ACQUIRE_MAX (2 * PH_SEC)
#define PH_PORTMAP_RELEASE_MAX PH_SEC

struct ph_mapper_config {
    struct ph_host *host; /* whose endpoint hands on what it gets: see below */
    ph_sock sock;         /* the socket to be mapped */
    unsigned protocols;   /* 1u << PH_PORTMAP_x each; 0: all */
    uint32_t lifetime_s;  /* 0: PH_PORTMAP_LIFETIME_S */
    uint16_t want_port;   /* external; 0: the internal one. A wish, no more */
    bool no_upkeep;       /* no renewal and no watch of the router: a mapping for a moment */
};

struct ph_mapper;

/* PH_ERR_NOMEM, PH_ERR_INVAL. */
int ph_mapper_new(const struct ph_mapper_config *config, struct ph_mapper **out);
/* Forgets everything at once; what the router still holds is told by datagrams alone, as a last
 * word. Release first. */
void ph_mapper_free(struct ph_mapper *m);

/* Asks who is there. Does nothing unless IDLE. */
void ph_mapper_discover(struct ph_mapper *m, ph_ns now);
/* Wants a mapping from now on. Does nothing while it has one or is at it. */
void ph_mapper_acquire(struct ph_mapper *m, ph_ns now);
/* Gives back everything that was made. Ends in IDLE, within PH_PORTMAP_RELEASE_MAX. */
void ph_mapper_release(struct ph_mapper *m, ph_ns now);

/* The endpoint hands on what the host tells it. True: it was the mapper's. Datagrams of the mapped
 * socket are taken by their source (a gateway's address and the protocol's port), others by their
 * socket. */
bool ph_mapper_on_datagram(struct ph_mapper *m, ph_ns now, ph_sock sock,
                           const struct ph_datagram *in);
bool ph_mapper_on_http(struct ph_mapper *m, ph_ns now, ph_http id, const struct ph_http_answer *a);
void ph_mapper_on_network(struct ph_mapper *m, ph_ns now);
void ph_mapper_on_timer(struct ph_mapper *m, ph_ns now);
ph_ns ph_mapper_deadline(const struct ph_mapper *m);
/* What the world sees of us (STUN), for the comparison; family NONE: not known. */
void ph_mapper_set_reflexive(struct ph_mapper *m, const struct ph_addr *reflexive);

enum ph_mapper_state ph_mapper_state(const struct ph_mapper *m);
/* The mapping in use, NULL for none. Valid until the next call that takes `now`. */
const struct ph_mapping *ph_mapper_mapping(const struct ph_mapper *m);
/* Counts the changes of what ph_mapper_mapping gives. */
uint32_t ph_mapper_changes(const struct ph_mapper *m);
/* After discovery: how long an acquisition may be expected to take (three round trips of what
 * answered and 10 ms); 0: nobody answered, or it is not known yet. */
ph_ns ph_mapper_expected(const struct ph_mapper *m);
void ph_mapper_report(const struct ph_mapper *m, enum ph_portmap_protocol protocol,
                      struct ph_portmap_protocol_report *out);
/* Some protocol's server is asked and has not said a word yet, nor had its time to. */
bool ph_mapper_is_waiting(const struct ph_mapper *m);
/* All were asked, and nobody there maps ports. */
bool ph_mapper_found_nobody(const struct ph_mapper *m);
/* The packets and bytes that it has sent (HTTP counts as a packet a request). */
void ph_mapper_sent(const struct ph_mapper *m, uint64_t *packets, uint64_t *bytes);

#endif
