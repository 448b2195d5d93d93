/* The agent's presence: where it is registered. One relay is its home, where others find it. It
 * takes the nearest at the start, another one when that dies, and moves when another is clearly
 * nearer, which it measures every five minutes and when the network changes.
 *
 * Beside its home it may be registered elsewhere for a time: with the relay that it moves to,
 * before it leaves the old one; with the relay of a peer that it calls (call/search.h); with its
 * old home, where callers may still look for it. Those that no call uses are left after half a
 * minute.
 *
 * It stays registered with the relays of its calls, and what becomes of a call that loses its own
 * stands in call/resumption.h. */
#ifndef PH_CALL_PRESENCE_H
#define PH_CALL_PRESENCE_H

#include "call/registrar.h"
#include "call/relay_map.h"
#include "call/resumption.h"
#include "path/ranging.h"

#define PH_REGISTRARS_MAX 4

struct ph_presence {
    struct ph_agent *agent;
    struct ph_relay_map map;
    struct ph_ranging ranging;
    bool measuring;
    bool forgiving;   /* when it is over failures are forgotten: not in one that a failure began */
    ph_ns measure_at; /* the next time; PH_NEVER: not planned */
    struct ph_registrar registrars[PH_REGISTRARS_MAX];
    struct ph_registrar *home;
    struct ph_registrar *next; /* to be home when it is registered; NULL */
    bool hedged;               /* at the start: unless home is registered before it */
    /* Found to be clearly nearer than home once: the agent moves when that is found again soon, for
     * a queue may have stood on the way. family NONE: none. */
    struct ph_addr nearer;
    ph_ns started;
    ph_ns choose_at; /* start: when the nearest so far is taken; PH_NEVER */
    ph_ns retry_at;  /* after home has failed on every relay; PH_NEVER */
    struct ph_resumption
        resumption;     /* of calls whose relay we are not registered with (any more) */
    ph_ns forgotten_at; /* when a relay last said that it had forgotten us; 0: never */
};

void ph_presence_init(struct ph_presence *p, struct ph_agent *agent);
void ph_presence_fini(struct ph_presence *p);
/* Begins with the relays of the agent's config that it has sockets for. PH_ERR_INVAL: there are
 * none. */
int ph_presence_start(struct ph_presence *p, ph_ns now);

bool ph_presence_registered(const struct ph_presence *p);
/* The registration, complete or under way, with this relay; NULL: none. */
struct ph_registrar *ph_presence_at(struct ph_presence *p, const struct ph_addr *relay);
/* Sees to it that there is one. PH_ERR_SPACE: too many at once; PH_ERR_NOMEM, PH_ERR_CRYPTO. */
int ph_presence_go(struct ph_presence *p, ph_ns now, const struct ph_addr *relay);
/* Whether this connection leads to where we are registered already, or are about to be, by another
 * address of the same relay (its IPv4 one, say), and is not to take the place of that. */
bool ph_presence_is_there_already(const struct ph_presence *p, const struct ph_registrar *r);
/* Whose connection it is; NULL: no registration's. */
struct ph_registrar *ph_presence_by_conn(struct ph_presence *p, const struct ph_quic_conn *conn);
/* Whether it is a relay's address: of the config, of a registration, of a call. Those that an ack
 * has named and nobody uses are not meant, or a relay could keep two peers apart by naming one. */
bool ph_presence_is_relay(const struct ph_presence *p, const struct ph_addr *addr);

void ph_presence_on_ack(struct ph_presence *p, struct ph_registrar *r, const struct ph_signal *ack);
/* The relay is about to stop, and names others: if it is home, another one becomes that. */
void ph_presence_on_drain(struct ph_presence *p, ph_ns now, struct ph_registrar *r,
                          const struct ph_signal *drain);
/* True when the response was to a measurement. */
bool ph_presence_on_stun(struct ph_presence *p, ph_ns now, const struct ph_stun *msg,
                         const struct ph_addr *from);
/* The machine's network is not what it was. */
void ph_presence_on_network(struct ph_presence *p, ph_ns now);
void ph_presence_pump(struct ph_presence *p, ph_ns now);
ph_ns ph_presence_deadline(const struct ph_presence *p);

#endif
