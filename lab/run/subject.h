/* What a scenario runs in each of its cells, and what can be expected of it: rates, which say in
 * how many trials something held, times, and counts of what it took. */
#ifndef LAB_RUN_SUBJECT_H
#define LAB_RUN_SUBJECT_H

#include <stdbool.h>

enum subject {
    SUBJECT_PINHOLE,  /* a call between two peers */
    SUBJECT_NETCHECK, /* one look at the network from the caller's host (netcheck/netcheck.h) */
    SUBJECT_MAP,      /* a port mapping for a socket there: acquired, held, given back */
    SUBJECT_COUNT,
};

enum rate {
    RATE_CONNECTED, /* media arrived both ways */
    RATE_DIRECT,
    RATE_BY_PORTMAP, /* direct, and by the stage portmap */
    RATE_BY_PUNCH,
    RATE_BY_PREDICT,
    RATE_BY_BIRTHDAY,
    RATE_PREDICT_SKIPPED, /* the stage was not tried, and says why */
    RATE_BIRTHDAY_SKIPPED,
    RATE_BYSTANDER, /* every flow of a bystander was answered */
    /* Netcheck's word against the profile's. */
    RATE_MAPPING_RIGHT,
    RATE_MAPPING_UNKNOWN,
    RATE_MAPPING_WRONG,
    RATE_FILTERING_RIGHT,
    RATE_FILTERING_UNKNOWN,
    RATE_FILTERING_WRONG,
    RATE_ALLOCATION_RIGHT,
    RATE_ALLOCATION_UNKNOWN,
    RATE_ALLOCATION_WRONG,
    RATE_STEP_RIGHT,  /* of NATs that count */
    RATE_DRIFT_RIGHT, /* of NATs that count: other people's flows */
    RATE_BLOCK_RIGHT, /* of NATs that allocate in blocks: its size, within a factor of two */
    RATE_DOUBLE_NAT,  /* another NAT was recognised before the one that maps, or may map */
    RATE_MAPPED,      /* a router gave (the caller) a port */
    RATE_AS_EXPECTED, /* mapped or not as the router's fault, or its protocols, let expect */
    RATE_RELEASED,    /* no router holds a mapping after the trial */
    RATE_SURVIVED,    /* of calls that faults befell: media flows both ways at the end */
    RATE_COUNT,
};

enum subject_time {
    SUBJECT_TIME_RELAY,
    SUBJECT_TIME_DIRECT,
    SUBJECT_TIME_MEDIA,
    SUBJECT_TIME_PORTMAP,      /* what the stage portmap took */
    SUBJECT_TIME_NETCHECK,     /* what all of it took */
    SUBJECT_TIME_MAP,          /* from the wish to the mapping */
    SUBJECT_TIME_GAP,          /* the longest without media in either direction: of all, or with
                                * faults the longest that spans or follows one */
    SUBJECT_TIME_SWITCH_GAP,   /* the longest around the first switch to a direct path */
    SUBJECT_TIME_FIRST_DIRECT, /* from that switch to the first frame that came directly */
    SUBJECT_TIME_RECOVERY,     /* from a fault until media flowed again */
    SUBJECT_TIME_COUNT,
};

/* Of both peers together. The stages that guess are predict and birthday. */
enum subject_count {
    SUBJECT_COUNT_PROBES, /* that the stages that guess sent at full TTL */
    SUBJECT_COUNT_PUNCH_PROBES,
    SUBJECT_COUNT_PROBES_TO_HIT, /* of the peer that guessed right, over all its moves */
    SUBJECT_COUNT_OPENERS,       /* of the stages that guess */
    SUBJECT_COUNT_SOCKETS,       /* fresh ones at once, of the stage that guesses with more */
    SUBJECT_COUNT_PEAK_MAPPINGS, /* of any one stage */
    SUBJECT_COUNT_PACKETS,       /* of all stages but the relay's */
    SUBJECT_COUNT_UNANSWERED,    /* flows of bystanders */
    SUBJECT_COUNT_LOST,          /* media frames that were sent and never heard */
    SUBJECT_COUNT_DUPLICATES,    /* that an application was given twice */
    SUBJECT_COUNT_DROPPED,       /* packets that links lost and that can hold a frame */
    SUBJECT_COUNT_UNEXPLAINED,   /* frames lost beyond those; of calls without faults */
    SUBJECT_COUNT_COUNT,
};

const char *subject_name(enum subject subject);
const char *rate_name(enum rate rate);                /* "by-portmap" */
const char *subject_time_name(enum subject_time t);   /* "portmap" */
const char *subject_count_name(enum subject_count c); /* "probes-to-hit" */
/* Whether trials of the subject have it at all. */
bool subject_has_rate(enum subject subject, enum rate rate);
bool subject_has_time(enum subject subject, enum subject_time t);
bool subject_has_count(enum subject subject, enum subject_count c);

#endif
