#include "lab/bench/sweep.h"

#include "lab/bench/sweep_private.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_PROBE_S 5.0 /* for registration, the punch before it and the handshake after it */
#define GIVE_UP_S     15
#define GIVE_UP_MAX_S 600.0

#define BIRTHDAY   (1u << SWEEP_BIRTHDAY)
#define PREDICT    (1u << SWEEP_PREDICT)
#define STRATEGIES (1u << SWEEP_STRATEGIES)
#define ALL        (BIRTHDAY | PREDICT | STRATEGIES)

static const struct {
    const char *option, *axis;
    unsigned kinds; /* that have it */
} table[SWEEP_OF_COUNT] = {
    [SWEEP_CALLER] = {"caller", "a.nat", ALL},
    [SWEEP_CALLEE] = {"callee", "b.nat", ALL},
    [SWEEP_OPENERS] = {"openers", "openers", BIRTHDAY | PREDICT},
    [SWEEP_PROBES] = {"probes", "probes", BIRTHDAY | PREDICT},
    [SWEEP_RATE] = {"rate", "rate", BIRTHDAY | PREDICT},
    [SWEEP_RANGE] = {"range", "b.nat.allocation.range", BIRTHDAY},
    [SWEEP_BLOCK] = {"block", "b.nat.allocation.block", BIRTHDAY},
    [SWEEP_DRIFT] = {"drift", "background", ALL},
    [SWEEP_PROBE] = {"probe", "probe", ALL},
    [SWEEP_STRATEGY] = {"strategy", "strategy", STRATEGIES},
    [SWEEP_GATEWAY] = {"gateway", "gateway", ALL},
    [SWEEP_LINK] = {"link", "link", ALL},
};

const char *sweep_name(enum sweep_kind kind)
{
    static const char *const names[] = {"birthday", "predict", "strategies"};
    return names[kind];
}

const char *sweep_option(enum sweep_of of)
{
    return table[of].option;
}

bool sweep_has(enum sweep_kind kind, enum sweep_of of)
{
    return (table[of].kinds & 1u << kind) != 0;
}

bool sweep_parse(const char *text, struct sweep_list *out)
{
    memset(out, 0, sizeof(*out));
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ",");
        if (len == 0 || len >= AXIS_VALUE_MAX || out->count == SWEEP_VALUES_MAX)
            return false;
        memcpy(out->values[out->count++], at, len);
        at += len;
        if (*at == '\0')
            return true;
    }
}

void sweep_init(struct sweep *s, enum sweep_kind kind)
{
    static const char *const defaults[SWEEP_KINDS][SWEEP_OF_COUNT] = {
        [SWEEP_BIRTHDAY] = {[SWEEP_CALLER] = "port-restricted",
                            [SWEEP_CALLEE] = "random",
                            [SWEEP_OPENERS] = "64,128,256",
                            [SWEEP_PROBES] = "1200",
                            [SWEEP_RATE] = "200",
                            [SWEEP_GATEWAY] = "drop",
                            [SWEEP_LINK] = "20ms"},
        [SWEEP_PREDICT] = {[SWEEP_CALLER] = "port-restricted",
                           [SWEEP_CALLEE] = "sequential",
                           [SWEEP_OPENERS] = "16,64,256",
                           [SWEEP_DRIFT] = "0,5,10,20,50,100",
                           [SWEEP_GATEWAY] = "drop",
                           [SWEEP_LINK] = "20ms"},
        [SWEEP_STRATEGIES] = {[SWEEP_CALLER] = "port-preserving",
                              [SWEEP_CALLEE] = "random,sequential",
                              [SWEEP_STRATEGY] =
                                  "pinhole,first-design,tailscale-blog,easytier,frp,gonc,dquic",
                              [SWEEP_GATEWAY] = "drop,accept",
                              [SWEEP_LINK] = "20ms"},
    };
    static const unsigned trials[SWEEP_KINDS] = {400, 200, 100};
    memset(s, 0, sizeof(*s));
    s->kind = kind;
    s->trials = trials[kind];
    for (int i = 0; i < SWEEP_OF_COUNT; i++)
        if (defaults[kind][i] != NULL)
            (void)sweep_parse(defaults[kind][i], &s->lists[i]);
}

/* The greatest number of a list, or the least; `otherwise` where it is empty. */
static double outermost(const struct sweep_list *list, bool greatest, double otherwise)
{
    double best = otherwise;
    for (size_t i = 0; i < list->count; i++) {
        double v = strtod(list->values[i], NULL);
        if (i == 0 || (greatest ? v > best : v < best))
            best = v;
    }
    return best;
}

/* Long enough for the slowest spray to be over by itself; a strategy has what any call has. */
static unsigned give_up_s(const struct sweep *s)
{
    if (s->kind == SWEEP_STRATEGIES)
        return GIVE_UP_S;
    double probes = outermost(&s->lists[SWEEP_PROBES], true, PH_BUDGET_PROBES);
    double rate = outermost(&s->lists[SWEEP_RATE], false, PH_BUDGET_RATE);
    double seconds = rate > 0.0 ? FIRST_PROBE_S + 1.5 * probes / rate : GIVE_UP_MAX_S;
    return (unsigned)(seconds < GIVE_UP_S       ? GIVE_UP_S
                      : seconds < GIVE_UP_MAX_S ? seconds
                                                : GIVE_UP_MAX_S);
}

char *sweep_scenario(const struct sweep *s)
{
    static const char *const stages[] = {"[punch, birthday, relay]", "[punch, predict, relay]",
                                         "[punch, predict, birthday, relay]"};
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (f == NULL)
        return NULL;
    (void)fprintf(
        f, "# Made by natlab bench %s.\nname: bench-%s\ntopology: %s\ntrials: %u\nmatrix:\n",
        sweep_name(s->kind), sweep_name(s->kind),
        /* Some strategies name a TTL, which dies in the middle of a real path's length. */
        s->kind == SWEEP_STRATEGIES ? "two-nats-far" : "two-nats", s->trials);
    for (int i = 0; i < SWEEP_OF_COUNT; i++) {
        const struct sweep_list *list = &s->lists[i];
        if (list->count == 0)
            continue;
        (void)fprintf(f, "  %s: [", table[i].axis);
        /* In quotes, for a value may be anything that was typed. */
        for (size_t k = 0; k < list->count; k++)
            (void)fprintf(f, "%s'%s'", k == 0 ? "" : ", ", list->values[k]);
        (void)fprintf(f, "]\n");
    }
    (void)fprintf(f, "stages: %s\ngive_up: %us\nmedia: 0s\n", stages[s->kind], give_up_s(s));
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

int sweep_sheet(const struct sweep *s, const struct run *run, struct sheet *out,
                struct lab_error *err)
{
    int rc = s->kind == SWEEP_BIRTHDAY  ? birthday_sheet(run, out)
             : s->kind == SWEEP_PREDICT ? predict_sheet(run, out)
                                        : strategies_sheet(run, out);
    return rc == 0 ? 0
                   : lab_fail(err, LAB_CANNOT,
                              "out of memory, or more groups than one page holds: sweep fewer "
                              "values");
}
