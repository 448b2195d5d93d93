/* Connection tracking of UDP over IPv4, as netfilter does it (Linux 6.18: nf_conntrack_core.c,
 * nf_conntrack_proto_udp.c): a flow is the tuple of its first packet and the tuple of the answers
 * to it, and what a NAT translates is the difference between the two. Pure: time comes in.
 *
 * A pointer to a flow is good until the next flow is confirmed. */
#ifndef LAB_WORLD_SIM_CONNTRACK_H
#define LAB_WORLD_SIM_CONNTRACK_H

#include "base/addr.h"
#include "base/time.h"

/* An address and port: ip << 16 | port. */
typedef uint64_t sim_end;

struct sim_tuple {
    sim_end src, dst;
};

enum sim_dir {
    SIM_ORIGINAL,
    SIM_REPLY,
};

#define SIM_FLOW_CHAINS 4

struct sim_flow {
    struct sim_tuple tuple[2]; /* by direction; the reply's is what an answer looks like when it
                                * comes in, before it is translated back */
    ph_ns expires;
    ph_ns stream_from; /* a flow that is still alive then is a stream */
    uint32_t mark;
    bool replied, assured;
    bool local;   /* to the router itself */
    bool counted; /* against the limit of mappings */
    /* Private: its places in the chains. */
    uint32_t next[SIM_FLOW_CHAINS], prev[SIM_FLOW_CHAINS];
};

struct sim_conntrack {
    ph_ns udp, stream; /* timeouts: without an answer, and of a stream */
    size_t counted;    /* flows that count; some may have expired */
    /* Private. */
    struct sim_flow *flows;
    uint32_t *heads;
    uint32_t cap, count, used, free, chains;
    ph_ns earliest; /* no flow expires before */
};

/* Without memory of its own yet. */
void sim_conntrack_init(struct sim_conntrack *t, uint32_t udp_s, uint32_t stream_s);
void sim_conntrack_fini(struct sim_conntrack *t);
/* Forgets every flow, and keeps the memory. */
void sim_conntrack_flush(struct sim_conntrack *t);

/* The flow that a packet belongs to, and in which direction it goes; NULL: it would be a new one.
 * dir may be NULL. */
struct sim_flow *sim_conntrack_find(struct sim_conntrack *t, ph_ns now, const struct sim_tuple *p,
                                    enum sim_dir *dir);
/* A packet of the flow has come by: its timeout begins anew. */
void sim_conntrack_touch(const struct sim_conntrack *t, ph_ns now, struct sim_flow *f,
                         enum sim_dir dir);
/* Takes in a flow by its first packet: of *f the tuples, the mark, local and counted are read.
 * NULL: another flow has one of its tuples, or there is no room; then the packet is lost. */
struct sim_flow *sim_conntrack_confirm(struct sim_conntrack *t, ph_ns now,
                                       const struct sim_flow *f);
/* The flows that one endpoint has opened, the newest first; start with NULL. */
struct sim_flow *sim_conntrack_of_source(struct sim_conntrack *t, ph_ns now, sim_end src,
                                         const struct sim_flow *after);
/* Whether any flow's answers go to this endpoint. */
bool sim_conntrack_holds(struct sim_conntrack *t, ph_ns now, sim_end outside);
/* Forgets the flows that have expired; returns how many are left. */
size_t sim_conntrack_sweep(struct sim_conntrack *t, ph_ns now);

/* What a packet looks like behind the NAT. */
static inline struct sim_tuple sim_flow_translate(const struct sim_flow *f, enum sim_dir dir)
{
    const struct sim_tuple *other = &f->tuple[1 - dir];
    return (struct sim_tuple){.src = other->dst, .dst = other->src};
}

static inline struct sim_tuple sim_tuple_invert(const struct sim_tuple *t)
{
    return (struct sim_tuple){.src = t->dst, .dst = t->src};
}

static inline sim_end sim_end_at(uint32_t ip, unsigned port)
{
    return (uint64_t)ip << 16 | (uint16_t)port;
}

static inline sim_end sim_end_of(const struct ph_addr *a)
{
    return sim_end_at(ph_addr_v4_get(a), a->port);
}

static inline struct ph_addr sim_end_addr(sim_end e)
{
    return ph_addr_v4_u32((uint32_t)(e >> 16), (uint16_t)e);
}

static inline uint32_t sim_end_ip(sim_end e)
{
    return (uint32_t)(e >> 16);
}

static inline uint16_t sim_end_port(sim_end e)
{
    return (uint16_t)e;
}

#endif
