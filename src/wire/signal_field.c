#include "wire/signal_field.h"

#define FAMILY_V4 4
#define FAMILY_V6 6

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
