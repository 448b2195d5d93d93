/* What a NAT does, in the terms of RFC 4787, as far as it can be seen from inside. Pure values; the
 * functions of this room turn observations into them. Unknown is a value of its own everywhere, and
 * the one to be had when observations do not decide. */
#ifndef PH_NAT_NAT_H
#define PH_NAT_NAT_H

#include "base/addr.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>

enum ph_mapping_behaviour { /* RFC 4787 section 4.1 */
    PH_MAPPING_UNKNOWN,
    PH_MAPPING_NONE, /* no translation */
    PH_MAPPING_EIM,  /* endpoint-independent */
    PH_MAPPING_ADM,  /* address-dependent */
    PH_MAPPING_APDM, /* address- and port-dependent */
};

enum ph_filtering_behaviour { /* RFC 4787 section 5 */
    PH_FILTERING_UNKNOWN,
    PH_FILTERING_EIF, /* endpoint-independent; without a NAT: no firewall either */
    PH_FILTERING_ADF,
    PH_FILTERING_APDF,
};

enum ph_answer { /* to a yes-or-no question */
    PH_ANSWER_UNKNOWN,
    PH_NO,
    PH_YES,
};

/* One STUN answer on the call's own socket. */
struct ph_nat_sample {
    struct ph_addr server; /* that was asked */
    struct ph_addr mapped; /* that it saw; family NONE: it did not answer (the mapping that the
                            * request made may stand all the same) */
    ph_ns sent;            /* the first request: when the NAT made its mapping */
    uint32_t order;        /* of the first requests: 0, 1, 2 ... as they left the socket */
};

#define PH_NAT_SAMPLES_MAX 24

const char *ph_mapping_behaviour_name(enum ph_mapping_behaviour m);
const char *ph_filtering_behaviour_name(enum ph_filtering_behaviour f);
const char *ph_answer_name(enum ph_answer a);

#endif
