#include "lab/nat/memory.h"

struct nat_memory nat_memory_of(const struct nat_profile *p)
{
    enum nat_allocation_type type = p->allocation.type;
    bool maps = p->mapping != NAT_MAPPING_NONE;
    bool exact = nat_profile_exact(p);
    struct nat_memory m = {
        .contended = exact && type == NAT_ALLOC_PRESERVING,
        .learned = (exact && type != NAT_ALLOC_PRESERVING) || p->mapping == NAT_MAPPING_ADM,
        .drawn = maps && (type == NAT_ALLOC_SEQUENTIAL || type == NAT_ALLOC_HASH),
        .forwards = maps && (p->filtering != NAT_FILTERING_APDF || p->hairpin),
    };
    m.owned = m.contended || (m.learned && !m.drawn);
    return m;
}
