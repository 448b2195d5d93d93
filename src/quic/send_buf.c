#include "quic/send_buf.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 2032

struct ph_send_chunk {
    struct ph_send_chunk *next;
    uint64_t offset; /* of data[0] in the stream */
    uint8_t data[CHUNK];
};

void ph_send_buf_fini(struct ph_send_buf *b)
{
    while (b->first != NULL) {
        struct ph_send_chunk *c = b->first;
        b->first = c->next;
        free(c);
    }
    *b = (struct ph_send_buf){0};
}

size_t ph_send_buf_unsent(const struct ph_send_buf *b)
{
    return (size_t)(b->queued - b->sent);
}

size_t ph_send_buf_room(const struct ph_send_buf *b)
{
    size_t unsent = PH_SEND_BUF_MAX - ph_send_buf_unsent(b);
    size_t held = PH_SEND_BUF_HELD_MAX - (size_t)(b->queued - b->acked);

    return unsent < held ? unsent : held;
}

/* In the last chunk. */
static size_t spare(const struct ph_send_buf *b)
{
    return b->last == NULL ? 0 : (size_t)(b->last->offset + CHUNK - b->queued);
}

/* Chunks for len more bytes, made before any byte is taken. */
static struct ph_send_chunk *make_chunks(const struct ph_send_buf *b, size_t len,
                                         struct ph_send_chunk **last)
{
    struct ph_send_chunk *first = NULL, **tail = &first;
    uint64_t offset = b->queued + spare(b);

    for (size_t got = spare(b); got < len; got += CHUNK, offset += CHUNK) {
        struct ph_send_chunk *c = malloc(sizeof(*c));
        if (c == NULL) {
            while (first != NULL) {
                c = first->next;
                free(first);
                first = c;
            }
            return NULL;
        }
        c->next = NULL;
        c->offset = offset;
        *tail = c;
        tail = &c->next;
        *last = c;
    }
    return first;
}

int ph_send_buf_add(struct ph_send_buf *b, const void *data, size_t len)
{
    const uint8_t *p = data;
    struct ph_send_chunk *c = b->last;

    if (len > ph_send_buf_room(b))
        return PH_ERR_SPACE;
    if (len > spare(b)) {
        struct ph_send_chunk *last = NULL, *more = make_chunks(b, len, &last);
        if (more == NULL)
            return PH_ERR_NOMEM;
        if (c == NULL)
            b->first = c = more;
        else
            c->next = more;
        b->last = last;
    }
    for (; c != NULL && len > 0; c = c->next) {
        size_t at = (size_t)(b->queued - c->offset), n = CHUNK - at < len ? CHUNK - at : len;
        memcpy(c->data + at, p, n);
        b->queued += n;
        p += n;
        len -= n;
    }
    return PH_OK;
}

size_t ph_send_buf_peek(const struct ph_send_buf *b, struct ph_send_piece *pieces, size_t cap)
{
    uint64_t at = b->sent;
    size_t n = 0;

    for (struct ph_send_chunk *c = b->first; c != NULL && n < cap && at < b->queued; c = c->next) {
        uint64_t end = c->offset + CHUNK < b->queued ? c->offset + CHUNK : b->queued;
        if (at >= c->offset + CHUNK)
            continue;
        pieces[n].data = c->data + (at - c->offset);
        pieces[n].len = (size_t)(end - at);
        n++;
        at = end;
    }
    return n;
}

void ph_send_buf_sent(struct ph_send_buf *b, size_t len)
{
    b->sent += len;
}

void ph_send_buf_acked(struct ph_send_buf *b, uint64_t offset)
{
    if (offset > b->acked)
        b->acked = offset;
    while (b->first != NULL && b->first->offset + CHUNK <= b->acked) {
        struct ph_send_chunk *c = b->first;
        b->first = c->next;
        if (b->first == NULL)
            b->last = NULL;
        free(c);
    }
}
