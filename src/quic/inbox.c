#include "quic/inbox.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int ph_inbox_add(struct ph_inbox *in, enum ph_inbox_kind kind, int state, const uint8_t *data,
                 size_t len)
{
    struct ph_inbox_item *item;

    if (len > PH_INBOX_MAX - in->bytes)
        return PH_ERR_SPACE;
    item = malloc(sizeof(*item) + len);
    if (item == NULL)
        return PH_ERR_NOMEM;
    item->next = NULL;
    item->kind = kind;
    item->state = state;
    item->len = len;
    if (len > 0)
        memcpy(item->data, data, len);
    if (in->last != NULL)
        in->last->next = item;
    else
        in->first = item;
    in->last = item;
    in->bytes += len;
    return PH_OK;
}

struct ph_inbox_item *ph_inbox_take(struct ph_inbox *in)
{
    struct ph_inbox_item *item = in->first;

    if (item != NULL) {
        in->first = item->next;
        if (in->first == NULL)
            in->last = NULL;
        in->bytes -= item->len;
    }
    return item;
}

void ph_inbox_fini(struct ph_inbox *in)
{
    struct ph_inbox_item *item;

    while ((item = ph_inbox_take(in)) != NULL)
        free(item);
}
