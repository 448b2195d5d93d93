/* The bytes of a stream from the moment they are queued until the peer has acknowledged them. They
 * never move, because ngtcp2 keeps pointers to what it may have to send again. */
#ifndef PH_QUIC_SEND_BUF_H
#define PH_QUIC_SEND_BUF_H

#include <stddef.h>
#include <stdint.h>

#define PH_SEND_BUF_MAX 65536 /* unsent bytes */
/* Bytes that are not acknowledged, sent or not: more than any window of ours and what may be unsent
 * beside it. A peer that grants endless windows and never acknowledges the first byte gets no
 * further. */
#define PH_SEND_BUF_HELD_MAX 524288

struct ph_send_chunk;

/* All zero is an empty buffer. */
struct ph_send_buf {
    struct ph_send_chunk *first, *last;
    uint64_t acked, sent, queued; /* stream offsets */
};

struct ph_send_piece {
    uint8_t *data;
    size_t len;
};

void ph_send_buf_fini(struct ph_send_buf *b);
/* All or nothing. PH_ERR_SPACE, PH_ERR_NOMEM. */
int ph_send_buf_add(struct ph_send_buf *b, const void *data, size_t len);
size_t ph_send_buf_unsent(const struct ph_send_buf *b);
/* How many bytes it would take. */
size_t ph_send_buf_room(const struct ph_send_buf *b);
/* The next unsent bytes, in at most cap pieces; returns how many pieces. */
size_t ph_send_buf_peek(const struct ph_send_buf *b, struct ph_send_piece *pieces, size_t cap);
void ph_send_buf_sent(struct ph_send_buf *b, size_t len);
/* The peer has all bytes below this offset. */
void ph_send_buf_acked(struct ph_send_buf *b, uint64_t offset);

#endif
