#include "nat/nat.h"

const char *ph_mapping_behaviour_name(enum ph_mapping_behaviour m)
{
    static const char *const names[] = {"unknown", "none", "endpoint-independent",
                                        "address-dependent", "address-and-port-dependent"};
    return (unsigned)m < sizeof(names) / sizeof(names[0]) ? names[m] : "?";
}

const char *ph_filtering_behaviour_name(enum ph_filtering_behaviour f)
{
    static const char *const names[] = {"unknown", "endpoint-independent", "address-dependent",
                                        "address-and-port-dependent"};
    return (unsigned)f < sizeof(names) / sizeof(names[0]) ? names[f] : "?";
}

const char *ph_answer_name(enum ph_answer a)
{
    static const char *const names[] = {"unknown", "no", "yes"};
    return (unsigned)a < sizeof(names) / sizeof(names[0]) ? names[a] : "?";
}
