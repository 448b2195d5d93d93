#include "lab/run/subject.h"

#define CALL     (1u << SUBJECT_PINHOLE)
#define NETCHECK (1u << SUBJECT_NETCHECK)
#define MAP      (1u << SUBJECT_MAP)

static const char *const names[] = {
    [SUBJECT_PINHOLE] = "pinhole",
    [SUBJECT_NETCHECK] = "netcheck",
    [SUBJECT_MAP] = "map",
};

static const struct {
    const char *name;
    unsigned subjects; /* that have it */
} rates[] = {
    [RATE_CONNECTED] = {"connected", CALL},
    [RATE_DIRECT] = {"direct", CALL},
    [RATE_BY_PORTMAP] = {"by-portmap", CALL},
    [RATE_BY_PUNCH] = {"by-punch", CALL},
    [RATE_BY_PREDICT] = {"by-predict", CALL},
    [RATE_BY_BIRTHDAY] = {"by-birthday", CALL},
    [RATE_PREDICT_SKIPPED] = {"predict-skipped", CALL},
    [RATE_BIRTHDAY_SKIPPED] = {"birthday-skipped", CALL},
    [RATE_BYSTANDER] = {"bystander", CALL},
    [RATE_MAPPING_RIGHT] = {"mapping-right", NETCHECK},
    [RATE_MAPPING_UNKNOWN] = {"mapping-unknown", NETCHECK},
    [RATE_MAPPING_WRONG] = {"mapping-wrong", NETCHECK},
    [RATE_FILTERING_RIGHT] = {"filtering-right", NETCHECK},
    [RATE_FILTERING_UNKNOWN] = {"filtering-unknown", NETCHECK},
    [RATE_FILTERING_WRONG] = {"filtering-wrong", NETCHECK},
    [RATE_ALLOCATION_RIGHT] = {"allocation-right", NETCHECK},
    [RATE_ALLOCATION_UNKNOWN] = {"allocation-unknown", NETCHECK},
    [RATE_ALLOCATION_WRONG] = {"allocation-wrong", NETCHECK},
    [RATE_STEP_RIGHT] = {"step-right", NETCHECK},
    [RATE_DRIFT_RIGHT] = {"drift-right", NETCHECK},
    [RATE_BLOCK_RIGHT] = {"block-right", NETCHECK},
    [RATE_DOUBLE_NAT] = {"double-nat", CALL | NETCHECK | MAP},
    [RATE_MAPPED] = {"mapped", CALL | NETCHECK | MAP},
    [RATE_AS_EXPECTED] = {"as-expected", MAP},
    [RATE_RELEASED] = {"released", CALL | NETCHECK | MAP},
    [RATE_SURVIVED] = {"survived", CALL},
};

static const struct {
    const char *name;
    unsigned subjects;
} times[] = {
    [SUBJECT_TIME_RELAY] = {"relay", CALL},
    [SUBJECT_TIME_DIRECT] = {"direct", CALL},
    [SUBJECT_TIME_MEDIA] = {"media", CALL},
    [SUBJECT_TIME_PORTMAP] = {"portmap", CALL},
    [SUBJECT_TIME_NETCHECK] = {"netcheck", NETCHECK},
    [SUBJECT_TIME_MAP] = {"map", MAP},
    [SUBJECT_TIME_GAP] = {"gap", CALL},
    [SUBJECT_TIME_SWITCH_GAP] = {"switch-gap", CALL},
    [SUBJECT_TIME_FIRST_DIRECT] = {"first-direct", CALL},
    [SUBJECT_TIME_RECOVERY] = {"recovery", CALL},
};

static const struct {
    const char *name;
    unsigned subjects;
} counts[] = {
    [SUBJECT_COUNT_PROBES] = {"probes", CALL},
    [SUBJECT_COUNT_PUNCH_PROBES] = {"punch-probes", CALL},
    [SUBJECT_COUNT_PROBES_TO_HIT] = {"probes-to-hit", CALL},
    [SUBJECT_COUNT_OPENERS] = {"openers", CALL},
    [SUBJECT_COUNT_SOCKETS] = {"sockets", CALL},
    [SUBJECT_COUNT_PEAK_MAPPINGS] = {"peak-mappings", CALL},
    [SUBJECT_COUNT_PACKETS] = {"packets", CALL},
    [SUBJECT_COUNT_UNANSWERED] = {"unanswered", CALL},
    [SUBJECT_COUNT_LOST] = {"lost", CALL},
    [SUBJECT_COUNT_DUPLICATES] = {"duplicates", CALL},
    [SUBJECT_COUNT_DROPPED] = {"dropped", CALL},
    [SUBJECT_COUNT_UNEXPLAINED] = {"unexplained-loss", CALL},
};

const char *subject_name(enum subject subject)
{
    return names[subject];
}

const char *rate_name(enum rate rate)
{
    return rates[rate].name;
}

const char *subject_time_name(enum subject_time t)
{
    return times[t].name;
}

const char *subject_count_name(enum subject_count c)
{
    return counts[c].name;
}

bool subject_has_rate(enum subject subject, enum rate rate)
{
    return (rates[rate].subjects & 1u << subject) != 0;
}

bool subject_has_time(enum subject subject, enum subject_time t)
{
    return (times[t].subjects & 1u << subject) != 0;
}

bool subject_has_count(enum subject subject, enum subject_count c)
{
    return (counts[c].subjects & 1u << subject) != 0;
}
