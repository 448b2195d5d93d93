#include "wire/signal_field.h"

#include "base/err.h"

#include <string.h>

#define LENGTH_LEN 2
#define TYPE_LEN   2
#define FAMILY_V4  4
#define FAMILY_V6  6

void ph_message_begin(struct ph_writer *w, unsigned type)
{
    ph_write_u16(w, 0); /* the length, patched at the end */
    ph_write_u16(w, (uint16_t)type);
}

int ph_message_end(struct ph_writer *w)
{
    ph_write_patch_u16(w, 0, (uint16_t)(ph_writer_len(w) - LENGTH_LEN));
    return w->bad ? PH_ERR_SPACE : (int)ph_writer_len(w);
}

int ph_message_read(const uint8_t *data, size_t len, size_t max, unsigned *type,
                    struct ph_reader *fields)
{
    struct ph_reader stream = ph_reader_init(data, len);
    uint16_t length = ph_read_u16(&stream);

    if (stream.bad)
        return PH_ERR_SHORT;
    if (length < TYPE_LEN || length > max - LENGTH_LEN)
        return PH_ERR_FORMAT;
    *fields = ph_reader_init(ph_read_bytes(&stream, length), length);
    if (stream.bad)
        return PH_ERR_SHORT;
    *type = ph_read_u16(fields);
    return LENGTH_LEN + length;
}

void ph_field_u8(struct ph_writer *w, unsigned id, unsigned v)
{
    if (v == 0)
        return;
    ph_field_begin(w, id, 1);
    ph_write_u8(w, (uint8_t)v);
}

void ph_field_u32(struct ph_writer *w, unsigned id, uint32_t v)
{
    if (v == 0)
        return;
    ph_field_begin(w, id, 4);
    ph_write_u32(w, v);
}

void ph_field_u64(struct ph_writer *w, unsigned id, uint64_t v)
{
    if (v == 0)
        return;
    ph_field_begin(w, id, 8);
    ph_write_u64(w, v);
}

void ph_field_addr(struct ph_writer *w, unsigned id, const struct ph_addr *a)
{
    if (!ph_addr_is_set(a))
        return;
    ph_field_begin(w, id, ph_field_addr_len(a));
    ph_field_write_addr(w, a);
}

void ph_field_text(struct ph_writer *w, unsigned id, const char *text)
{
    size_t len = strlen(text);

    if (len == 0)
        return;
    ph_field_begin(w, id, len);
    ph_write_bytes(w, text, len);
}

bool ph_field_next(struct ph_reader *fields, unsigned *id, struct ph_reader *value)
{
    if (ph_reader_left(fields) == 0)
        return false;
    *id = ph_read_u16(fields);
    uint16_t len = ph_read_u16(fields);
    *value = ph_reader_init(ph_read_bytes(fields, len), len);
    return !fields->bad;
}

void ph_field_begin(struct ph_writer *w, unsigned id, size_t len)
{
    ph_write_u16(w, (uint16_t)id);
    ph_write_u16(w, (uint16_t)len);
}

void ph_field_write_addr(struct ph_writer *w, const struct ph_addr *a)
{
    bool v6 = a->family == PH_AF_V6;

    ph_write_u8(w, v6 ? FAMILY_V6 : FAMILY_V4);
    ph_write_u16(w, a->port);
    ph_write_bytes(w, a->ip, v6 ? 16 : 4);
}

size_t ph_field_addr_len(const struct ph_addr *a)
{
    return a->family == PH_AF_V6 ? 19 : 7;
}

struct ph_addr ph_field_read_addr(struct ph_reader *r)
{
    struct ph_addr a = {0};

    switch (ph_read_u8(r)) {
    case FAMILY_V4:
        a.family = PH_AF_V4;
        break;
    case FAMILY_V6:
        a.family = PH_AF_V6;
        break;
    default:
        return a;
    }
    a.port = ph_read_u16(r);
    ph_read_copy(r, a.ip, a.family == PH_AF_V6 ? 16 : 4);
    return a;
}

void ph_field_read_text(struct ph_reader *r, size_t len, char *out, size_t cap)
{
    const uint8_t *text = ph_read_bytes(r, len);

    memset(out, 0, cap);
    for (size_t i = 0; !r->bad && i < len && i < cap - 1; i++)
        out[i] = text[i] >= 0x20 && text[i] < 0x7f ? (char)text[i] : '?';
}
