#include "relay/registry.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int ph_registry_init(struct ph_registry *r, uint64_t secret)
{
    memset(r, 0, sizeof(*r));
    return ph_table_init(&r->by_fingerprint, secret);
}

void ph_registry_fini(struct ph_registry *r)
{
    while (r->first) {
        ph_registry_remove(r, r->first);
    }
    ph_table_fini(&r->by_fingerprint);
}

struct ph_client *ph_registry_add(struct ph_registry *r, ph_ns now)
{
    struct ph_client *c = calloc(1, sizeof(*c));

    if (!c) {
        return NULL;
    }
    c->since = now;
    c->prev = r->last;
    if (r->last) {
        r->last->next = c;
    } else {
        r->first = c;
    }
    r->last = c;
    r->count++;
    return c;
}

void ph_registry_remove(struct ph_registry *r, struct ph_client *c)
{
    ph_registry_leave(r, c);
    if (c->prev) {
        c->prev->next = c->next;
    } else {
        r->first = c->next;
    }
    if (c->next) {
        c->next->prev = c->prev;
    } else {
        r->last = c->prev;
    }
    r->count--;
    free(c);
}

struct ph_client *ph_registry_find(const struct ph_registry *r,
                                   const uint8_t fingerprint[PH_FINGERPRINT_LEN])
{
    uint64_t hash = ph_table_hash(&r->by_fingerprint, fingerprint, PH_FINGERPRINT_LEN);

    for (struct ph_table_node *n = ph_table_first(&r->by_fingerprint, hash); n;
         n = ph_table_next(n)) {
        struct ph_client *c = (struct ph_client *)n; /* its first member */

        if (memcmp(c->fingerprint, fingerprint, PH_FINGERPRINT_LEN) == 0) {
            return c;
        }
    }
    return NULL;
}

struct ph_client *ph_registry_enter(struct ph_registry *r, struct ph_client *c,
                                    const uint8_t fingerprint[PH_FINGERPRINT_LEN])
{
    struct ph_client *before = ph_registry_find(r, fingerprint);

    if (before == c) {
        return NULL;
    }
    if (before) {
        ph_registry_leave(r, before);
    }
    ph_registry_leave(r, c);
    memcpy(c->fingerprint, fingerprint, PH_FINGERPRINT_LEN);
    ph_table_add(&r->by_fingerprint, &c->by_fingerprint,
                 ph_table_hash(&r->by_fingerprint, fingerprint, PH_FINGERPRINT_LEN));
    c->registered = true;
    return before;
}

void ph_registry_leave(struct ph_registry *r, struct ph_client *c)
{
    if (c->registered) {
        ph_table_remove(&r->by_fingerprint, &c->by_fingerprint);
        c->registered = false;
    }
}
