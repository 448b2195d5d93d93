#include "path/candidate.h"

static unsigned type_preference(enum ph_candidate_type type)
{
    switch (type) {
    case PH_CANDIDATE_HOST:
        return 126;
    case PH_CANDIDATE_MAPPED:
        return 115;
    case PH_CANDIDATE_REFLEXIVE:
        return 100;
    case PH_CANDIDATE_PREDICTED:
        return 50;
    case PH_CANDIDATE_RELAY:
        break;
    }
    return 0;
}

static uint32_t priority(enum ph_candidate_type type, uint32_t local, unsigned index)
{
    local -= index < 1000 ? index : 1000;
    return (type_preference(type) << 24) | (local << 8) | 255u;
}

uint32_t ph_candidate_priority(enum ph_candidate_type type, const struct ph_addr *addr,
                               unsigned index)
{
    return priority(type, addr->family == PH_AF_V6 ? 65535u : 32767u, index);
}

uint32_t ph_candidate_priority_far(enum ph_candidate_type type, unsigned index)
{
    return priority(type, 16383u, index);
}

/* How many of one type and family there may be. */
static size_t share(enum ph_candidate_type type)
{
    switch (type) {
    case PH_CANDIDATE_HOST:
        return PH_HOSTS_MAX;
    case PH_CANDIDATE_REFLEXIVE:
        return PH_REFLEXIVE_MAX;
    default:
        return PH_SIGNAL_CANDIDATES_MAX;
    }
}

const struct ph_candidate *ph_candidate_find(const struct ph_candidate *items, size_t count,
                                             const struct ph_addr *addr)
{
    for (size_t i = 0; i < count; i++) {
        if (ph_addr_eq(&items[i].addr, addr))
            return &items[i];
    }
    return NULL;
}

bool ph_candidate_add(struct ph_candidate_set *set, enum ph_candidate_type type,
                      const struct ph_addr *addr)
{
    if (ph_addr_is_unusable(addr) || ph_addr_is_of_translator(addr))
        return false;
    size_t same_type = 0;
    for (size_t i = 0; i < set->count; i++) {
        struct ph_candidate *c = &set->items[i];
        if (ph_addr_eq(&c->addr, addr)) {
            if (type_preference(type) <= type_preference(c->type))
                return false;
            c->type = type;
            c->priority = ph_candidate_priority(type, addr, (unsigned)i);
            return true;
        }
        if (c->type == type && c->addr.family == addr->family)
            same_type++;
    }
    if (set->count == PH_SIGNAL_CANDIDATES_MAX || same_type >= share(type))
        return false;
    set->items[set->count] = (struct ph_candidate){
        .type = type,
        .priority = ph_candidate_priority(type, addr, (unsigned)set->count),
        .addr = *addr,
    };
    set->count++;
    return true;
}

bool ph_candidate_is_public_host(const struct ph_candidate *c)
{
    return c->type == PH_CANDIDATE_HOST && !ph_addr_is_private(&c->addr);
}
