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

uint32_t ph_candidate_priority(enum ph_candidate_type type, const struct ph_addr *addr,
                               unsigned index)
{
    uint32_t local = addr->family == PH_AF_V6 ? 65535u : 32767u;
    local -= index < 1000 ? index : 1000;
    return (type_preference(type) << 24) | (local << 8) | 255u;
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
    if (ph_addr_is_unusable(addr))
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
        if (c->type == type)
            same_type++;
    }
    if (set->count == PH_SIGNAL_CANDIDATES_MAX)
        return false;
    if (type == PH_CANDIDATE_REFLEXIVE && same_type >= PH_REFLEXIVE_MAX)
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
