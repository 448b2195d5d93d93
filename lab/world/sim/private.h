/* What the parts of the simulator share. */
#ifndef LAB_WORLD_SIM_PRIVATE_H
#define LAB_WORLD_SIM_PRIVATE_H

#include "base/heap.h"
#include "base/rng.h"
#include "lab/world/sim/nat.h"
#include "lab/world/sim/sim.h"

enum sim_event_kind {
    SIM_EVENT_PACKET,
    SIM_EVENT_HOST_TIMER,
    SIM_EVENT_SLOT,
    SIM_EVENT_CALL,
};

struct sim;

struct sim_event {
    struct ph_heap_node node; /* first: the heap gives it back */
    enum sim_event_kind kind;
    void *owner;
};

/* A packet arriving at `node` by interface `iface`. */
struct sim_packet {
    struct sim_event event;
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
    struct sim_event timer;
    struct ph_rng rng;
    void (*trace)(void *user, const char *line);
    void *trace_user;
};

struct sim_socket {
    struct sim_socket *next;
    struct sim_host *host;
    ph_sock id;
    struct ph_addr local;
    bool closed;
};

struct sim_slot {
    struct sim_slot *next;
    struct sim_event event;
    void (*fn)(void *user);
    void *user;
};

/* Something that a part of the simulator has to do later; owner of its event is itself. */
struct sim_call {
    struct sim_event event; /* first */
    void (*fn)(struct sim *s, void *user);
    void *user;
};

struct sim_router;
struct sim_http;

struct sim_link {
    struct {
        struct ph_rng rng;
        ph_ns last;    /* arrival of the last packet: order is kept */
        ph_ns free_at; /* when the line has sent what it was given (rate) */
    } dir[2];
};

struct sim {
    struct world base;
    struct layout layout;
    uint64_t seed;
    ph_ns now;
    struct ph_heap events;
    struct sim_packet *free_packets;
    struct sim_socket *sockets;
    struct sim_slot *slots;
    struct sim_nat *nats[LAYOUT_NODES_MAX];
    struct sim_router *routers[LAYOUT_NODES_MAX]; /* port-mapping servers, router.c */
    struct sim_http *https;                       /* requests under way */
    ph_http next_http;
    struct sim_link links[LAYOUT_LINKS_MAX];
    ph_sock next_socket;
    uint64_t next_host;
    uint64_t digest;
    uint64_t packets;
    bool sweep; /* closed sockets wait to be freed */
    enum sim_verdict (*tap)(void *user, const struct sim_tap_packet *p);
    void *tap_user;
};

struct sim *sim_of(struct world *w);
struct sim_packet *sim_packet_new(struct sim *s);
void sim_packet_free(struct sim *s, struct sim_packet *p);
void sim_packet_at(struct sim *s, struct sim_packet *p, ph_ns when);
void sim_call_init(struct sim_call *c, void (*fn)(struct sim *s, void *user), void *user);
/* Calls it once at `when`, in place of what was asked before; PH_NEVER cancels. */
void sim_call_at(struct sim *s, struct sim_call *c, ph_ns when);
/* To the socket at p->node that it is for, if any. Takes the packet. */
void sim_deliver(struct sim *s, struct sim_packet *p);

#endif
