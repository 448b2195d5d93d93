#include "nat/allocation.h"

#include "nat/hypotheses.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWERS_MIN 5u
#define DRAWS_MIN   3u
/* Less sure than this of any type is unknown. */
#define CONFIDENCE_MIN 0.8
/* Of what needs no weighing: that a random NAT hit the socket's own port, or one port for two
 * servers, by chance. */
#define CONFIDENCE_PLAIN 0.999
/* How many samples are worth their packets. */
#define WANTS_FEW    8u
#define WANTS_BLOCK  16u
#define WANTS_STEP   12u
#define SURE_OF_TYPE 0.99
/* Of a step that is read: half of all ports, either way. */
#define STEP_MAX 32768

static size_t count_answers(const struct ph_nat_sample *samples, size_t n)
{
    size_t answers = 0;
    for (size_t i = 0; i < n; i++)
        answers += ph_addr_is_set(&samples[i].mapped);
    return answers;
}

static size_t server_ips(const struct ph_nat_sample *samples, size_t n)
{
    size_t ips = 0;
    for (size_t i = 0; i < n; i++) {
        size_t j = 0;
        if (!ph_addr_is_set(&samples[i].mapped))
            continue;
        while (j < i && !(ph_addr_is_set(&samples[j].mapped) &&
                          ph_addr_ip_eq(&samples[j].server, &samples[i].server)))
            j++;
        ips += j == i;
    }
    return ips;
}

static size_t count_port(const struct ph_nat_sample *samples, size_t n, uint16_t port)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ph_addr_is_set(&samples[i].mapped) && samples[i].mapped.port == port;
    return count;
}

static uint16_t newest_port(const struct ph_nat_sample *samples, size_t n)
{
    const struct ph_nat_sample *newest = NULL;
    for (size_t i = 0; i < n; i++) {
        if (ph_addr_is_set(&samples[i].mapped) && (!newest || samples[i].order > newest->order))
            newest = &samples[i];
    }
    return newest ? newest->mapped.port : 0;
}

static void take_sequence(const struct ph_sequence *s, struct ph_allocation *out)
{
    out->step = s->step;
    out->low = s->low;
    out->high = s->high;
    if (s->rated) {
        out->cross_rate = s->rate.rate;
        out->cross_low = s->rate.low;
        out->cross_high = s->rate.high;
    }
}

static void take_ports(const struct ph_ports *p, struct ph_allocation *out)
{
    out->low = p->low;
    out->high = p->high;
    out->aligned = p->aligned;
}

/* The likeliest type by all draws of a NAT whose mappings depend on the destination. */
static void weigh(const struct ph_nat_draws *d, uint16_t local_port, struct ph_allocation *out)
{
    struct ph_hypotheses h;
    ph_hypotheses(d, local_port, &h);
    const struct {
        double ln;
        enum ph_allocation_type type;
    } types[] = {{h.preserving, PH_ALLOCATION_PRESERVING},
                 {h.sequential, PH_ALLOCATION_SEQUENTIAL},
                 {h.random, PH_ALLOCATION_RANDOM},
                 {h.block, PH_ALLOCATION_BLOCK}};
    size_t best = 0;
    for (size_t i = 1; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].ln > types[best].ln)
            best = i;
    }
    out->confidence = exp(types[best].ln - h.total);
    /* Without a majority that says so, `preserving` is only what speaks against the others. */
    if (!(out->confidence >= CONFIDENCE_MIN) || types[best].type == PH_ALLOCATION_PRESERVING)
        return;
    out->type = types[best].type;
    switch (out->type) {
    case PH_ALLOCATION_SEQUENTIAL:
        take_sequence(&h.sequence, out);
        break;
    case PH_ALLOCATION_RANDOM:
        take_ports(&h.range.whole_range, out);
        break;
    case PH_ALLOCATION_BLOCK:
        take_ports(&h.range.block_range, out);
        break;
    default:
        break;
    }
}

/* The socket's own port towards most, and another where that one was taken. */
static bool mostly_own(const struct ph_nat_draws *d, uint16_t local_port)
{
    size_t own = 0;
    for (size_t i = 0; i < d->count; i++)
        own += d->items[i].port != 0 && d->items[i].port == local_port;
    return own >= 2 && 2 * own > d->known;
}

void ph_nat_allocation(const struct ph_nat_sample *samples, size_t n, uint16_t local_port,
                       enum ph_mapping_behaviour mapping, struct ph_allocation *out)
{
    struct ph_nat_draws d;
    if (n > PH_NAT_SAMPLES_MAX)
        n = PH_NAT_SAMPLES_MAX;
    *out = (struct ph_allocation){
        .cross_rate = -1, .cross_low = -1, .cross_high = -1, .last = newest_port(samples, n)};
    ph_nat_draws(samples, n, mapping, &d);
    size_t answers = count_answers(samples, n);
    out->samples = mapping == PH_MAPPING_EIM || mapping == PH_MAPPING_NONE ? answers : d.known;
    out->addresses = d.addresses;
    if (answers < 2)
        return;
    if (mapping == PH_MAPPING_NONE) {
        out->type = PH_ALLOCATION_NONE;
        out->confidence = CONFIDENCE_PLAIN;
        return;
    }
    size_t own = count_port(samples, n, local_port);
    bool several = server_ips(samples, n) >= 2;
    if (mapping == PH_MAPPING_EIM || (own == answers && several)) {
        out->type = 2 * own > answers ? PH_ALLOCATION_PRESERVING : PH_ALLOCATION_ONE_PORT;
        out->confidence = CONFIDENCE_PLAIN;
        return;
    }
    if (several && mostly_own(&d, local_port)) {
        out->type = PH_ALLOCATION_PRESERVING;
        out->confidence = CONFIDENCE_PLAIN;
        return;
    }
    if (answers >= ANSWERS_MIN && d.known >= DRAWS_MIN)
        weigh(&d, local_port, out);
}

static size_t up_to(size_t have, size_t want)
{
    return have < want ? want - have : 0;
}

size_t ph_nat_allocation_wants(const struct ph_allocation *a)
{
    switch (a->type) {
    case PH_ALLOCATION_NONE:
    case PH_ALLOCATION_PRESERVING:
    case PH_ALLOCATION_ONE_PORT:
        return 0;
    case PH_ALLOCATION_SEQUENTIAL:
        /* Whether others draw too, and how many, is what a window of prediction hangs on. */
        if (a->cross_rate != 0 || a->confidence < SURE_OF_TYPE)
            return up_to(a->samples, WANTS_STEP);
        return up_to(a->samples, WANTS_FEW);
    case PH_ALLOCATION_BLOCK:
        /* Probes are tried in all of the range: a bound that is half as wide saves half. */
        return up_to(a->samples, WANTS_BLOCK);
    case PH_ALLOCATION_RANDOM:
        return a->confidence < SURE_OF_TYPE ? up_to(a->samples, WANTS_BLOCK) : 0;
    case PH_ALLOCATION_UNKNOWN:
        break;
    }
    return up_to(a->samples, a->samples < WANTS_FEW ? WANTS_FEW : WANTS_BLOCK);
}

const char *ph_allocation_type_name(enum ph_allocation_type t)
{
    static const char *const names[] = {"unknown",    "none",   "preserving", "one-port",
                                        "sequential", "random", "block"};
    return (unsigned)t < sizeof(names) / sizeof(names[0]) ? names[t] : "?";
}

char *ph_nat_allocation_text(const struct ph_allocation *a, char buf[PH_ALLOCATION_TEXT])
{
    const char *name = ph_allocation_type_name(a->type);
    switch (a->type) {
    case PH_ALLOCATION_SEQUENTIAL:
        (void)snprintf(buf, PH_ALLOCATION_TEXT, "%s:%d", name, a->step);
        break;
    case PH_ALLOCATION_BLOCK:
        (void)snprintf(buf, PH_ALLOCATION_TEXT, "%s:%d", name, a->high - a->low + 1);
        break;
    default:
        (void)snprintf(buf, PH_ALLOCATION_TEXT, "%s", name);
        break;
    }
    return buf;
}

bool ph_allocation_type_parse(const char *name, size_t len, enum ph_allocation_type *out)
{
    for (int t = PH_ALLOCATION_UNKNOWN; t <= PH_ALLOCATION_BLOCK; t++) {
        const char *known = ph_allocation_type_name((enum ph_allocation_type)t);
        if (strlen(known) == len && memcmp(known, name, len) == 0) {
            *out = (enum ph_allocation_type)t;
            return true;
        }
    }
    return false;
}

/* A whole number in [low, high]. Too large a one is LONG_MAX, which no `high` here is. */
static bool read_number(const char **text, long low, long high, long *out)
{
    char *end;
    if (!isdigit((unsigned char)**text) && **text != '-')
        return false;
    *out = strtol(*text, &end, 10);
    if (end == *text || *out < low || *out > high)
        return false;
    *text = end;
    return true;
}

static bool read_step(const char *text, struct ph_allocation *out)
{
    long step;
    if (!read_number(&text, -STEP_MAX, STEP_MAX, &step) || *text != '\0' || step == 0)
        return false;
    out->step = (int)step;
    return true;
}

/* "LOW-HIGH"; of a block also its size alone. */
static bool read_range(const char *text, struct ph_allocation *out)
{
    long low, high;
    if (!read_number(&text, 1, 65536, &low))
        return false;
    if (*text == '\0' && out->type == PH_ALLOCATION_BLOCK) {
        high = low - 1;
        low = 0;
    } else if (*text++ != '-' || !read_number(&text, low, 65535, &high) || *text != '\0') {
        return false;
    }
    long size = high - low + 1;
    out->low = (uint16_t)low;
    out->high = (uint16_t)high;
    out->aligned = (size & (size - 1)) == 0 && low % size == 0;
    return true;
}

/* What stands behind the type. */
static bool read_numbers(const char *text, struct ph_allocation *out)
{
    switch (out->type) {
    case PH_ALLOCATION_SEQUENTIAL:
        return read_step(text, out);
    case PH_ALLOCATION_RANDOM:
    case PH_ALLOCATION_BLOCK:
        return read_range(text, out);
    default:
        return false;
    }
}

bool ph_nat_allocation_parse(const char *text, struct ph_allocation *out)
{
    struct ph_allocation a = *out;
    const char *colon = strchr(text, ':');
    a.step = 0;
    a.low = a.high = 0;
    a.aligned = false;
    if (!ph_allocation_type_parse(text, colon ? (size_t)(colon - text) : strlen(text), &a.type))
        return false;
    if (colon && !read_numbers(colon + 1, &a))
        return false;
    *out = a;
    return true;
}
