/* What the mapper sees of a client, whichever its protocol: one state, one set of calls. A client
 * of PCP or NAT-PMP speaks with one gateway, the client of UPnP with the best gateway device that
 * it finds.
 *
 *   IDLE -> PROBING          who is there is asked, nothing is made
 *        -> PRESENT | DOWN   it answers | silent, unsupported or broken
 *   any  -> MAPPING -> MAPPED | DOWN
 *   MAPPED -> PRESENT | DOWN the mapping is lost: the server forgot it | it says nothing any more
 *   any  -> RELEASING -> PRESENT | IDLE
 */
#ifndef PH_PORTMAP_CLIENT_H
#define PH_PORTMAP_CLIENT_H

#include "portmap/lease.h"
#include "portmap/outlet.h"
#include "portmap/portmap.h"

enum ph_client_state {
    PH_CLIENT_IDLE,
    PH_CLIENT_PROBING,
    PH_CLIENT_PRESENT,
    PH_CLIENT_MAPPING,
    PH_CLIENT_MAPPED, /* it is renewed and watched within this state */
    PH_CLIENT_RELEASING,
    PH_CLIENT_DOWN, /* report.said tells why */
};

/* What the server has of ours, as far as we know. */
enum ph_client_held {
    PH_HELD_NOTHING,
    PH_HELD_PERHAPS, /* it was asked, and has not answered yet */
    PH_HELD_SURE,
};

/* So often answers that come too late are given back, between two acquisitions. */
#define PH_CLIENT_SURPLUS_MAX 4

struct ph_client_wish {
    uint16_t internal_port;
    uint16_t external_port; /* never 0 */
    uint32_t lifetime_s;    /* at most PH_LEASE_LIFETIME_MAX */
    bool upkeep;
};

struct ph_client;

struct ph_client_ops {
    void (*probe)(struct ph_client *c, ph_ns now);
    /* Asks for a mapping of c->wish. Where one was held, for the same one again. */
    void (*map)(struct ph_client *c, ph_ns now);
    /* Ends what is being asked for, and the upkeep. What is held stays held. */
    void (*drop)(struct ph_client *c, ph_ns now);
    /* Gives back what is held, or may be. */
    void (*release)(struct ph_client *c, ph_ns now);
    /* Tells the server that all is given back, as well as can be done without waiting for an
     * answer, and forgets everything. */
    void (*forget)(struct ph_client *c, ph_ns now);
    /* Looks after the mapping now, not only when the watch is due. */
    void (*watch)(struct ph_client *c, ph_ns now);
    void (*on_timer)(struct ph_client *c, ph_ns now);
    ph_ns (*deadline)(const struct ph_client *c);
};

struct ph_client {
    const struct ph_client_ops *ops;
    enum ph_portmap_protocol protocol;
    struct ph_outlet *outlet;
    enum ph_client_state state;
    size_t gateway; /* which of the mapper's gateways it speaks with; the lower, the better */
    struct ph_addr server; /* with its port; family NONE: not known */
    struct ph_addr local;  /* our address towards it, port 0 */
    struct ph_client_wish wish;
    struct ph_mapping mapping; /* of MAPPED, and where something is held */
    enum ph_client_held held;
    struct ph_lease lease;
    ph_ns asked, answered; /* since when it has been asked, first answer; PH_NEVER: not */
    ph_ns refused_until;   /* so long a refusal stands; 0: none */
    bool doubtful;         /* it was silent the last time: asked, but hardly waited for */
    unsigned surplus;      /* mappings given back that nobody had wanted any more */
    struct ph_portmap_protocol_report report;
};

void ph_client_init(struct ph_client *c, const struct ph_client_ops *ops,
                    enum ph_portmap_protocol protocol, struct ph_outlet *outlet);
/* The one place where the state changes. */
void ph_client_set_state(struct ph_client *c, enum ph_client_state state);
const char *ph_client_state_name(enum ph_client_state state);

/* It is asked for something, for the first time since it was idle. Asked for a mapping, it may have
 * one from now on. */
void ph_client_asks(struct ph_client *c, ph_ns now, enum ph_client_state state);
/* It said something; rtt 0: not known. */
void ph_client_heard(struct ph_client *c, ph_ns now, ph_ns rtt);
/* Nothing can be had of it, for this reason. text may be NULL. */
void ph_client_down(struct ph_client *c, enum ph_portmap_said said, int code, const char *text);
/* It gave us a mapping, or renewed it: external with its port. */
void ph_client_mapped(struct ph_client *c, ph_ns now, const struct ph_addr *external,
                      uint32_t lifetime_s);
/* What it was asked for is not wanted any more. */
void ph_client_dropped(struct ph_client *c, bool present);
/* The server has forgotten what it had of ours. */
void ph_client_lost(struct ph_client *c);
/* The server says that it has nothing of ours any more. */
void ph_client_released(struct ph_client *c);

/* Keeps what is printable of `text`, as much as fits. */
void ph_client_set_text(struct ph_client *c, const char *text);

#endif
