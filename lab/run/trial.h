/* One trial: in a given world, a relay, STUN servers, and the subject: two peers and their call, a
 * netcheck, or a mapper; and its record. Event-driven, so that one process runs many at once. */
#ifndef LAB_RUN_TRIAL_H
#define LAB_RUN_TRIAL_H

#include "lab/net/link.h"
#include "lab/run/bystander.h"
#include "lab/run/fault_schedule.h"
#include "lab/run/subject.h"
#include "lab/run/truth.h"
#include "lab/world/world.h"
#include "pinhole.h"

#include <jansson.h>

struct trial_spec {
    enum subject subject;
    uint64_t seed;   /* keys and seeds of both peers derive from it */
    unsigned stages; /* 1u << PH_STAGE_x */
    ph_ns give_up;
    ph_ns media;                /* how long media must have flowed, at least */
    ph_ns hold;                 /* subject map */
    uint32_t lifetime_s;        /* subject map: what it asks for; 0: the mapper's default */
    enum ph_answer_mode answer; /* how the callee answers */
    /* Of both peers, as in ph_agent_config. */
    void (*plan)(void *user, const struct ph_plan_input *in, uint64_t seed, struct ph_plan *out);
    struct ph_budget budget;
    enum ph_probe_kind probe;
    bool no_canary;
    const struct fault_plan *faults; /* that befall the call; NULL: none */
    uint32_t bystander; /* flows a second beside each peer (lab/run/bystander.h); 0: nobody */
    bool deterministic; /* sim */
};

enum trial_status {
    TRIAL_OK,
    TRIAL_INCONCLUSIVE, /* counts for rates, not for times */
    TRIAL_LAB_ERROR,    /* counts for neither */
};

#define ROUTER_MAPPINGS_UNKNOWN (-1)

/* What a netcheck reported, and how it compares with what the world declares. */
struct netcheck_result {
    bool ended; /* it did, by itself */
    ph_ns took; /* PH_NEVER: it did not */
    bool udp;
    enum ph_mapping_behaviour mapping;
    bool mapping_guessed;
    enum ph_filtering_behaviour filtering;
    struct ph_allocation allocation;
    enum ph_answer hairpin, double_nat;
    struct ph_addr reflexive;
    size_t liars;
    bool mapped;
    enum ph_portmap_protocol protocol; /* mapped: by which */
    enum ph_portmap_said said[PH_PORTMAP_PROTOCOLS];
    struct truth_verdict verdict;
};

/* What became of a mapper's wish. */
struct map_result {
    bool mapped;                       /* once, at least */
    enum ph_portmap_protocol protocol; /* the last one's */
    ph_ns took; /* from the wish to the first mapping, or to the word that there is none; PH_NEVER:
                 * neither came */
    struct ph_addr external;
    uint32_t lifetime_s;
    enum ph_portmap_reach reach;
    unsigned renewals;   /* while it was held: the same mapping, for longer */
    unsigned changes;    /* another mapping took its place */
    bool kept;           /* there was one when the hold ended */
    enum ph_answer open; /* a stranger's packet came in by it then; unknown: nobody tried, for
                          * behind another NAT nobody could */
    bool released;       /* it said so in time */
    ph_ns release_took;  /* PH_NEVER: it did not */
    enum ph_portmap_said said[PH_PORTMAP_PROTOCOLS];
    int code[PH_PORTMAP_PROTOCOLS];
    bool as_expected;
    char unexpected[96]; /* why not */
};

/* One direction of a call's media, as its receiver's application heard it. */
struct flow_result {
    uint64_t sent, received, duplicates;
    uint64_t direct;    /* of those received */
    ph_ns max_gap;      /* PH_NEVER: there were no two frames */
    ph_ns switched;     /* the sender's first switch to a direct path, from the dial; PH_NEVER */
    ph_ns first_direct; /* from that switch to the first frame that came directly; PH_NEVER */
    ph_ns switch_gap;   /* the largest gap around it; PH_NEVER: no switch */
};

/* A fault, and what the two directions heard of it (lab/run/media_meter.h). */
struct fault_result {
    struct fault_item what;
    ph_ns at;       /* when it was done, from the first media on; PH_NEVER: it was not */
    ph_ns gap[2];   /* of what the caller, the callee heard; PH_NEVER: not measured */
    ph_ns again[2]; /* from the fault until media flowed again; PH_NEVER: it did not */
};

#define FAULT_RESULTS_MAX 48 /* that are told of one by one; all of them count */

struct faults_result {
    size_t count; /* that were to happen; 0: a trial without */
    size_t done;
    bool survived;  /* all have happened, and media flows both ways at the end */
    ph_ns gap;      /* the largest of any fault and direction; PH_NEVER */
    ph_ns recovery; /* the longest until media flowed again; PH_NEVER, also where it never did */
    struct fault_result first[FAULT_RESULTS_MAX];
};

/* What a trial gives: README.md, "Results", says how it is written down. */
struct trial_result {
    enum subject subject;
    enum trial_status status;
    char error[256];     /* lab-error: why */
    bool connected;      /* media arrived both ways */
    bool direct;         /* both peers' path at the end is a direct one, proved not the relay's */
    enum ph_stage stage; /* that gave the path at the end */
    ph_ns setup_relay, setup_direct, setup_media;  /* from the dial; PH_NEVER: absent */
    struct ph_stage_report stages[PH_STAGE_COUNT]; /* both peers together; times from the dial */
    struct ph_media_report media;                  /* the worse direction */
    struct flow_result flow[2];                    /* what the caller heard, what the callee did */
    struct faults_result faults;
    struct netcheck_result netcheck;
    struct map_result map;
    struct ph_mapping mapping; /* that the caller's router gave it; protocol NONE: none */
    struct bystander_count bystander;
    ph_ns portmap_took; /* the caller's stage portmap, from its start to its end; PH_NEVER */
    ph_ns lateness;     /* this process's */
    /* Filled in by who runs the world. */
    ph_ns shaper_lateness;
    struct link_drops drops; /* packets that the world's links lost */
    bool drops_known;
    int router_mappings; /* that the world's routers hold after the trial */
    uint8_t ttl[2];      /* openers' TTL that each peer learnt */
};

/* Nothing measured yet: stages skipped, times absent. */
void trial_result_init(struct trial_result *r, enum subject subject);

struct trial;

/* The layout's peers are the nodes that run one; the first is the caller, and the one on which a
 * netcheck or a mapper stands. done is called once,
 * from the world's loop; the trial frees itself after it. */
int trial_start(struct world *w, const struct trial_spec *spec,
                void (*done)(void *user, const struct trial_result *result), void *user,
                struct trial **out);
/* Ends it without a result. */
void trial_cancel(struct trial *t);

/* Floors of the setup times, from the layout's delays alone: the offer's and answer's way through
 * the relay, and for the direct path the round trip of one check (traversal of a punch). */
void trial_floors(const struct layout *l, ph_ns *direct, ph_ns *relay);

#endif
