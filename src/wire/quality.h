/* What two peers tell each other of their call's quality, each second and when the media profile is
 * to change: inside the datagrams of their own connection (wire/inband.h), so that no relay can
 * read or forge it. Same frame and same fields-with-ids as signalling (wire/signal.h); unknown
 * types and fields are skipped, and missing fields are zero.
 *
 *   MediaPathReport  the path that the sender's media takes, and what came of the peer's
 *   QualityReport    the numbers of the last second, the profile in force and the wanted one
 *   QualityPropose   let both sides' media be of this profile from this frame on
 *   QualityAck       the answer: it will be (the same profile), or it stays (the one in force)
 *
 * Profiles are enum ph_profile, stages enum ph_stage. What only a newer peer knows is the decoder's
 * caller's to refuse. */
#ifndef PH_WIRE_QUALITY_H
#define PH_WIRE_QUALITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of any of them, whole. */
#define PH_QUALITY_MESSAGE_MAX 128

/* Of the message space of wire/signal.h and wire/hardnat.h. */
enum ph_quality_type {
    PH_MEDIA_PATH_REPORT = 10,
    PH_QUALITY_REPORT = 11,
    PH_QUALITY_PROPOSE = 17,
    PH_QUALITY_ACK = 18,
};

/* Of the last second, at the sender. */
struct ph_media_path_report {
    bool direct;   /* its media goes by a direct path ... */
    uint8_t stage; /* ... which this stage found */
    uint32_t sent; /* frames */
    uint32_t received;
    uint32_t duplicates;
    uint32_t loss; /* of what the peer sent, thousandths */
    uint32_t jitter_us;
    uint32_t rtt_us; /* 0: not measured */
};

struct ph_quality_report {
    bool measured; /* frames of the peer's came, or should have */
    uint32_t rtt_us, loss, jitter_us;
    uint8_t profile; /* in force */
    uint8_t wanted;
};

struct ph_quality_propose {
    uint32_t number; /* grows with each proposal of this peer in a call, 1 is the first */
    uint8_t profile;
    uint64_t frame; /* the first of it */
};

struct ph_quality_ack {
    uint32_t number; /* of the proposal */
    uint8_t profile;
    uint64_t frame; /* the first of it, at or after the proposed one */
};

struct ph_quality_message {
    enum ph_quality_type type; /* 0: one that is not known */
    union {
        struct ph_media_path_report path;
        struct ph_quality_report report;
        struct ph_quality_propose propose;
        struct ph_quality_ack ack;
    };
};

/* Encodes with its length prefix. Returns the length, or PH_ERR_SPACE, PH_ERR_INVAL. */
int ph_quality_encode(const struct ph_quality_message *m, uint8_t *out, size_t cap);
/* As ph_signal_decode: how many bytes it took; PH_ERR_SHORT, PH_ERR_FORMAT (also when longer than
 * PH_QUALITY_MESSAGE_MAX). */
int ph_quality_decode(const uint8_t *data, size_t len, struct ph_quality_message *out);

#endif
