/* Media: a paced stream of numbered, time-stamped frames, 20 ms apart, of the profile's size. What
 * is in them is the application's; what is measured is delivery, gaps and jitter. */
#ifndef PH_CALL_MEDIA_H
#define PH_CALL_MEDIA_H

#include "pinhole.h"
#include "wire/inband.h"

#define PH_MEDIA_INTERVAL (20 * PH_MS)
/* GOOD: 28.8 kbit/s in frames of 20 ms. */
#define PH_MEDIA_GOOD_BYTES 72
#define PH_MEDIA_WINDOW     512 /* frames within which a duplicate is known for one: 10 s */

struct ph_media {
    ph_ns next; /* of the next frame to send; PH_NEVER: not sending */
    uint64_t next_number;
    struct ph_media_report report;
    uint64_t highest; /* frame number received */
    /* Of each lane (wire/inband.h): the numbers below `highest` that came by it. */
    uint64_t seen[2][PH_MEDIA_WINDOW / 64];
    ph_ns last_arrival; /* 0: none yet */
    int64_t last_transit_us;
};

void ph_media_init(struct ph_media *m);
void ph_media_start(struct ph_media *m, ph_ns now);
void ph_media_stop(struct ph_media *m);
/* Gives the next frame that is due; false when none is. After a stall the missed ones follow at
 * once, at most 3 of them. */
bool ph_media_next(struct ph_media *m, ph_ns now, struct ph_inband *out);
void ph_media_on_frame(struct ph_media *m, ph_ns now, const struct ph_inband *frame);

#endif
