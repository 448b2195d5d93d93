/* The relay's clients: one for each connection, and by fingerprint those that have registered. */
#ifndef PH_RELAY_REGISTRY_H
#define PH_RELAY_REGISTRY_H

#include "base/addr.h"
#include "base/bucket.h"
#include "base/time.h"
#include "quic/quic.h"
#include "relay/table.h"
#include "wire/signal.h"

#include <stdbool.h>

struct ph_relay;
struct ph_leg;

struct ph_client {
    struct ph_table_node by_fingerprint;
    struct ph_client *prev, *next; /* all of them, the oldest first */
    struct ph_client *dirty_next;
    struct ph_relay *relay;
    struct ph_quic_conn *conn;
    struct ph_addr addr; /* where its connection was last heard from ... */
    size_t listen;       /* ... on which of the relay's sockets */
    struct ph_addr also; /* where it has shown to be, too, of the other family; NONE */
    bool moved;          /* that is not where its handshake was: nobody knows that it is there. Then
                          * it gets at most three times what comes from there (RFC 9000 section 8) */
    uint64_t came, went; /* bytes, since it moved */
    ph_ns since;
    uint8_t fingerprint[PH_FINGERPRINT_LEN];
    size_t source; /* the counters that it stands in, by its IP */
    bool handshaking;
    bool registered;
    bool dirty; /* something may wait to be sent */
    bool gone;  /* to be closed and freed when the current event is over */
    struct ph_leg *legs;
    uint32_t leg_count;
    struct ph_bucket messages;
    size_t in_len;
    uint8_t in[PH_SIGNAL_MAX]; /* the part of a message that has come so far */
};

struct ph_registry {
    struct ph_table by_fingerprint;
    struct ph_client *first, *last;
    uint32_t count; /* of connections, registered or not */
};

/* PH_ERR_NOMEM. */
int ph_registry_init(struct ph_registry *r, uint64_t secret);
/* Frees the clients; their connections are the owner's of the ph_quic. */
void ph_registry_fini(struct ph_registry *r);

struct ph_client *ph_registry_add(struct ph_registry *r, ph_ns now);
void ph_registry_remove(struct ph_registry *r, struct ph_client *c);
/* The newest wins: returns the client that had this fingerprint so far, or NULL. */
struct ph_client *ph_registry_enter(struct ph_registry *r, struct ph_client *c,
                                    const uint8_t fingerprint[PH_FINGERPRINT_LEN]);
void ph_registry_leave(struct ph_registry *r, struct ph_client *c);
struct ph_client *ph_registry_find(const struct ph_registry *r,
                                   const uint8_t fingerprint[PH_FINGERPRINT_LEN]);

#endif
