/* The table of mappings, its time, and what the faults remember. */
#include "lab/router/scripted_private.h"

#include "base/err.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

#define EPOCH_AT_START 100000u /* seconds: a router that has been up for a day */
#define PORTS_FIRST    20000u
#define PORTS_LAST     29999u

static int find_faults(struct scripted *s, const struct nat_profile *p)
{
    size_t count;
    const struct fault *all = fault_list(&count);
    for (size_t i = 0; i < p->port_mapping.fault_count; i++) {
        const struct fault *f = fault_find(p->port_mapping.faults[i]);
        if (f == NULL || count != F_COUNT)
            return PH_ERR_INVAL;
        s->faults |= (uint64_t)1 << (f - all);
    }
    return PH_OK;
}

int scripted_new(const struct scripted_config *config, const struct scripted_ops *ops, void *user,
                 ph_ns now, struct scripted **out)
{
    const struct nat_profile *p = config->profile;
    struct scripted *s = calloc(1, sizeof(*s));
    *out = NULL;
    if (s == NULL)
        return PH_ERR_NOMEM;
    if (find_faults(s, p) != PH_OK) {
        free(s);
        return PH_ERR_INVAL;
    }
    s->protocols = nat_profile_protocols(p);
    if (has(s, F_PCP_SILENT) || has(s, F_PCP_VERSION_0))
        s->protocols &= ~(unsigned)FAULT_PCP;
    s->lan = config->lan;
    s->wan = config->wan;
    s->lan.port = s->wan.port = 0;
    s->http_ports[0] = config->http_ports[0];
    s->http_ports[1] = config->http_ports[1];
    s->ops = ops;
    s->user = user;
    s->boot = now;
    s->epoch_at_boot = EPOCH_AT_START;
    s->next_port = (uint16_t)(PORTS_FIRST +
                              ph_hash64(config->seed, "ports", 5) % (PORTS_LAST - PORTS_FIRST + 1));
    s->reboot_at = PH_NEVER;
    *out = s;
    return PH_OK;
}

void scripted_free(struct scripted *s)
{
    free(s);
}

static bool works(const struct entry *e)
{
    return e->used && !e->foreign;
}

static void tell(struct scripted *s, const struct entry *e, bool on)
{
    struct scripted_mapping m = {
        .tcp = e->tcp, .wildcard = e->wildcard, .external = e->external, .inside = e->inside};
    if (s->ops->map != NULL && !e->foreign)
        s->ops->map(s->user, &m, on);
}

struct entry *scripted_by_inside(struct scripted *s, bool tcp, const struct ph_addr *inside)
{
    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        struct entry *e = &s->entries[i];
        if (works(e) && !e->wildcard && e->tcp == tcp && ph_addr_eq(&e->inside, inside))
            return e;
    }
    return NULL;
}

struct entry *scripted_by_external(struct scripted *s, bool tcp, uint16_t external)
{
    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        struct entry *e = &s->entries[i];
        if (e->used && e->tcp == tcp && e->external == external)
            return e;
    }
    return NULL;
}

static struct entry *take_entry(struct scripted *s, bool tcp, uint16_t external,
                                const struct ph_addr *inside)
{
    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        struct entry *e = &s->entries[i];
        if (e->used)
            continue;
        *e = (struct entry){.used = true,
                            .tcp = tcp,
                            .wildcard = external == 0,
                            .external = external,
                            .inside = *inside,
                            .expires = PH_NEVER};
        return e;
    }
    return NULL;
}

struct entry *scripted_add(struct scripted *s, ph_ns now, bool tcp, uint16_t external,
                           const struct ph_addr *inside)
{
    struct entry *e = take_entry(s, tcp, external, inside);
    if (e == NULL)
        return NULL;
    tell(s, e, true);
    if (!s->rebooted && s->reboot_at == PH_NEVER &&
        (has(s, F_EPOCH_RESET) || has(s, F_EPOCH_STUCK) || has(s, F_REBOOT_NEW_HTTP_PORT)))
        s->reboot_at = now + REBOOT_AFTER;
    return e;
}

struct entry *scripted_add_foreign(struct scripted *s, bool tcp, uint16_t external,
                                   const struct ph_addr *inside)
{
    struct entry *e = take_entry(s, tcp, external, inside);
    if (e != NULL)
        e->foreign = true;
    return e;
}

void scripted_remove(struct scripted *s, struct entry *e)
{
    tell(s, e, false);
    e->used = false;
}

static uint16_t draw_port(struct scripted *s)
{
    uint16_t port = s->next_port;
    s->next_port = port < PORTS_LAST ? (uint16_t)(port + 1) : (uint16_t)PORTS_FIRST;
    return port;
}

uint16_t scripted_free_port(struct scripted *s, bool tcp, uint16_t wish)
{
    if (wish != 0 && !has(s, F_OTHER_PORT) && scripted_by_external(s, tcp, wish) == NULL)
        return wish;
    for (size_t i = 0; i <= ENTRIES_MAX + 1; i++) {
        uint16_t port = draw_port(s);
        if (port != wish && scripted_by_external(s, tcp, port) == NULL)
            return port;
    }
    return 0;
}

struct ph_addr scripted_external(const struct scripted *s)
{
    if (has(s, F_PRIVATE_EXTERNAL))
        return ph_addr_v4(192, 168, 1, 2, 0);
    if (has(s, F_SHARED_EXTERNAL))
        return ph_addr_v4(100, 64, 1, 2, 0);
    if (has(s, F_ZERO_EXTERNAL))
        return ph_addr_v4(0, 0, 0, 0, 0);
    /* Until it restarts it still says what it had from its provider before. */
    if (has(s, F_EPOCH_STUCK) && !s->rebooted)
        return ph_addr_v4_u32(ph_addr_v4_get(&s->wan) ^ 0x80u, 0);
    return s->wan;
}

struct ph_addr scripted_elsewhere(const struct scripted *s)
{
    if (!has(s, F_LOCATION_ELSEWHERE) && !has(s, F_FOREIGN_ANSWERS))
        return (struct ph_addr){.family = PH_AF_NONE};
    return ph_addr_v4_u32((ph_addr_v4_get(&s->lan) & 0xffffff00u) | SCRIPTED_ELSEWHERE, 0);
}

bool scripted_translates_back(const struct scripted *s)
{
    return !has(s, F_DNAT_WITHOUT_SNAT);
}

uint16_t scripted_http_port(const struct scripted *s)
{
    return s->http_ports[s->rebooted && has(s, F_REBOOT_NEW_HTTP_PORT) ? 1 : 0];
}

uint32_t scripted_epoch(const struct scripted *s, ph_ns now)
{
    return s->epoch_at_boot + (uint32_t)((now - s->boot) / PH_SEC);
}

void scripted_send(struct scripted *s, ph_ns at, const struct ph_addr *from,
                   const struct ph_addr *to, const void *data, size_t len)
{
    struct scripted_datagram d = {.at = at, .from = *from, .to = *to, .data = data, .len = len};
    s->ops->send(s->user, &d);
}

void scripted_take(struct scripted *s, ph_ns now, const struct ph_addr *from,
                   const struct ph_addr *to, const uint8_t *data, size_t len)
{
    scripted_tick(s, now);
    if (to->port == SCRIPTED_PORT && (s->protocols & (FAULT_PCP | FAULT_NAT_PMP)) != 0)
        scripted_pcp_take(s, now, from, data, len);
    else if (to->port == SCRIPTED_SSDP_PORT && (s->protocols & FAULT_UPNP) != 0)
        scripted_ssdp_take(s, now, from, to, (const char *)data, len);
}

static void forget(struct scripted *s)
{
    for (size_t i = 0; i < ENTRIES_MAX; i++)
        if (s->entries[i].used)
            scripted_remove(s, &s->entries[i]);
}

static void reboot(struct scripted *s, ph_ns now)
{
    forget(s);
    s->rebooted = true;
    s->reboot_at = PH_NEVER;
    if (!has(s, F_EPOCH_STUCK)) {
        s->boot = now;
        s->epoch_at_boot = 0;
    }
}

ph_ns scripted_next(const struct scripted *s)
{
    ph_ns next = s->reboot_at;
    for (size_t i = 0; i < ENTRIES_MAX; i++)
        if (s->entries[i].used && s->entries[i].expires < next)
            next = s->entries[i].expires;
    return next;
}

void scripted_tick(struct scripted *s, ph_ns now)
{
    if (now >= s->reboot_at)
        reboot(s, now);
    for (size_t i = 0; i < ENTRIES_MAX; i++)
        if (s->entries[i].used && now >= s->entries[i].expires)
            scripted_remove(s, &s->entries[i]);
}

size_t scripted_count(const struct scripted *s)
{
    size_t count = 0;
    for (size_t i = 0; i < ENTRIES_MAX; i++)
        count += works(&s->entries[i]) ? 1 : 0;
    return count;
}

void scripted_flush(struct scripted *s, ph_ns now)
{
    forget(s);
    s->rebooted = false;
    s->reboot_at = PH_NEVER;
    s->boot = now;
    s->epoch_at_boot = EPOCH_AT_START;
    s->heard = 0;
    s->wished_set = false;
}
