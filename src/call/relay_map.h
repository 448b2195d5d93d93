/* The relays that an agent knows: those of its config, and those that a relay's ack named. How far
 * each is, what it is worth, and in which order they are to be tried.
 *
 * An ack is a stranger's word. It can add entries up to the cap, and push out one that does not
 * answer, but none of the config; it cannot name what is no target at all, and a relay on the
 * public internet cannot name addresses of this host or of private networks, which it could use to
 * feel its way around in there. */
#ifndef PH_CALL_RELAY_MAP_H
#define PH_CALL_RELAY_MAP_H

#include "base/addr.h"
#include "base/time.h"
#include "wire/signal.h"

#define PH_RELAY_MAP_MAX 16

enum ph_relay_standing {
    PH_RELAY_ANSWERS, /* in the last measurement */
    PH_RELAY_UNMEASURED,
    PH_RELAY_SILENT, /* no answer in the last measurement */
};

struct ph_relay_entry {
    struct ph_addr addr;
    char region[PH_SIGNAL_REGION_MAX]; /* empty: not known */
    bool region_own;                   /* the relay itself has said so */
    bool configured;
    enum ph_relay_standing standing;
    ph_ns rtt;           /* smoothed; 0: never measured */
    ph_ns answered;      /* last; PH_NEVER: never */
    unsigned failures;   /* of connections with it, in a row */
    struct ph_addr seen; /* where its STUN server sees us ... */
    uint64_t voucher;    /* ... and what shows to the relay that we are there; 0: nothing */
};

struct ph_relay_map {
    unsigned families; /* that there is a way to: 1u << PH_AF_x each */
    struct ph_relay_entry items[PH_RELAY_MAP_MAX];
    size_t count;
};

void ph_relay_map_init(struct ph_relay_map *m, unsigned families);
/* One of the config. False when there is no way to its family, it is known already, or it is one
 * too many. */
bool ph_relay_map_add(struct ph_relay_map *m, const struct ph_addr *addr);
/* One that the ack of the relay at `from` named. True when it is new. */
bool ph_relay_map_learn(struct ph_relay_map *m, const struct ph_addr *from,
                        const struct ph_addr *addr, const char *region);
struct ph_relay_entry *ph_relay_map_find(struct ph_relay_map *m, const struct ph_addr *addr);

/* What a measurement has found: 0 is silence. A shorter round trip counts at once, for no path is
 * longer than the shortest time in which it was crossed; a longer one by half, for it may have
 * stood in a queue. */
void ph_relay_map_measured(struct ph_relay_map *m, const struct ph_addr *addr, ph_ns rtt,
                           ph_ns now);
/* A connection with it has failed, or ended without our will. */
void ph_relay_map_failed(struct ph_relay_map *m, const struct ph_addr *addr);
/* It has registered us, and said this about itself. */
void ph_relay_map_registered(struct ph_relay_map *m, const struct ph_addr *addr,
                             const char *region);
/* Failures of those that answer are forgotten: they may be tried again. */
void ph_relay_map_forgive(struct ph_relay_map *m);

/* Better by so much that it is worth the change: more than 20% and more than 5 ms. */
bool ph_relay_clearly_nearer(ph_ns rtt, ph_ns than);
/* The order in which to try them, as indices: those that answer first, then by failures, then by
 * round trip; where there is none, those of the config first. Returns the count. */
size_t ph_relay_map_order(const struct ph_relay_map *m, size_t out[PH_RELAY_MAP_MAX]);
/* Where an agent that is at `home` had better be: there, unless another one that has never failed
 * is clearly nearer or `home` is silent. family NONE, or an unknown address: the first of the
 * order. NULL when the map is empty. */
const struct ph_relay_entry *ph_relay_map_preferred(const struct ph_relay_map *m,
                                                    const struct ph_addr *home);

#endif
