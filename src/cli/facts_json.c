/* Facts out of what `pinhole netcheck --json` wrote. */
#include "cli/facts.h"

#include "base/err.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool wrong(char error[FACTS_ERROR], const char *key, const json_t *value, const char *right)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

    (void)snprintf(error, FACTS_ERROR, "\"%s\": %.60s: it is %s", key, text ? text : "?", right);
    free(text);
    return false;
}

/* A text by one of facts_...; what is missing or null leaves `out` alone. */
static bool read_name(const json_t *o, const char *key, int (*find)(const char *name),
                      const char *right, int *out, char error[FACTS_ERROR])
{
    const json_t *v = json_object_get(o, key);
    int found;

    if (!v || json_is_null(v)) {
        return true;
    }
    found = json_is_string(v) ? find(json_string_value(v)) : -1;
    if (found < 0) {
        return wrong(error, key, v, right);
    }
    *out = found;
    return true;
}

static bool read_real(const json_t *o, const char *key, double low, double high, double *out,
                      char error[FACTS_ERROR])
{
    const json_t *v = json_object_get(o, key);
    char right[64];

    if (!v || json_is_null(v)) {
        return true;
    }
    if (!json_is_number(v) || !(json_number_value(v) >= low && json_number_value(v) <= high)) {
        (void)snprintf(right, sizeof(right), "a number from %.0f to %.0f", low, high);
        return wrong(error, key, v, right);
    }
    *out = json_number_value(v);
    return true;
}

static bool read_port(const json_t *o, const char *key, uint16_t *out, char error[FACTS_ERROR])
{
    double port = *out;

    if (!read_real(o, key, 1, 65535, &port, error)) {
        return false;
    }
    *out = (uint16_t)port;
    return true;
}

static bool read_addr(const json_t *o, const char *key, struct ph_addr *out,
                      char error[FACTS_ERROR])
{
    const json_t *v = json_object_get(o, key);

    if (!v || json_is_null(v)) {
        return true;
    }
    if (!json_is_string(v) || ph_addr_parse(json_string_value(v), out) != PH_OK) {
        return wrong(error, key, v, "an address, as \"192.0.2.1:40000\"");
    }
    return true;
}

/* An object that may be missing: *out is NULL then. */
static bool read_object(const json_t *o, const char *key, const json_t **out,
                        char error[FACTS_ERROR])
{
    *out = json_object_get(o, key);
    if (json_is_null(*out)) {
        *out = NULL;
    }
    return !*out || json_is_object(*out) || wrong(error, key, *out, "an object");
}

static int find_type(const char *name)
{
    enum ph_allocation_type type;

    return ph_allocation_type_parse(name, strlen(name), &type) ? (int)type : -1;
}

static bool read_range(const json_t *o, struct ph_allocation *a, char error[FACTS_ERROR])
{
    const json_t *range;

    if (!read_object(o, "range", &range, error)) {
        return false;
    }
    if (!range) {
        return true;
    }
    if (!read_port(range, "low", &a->low, error) || !read_port(range, "high", &a->high, error)) {
        return false;
    }
    if (a->low == 0 || a->high < a->low) {
        return wrong(error, "range", range, "a low and a high port");
    }
    a->aligned = json_is_true(json_object_get(range, "aligned"));
    return true;
}

static bool read_cross_rate(const json_t *o, struct ph_allocation *a, char error[FACTS_ERROR])
{
    const json_t *rate;

    if (!read_object(o, "cross_rate", &rate, error)) {
        return false;
    }
    return !rate || (read_real(rate, "rate", 0, 100000, &a->cross_rate, error) &&
                     read_real(rate, "low", 0, 100000, &a->cross_low, error) &&
                     read_real(rate, "high", 0, 100000, &a->cross_high, error));
}

static bool read_allocation(const json_t *o, struct ph_allocation *a, char error[FACTS_ERROR])
{
    const json_t *x;
    int type = PH_ALLOCATION_UNKNOWN;
    double step = 0, samples = 0;

    if (!read_object(o, "allocation", &x, error)) {
        return false;
    }
    if (!x) {
        return true;
    }
    if (!read_name(x, "type", find_type,
                   "none, preserving, one-port, sequential, random, block or unknown", &type,
                   error) ||
        !read_real(x, "confidence", 0, 1, &a->confidence, error) ||
        !read_real(x, "samples", 0, 1000, &samples, error) ||
        !read_real(x, "step", -65535, 65535, &step, error) ||
        !read_port(x, "last", &a->last, error) || !read_range(x, a, error) ||
        !read_cross_rate(x, a, error)) {
        return false;
    }
    a->type = (enum ph_allocation_type)type;
    a->samples = (size_t)samples;
    a->step = (int)step;
    if (a->type == PH_ALLOCATION_SEQUENTIAL && a->step == 0) {
        return wrong(error, "step", json_object_get(x, "step"),
                     "the step of a sequential NAT, and not 0");
    }
    if (a->type == PH_ALLOCATION_BLOCK && a->high == 0) {
        return wrong(error, "range", json_object_get(x, "range"),
                     "the low and the high port of a block");
    }
    return true;
}

static bool read_side(const json_t *o, struct ph_plan_side *s, char error[FACTS_ERROR])
{
    int udp = (int)s->udp, mapping = 0, filtering = 0, gateway = 0;

    if (!read_name(o, "udp", facts_answer, FACTS_ANSWERS, &udp, error) ||
        !read_name(o, "mapping", facts_mapping, FACTS_MAPPINGS, &mapping, error) ||
        !read_name(o, "filtering", facts_filtering, FACTS_FILTERINGS, &filtering, error) ||
        !read_name(o, "gateway", facts_gateway, FACTS_GATEWAYS, &gateway, error) ||
        !read_addr(o, "reflexive", &s->external, error) ||
        !read_allocation(o, &s->allocation, error)) {
        return false;
    }
    s->udp = (enum ph_answer)udp;
    s->mapping = (enum ph_mapping_behaviour)mapping;
    s->filtering = (enum ph_filtering_behaviour)filtering;
    s->gateway = (enum ph_gateway_policy)gateway;
    return true;
}

static bool says_yes(const json_t *family)
{
    const char *udp = json_string_value(json_object_get(family, "udp"));

    return udp && strcmp(udp, "yes") == 0;
}

/* That of the family by which UDP works, IPv4 first; the object itself where it is one family's. */
static bool pick_family(const json_t *root, const json_t **out, char error[FACTS_ERROR])
{
    const json_t *v4 = json_object_get(root, "v4"), *v6 = json_object_get(root, "v6");

    if (json_object_get(root, "mapping")) {
        *out = root;
    } else {
        *out = v6 && (!v4 || (says_yes(v6) && !says_yes(v4))) ? v6 : v4;
    }
    if (!json_is_object(*out)) {
        (void)snprintf(error, FACTS_ERROR,
                       "this JSON is not of 'pinhole netcheck --json': it has neither \"v4\" nor "
                       "\"mapping\"");
        return false;
    }
    return true;
}

static bool is_mapped(const json_t *root)
{
    const json_t *portmap = json_object_get(root, "port_mapping");
    const json_t *mapping = json_object_get(portmap, "mapping");
    const char *reach = json_string_value(json_object_get(mapping, "reach"));

    return json_is_true(json_object_get(portmap, "mapped")) &&
           !(reach && strcmp(reach, "double") == 0);
}

bool facts_json(const char *text, size_t len, struct facts *out, char error[FACTS_ERROR])
{
    json_error_t at;
    json_t *root = json_loadb(text, len, 0, &at);
    const json_t *family;
    bool good;

    if (!root) {
        (void)snprintf(error, FACTS_ERROR, "%d:%d: this is not JSON: %.120s", at.line, at.column,
                       at.text);
        return false;
    }
    good = pick_family(root, &family, error) && read_side(family, &out->side, error);
    out->mapped = good && is_mapped(root);
    json_decref(root);
    return good;
}
