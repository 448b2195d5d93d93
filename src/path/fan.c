#include "path/fan.h"

#include "base/err.h"

#include <stdlib.h>

void ph_fan_init(struct ph_fan *f, struct ph_host *host)
{
    *f = (struct ph_fan){.host = host};
}

void ph_fan_fini(struct ph_fan *f)
{
    ph_fan_close(f);
    free(f->items);
    free(f->index);
    ph_fan_init(f, f->host);
}

static size_t slot_of(const struct ph_fan *f, ph_sock sock)
{
    return (sock * 2654435761u >> 7) & f->mask;
}

static void enter(struct ph_fan *f, size_t item)
{
    size_t i = slot_of(f, f->items[item].sock);
    while (f->index[i])
        i = (i + 1) & f->mask;
    f->index[i] = (uint16_t)(item + 1);
}

static bool open_one(struct ph_fan *f, const struct ph_addr *local, uint16_t port)
{
    struct ph_fan_socket *s = &f->items[f->count];
    struct ph_addr bind = *local;
    bind.port = port;
    if (f->host->ops->udp_open(f->host, &bind, &s->sock) != PH_OK)
        return false;
    s->port = f->host->ops->udp_local(f->host, s->sock).port;
    f->count++;
    f->open++;
    enter(f, f->count - 1);
    return true;
}

static void open_within(struct ph_fan *f, const struct ph_addr *local, size_t n, uint16_t low,
                        uint16_t high)
{
    unsigned count = high - low + 1u;
    uint16_t start;
    ph_host_random(f->host, &start, sizeof(start));
    for (unsigned i = 0; i < count && f->count < n; i++) {
        unsigned port = low + (start + i) % count;
        /* Where the first few are refused it is not that they are taken. */
        if (!open_one(f, local, (uint16_t)port) && f->count == 0 && i >= 8)
            return;
    }
}

size_t ph_fan_open(struct ph_fan *f, const struct ph_addr *local, size_t n, uint16_t low,
                   uint16_t high)
{
    ph_fan_fini(f);
    if (n > PH_FAN_MAX)
        n = PH_FAN_MAX;
    size_t slots = 16;
    while (slots < 2 * n)
        slots *= 2;
    f->items = calloc(n ? n : 1, sizeof(*f->items));
    f->index = calloc(slots, sizeof(*f->index));
    f->mask = slots - 1;
    if (!f->items || !f->index) {
        ph_fan_fini(f);
        return 0;
    }
    if (low != 0 && low <= high)
        open_within(f, local, n, low, high);
    while (f->count < n && open_one(f, local, 0))
        ;
    return f->count;
}

size_t ph_fan_find(const struct ph_fan *f, ph_sock sock)
{
    if (f->open == 0 || !sock)
        return SIZE_MAX;
    for (size_t i = slot_of(f, sock); f->index[i]; i = (i + 1) & f->mask) {
        if (f->items[f->index[i] - 1].sock == sock)
            return f->index[i] - 1u;
    }
    return SIZE_MAX;
}

bool ph_fan_take(struct ph_fan *f, ph_sock sock)
{
    size_t i = ph_fan_find(f, sock);
    if (i == SIZE_MAX)
        return false;
    f->items[i].sock = 0;
    f->open--;
    return true;
}

void ph_fan_close(struct ph_fan *f)
{
    for (size_t i = 0; f->items && i < f->count; i++) {
        if (f->items[i].sock)
            f->host->ops->udp_close(f->host, f->items[i].sock);
        f->items[i].sock = 0;
    }
    f->open = 0;
}
