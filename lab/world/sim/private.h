/* What the parts of the simulator share. */
#ifndef LAB_WORLD_SIM_PRIVATE_H
#define LAB_WORLD_SIM_PRIVATE_H

#include "base/heap.h"
#include "base/rng.h"
#include "lab/world/sim/firewall.h"
#include "lab/world/sim/nat.h"
#include "lab/world/sim/sim.h"

enum sim_event_kind {
    SIM_EVENT_PACKET, /* struct sim_packet */
    SIM_EVENT_CALL,   /* struct sim_call */
};

struct sim;

struct sim_event {
    struct ph_heap_node node; /* first: the heap gives it back */
    enum sim_event_kind kind;
};

/* Something to be done later. */
struct sim_call {
    struct sim_event event; /* first */
    void (*fn)(struct sim *s, void *user);
    void *user;
};

/* A packet arriving at `node` by interface `iface`. */
struct sim_packet {
    struct sim_event event; /* first */
    struct sim_packet *next_free;
    size_t node;
    size_t iface;
    struct ph_addr src, dst;
    uint8_t ttl;
    size_t len;
    uint8_t data[PH_DATAGRAM_MAX];
};

struct sim_host {
    struct ph_host base;
    struct sim *sim;
    size_t node;
    struct sim_host *next; /* of the world's */
    bool watches;          /* it wants to know when its network changes */
    struct sim_call timer, network;
    struct ph_rng rng;
    void (*trace)(void *user, const char *line);
    void *trace_user;
};

struct sim_socket {
    struct sim_host *host; /* NULL: free */
    struct ph_addr local;
    ph_sock id;
    uint32_t next; /* in its bucket, or of the free ones; number + 1, 0: none */
    uint16_t generation;
};

struct sim_sockets {
    struct sim_socket *all;
    uint32_t *buckets; /* by node and port; number + 1 */
    uint32_t cap, used, free;
};

/* Of world_ops.at. */
struct sim_slot {
    struct sim_slot *next;
    struct sim_call call;
    void (*fn)(void *user);
    void *user;
};

struct sim_router;
struct sim_http;

#define SIM_NO_IFACE SIZE_MAX

/* What a node does with packets to an address, worked out once: a layout stays as it is. */
struct sim_way {
    bool known;
    bool own;     /* an address of the node's */
    bool outside; /* a NAT's outside address */
    bool lost;    /* plain routers on the way lead nowhere */
    uint32_t node;
    struct ph_addr dst; /* whatever its port */
    size_t out;         /* interface; SIM_NO_IFACE: none */
    size_t link;
    int dir; /* of its link, from the node */
    /* From the far end of its link past the plain routers behind it, as long as their links only
     * delay: where that ends, after what delay, and how much of the TTL it takes. */
    size_t to_node, to_iface;
    ph_ns delay;
    uint8_t hops;
};

#define SIM_WAYS 1024 /* a power of two */

struct sim_link_state {
    struct ph_rng rng;
    ph_ns last;    /* arrival of the last packet: order is kept */
    ph_ns free_at; /* when the line has sent what it was given (rate) */
};

struct sim_link {
    struct sim_link_state dir[2];
};

/* What incidents have done to the world (incident.c). Those that last may be there several times at
 * once, so they are counted. */
struct sim_trouble {
    bool any;                         /* since the world was put in order */
    unsigned blackholes[2];           /* of packets from the caller, from the callee */
    unsigned dark[2];                 /* sides that nothing passes to and from */
    unsigned down[2];                 /* sides whose host's wire is pulled */
    unsigned turns[LAYOUT_NODES_MAX]; /* of addresses, lab/topo/renumber.h */
};

struct sim {
    struct world base;
    struct layout layout;
    struct sim_trouble trouble;
    uint64_t seed;
    ph_ns now;
    struct ph_heap events;
    struct sim_packet *free_packets;
    struct sim_sockets sockets;
    struct sim_slot *slots;
    struct sim_nat *nats[LAYOUT_NODES_MAX];
    struct sim_firewall *firewalls[LAYOUT_NODES_MAX]; /* of IPv6, beside each NAT */
    struct sim_router *routers[LAYOUT_NODES_MAX];     /* port-mapping servers, router.c */
    struct sim_http *https;                           /* requests under way */
    ph_http next_http;
    struct sim_link links[LAYOUT_LINKS_MAX];
    struct sim_way *ways; /* SIM_WAYS of them, by their hash */
    struct sim_host *hosts;
    uint64_t next_host;
    uint64_t digest;
    uint64_t packets;
    struct link_drops drops;
    enum sim_verdict (*tap)(void *user, const struct sim_tap_packet *p);
    void *tap_user;
};

struct sim *sim_of(struct world *w);

/* host.c: the network of the hosts that stand on a node has changed; they are told from the loop.
 */
void sim_hosts_changed(struct sim *s, size_t node);

/* incident.c: world_ops. */
void sim_disturb(struct world *w, const struct incident *what, world_disturbed done, void *user);
/* Takes back what incidents have done; nothing is under way, and no host stands. */
void sim_calm(struct sim *s);
/* Whether the node's wire is pulled; whether nothing passes to and from it, for that or another
 * reason. */
bool sim_is_down(const struct sim *s, size_t node);
bool sim_is_cut_off(const struct sim *s, size_t node);
/* Whether a packet that a host sends, or that has come to it, is lost in one that goes on. */
bool sim_is_swallowed(const struct sim *s, const struct sim_packet *p, size_t node, bool arrives);
/* NULL: out of memory, or too long. */
struct sim_packet *sim_packet_new(struct sim *s, const uint8_t *data, size_t len);
void sim_packet_free(struct sim *s, struct sim_packet *p);
void sim_packet_at(struct sim *s, struct sim_packet *p, ph_ns when);
void sim_call_init(struct sim_call *c, void (*fn)(struct sim *s, void *user), void *user);
/* Calls it once at `when`, in place of what was asked before; PH_NEVER cancels. */
void sim_call_at(struct sim *s, struct sim_call *c, ph_ns when);
/* To the socket at p->node that it is for, if any. Takes the packet. */
void sim_deliver(struct sim *s, struct sim_packet *p);

/* way.c: what node does with packets to dst. */
const struct sim_way *sim_way(struct sim *s, size_t node, const struct ph_addr *dst);
bool sim_is_multicast(const struct ph_addr *a);
/* From one port of a LAN to another: a switch, no router. */
bool sim_is_bridged(const struct layout_node *n, size_t in, size_t out);

/* host.c. */
struct sim_host *sim_host_of(struct ph_host *h);
/* Of world_ops. */
int sim_host_new(struct world *w, size_t node, void (*trace)(void *user, const char *line),
                 void *user, struct ph_host **out);
void sim_host_free(struct world *w, struct ph_host *host);

/* socket.c. A pointer to a socket is good until the next one is opened. */
int sim_socket_open(struct sim_host *h, const struct ph_addr *local, ph_sock *out);
void sim_socket_close(struct sim_host *h, ph_sock sock);
struct sim_socket *sim_socket_of(const struct sim_host *h, ph_sock sock);
/* Who gets what comes to an address of a node; of several, who opened last. */
struct sim_socket *sim_socket_find(const struct sim *s, size_t node, const struct ph_addr *to);
/* All of one host's; of all hosts, keeping the memory; and that too. */
void sim_sockets_drop(struct sim_host *h);
void sim_sockets_reset(struct sim *s);
void sim_sockets_fini(struct sim *s);

#endif
