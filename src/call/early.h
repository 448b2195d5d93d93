/* Relay frames that came before the offer which names their tag (it was lost once, or overtaken),
 * or before it was answered. They are kept for a moment, for a lost first flight costs a
 * retransmission time-out. */
#ifndef PH_CALL_EARLY_H
#define PH_CALL_EARLY_H

#include "base/time.h"
#include "quic/quic.h"

#define PH_EARLY_MAX 4

struct ph_early_frame {
    uint64_t tag;
    ph_ns at; /* 0: free */
    size_t len;
    uint8_t data[PH_QUIC_PACKET_MAX];
};

/* All zero is empty. */
struct ph_early {
    struct ph_early_frame frames[PH_EARLY_MAX];
};

/* Keeps one, in place of the oldest where there is no room. */
void ph_early_keep(struct ph_early *e, ph_ns now, uint64_t tag, const uint8_t *data, size_t len);
/* The next frame of this tag that is not too old, NULL for none. It may be overwritten by the
 * next keep. */
const struct ph_early_frame *ph_early_take(struct ph_early *e, ph_ns now, uint64_t tag);

#endif
