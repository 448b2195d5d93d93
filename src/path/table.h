/* The path table of one call: every remote address that is a candidate of the peer's, or that an
 * authenticated check came from, and how far it has come. A path is a local socket and a remote
 * address: nearly always the call's own socket, and now and then a fresh one that a hard NAT's
 * mapping belongs to.
 *
 *   NEW -> HEARD    an authenticated check came from there
 *   NEW -> VALID    it answered a check of ours (then it can be heard, and hears us)
 *   HEARD -> VALID
 *   VALID -> PROVED the peer's echo came back by it, sealed with the end-to-end keys
 *
 * Only a PROVED path carries a call. Towards the others goes what checks need, and never more than
 * three times what came from there (RFC 9000 section 8.1 has this limit for the same reason). */
#ifndef PH_PATH_TABLE_H
#define PH_PATH_TABLE_H

#include "base/addr.h"
#include "base/time.h"
#include "host/host.h"
#include "wire/signal.h"
#include "wire/stun.h"

#define PH_PATHS_MAX        32
#define PH_PATHS_WARM       3 /* validated paths that are kept beside the one in use */
#define PH_PATH_UNANSWERED  5 /* so many probes in a row: it is dead */
#define PH_PATH_OUTSTANDING 8 /* checks of one path whose answer may still come */

enum ph_path_state {
    PH_PATH_NEW,
    PH_PATH_HEARD,
    PH_PATH_VALID,
    PH_PATH_PROVED,
};

/* Where a datagram came in. */
struct ph_source {
    ph_sock sock; /* 0: the call's own socket */
    struct ph_addr addr;
};

struct ph_path {
    ph_sock sock; /* 0: the call's own socket */
    struct ph_addr remote;
    enum ph_candidate_type type;
    uint32_t priority;
    enum ph_path_state state;
    bool named;       /* the peer named it over signalling; otherwise it was heard (RFC 8445
                       * calls it peer-reflexive) */
    bool public_host; /* no NAT before it */
    bool guessed;     /* found by a move of the plan: its port, or ours, was a guess ... */
    bool predicted;   /* ... and of the stage predict */
    bool opened;      /* a low-TTL opener went there */
    unsigned checks;  /* sent at full TTL */
    ph_ns next_check; /* PH_NEVER: none is planned */
    ph_ns rtt;        /* of the last check; 0: none yet */
    struct {
        uint8_t tid[PH_STUN_TID_LEN];
        ph_ns sent; /* 0: free */
    } outstanding[PH_PATH_OUTSTANDING];
    unsigned next_outstanding;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t probe;   /* number of the sealed probe whose echo would prove it */
    ph_ns probe_sent; /* PH_NEVER: none is out */
    ph_ns next_probe;
    unsigned probes; /* sealed ones sent */
    /* Kept warm (call/warm.h). */
    ph_ns next_warm;     /* PH_NEVER: it is not */
    unsigned unanswered; /* probes in a row */
    unsigned nearer;     /* echoes in a row that were faster than the path in use */
    unsigned deaths;     /* how often it carried the call and died */
    ph_ns not_before;    /* it is not taken again: it dies all the time */
    bool proved;         /* once, at least */
    bool echoed; /* one of the peer's was answered: it may have proved the path, and use it */
    ph_ns last_heard;
    struct ph_addr seen; /* by the peer: where its echo says that we come from */
};

struct ph_path_table {
    struct ph_path items[PH_PATHS_MAX];
    size_t count;
};

const char *ph_path_state_name(enum ph_path_state state);

struct ph_path *ph_path_find(struct ph_path_table *t, const struct ph_source *from);
/* The path from the call's own socket to a candidate that the peer named; NULL when the table is
 * full or the address is of no use. One that was only heard before becomes named. */
struct ph_path *ph_path_add_named(struct ph_path_table *t, const struct ph_candidate *c);
/* The path that an authenticated check came by; NULL when the table is full of others. */
struct ph_path *ph_path_add_heard(struct ph_path_table *t, const struct ph_source *from);

/* Frees the places of paths for others: all but `keep` (NULL: none) and those that are proved and
 * answer their probes. What died not long ago stays for its memory, and begins anew. Those that
 * stay are known by their address alone: which of them the peer goes by it will say again. */
void ph_path_forget_dead(struct ph_path_table *t, ph_ns now, const struct ph_path *keep);

/* Notes a check that is on its way. */
void ph_path_note_sent(struct ph_path *p, const uint8_t tid[PH_STUN_TID_LEN], ph_ns now);
/* The path that a success response answers: its transaction is outstanding AND it came from where
 * the check went (RFC 8445 section 7.2.5.2.1). Takes the transaction and the round trip. */
struct ph_path *ph_path_take_response(struct ph_path_table *t, const uint8_t tid[PH_STUN_TID_LEN],
                                      const struct ph_source *from, ph_ns now);

/* Whether `len` more bytes may go to a path (see above; checks themselves are not asked for). */
bool ph_path_may_send(const struct ph_path *p, size_t len);

/* True when a is the better path of two that are equally far: by priority, then round trip. */
bool ph_path_better(const struct ph_path *a, const struct ph_path *b);

#endif
