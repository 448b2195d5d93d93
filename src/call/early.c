#include "call/early.h"

#include <string.h>

#define KEEP_FOR PH_SEC

void ph_early_keep(struct ph_early *e, ph_ns now, uint64_t tag, const uint8_t *data, size_t len)
{
    struct ph_early_frame *place = &e->frames[0];
    if (len == 0 || len > sizeof(place->data))
        return;
    for (size_t i = 1; i < PH_EARLY_MAX; i++) {
        if (e->frames[i].at < place->at) /* a free one is the oldest of all */
            place = &e->frames[i];
    }
    place->tag = tag;
    place->at = now ? now : 1;
    place->len = len;
    memcpy(place->data, data, len);
}

const struct ph_early_frame *ph_early_take(struct ph_early *e, ph_ns now, uint64_t tag)
{
    for (size_t i = 0; i < PH_EARLY_MAX; i++) {
        struct ph_early_frame *f = &e->frames[i];
        if (f->tag != tag || f->at == 0 || now - f->at > KEEP_FOR)
            continue;
        f->at = 0;
        return f;
    }
    return NULL;
}
