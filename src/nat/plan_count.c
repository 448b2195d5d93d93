/* The moves towards ports that are counted or kept. */
#include "nat/plan_moves.h"

#include "nat/predict.h"

#include <math.h>
#include <stdio.h>

/* Between two STUN requests lie the openers: enough that one gets out. */
#define MEASURED_SOCKETS 16u
/* Both answers come, and lie about the openers. */
#define MEASURED_SHARE 0.97
#define OWN_SOCKETS    8u
/* Of a NAT that mostly keeps ports: that it kept one of these. Those that it does not keep are
 * seldom alone. */
#define OWN_SHARE      0.97
#define PROBES_LEAST   64u
#define MIRROR_SOCKETS 32u
#define MIRROR_PROBES  256u
/* What a failed move takes until all agree that it has failed. */
#define GIVING_UP      (1500 * PH_MS)
#define LATENESS       (20 * PH_MS)
#define SURE           0.995
#define WORTH          0.05
#define ROUNDS         3u
#define ROUND_SUFFICES 0.95

static void say_packets(struct ph_move *m, uint32_t acceptor, uint32_t prober)
{
    m->packets[m->acceptor] = m->mappings[m->acceptor] = acceptor;
    m->packets[!m->acceptor] = m->mappings[!m->acceptor] = prober;
}

bool ph_move_own(struct ph_planner *p, unsigned acceptor, double aim, struct ph_move *m)
{
    uint32_t n = ph_least(OWN_SOCKETS, p->left[acceptor].openers);
    n = ph_least(n, p->left[!acceptor].probes);
    ph_move_begin(p, PH_MOVE_FAN_IN, acceptor, m);
    if (n == 0)
        return false;
    m->ports = PH_PORTS_OWN;
    m->predicted = true;
    m->sockets = m->probes = (uint16_t)n;
    m->success = aim * OWN_SHARE;
    m->time = ph_pace_until(&m->acceptor_pace, n) + p->in->signalling + p->in->direct;
    say_packets(m, n, n);
    (void)snprintf(m->why, sizeof(m->why),
                   "the %s's NAT mostly keeps a socket's own port: it names those of %u fresh "
                   "sockets",
                   ph_plan_side_name(acceptor), n);
    ph_fan_in_take(p, m);
    return true;
}

/* That it counts at all. */
static double counts(const struct ph_allocation *a)
{
    return a->confidence > 0 && a->confidence < 1 ? a->confidence : 1;
}

/* Around where the counter will be after `time`: first in strides that a row of openers cannot slip
 * through, then each port. */
static void window_after(const struct ph_allocation *a, const struct ph_drift *d, uint32_t sockets,
                         struct ph_port_order *out)
{
    uint32_t moves = ph_predict_quantile(d, SURE) + sockets;
    uint32_t stride = sockets > 1 ? sockets / 2 : 1;
    uint32_t strides = moves / stride + 1;
    if (a->last == 0 || a->step == 0)
        return;
    (void)(ph_predict_order(a, a->last, stride, ph_least(strides, PROBES_LEAST), stride, out) &&
           ph_predict_order(a, a->last, 1, ph_least(moves, 8 * PROBES_LEAST), 1, out));
}

bool ph_move_measured(struct ph_planner *p, unsigned acceptor, double aim, struct ph_move *m)
{
    const struct ph_allocation *a = &p->in->side[acceptor].allocation;
    ph_move_begin(p, PH_MOVE_FAN_IN, acceptor, m);
    /* All in one burst: whoever comes between them is few. */
    uint32_t n = ph_least(MEASURED_SOCKETS, p->left[acceptor].openers);
    n = ph_least(n, m->acceptor_pace.burst);
    struct ph_drift between = ph_predict_drift(a, LATENESS);
    uint32_t window = n + ph_predict_quantile(&between, SURE);
    uint32_t probes = window > PROBES_LEAST ? window : PROBES_LEAST;
    probes = ph_least(probes, p->left[!acceptor].probes);
    if (n == 0 || probes == 0)
        return false;
    m->ports = PH_PORTS_MEASURED;
    m->predicted = true;
    m->sockets = (uint16_t)n;
    m->probes = (uint16_t)probes;
    struct ph_drift since = ph_predict_drift(a, p->in->stun + 2 * p->in->signalling + LATENESS);
    window_after(a, &since, n, &m->order);
    double measured = ph_predict_between(&between, 0, probes - 1);
    double fallback = ph_port_order_count(&m->order) == 0
                          ? 0
                          : ph_predict_window(&since, n, n > 1 ? n / 2 : 1,
                                              ph_least(probes, PROBES_LEAST), n > 1 ? n / 2 : 1);
    m->success = aim * counts(a) * (MEASURED_SHARE * measured + (1 - MEASURED_SHARE) * fallback);
    if (m->success < WORTH)
        return false;
    m->time = p->in->stun + p->in->signalling + p->in->direct;
    say_packets(m, n + 2, n + 2 + (uint32_t)lround(between.mean));
    (void)snprintf(m->why, sizeof(m->why),
                   "the %s's ports count by %d: what %u openers got is measured between two STUN "
                   "answers, and told",
                   ph_plan_side_name(acceptor), a->step, n);
    ph_fan_in_take(p, m);
    return true;
}

bool ph_move_mirror_counted(struct ph_planner *p, const struct ph_move *after, double aim,
                            struct ph_move *m)
{
    unsigned acceptor = after->acceptor, prober = !acceptor;
    const struct ph_allocation *a = &p->in->side[acceptor].allocation;
    ph_move_begin(p, PH_MOVE_MIRROR, acceptor, m);
    uint32_t n = ph_mirror_sockets_most(p, acceptor, MIRROR_SOCKETS);
    n = ph_least(n, m->acceptor_pace.burst);
    uint32_t most = ph_least(MIRROR_PROBES, p->left[prober].probes);
    if (n < 2 || most == 0 || a->last == 0)
        return false;
    /* A hole at each half row of sockets: however far the counter has come, two are met. */
    uint32_t stride = n / 2;
    struct ph_drift d =
        ph_predict_drift(a, p->in->stun + 2 * p->in->signalling + after->time + GIVING_UP);
    uint32_t moves = ph_predict_quantile(&d, SURE) + after->packets[acceptor] + 2 * n;
    uint32_t probes = ph_least(moves / stride + 1, most);
    m->predicted = true;
    if (!ph_predict_order(a, a->last, stride, probes, stride, &m->order))
        return false;
    m->sockets = (uint16_t)n;
    m->probes = (uint16_t)probes;
    m->repeats = 1;
    m->repeat_after = ph_max_ns(p->in->direct, 100 * PH_MS);
    m->success = aim * counts(a) * ph_predict_window(&d, n, stride, probes, stride);
    if (m->success < WORTH)
        return false;
    m->time = ph_pace_until(&m->prober_pace, probes) + p->in->signalling + p->in->direct;
    say_packets(m, n, probes);
    (void)snprintf(m->why, sizeof(m->why),
                   "the same from the other side: the %s opens a hole at each %u-th of the next "
                   "%u ports, %u in a row meet one",
                   ph_plan_side_name(prober), stride, probes * stride, n);
    ph_mirror_take(p, m);
    return true;
}

static void name_port(const struct ph_allocation *a, uint32_t ahead, struct ph_port_order *out)
{
    if (a->last != 0)
        (void)ph_port_order_add_port(out, ph_predict_port(a, a->last, (int32_t)ahead));
}

bool ph_move_rendezvous(struct ph_planner *p, struct ph_move *m)
{
    static const uint32_t sizes[] = {25, 32, 48, 64};
    const struct ph_plan_input *in = p->in;
    struct ph_drift d[2];
    uint32_t most = sizes[3], n = 0;
    double each = 0;
    ph_move_begin(p, PH_MOVE_RENDEZVOUS, 0, m);
    for (int i = 0; i < 2; i++) {
        /* From the sample to the opener: its answer, and the port's name on its way. */
        d[i] = ph_predict_drift(&in->side[i].allocation, in->stun + in->signalling + LATENESS);
        /* In one burst, or others come between. */
        most = ph_least(most, ph_least(p->left[i].burst, p->left[i].openers / ROUNDS));
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && each < ROUND_SUFFICES; i++) {
        uint32_t size = ph_least(sizes[i], most);
        if (size > n) {
            n = size;
            each = ph_predict_covers(&d[0], n, n) * ph_predict_covers(&d[1], n, n);
        }
    }
    if (n == 0)
        return false;
    m->predicted = true;
    m->sockets = m->probes = (uint16_t)n;
    m->passes = ROUNDS;
    m->success = counts(&in->side[0].allocation) * counts(&in->side[1].allocation) *
                 (1 - pow(1 - each, ROUNDS));
    if (m->success < WORTH)
        return false;
    name_port(&in->side[0].allocation, n, &m->order);
    name_port(&in->side[1].allocation, n, &m->back);
    double rounds = (1 - pow(1 - each, ROUNDS)) / each;
    for (int i = 0; i < 2; i++) {
        m->packets[i] = (uint32_t)lround(2 * n * rounds);
        m->mappings[i] = (uint32_t)lround(n * rounds);
        p->left[i].openers -= (uint16_t)(n * ROUNDS);
    }
    ph_ns round = in->stun + 2 * in->signalling + in->direct;
    /* The rounds by which half of the success is there. */
    unsigned half = 1;
    while (half < ROUNDS && 1 - pow(1 - each, half) < m->success / 2)
        half++;
    m->time = round * half;
    (void)snprintf(m->why, sizeof(m->why),
                   "both count: each names the port that it will get, and %u sockets of each send "
                   "there; %u%% a round",
                   n, (unsigned)lround(each * 100));
    return true;
}
