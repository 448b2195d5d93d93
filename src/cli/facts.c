/* The short text; JSON is in facts_json.c. */
#include "cli/facts.h"

#include "base/err.h"
#include "cli/number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 96

struct name {
    const char *brief, *full;
};

static int lookup(const struct name *names, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(text, names[i].brief) == 0 || strcmp(text, names[i].full) == 0) {
            return (int)i;
        }
    }
    return -1;
}

#define LOOKUP(names, text) lookup(names, sizeof(names) / sizeof((names)[0]), text)

int facts_mapping(const char *name)
{
    static const struct name names[] = {{"unknown", "unknown"},
                                        {"none", "none"},
                                        {"eim", "endpoint-independent"},
                                        {"adm", "address-dependent"},
                                        {"apdm", "address-and-port-dependent"}};

    return LOOKUP(names, name);
}

int facts_filtering(const char *name)
{
    static const struct name names[] = {{"unknown", "unknown"},
                                        {"eif", "endpoint-independent"},
                                        {"adf", "address-dependent"},
                                        {"apdf", "address-and-port-dependent"}};

    return LOOKUP(names, name);
}

int facts_gateway(const char *name)
{
    static const struct name names[] = {
        {"unknown", "unknown"}, {"accept", "accept"}, {"drop", "reject"}};

    return LOOKUP(names, name);
}

int facts_answer(const char *name)
{
    static const struct name names[] = {{"unknown", "unknown"}, {"no", "no"}, {"yes", "yes"}};

    return LOOKUP(names, name);
}

static bool set_number(const char *v, uint16_t *out)
{
    *out = (uint16_t)read_number(v, 65535);
    return *out > 0;
}

/* ---- Facts by their names */

static bool set_udp(const char *v, struct facts *f)
{
    int a = facts_answer(v);

    f->side.udp = (enum ph_answer)a;
    return a >= 0;
}

static bool set_mapping(const char *v, struct facts *f)
{
    int m = facts_mapping(v);

    f->side.mapping = (enum ph_mapping_behaviour)m;
    return m >= 0;
}

static bool set_filtering(const char *v, struct facts *f)
{
    int m = facts_filtering(v);

    f->side.filtering = (enum ph_filtering_behaviour)m;
    return m >= 0;
}

static bool set_gateway(const char *v, struct facts *f)
{
    int m = facts_gateway(v);

    f->side.gateway = (enum ph_gateway_policy)m;
    return m >= 0;
}

static bool set_allocation(const char *v, struct facts *f)
{
    struct ph_allocation *a = &f->side.allocation;

    if (!ph_nat_allocation_parse(v, a)) {
        return false;
    }
    if (a->type == PH_ALLOCATION_SEQUENTIAL && a->step == 0) {
        a->step = 1;
    }
    /* One that is known by its size alone is placed later (place_block). */
    return a->type != PH_ALLOCATION_BLOCK || (a->high != 0 && (a->low != 0 || a->high < 32768));
}

static bool set_external(const char *v, struct facts *f)
{
    return ph_addr_parse(v, &f->side.external) == PH_OK && !ph_addr_is_any(&f->side.external);
}

static bool set_last(const char *v, struct facts *f)
{
    return set_number(v, &f->side.allocation.last);
}

static bool read_rate(const char *text, double *out, const char **rest)
{
    char *end;

    if (!isdigit((unsigned char)text[0])) {
        return false;
    }
    *out = strtod(text, &end);
    *rest = end;
    return isfinite(*out) && *out <= 100000;
}

/* "20", or with its interval "20:12-31". */
static bool set_drift(const char *v, struct facts *f)
{
    struct ph_allocation *a = &f->side.allocation;
    const char *rest;

    if (!read_rate(v, &a->cross_rate, &rest)) {
        return false;
    }
    a->cross_low = a->cross_high = a->cross_rate;
    if (*rest == '\0') {
        return true;
    }
    return *rest == ':' && read_rate(rest + 1, &a->cross_low, &rest) && *rest == '-' &&
           read_rate(rest + 1, &a->cross_high, &rest) && *rest == '\0' &&
           a->cross_low <= a->cross_rate && a->cross_rate <= a->cross_high;
}

static bool set_privileged(const char *v, struct facts *f)
{
    f->side.privileged = facts_answer(v) == PH_YES;
    return facts_answer(v) > 0;
}

static bool set_probes(const char *v, struct facts *f)
{
    return set_number(v, &f->side.budget.probes);
}

static bool set_openers(const char *v, struct facts *f)
{
    return set_number(v, &f->side.budget.openers);
}

static bool set_rate(const char *v, struct facts *f)
{
    return set_number(v, &f->side.budget.rate);
}

static bool set_burst(const char *v, struct facts *f)
{
    return set_number(v, &f->side.budget.burst);
}

static const struct fact {
    const char *name;
    bool (*set)(const char *value, struct facts *f);
    const char *right;
} known[] = {
    {"udp", set_udp, FACTS_ANSWERS},
    {"mapping", set_mapping, FACTS_MAPPINGS},
    {"filtering", set_filtering, FACTS_FILTERINGS},
    {"allocation", set_allocation,
     "preserving, one-port, none, sequential:STEP, random, random:LOW-HIGH, block:SIZE, "
     "block:LOW-HIGH or unknown"},
    {"external", set_external, "an address, as 192.0.2.1:40000"},
    {"gateway", set_gateway, FACTS_GATEWAYS},
    {"drift", set_drift, "flows a second, as 20 or 20:12-31"},
    {"last", set_last, "a port"},
    {"privileged", set_privileged, "yes or no"},
    {"probes", set_probes, "a number of packets"},
    {"openers", set_openers, "a number of sockets"},
    {"rate", set_rate, "packets a second"},
    {"burst", set_burst, "a number of packets"},
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

static bool wrong(char error[FACTS_ERROR], const char *word, const char *what)
{
    (void)snprintf(error, FACTS_ERROR, "'%.*s': %s", WORD_MAX, word, what);
    return false;
}

static bool unknown_fact(char error[FACTS_ERROR], const char *word)
{
    size_t len = (size_t)snprintf(error, FACTS_ERROR, "'%s' is no fact; they are ", word);

    for (size_t i = 0; i < KNOWN && len < FACTS_ERROR; i++) {
        len += (size_t)snprintf(error + len, FACTS_ERROR - len, "%s%s=", i > 0 ? ", " : "",
                                known[i].name);
    }
    return false;
}

static bool set_fact(char *word, struct facts *f, bool had[KNOWN], char error[FACTS_ERROR])
{
    char *equals = strchr(word, '=');
    char what[FACTS_ERROR - WORD_MAX - 8];

    for (size_t i = 0; equals && i < KNOWN; i++) {
        size_t len = strlen(known[i].name);

        if (len != (size_t)(equals - word) || strncmp(word, known[i].name, len) != 0) {
            continue;
        }
        if (had[i]) {
            return wrong(error, word, "it is given twice");
        }
        had[i] = true;
        if (known[i].set(equals + 1, f)) {
            return true;
        }
        (void)snprintf(what, sizeof(what), "%s is %s", known[i].name, known[i].right);
        return wrong(error, word, what);
    }
    return unknown_fact(error, word);
}

/* A block of a known size lies around the port that was seen; else anywhere. */
static void place_block(struct ph_plan_side *s)
{
    struct ph_allocation *a = &s->allocation;
    uint32_t size = (uint32_t)a->high + 1, seen = a->last ? a->last : s->external.port, low;

    if (a->type != PH_ALLOCATION_BLOCK || a->low != 0) {
        return;
    }
    low = seen ? seen / size * size : 32768;
    low = low + size > 65536 ? 65536 - size : low;
    a->low = (uint16_t)(low > 0 ? low : 1);
    a->high = (uint16_t)(low + size - 1);
}

static bool separates(char c)
{
    return c == ',' || isspace((unsigned char)c);
}

static bool parse_words(const char *text, size_t len, struct facts *out, char error[FACTS_ERROR])
{
    bool had[KNOWN] = {false}, any = false;

    for (size_t at = 0; at < len;) {
        char word[WORD_MAX];
        size_t n = 0;

        if (separates(text[at])) {
            at++;
            continue;
        }
        for (; at < len && !separates(text[at]); at++) {
            if (n + 1 < sizeof(word)) {
                /* What cannot be quoted is no part of a fact. */
                word[n++] = isprint((unsigned char)text[at]) ? text[at] : '?';
            }
        }
        word[n] = '\0';
        if (n + 1 == sizeof(word)) {
            return wrong(error, word, "no fact is so long");
        }
        if (!set_fact(word, out, had, error)) {
            return false;
        }
        any = true;
    }
    if (!any) {
        (void)snprintf(error, FACTS_ERROR,
                       "there are no facts: write mapping=eim,filtering=apdf or the like");
    }
    return any;
}

bool facts_parse(const char *text, size_t len, struct facts *out, char error[FACTS_ERROR])
{
    size_t start = 0;
    struct ph_allocation *a = &out->side.allocation;

    *out = (struct facts){.side.udp = PH_YES};
    a->cross_rate = a->cross_low = a->cross_high = -1;
    while (start < len && isspace((unsigned char)text[start])) {
        start++;
    }
    if (start < len && text[start] == '{') {
        return facts_json(text + start, len - start, out, error);
    }
    if (!parse_words(text, len, out, error)) {
        return false;
    }
    place_block(&out->side);
    if (a->last == 0) {
        a->last = out->side.external.port;
    }
    return true;
}

/* The whole file, or NULL with a text. */
static char *read_file(FILE *f, const char *name, size_t *len, char error[FACTS_ERROR])
{
    char *text = malloc(FACTS_MAX + 1);

    *len = text ? fread(text, 1, FACTS_MAX + 1, f) : 0;
    if (!text || ferror(f) || *len > FACTS_MAX) {
        (void)snprintf(error, FACTS_ERROR, "%.80s: cannot read it: %s", name,
                       ferror(f) || !text ? strerror(errno) : "it is larger than a megabyte");
        free(text);
        return NULL;
    }
    return text;
}

bool facts_load(const char *arg, struct facts *out, char error[FACTS_ERROR])
{
    FILE *f = strcmp(arg, "-") == 0 ? stdin : fopen(arg, "re");
    char what[FACTS_ERROR], *text;
    size_t len;
    bool good;

    if (!f && (strchr(arg, '=') || strchr(arg, '{'))) {
        return facts_parse(arg, strlen(arg), out, error);
    }
    if (!f) {
        (void)snprintf(error, FACTS_ERROR,
                       "'%.80s': %s: name a file of 'pinhole netcheck --json', or write "
                       "mapping=eim,filtering=apdf or the like",
                       arg, strerror(errno));
        return false;
    }
    text = read_file(f, arg, &len, error);
    if (f != stdin) {
        fclose(f);
    }
    if (!text) {
        return false;
    }
    good = facts_parse(text, len, out, what);
    free(text);
    if (!good) {
        (void)snprintf(error, FACTS_ERROR, "%.60s: %.190s", arg, what);
    }
    return good;
}
