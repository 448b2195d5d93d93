/* An order in which to try the ports of a NAT: the likeliest first, none twice, and the same each
 * time it is walked, so that a second pass repeats the first. It is a few segments and a seed, not
 * a list: an order over all ports costs no more than one over eight. */
#ifndef PH_NAT_PORTS_H
#define PH_NAT_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PH_PORT_SEGMENTS_MAX 8
#define PH_PORT_LIST_MAX     64

struct ph_port_segment {
    uint16_t low, high; /* both belong to it */
    uint16_t stride;    /* from one port to the next; 0 is 1 */
    bool shuffled;      /* by the order's seed; otherwise from low to high, or with `down` back */
    bool down;
};

struct ph_port_order {
    uint16_t list[PH_PORT_LIST_MAX]; /* these come first, as they stand */
    size_t list_count;
    struct ph_port_segment segments[PH_PORT_SEGMENTS_MAX]; /* then these, one after the other */
    size_t segment_count;
    uint64_t seed;
    uint32_t skip; /* so many of the first are left out: an earlier move has had them */
};

/* False when there is no room for it, or it is empty. Port 0 is none. The ports of a segment are
 * low, low + stride ...; `down` walks the same ones. */
bool ph_port_order_add(struct ph_port_order *o, const struct ph_port_segment *s);
/* True also when the list has it already. */
bool ph_port_order_add_port(struct ph_port_order *o, uint16_t port);
/* The same ports in the same order, as far as the parts that they are made of show. */
bool ph_port_order_eq(const struct ph_port_order *a, const struct ph_port_order *b);
/* How many different ports it has: as many as a walk gives. */
uint32_t ph_port_order_count(const struct ph_port_order *o);
/* How many of the first `probes` ports lie in [low, high]. */
uint32_t ph_port_order_within(const struct ph_port_order *o, uint32_t probes, uint16_t low,
                              uint16_t high);

/* A walk through an order, which it borrows. All zero but the order: its start. */
struct ph_port_walk {
    const struct ph_port_order *order;
    size_t segment; /* 0: the list, 1: the first segment ... */
    uint32_t index;
};

/* The next port; false at the end. Constant time, but for ports that an earlier segment has had,
 * and for `skip` at the start. */
bool ph_port_walk_next(struct ph_port_walk *w, uint16_t *port);

#endif
