/* Media: a paced stream of numbered, time-stamped frames, 20 ms apart, of the profile's size. What
 * is in them is the application's; what is measured is delivery, gaps and jitter, from the
 * beginning and second by second. */
#ifndef PH_CALL_MEDIA_H
#define PH_CALL_MEDIA_H

#include "pinhole.h"
#include "wire/inband.h"

#define PH_MEDIA_INTERVAL (20 * PH_MS)
/* Bytes of a frame behind its header: 28.8, 9 and 2.4 kbit/s in frames of 20 ms. Of DEGRADED it is
 * half a byte more, which every other frame has whole. */
#define PH_MEDIA_GOOD_BYTES         72
#define PH_MEDIA_DEGRADED_BYTES     22
#define PH_MEDIA_CATASTROPHIC_BYTES 6
#define PH_MEDIA_WINDOW             512 /* frames within which a duplicate is known for one: 10 s */

/* What came and went since the last time that this was asked. */
struct ph_media_second {
    uint64_t sent, received, duplicates;
    uint64_t expected; /* received, or missed: by the numbers of the frames that came and, when none
                        * did, by the time that went by. 0: none has come in this call yet */
    bool silent;       /* none came */
    ph_ns jitter;
};

struct ph_media {
    ph_ns next; /* of the next frame to send; PH_NEVER: not sending */
    uint64_t next_number;
    uint64_t sent_us; /* time stamp of the last one */
    struct ph_media_report report;
    uint64_t highest; /* frame number received */
    /* Of each lane (wire/inband.h): the numbers below `highest` that came by it. */
    uint64_t seen[2][PH_MEDIA_WINDOW / 64];
    ph_ns last_arrival; /* 0: none yet */
    int64_t last_transit_us;
    /* Where the last second ended. */
    struct ph_media_report then;
    uint64_t then_highest;
    ph_ns then_at;
    uint64_t assumed; /* frames that silence was counted as, and whose numbers are to come */
};

void ph_media_init(struct ph_media *m);
void ph_media_start(struct ph_media *m, ph_ns now);
void ph_media_stop(struct ph_media *m);
/* Gives the next frame that is due; false when none is. After a stall the missed ones follow at
 * once, at most 3 of them. */
bool ph_media_next(struct ph_media *m, ph_ns now, struct ph_inband *out);
/* The last frame that was given, again; false: there is none, or no media flows. */
bool ph_media_last(const struct ph_media *m, struct ph_inband *out);
/* True: it is a new one, not a duplicate. */
bool ph_media_on_frame(struct ph_media *m, ph_ns now, const struct ph_inband *frame);
/* To be called about once a second. */
struct ph_media_second ph_media_take_second(struct ph_media *m, ph_ns now);
/* Bytes of a whole frame of this number. */
size_t ph_media_frame_bytes(enum ph_profile profile, uint64_t number);

#endif
