/* The agent: one endpoint with its one socket, its registration, and its calls. pinhole.h is its
 * public face; this is what the rest of call/ sees of it. */
#ifndef PH_CALL_AGENT_H
#define PH_CALL_AGENT_H

#include "call/early.h"
#include "call/network.h"
#include "call/presence.h"
#include "path/candidate.h"
#include "path/opener.h"
#include "pinhole.h"

#define PH_CALLS_MAX 8

struct ph_agent {
    struct ph_endpoint endpoint;
    struct ph_host *host;
    struct ph_agent_config config;
    struct ph_identity *identity;
    struct ph_quic *quic;
    ph_sock sock;
    struct ph_addr local;
    struct ph_presence presence;
    struct ph_network network;
    struct ph_opener opener;
    struct ph_candidate_set candidates;
    struct ph_call *calls[PH_CALLS_MAX];
    struct ph_early early;
    ph_ns registered_at; /* PH_NEVER: not */
    bool announced;      /* on_registered was called for this registration */
    int announce_error;  /* to be told at the end of this event */
    bool closing;        /* ph_agent_close was called */
    bool closed_told;
    bool pumping;
};

/* Sends one datagram from a socket, 0: the one socket; ttl 0 is the system's. */
void ph_agent_send(struct ph_agent *a, ph_sock sock, const struct ph_addr *to, uint8_t ttl,
                   const uint8_t *data, size_t len);
/* A signalling message from a relay. */
void ph_agent_on_signal(struct ph_agent *a, struct ph_registrar *from, const struct ph_signal *m);
/* The registration has ended, or every relay was tried in vain. */
void ph_agent_on_unregistered(struct ph_agent *a, int error);
/* The registration is with another relay from now on: that is to be told. */
void ph_agent_on_moved(struct ph_agent *a);
/* An address of a relay's: whatever comes from there or goes there is not direct. */
bool ph_agent_is_relay(const struct ph_agent *a, const struct ph_addr *addr);
/* An IP of this host's, or one that a NAT before it is known to lend it; whatever the port. */
bool ph_agent_is_own_ip(const struct ph_agent *a, const struct ph_addr *addr);
/* Looks again at where this agent is to be reached: what it said before counts no more. */
void ph_agent_gather(struct ph_agent *a);
/* A line of the trace: who goes from where to where. */
void ph_agent_trace(struct ph_agent *a, const char *who, const char *from, const char *to);

#endif
