#include "base/buf.h"

#include <string.h>

struct ph_reader ph_reader_init(const void *data, size_t len)
{
    /* An empty input may come as NULL; the cursor then stands on a byte that is never read, so that
     * no arithmetic is done on a null pointer. */
    static const uint8_t nothing;
    const uint8_t *p = data != NULL ? data : &nothing;

    return (struct ph_reader){.p = p, .end = data != NULL ? p + len : p, .bad = false};
}

size_t ph_reader_left(const struct ph_reader *r)
{
    return r->bad ? 0 : (size_t)(r->end - r->p);
}

const uint8_t *ph_read_bytes(struct ph_reader *r, size_t len)
{
    const uint8_t *at = r->p;

    if (r->bad || len > (size_t)(r->end - r->p)) {
        r->bad = true;
        return NULL;
    }
    r->p += len;
    return at;
}

uint8_t ph_read_u8(struct ph_reader *r)
{
    const uint8_t *p = ph_read_bytes(r, 1);

    return p != NULL ? p[0] : 0;
}

uint16_t ph_read_u16(struct ph_reader *r)
{
    const uint8_t *p = ph_read_bytes(r, 2);

    return p != NULL ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

uint32_t ph_read_u32(struct ph_reader *r)
{
    const uint8_t *p = ph_read_bytes(r, 4);

    if (p == NULL)
        return 0;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint64_t ph_read_u64(struct ph_reader *r)
{
    const uint8_t *p = ph_read_bytes(r, 8);
    uint64_t v = 0;

    if (p == NULL)
        return 0;
    for (size_t i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

void ph_read_copy(struct ph_reader *r, void *out, size_t len)
{
    const uint8_t *p = ph_read_bytes(r, len);

    if (len == 0)
        return;
    if (p != NULL)
        memcpy(out, p, len);
    else
        memset(out, 0, len);
}

void ph_read_skip(struct ph_reader *r, size_t len)
{
    (void)ph_read_bytes(r, len);
}

struct ph_writer ph_writer_init(void *data, size_t cap)
{
    static uint8_t nothing;
    uint8_t *p = data != NULL ? data : &nothing;

    return (struct ph_writer){.start = p, .p = p, .end = data != NULL ? p + cap : p, .bad = false};
}

size_t ph_writer_len(const struct ph_writer *w)
{
    return (size_t)(w->p - w->start);
}

void ph_write_bytes(struct ph_writer *w, const void *data, size_t len)
{
    if (w->bad || len > (size_t)(w->end - w->p)) {
        w->bad = true;
        return;
    }
    if (len == 0)
        return;
    memcpy(w->p, data, len);
    w->p += len;
}

void ph_write_u8(struct ph_writer *w, uint8_t v)
{
    ph_write_bytes(w, &v, 1);
}

void ph_write_u16(struct ph_writer *w, uint16_t v)
{
    const uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};

    ph_write_bytes(w, b, sizeof(b));
}

void ph_write_u32(struct ph_writer *w, uint32_t v)
{
    const uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

    ph_write_bytes(w, b, sizeof(b));
}

void ph_write_u64(struct ph_writer *w, uint64_t v)
{
    uint8_t b[8];

    for (size_t i = 0; i < sizeof(b); i++)
        b[i] = (uint8_t)(v >> (56 - 8 * i));
    ph_write_bytes(w, b, sizeof(b));
}

void ph_write_patch_u16(struct ph_writer *w, size_t offset, uint16_t v)
{
    size_t len = ph_writer_len(w);

    if (w->bad || len < 2 || offset > len - 2) {
        w->bad = true;
        return;
    }
    w->start[offset] = (uint8_t)(v >> 8);
    w->start[offset + 1] = (uint8_t)v;
}
