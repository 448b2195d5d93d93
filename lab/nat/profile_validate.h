/* Which profiles cannot be emulated: kept apart from reading them. */
#ifndef LAB_NAT_PROFILE_VALIDATE_H
#define LAB_NAT_PROFILE_VALIDATE_H

#include "lab/nat/profile.h"

struct nat_refusal {
    const char *field; /* dotted, as in a file */
    char text[256];    /* what was read, and what would be right */
};

/* False, with the reason in *r, when the rules cannot make such a NAT. */
bool nat_profile_possible(const struct nat_profile *p, struct nat_refusal *r);

#endif
