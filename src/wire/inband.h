/* What two peers say to each other inside the datagrams of their own QUIC connection.
 *
 *   | kind (8) | lane (8) | number (64) | kind's own fields | ...
 *
 * `lane` is the sender's word for where it sent this packet. Both it and the address that a packet
 * came from must say `direct` before a receiver counts anything as having come directly: a relay
 * can neither write the one nor, to a peer that checks, pretend the other. Bytes after the known
 * fields and kinds that are not known are ignored. */
#ifndef PH_WIRE_INBAND_H
#define PH_WIRE_INBAND_H

#include "base/addr.h"

#include <stddef.h>
#include <stdint.h>

enum ph_inband_kind {
    PH_INBAND_MEDIA = 1, /* a frame of media: number counts frames, sent_us, epoch, then filling */
    PH_INBAND_PROBE = 2, /* answer with an echo of this number on the path that it came by */
    PH_INBAND_ECHO = 3,  /* number, and the address that the probe was seen to come from */
    PH_INBAND_PUNCHING =
        4, /* the caller's checks are on their way at full TTL; number: the round */
    /* Of steering (call/steering.h). */
    PH_INBAND_HEARD = 5, /* the media of this epoch (number) comes directly */
    PH_INBAND_DEAF = 6,  /* it does not */
    PH_INBAND_PAUSE = 7, /* no media comes after the frame `number` for now */
};

enum ph_lane {
    PH_LANE_RELAY = 0,
    PH_LANE_DIRECT = 1,
};

#define PH_INBAND_HEADER_LEN 10
/* Number (64), sent_us (64), epoch (32). */
#define PH_INBAND_MEDIA_HEADER_LEN 22
/* Family (8), port (16), address (128). Probes are filled up to it. */
#define PH_INBAND_ECHO_LEN 29

struct ph_inband {
    enum ph_inband_kind kind; /* 0: a kind that is not known */
    enum ph_lane lane;
    uint64_t number;
    uint64_t sent_us;    /* media: the sender's clock */
    uint32_t epoch;      /* media: of the sender's steering; 0 when it says none */
    struct ph_addr seen; /* echo: family NONE when it says none */
};

/* Writes `total` bytes, of which those behind the fields are zero; total below the kind's header is
 * raised to it. Returns the length or PH_ERR_SPACE. */
int ph_inband_encode(const struct ph_inband *m, size_t total, uint8_t *out, size_t cap);
/* PH_OK, PH_ERR_SHORT, PH_ERR_FORMAT (a lane that does not exist). */
int ph_inband_decode(const uint8_t *data, size_t len, struct ph_inband *out);

#endif
