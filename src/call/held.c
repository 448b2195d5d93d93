#include "call/held.h"

#include <string.h>

void ph_held_add(struct ph_held *h, const uint8_t *data, size_t len, const struct ph_source *from)
{
    if (h->count == PH_HELD_MAX || len > PH_HELD_BYTES - h->used)
        return;
    struct ph_held_packet *p = &h->packets[h->count++];
    p->direct = from != NULL;
    p->from = from ? *from : (struct ph_source){0};
    p->at = h->used;
    p->len = len;
    memcpy(h->bytes + p->at, data, len);
    h->used += len;
}
