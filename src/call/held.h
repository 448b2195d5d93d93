/* Packets that came before the keys that open them: they have overtaken the end of the handshake,
 * which took another way, or was lost and is sent again. They are kept as they came, each with
 * where it came from, and read later. A second or two of media has room; what finds none is lost.
 */
#ifndef PH_CALL_HELD_H
#define PH_CALL_HELD_H

#include "path/table.h"

#include <stddef.h>

#define PH_HELD_MAX   128
#define PH_HELD_BYTES 16384

struct ph_held_packet {
    bool direct; /* it came from `from`; else by the relay */
    struct ph_source from;
    size_t at, len; /* in bytes */
};

/* All zero is empty. */
struct ph_held {
    struct ph_held_packet packets[PH_HELD_MAX];
    uint8_t bytes[PH_HELD_BYTES];
    size_t count, used;
};

/* from NULL: by the relay. */
void ph_held_add(struct ph_held *h, const uint8_t *data, size_t len, const struct ph_source *from);

#endif
