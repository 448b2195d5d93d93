/* Links: presets and what a topology's file says about one. */
#include "lab/topo/topology.h"
#include "lab/yaml.h"

#include <stdio.h>
#include <string.h>

#define MS         1000000u
#define DELAY_MAX  (10000u * (uint64_t)MS)
#define PRESET_MAX 32

struct preset {
    const char *name;
    struct link_params params;
};

/* One way each. `lan` is a switch and its cables. `lte`: 50 to 90 ms round trip with the jitter of
 * scheduling grants, slower up than down. `satellite` is geostationary: 2 x 35,786 km at the speed
 * of light is 239 ms, and coding and gateways add the rest. */
static const struct preset presets[] = {
    {"lan", {.up = {.delay_ns = 250000}, .down = {.delay_ns = 250000}}},
    {"lte",
     {.up = {.delay_ns = 40 * MS, .jitter_ns = 12 * MS, .loss = 0.002, .rate_bps = 15000000},
      .down = {.delay_ns = 30 * MS, .jitter_ns = 8 * MS, .loss = 0.001, .rate_bps = 50000000}}},
    {"satellite",
     {.up = {.delay_ns = 280 * MS, .jitter_ns = 10 * MS, .loss = 0.005, .rate_bps = 5000000},
      .down = {.delay_ns = 280 * MS, .jitter_ns = 5 * MS, .loss = 0.005, .rate_bps = 50000000}}},
};

#define PRESETS (sizeof(presets) / sizeof(presets[0]))

bool link_params_zero(const struct link_params *p)
{
    const struct link_direction *both[2] = {&p->up, &p->down};

    for (size_t i = 0; i < 2; i++) {
        if (both[i]->delay_ns != 0 || both[i]->jitter_ns != 0 || both[i]->rate_bps != 0 ||
            both[i]->loss > 0) {
            return false;
        }
    }
    return true;
}

/* Digits with at most 3 after a point, in thousandths; where the text goes on, or NULL. */
static const char *read_thousandths(const char *s, uint64_t *out)
{
    uint64_t v = 0;
    unsigned digits = 0, scale = 1000;

    for (; *s >= '0' && *s <= '9' && digits < 6; s++, digits++) {
        v = v * 10 + (uint64_t)(*s - '0');
    }
    if (digits == 0) {
        return NULL;
    }
    v *= 1000;
    if (*s == '.') {
        s++;
        for (digits = 0; *s >= '0' && *s <= '9' && digits < 3; s++, digits++) {
            scale /= 10;
            v += (uint64_t)(*s - '0') * scale;
        }
        if (digits == 0) {
            return NULL;
        }
    }
    *out = v;
    return s;
}

/* "20ms", "80ms-1%", "0.5ms-0.25%" */
static bool parse_preset(const char *name, struct link_params *out)
{
    uint64_t delay_us, loss = 0;
    const char *s = read_thousandths(name, &delay_us);

    if (s == NULL || strncmp(s, "ms", 2) != 0) {
        return false;
    }
    s += 2;
    if (*s == '-') {
        s = read_thousandths(s + 1, &loss);
        if (s == NULL || *s++ != '%') {
            return false;
        }
    }
    if (*s != '\0' || delay_us * 1000 > DELAY_MAX || loss > 100000) {
        return false;
    }
    out->up.delay_ns = out->down.delay_ns = delay_us * 1000;
    out->up.loss = out->down.loss = (double)loss / 100000.0;
    return true;
}

int link_preset(const char *name, struct link_params *out, struct lab_error *err)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < PRESETS; i++) {
        if (strcmp(presets[i].name, name) == 0) {
            *out = presets[i].params;
            return 0;
        }
    }
    if (parse_preset(name, out)) {
        return 0;
    }
    return lab_fail(err, LAB_USAGE,
                    "link \"%.60s\" is not known; it must be lan, lte, satellite, or one-way delay "
                    "and loss such as 20ms or 80ms-1%% (at most 10000ms, 100%%)",
                    name);
}

typedef int (*read_fn)(struct yaml_node *n, const char *what, struct link_direction *d,
                       struct lab_error *err);

static int read_delay(struct yaml_node *n, const char *what, struct link_direction *d,
                      struct lab_error *err)
{
    if (yaml_duration(n, what, &d->delay_ns, err) != 0) {
        return -1;
    }
    return d->delay_ns > DELAY_MAX ? yaml_fail(n, err, "%s is above 10s", what) : 0;
}

static int read_jitter(struct yaml_node *n, const char *what, struct link_direction *d,
                       struct lab_error *err)
{
    if (yaml_duration(n, what, &d->jitter_ns, err) != 0) {
        return -1;
    }
    return d->jitter_ns > DELAY_MAX ? yaml_fail(n, err, "%s is above 10s", what) : 0;
}

static int read_loss(struct yaml_node *n, const char *what, struct link_direction *d,
                     struct lab_error *err)
{
    return yaml_percent(n, what, &d->loss, err);
}

static int read_rate(struct yaml_node *n, const char *what, struct link_direction *d,
                     struct lab_error *err)
{
    return yaml_rate(n, what, &d->rate_bps, err);
}

/* One value for both directions, or {up: , down: }. */
static int read_both(struct yaml_node *n, const char *what, read_fn read, struct link_params *p,
                     struct lab_error *err)
{
    static const char *const known[] = {"up", "down", NULL};
    struct yaml_node *up = n, *down = n;

    if (n->type == YAML_MAPPING) {
        up = yaml_get(n, "up");
        down = yaml_get(n, "down");
        if (yaml_finish(n, known, err) != 0) {
            return -1;
        }
    }
    if ((up != NULL && read(up, what, &p->up, err) != 0) ||
        (down != NULL && read(down, what, &p->down, err) != 0)) {
        return -1;
    }
    return 0;
}

static int read_preset(struct yaml_node *n, struct link_params *p, struct lab_error *err)
{
    struct lab_error why;
    char name[PRESET_MAX];

    if (yaml_string(n, "preset", name, sizeof(name), err) != 0) {
        return -1;
    }
    return link_preset(name, p, &why) == 0 ? 0 : yaml_fail(n, err, "%s", why.text);
}

static int read_between(struct yaml_node *n, struct topo_link *out, struct lab_error *err)
{
    if (n->type != YAML_SEQUENCE || n->count != 2) {
        return yaml_fail(n, err,
                         "between must be a list of two, such as [nats, internet]: names of NATs, "
                         "hosts or networks, \"nats\" or \"hosts\"");
    }
    for (size_t i = 0; i < 2; i++) {
        if (yaml_string(n->items[i], "between", out->between[i], TOPO_NAME_MAX, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int link_read(struct yaml_node *node, struct topo_link *out, struct lab_error *err)
{
    static const char *const known[] = {"between", "preset", "delay", "jitter",
                                        "loss",    "rate",   NULL};
    static const read_fn read[] = {read_delay, read_jitter, read_loss, read_rate};
    struct yaml_node *between, *preset;

    if (node->type != YAML_MAPPING) {
        return yaml_fail(node, err, "a link must be {between: [.., ..], delay: 20ms, ...}");
    }
    between = yaml_get(node, "between");
    preset = yaml_get(node, "preset");
    if (between == NULL) {
        return yaml_fail(node, err, "link \"%s\" needs between: [.., ..]", out->name);
    }
    if (read_between(between, out, err) != 0 ||
        (preset != NULL && read_preset(preset, &out->params, err) != 0)) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(read) / sizeof(read[0]); i++) {
        const char *key = known[2 + i];
        struct yaml_node *n = yaml_get(node, key);

        /* A preset gives the start; single values beside it win. */
        if (n != NULL && read_both(n, key, read[i], &out->params, err) != 0) {
            return -1;
        }
    }
    return yaml_finish(node, known, err);
}
