/* Whole messages out of the bytes of a stream, which come in pieces of any size. Bytes: octets. */
#ifndef PH_WIRE_FRAMING_H
#define PH_WIRE_FRAMING_H

#include <stddef.h>
#include <stdint.h>

/* Takes the message that begins at data. How many bytes it was, 1 to len; PH_ERR_SHORT: it is not
 * complete yet; any other error: the stream means nothing from here on. */
typedef int (*ph_framing_take)(void *user, const uint8_t *data, size_t len);

/* Feeds len bytes. buf keeps what a message has so far, *held bytes of it; cap: the longest message
 * there is. PH_OK, or the error that `take` gave; PH_ERR_FORMAT: it called a full buffer short.
 * What was held is then forgotten, and so is the rest of data. */
int ph_framing_feed(uint8_t *buf, size_t cap, size_t *held, const uint8_t *data, size_t len,
                    ph_framing_take take, void *user);

#endif
