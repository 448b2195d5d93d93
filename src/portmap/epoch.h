/* Has the server forgotten its mappings? PCP and NAT-PMP servers say in each answer for how many
 * seconds they have kept their state (the epoch). A server that lost it starts again at zero, and
 * an epoch that does not grow as our clock does shows that. */
#ifndef PH_PORTMAP_EPOCH_H
#define PH_PORTMAP_EPOCH_H

#include "base/time.h"

#include <stdbool.h>

/* All zero: nothing heard yet. */
struct ph_epoch {
    bool known;
    uint32_t server_s; /* as the last answer said */
    ph_ns at;          /* when that came */
};

/* RFC 6887 section 8.5. False: the server's state is not what it was. The answer counts as the last
 * one in both cases. */
bool ph_epoch_check_pcp(struct ph_epoch *e, ph_ns now, uint32_t epoch_s);
/* RFC 6886 section 3.6. Likewise. */
bool ph_epoch_check_natpmp(struct ph_epoch *e, ph_ns now, uint32_t epoch_s);

#endif
