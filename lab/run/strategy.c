#include "lab/run/strategy.h"

#include <stdio.h>
#include <string.h>

#define PORT_LOW  1024
#define PORT_HIGH 65535
/* Three copies of each packet in two passes. */
#define EASYTIER_PASSES 6

static bool is_easy(const struct ph_plan_side *s)
{
    return s->mapping == PH_MAPPING_NONE || s->mapping == PH_MAPPING_EIM;
}

static bool counts(const struct ph_plan_side *s)
{
    return !is_easy(s) && s->allocation.type == PH_ALLOCATION_SEQUENTIAL;
}

static bool is_known(const struct ph_plan_side *s)
{
    return s->mapping != PH_MAPPING_UNKNOWN;
}

static struct ph_move *add(struct ph_plan *out, enum ph_move_kind kind, const char *why)
{
    /* None here makes more than there is room for (frp looks). */
    if (out->count < PH_PLAN_MOVES_MAX)
        out->count++;
    struct ph_move *m = &out->moves[out->count - 1];
    *m = (struct ph_move){.kind = kind, .opener_ttl = PH_TTL_FULL, .no_canary = true};
    (void)snprintf(m->why, sizeof(m->why), "%s", why);
    return m;
}

/* Where the punch is all that there is, or nothing is; false: a guess is called for. */
static bool begin(const struct ph_plan_input *in, struct ph_plan *out)
{
    const struct ph_plan_side *a = &in->side[0], *b = &in->side[1];
    memset(out, 0, sizeof(*out));
    if (a->udp == PH_NO || b->udp == PH_NO) {
        out->outlook = PH_PLAN_NO_UDP;
        (void)snprintf(out->why, sizeof(out->why), "one side has no UDP");
        return true;
    }
    (void)add(out, PH_MOVE_PUNCH, "every tool begins with it");
    out->outlook = is_known(a) && is_known(b) ? PH_PLAN_DIRECT : PH_PLAN_UNKNOWN;
    if (out->outlook == PH_PLAN_UNKNOWN)
        return true;
    /* A filter that does not look at ports lets the harder side in without a guess. */
    for (int i = 0; i < 2; i++)
        if (is_easy(&in->side[i]) &&
            (is_easy(&in->side[1 - i]) || in->side[i].filtering == PH_FILTERING_EIF ||
             in->side[i].filtering == PH_FILTERING_ADF))
            return true;
    return false;
}

/* The one side that is hard, where the other is easy; -1: both are. */
static int hard_side(const struct ph_plan_input *in)
{
    if (is_easy(&in->side[0]))
        return 1;
    return is_easy(&in->side[1]) ? 0 : -1;
}

static void finish(struct ph_plan *out)
{
    bool predict = false, birthday = false;
    for (size_t i = 1; i < out->count; i++) {
        predict = predict || out->moves[i].predicted;
        birthday = birthday || !out->moves[i].predicted;
    }
    static const char none[] = "the strategy has no such move here";
    if (!predict)
        (void)snprintf(out->no_predict, sizeof(out->no_predict), "%s", none);
    if (!birthday)
        (void)snprintf(out->no_birthday, sizeof(out->no_birthday), "%s", none);
    if (out->count == 1 && out->outlook == PH_PLAN_DIRECT && !predict && !birthday)
        (void)snprintf(out->why, sizeof(out->why), "a punch, and nothing after it");
}

static void any_port(struct ph_port_order *order, uint64_t seed)
{
    *order = (struct ph_port_order){.segment_count = 1, .seed = seed};
    order->segments[0] =
        (struct ph_port_segment){.low = PORT_LOW, .high = PORT_HIGH, .shuffled = true};
}

static void add_port(struct ph_port_order *order, int port)
{
    if (port >= PORT_LOW && port <= PORT_HIGH && order->list_count < PH_PORT_LIST_MAX)
        order->list[order->list_count++] = (uint16_t)port;
}

static int next_port(const struct ph_plan_side *s)
{
    return (int)s->allocation.last + s->allocation.step;
}

/* From the port that the counter names next outwards, to both sides. */
static void around(const struct ph_plan_side *s, int reach, struct ph_port_order *order)
{
    *order = (struct ph_port_order){.seed = 0};
    add_port(order, next_port(s));
    for (int k = 1; k <= reach; k++) {
        add_port(order, next_port(s) + k);
        add_port(order, next_port(s) - k);
    }
}

/* From the newest port on, the way that the counter goes. */
static void onwards(const struct ph_plan_side *s, int count, struct ph_port_order *order)
{
    int sign = s->allocation.step < 0 ? -1 : 1;
    *order = (struct ph_port_order){.seed = 0};
    for (int k = 1; k <= count; k++)
        add_port(order, (int)s->allocation.last + sign * k);
}

static struct ph_move *fan_in(struct ph_plan *out, int acceptor, uint16_t sockets, uint16_t probes,
                              const struct ph_budget *pace, const char *why)
{
    struct ph_move *m = add(out, PH_MOVE_FAN_IN, why);
    m->acceptor = (uint8_t)acceptor;
    m->sockets = sockets;
    m->probes = probes;
    m->acceptor_pace = m->prober_pace =
        (struct ph_budget){.rate = pace->rate, .burst = pace->burst};
    return m;
}

/* Where both sides count: both open sockets towards the port that the other's counter names next,
 * and some beyond. */
static void rendezvous(const struct ph_plan_input *in, struct ph_plan *out, uint16_t sockets,
                       int ahead, const struct ph_budget *pace, const char *why)
{
    if (!counts(&in->side[0]) || !counts(&in->side[1]))
        return;
    struct ph_move *m = add(out, PH_MOVE_RENDEZVOUS, why);
    m->predicted = true;
    m->acceptor = 1;
    m->sockets = m->probes = sockets;
    m->acceptor_pace = m->prober_pace =
        (struct ph_budget){.rate = pace->rate, .burst = pace->burst};
    for (int i = 0; i < 2; i++) {
        const struct ph_plan_side *s = &in->side[i];
        struct ph_port_order *order = i == m->acceptor ? &m->order : &m->back;
        add_port(order, (int)s->allocation.last + (s->allocation.step < 0 ? -ahead : ahead));
    }
}

static const struct ph_budget first_design_budget = {
    .probes = 1024, .openers = 256, .rate = 200, .burst = 64};

static void first_design(void *user, const struct ph_plan_input *in, uint64_t seed,
                         struct ph_plan *out)
{
    (void)user;
    const struct ph_budget *pace = &first_design_budget;
    if (begin(in, out))
        goto over;
    int hard = hard_side(in);
    if (hard < 0) {
        rendezvous(in, out, 5, 3, pace, "both predict, +-2, at a common moment");
        goto over;
    }
    struct ph_move *m;
    if (counts(&in->side[hard])) {
        m = fan_in(out, hard, 1, 5, pace, "one socket, +-2 about the port that comes next");
        m->predicted = true;
        around(&in->side[hard], 2, &m->order);
    }
    /* The roles the wrong way round: each probe tests one mapping in place of 256. */
    m = fan_in(out, 1 - hard, 256, 1024, pace, "the easy side opens 256, the hard side sprays");
    any_port(&m->order, seed);
over:
    finish(out);
}

static const struct ph_budget tailscale_budget = {
    .probes = 2048, .openers = 256, .rate = 100, .burst = 1};

static void tailscale_blog(void *user, const struct ph_plan_input *in, uint64_t seed,
                           struct ph_plan *out)
{
    (void)user;
    if (!begin(in, out) && hard_side(in) >= 0) {
        struct ph_move *m = fan_in(out, hard_side(in), 256, 2048, &tailscale_budget,
                                   "256 sockets of the hard side, 2048 probes");
        any_port(&m->order, seed);
    }
    finish(out);
}

/* A port each millisecond, three copies of each packet: 3000 packets a second, which is above what
 * any budget may have. The copies are passes of their own here, at the greatest rate that there is;
 * where nothing is lost they change the number of packets alone. */
static const struct ph_budget easytier_budget = {
    .probes = 4800, .openers = 84, .rate = PH_BUDGET_RATE_MOST, .burst = 84};

static void easytier(void *user, const struct ph_plan_input *in, uint64_t seed, struct ph_plan *out)
{
    (void)user;
    const struct ph_budget *pace = &easytier_budget;
    if (begin(in, out))
        goto over;
    int hard = hard_side(in);
    if (hard < 0) {
        rendezvous(in, out, 25, 20, pace, "25 sockets to the other's base +-20");
        goto over;
    }
    struct ph_move *m;
    if (counts(&in->side[hard])) {
        m = fan_in(out, hard, 84, 50, pace, "84 sockets, base+1..50");
        m->predicted = true;
        onwards(&in->side[hard], 50, &m->order);
    } else {
        m = fan_in(out, hard, 84, 800, pace, "84 sockets, 800 ports");
        any_port(&m->order, seed);
    }
    m->passes = EASYTIER_PASSES;
    m->repeats = 2;
    m->repeat_after = 200 * PH_MS;
over:
    finish(out);
}

/* A port each 15 ms. */
static const struct ph_budget frp_budget = {.probes = 3000, .openers = 256, .rate = 67, .burst = 1};

static void frp(void *user, const struct ph_plan_input *in, uint64_t seed, struct ph_plan *out)
{
    static const uint8_t ttls[] = {7, 4, PH_TTL_FULL};
    (void)user;
    const struct ph_budget *pace = &frp_budget;
    if (begin(in, out))
        goto over;
    int hard = hard_side(in);
    if (hard < 0) {
        rendezvous(in, out, 21, 11, pace, "both predict, +-10");
        goto over;
    }
    if (counts(&in->side[hard])) {
        struct ph_move *m = fan_in(out, hard, 1, 21, pace, "one socket, +-10");
        m->predicted = true;
        m->opener_ttl = ttls[0];
        around(&in->side[hard], 10, &m->order);
    }
    for (size_t i = 0; i < sizeof(ttls) && out->count < PH_PLAN_MOVES_MAX; i++) {
        struct ph_move *m =
            fan_in(out, hard, 256, 1000, pace, "256 sockets, 1000 ports; TTL 7, 4, none");
        m->opener_ttl = ttls[i];
        m->acceptor_pace = (struct ph_budget){.rate = PH_BUDGET_RATE, .burst = PH_BUDGET_BURST};
        any_port(&m->order, seed);
    }
over:
    finish(out);
}

static const struct ph_budget gonc_budget = {
    .probes = 600, .openers = 600, .rate = PH_BUDGET_RATE, .burst = PH_BUDGET_BURST};

static void gonc(void *user, const struct ph_plan_input *in, uint64_t seed, struct ph_plan *out)
{
    (void)user;
    if (!begin(in, out) && hard_side(in) >= 0) {
        struct ph_move *m =
            fan_in(out, hard_side(in), 600, 600, &gonc_budget, "600 sockets, 600 ports, TTL 5 up");
        m->opener_ttl = 5;
        m->opener_ttl_up = 1;
        m->repeats = 3;
        m->repeat_after = 500 * PH_MS;
        any_port(&m->order, seed);
    }
    finish(out);
}

/* Sixty sockets each 20 ms, or as many as a budget may have. */
static const struct ph_budget dquic_budget = {
    .probes = 800, .openers = 300, .rate = PH_BUDGET_RATE_MOST, .burst = 60};

static void dquic(void *user, const struct ph_plan_input *in, uint64_t seed, struct ph_plan *out)
{
    (void)user;
    if (!begin(in, out) && hard_side(in) >= 0) {
        struct ph_move *m = fan_in(out, hard_side(in), 300, 800, &dquic_budget,
                                   "800 holes at TTL 5, then 300 fresh sockets");
        m->kind = PH_MOVE_MIRROR;
        m->opener_ttl = 5;
        any_port(&m->order, seed);
    }
    finish(out);
}

static const struct strategy strategies[] = {
    {"pinhole", "the plan of nat/plan.h", NULL, NULL, false},
    {"first-design", "easy 256 sockets, hard 1024 probes at 200/s; prediction +-2", first_design,
     &first_design_budget, true},
    {"tailscale-blog", "hard 256 sockets, easy 2048 probes at 100/s", tailscale_blog,
     &tailscale_budget, true},
    {"easytier", "hard 84 sockets, easy 800 ports at 1 ms; base+1..50; 25 sockets to +-20",
     easytier, &easytier_budget, true},
    {"frp", "hard 256 sockets, easy 1000 ports at 15 ms; TTL 7, 4, none; prediction +-10", frp,
     &frp_budget, true},
    {"gonc", "hard 600 sockets, easy 600 ports; TTL 5 and rising", gonc, &gonc_budget, true},
    {"dquic", "easy 800 holes at TTL 5, hard 300 fresh sockets, 60 at once", dquic, &dquic_budget,
     true},
};

#define STRATEGIES (sizeof(strategies) / sizeof(strategies[0]))

const struct strategy *strategy_list(size_t *count)
{
    *count = STRATEGIES;
    return strategies;
}

const struct strategy *strategy_find(const char *name)
{
    for (size_t i = 0; i < STRATEGIES; i++)
        if (strcmp(strategies[i].name, name) == 0)
            return &strategies[i];
    return NULL;
}
