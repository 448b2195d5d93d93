#include "call/relay_map.h"

#include "path/ranging.h"

#include <string.h>

void ph_relay_map_init(struct ph_relay_map *m, unsigned families)
{
    *m = (struct ph_relay_map){.families = families};
}

static bool reaches(const struct ph_relay_map *m, const struct ph_addr *addr)
{
    return (m->families & 1u << addr->family) != 0;
}

static size_t index_of(const struct ph_relay_map *m, const struct ph_addr *addr)
{
    for (size_t i = 0; i < m->count; i++) {
        if (ph_addr_eq(&m->items[i].addr, addr))
            return i;
    }
    return m->count;
}

struct ph_relay_entry *ph_relay_map_find(struct ph_relay_map *m, const struct ph_addr *addr)
{
    size_t i = index_of(m, addr);
    return i < m->count ? &m->items[i] : NULL;
}

static void set_region(struct ph_relay_entry *e, const char *region)
{
    size_t len = strnlen(region, sizeof(e->region) - 1);
    memset(e->region, 0, sizeof(e->region));
    memcpy(e->region, region, len);
}

bool ph_relay_map_add(struct ph_relay_map *m, const struct ph_addr *addr)
{
    if (!reaches(m, addr) || m->count == PH_RELAY_MAP_MAX || index_of(m, addr) < m->count)
        return false;
    m->items[m->count++] = (struct ph_relay_entry){
        .addr = *addr, .configured = true, .standing = PH_RELAY_UNMEASURED, .answered = PH_NEVER};
    return true;
}

/* How close to home an address is: a relay may name what is as far away as itself, or farther. */
static int closeness(const struct ph_addr *a)
{
    if (ph_addr_is_loopback(a))
        return 2;
    return ph_addr_is_private(a) ? 1 : 0;
}

/* A place for one more: a free one, or that of one which was learnt and does not answer. */
static struct ph_relay_entry *place(struct ph_relay_map *m)
{
    if (m->count < PH_RELAY_MAP_MAX)
        return &m->items[m->count++];
    for (size_t i = 0; i < m->count; i++) {
        if (!m->items[i].configured && m->items[i].standing == PH_RELAY_SILENT)
            return &m->items[i];
    }
    return NULL;
}

bool ph_relay_map_learn(struct ph_relay_map *m, const struct ph_addr *from,
                        const struct ph_addr *addr, const char *region)
{
    if (!reaches(m, addr) || ph_addr_is_unusable(addr) || closeness(addr) > closeness(from))
        return false;
    struct ph_relay_entry *e = ph_relay_map_find(m, addr);
    if (e) {
        if (!e->region_own && e->region[0] == '\0')
            set_region(e, region);
        return false;
    }
    e = place(m);
    if (!e)
        return false;
    *e = (struct ph_relay_entry){
        .addr = *addr, .standing = PH_RELAY_UNMEASURED, .answered = PH_NEVER};
    set_region(e, region);
    return true;
}

void ph_relay_map_measured(struct ph_relay_map *m, const struct ph_addr *addr, ph_ns rtt, ph_ns now)
{
    struct ph_relay_entry *e = ph_relay_map_find(m, addr);
    if (!e)
        return;
    if (rtt == 0) {
        e->standing = PH_RELAY_SILENT;
        return;
    }
    e->standing = PH_RELAY_ANSWERS;
    e->answered = now;
    e->rtt = e->rtt == 0 || rtt < e->rtt ? rtt : e->rtt + (rtt - e->rtt) / 2;
}

void ph_relay_map_failed(struct ph_relay_map *m, const struct ph_addr *addr)
{
    struct ph_relay_entry *e = ph_relay_map_find(m, addr);
    if (e)
        e->failures++;
}

void ph_relay_map_registered(struct ph_relay_map *m, const struct ph_addr *addr, const char *region)
{
    struct ph_relay_entry *e = ph_relay_map_find(m, addr);
    if (!e)
        return;
    e->failures = 0;
    e->region_own = true;
    set_region(e, region);
}

void ph_relay_map_forgive(struct ph_relay_map *m)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->items[i].standing == PH_RELAY_ANSWERS)
            m->items[i].failures = 0;
    }
}

bool ph_relay_clearly_nearer(ph_ns rtt, ph_ns than)
{
    return ph_rtt_clearly_nearer(rtt, than);
}

static bool before(const struct ph_relay_entry *a, const struct ph_relay_entry *b)
{
    if (a->standing != b->standing)
        return a->standing < b->standing;
    if (a->failures != b->failures)
        return a->failures < b->failures;
    if (a->standing != PH_RELAY_ANSWERS && a->configured != b->configured)
        return a->configured;
    if (a->rtt == 0 || b->rtt == 0)
        return a->rtt != 0 && b->rtt == 0;
    return a->rtt < b->rtt;
}

size_t ph_relay_map_order(const struct ph_relay_map *m, size_t out[PH_RELAY_MAP_MAX])
{
    for (size_t i = 0; i < m->count; i++) {
        size_t at = i;
        for (; at > 0 && before(&m->items[i], &m->items[out[at - 1]]); at--)
            out[at] = out[at - 1];
        out[at] = i;
    }
    return m->count;
}

const struct ph_relay_entry *ph_relay_map_preferred(const struct ph_relay_map *m,
                                                    const struct ph_addr *home)
{
    size_t order[PH_RELAY_MAP_MAX];
    size_t at = index_of(m, home);
    if (ph_relay_map_order(m, order) == 0)
        return NULL;
    const struct ph_relay_entry *best = &m->items[order[0]];
    if (at == m->count)
        return best;
    const struct ph_relay_entry *here = &m->items[at];
    if (best->standing != PH_RELAY_ANSWERS || best->failures > 0)
        return here;
    if (here->standing == PH_RELAY_SILENT)
        return best;
    return here->rtt > 0 && ph_relay_clearly_nearer(best->rtt, here->rtt) ? best : here;
}
