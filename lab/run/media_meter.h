/* What one peer hears of the other's media: frames, gaps, and which gap is due to what befell the
 * call. Pure: instants come in, all on one clock. */
#ifndef LAB_RUN_MEDIA_METER_H
#define LAB_RUN_MEDIA_METER_H

#include "base/time.h"
#include "pinhole.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Media that was not heard for so long does not flow. */
#define METER_SILENCE (500 * PH_MS)
/* Frames come 20 ms apart; one that is lost, or late, is no outage. */
#define METER_USUAL (60 * PH_MS)
/* A gap that begins so soon after the switch of a path is the switch's. */
#define METER_SWITCH (500 * PH_MS)
#define METER_RECENT 8
#define METER_WINDOW 4096 /* frames within which one that comes twice is known for it */

/* What a fault did to what is heard: the largest of the gaps that span it, or begin between it and
 * the next fault. */
struct meter_outage {
    ph_ns at;    /* the fault's */
    ph_ns gap;   /* 0: nothing has been heard since, and the gap is not over */
    ph_ns again; /* when media flowed again: that gap was over, or where it is a usual one, the
                  * first frame came. PH_NEVER: it did not */
};

struct meter_gap {
    ph_ns from, to; /* two arrivals */
};

struct media_meter {
    uint64_t received;   /* distinct frames */
    uint64_t duplicates; /* that the application was given a second time */
    uint64_t direct;     /* of those received, on a direct path */
    ph_ns first, last;   /* arrivals; PH_NEVER: none */
    ph_ns max_gap;       /* between two arrivals, whichever numbers they bear */
    ph_ns switched;      /* the sender's first switch to a direct path; PH_NEVER: none */
    ph_ns first_direct;  /* the first arrival on one; PH_NEVER: none */
    ph_ns switch_gap;    /* the largest around that switch */
    /* Private. */
    struct meter_outage *outages; /* the caller's memory */
    size_t outage_cap, outage_count;
    struct meter_gap recent[METER_RECENT];
    size_t recent_next;
    uint64_t highest;
    uint64_t seen[METER_WINDOW / 64];
};

/* outages: room for as many as faults may be told of; may be NULL. */
void media_meter_init(struct media_meter *m, struct meter_outage *outages, size_t cap);
void media_meter_frame(struct media_meter *m, const struct ph_media_frame *frame);
/* The sender has changed to a direct path; later ones than the first count for nothing. */
void media_meter_switched(struct media_meter *m, ph_ns at);
/* A fault was done, at an instant that may lie a little back. */
void media_meter_fault(struct media_meter *m, ph_ns at);
/* Sending ends here: a silence until now is a gap too, that is not over. */
void media_meter_end(struct media_meter *m, ph_ns now);
bool media_meter_flows(const struct media_meter *m, ph_ns now);

#endif
