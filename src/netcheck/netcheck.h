/* One look at the network, everything at once: UDP, IPv4, IPv6, what the NAT does and how it gives
 * out ports, which routers map ports, which relay is near. Leaves nothing behind. */
#ifndef PH_NETCHECK_NETCHECK_H
#define PH_NETCHECK_NETCHECK_H

#include "nat/outlook.h"
#include "path/survey.h"
#include "portmap/portmap.h"

#define PH_NETCHECK_RELAYS_MAX 8

struct ph_netcheck_relay {
    struct ph_addr addr;
    char region[32]; /* empty: not known */
};

struct ph_netcheck_config {
    struct ph_host *host;   /* its own */
    struct ph_addr bind[2]; /* of the IPv4 and of the IPv6 socket; family NONE: any address of
                             * that family */
    struct ph_netcheck_relay relays[PH_NETCHECK_RELAYS_MAX];
    size_t relay_count;
    struct ph_addr stuns[PH_SURVEY_SERVERS_MAX]; /* beside the relays, which answer STUN too */
    size_t stun_count;
    ph_ns timeout;            /* 0: 2800 ms, the release of what was mapped included */
    bool no_portmap;          /* do not ask routers */
    bool lifetime;            /* see survey.h */
    void (*done)(void *user); /* once, at the end of an event; may free the netcheck */
    void *user;
};

struct ph_netcheck_relay_report {
    struct ph_netcheck_relay relay;
    bool answered;
    ph_ns rtt;
};

struct ph_netcheck_report {
    ph_ns took;
    enum ph_answer ipv4, ipv6;  /* there is an address and a way out */
    bool nat64;                 /* IPv4 is had by a translator of the network's (path/clat.h) */
    struct ph_nat_facts v4, v6; /* of IPv6: a firewall's filtering, above all */
    struct ph_portmap_protocol_report portmap[PH_PORTMAP_PROTOCOLS];
    bool mapped;               /* a router gave us a port (and has it back) */
    struct ph_mapping mapping; /* what it was */
    enum ph_answer double_nat;
    struct ph_netcheck_relay_report relays[PH_NETCHECK_RELAYS_MAX]; /* by round trip */
    size_t relay_count; /* those that answered stand first; the first is preferred */
    struct ph_outlook easy, hard;
};

struct ph_netcheck;

/* Starts at once. PH_ERR_INVAL, PH_ERR_NOMEM, PH_ERR_SYS. */
int ph_netcheck_new(const struct ph_netcheck_config *config, struct ph_netcheck **out);
/* Before it is done: what was mapped is told to the router by a last word. */
void ph_netcheck_free(struct ph_netcheck *n);
void ph_netcheck_report(const struct ph_netcheck *n, struct ph_netcheck_report *out);

#endif
