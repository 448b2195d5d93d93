/* The moves that guess ports: fan-in and mirror. */
#include "nat/plan_moves.h"

#include "nat/birthday.h"

#include <math.h>
#include <stdio.h>

/* What is looked at when the number of sockets is chosen. */
#define WAVES_MAX 16u
/* What a failure costs, against seconds; and a packet: so that of two numbers of sockets that are
 * alike the smaller is taken. */
#define FAILURE_S 60.0
#define PACKET_S  0.0002
/* A mirror's sockets send twice, in case the first packet was lost. */
#define MIRROR_PASSES 2u
/* More is not worth a socket. */
#define SUFFICIENT 0.999
#define WORTH      0.02

static const uint16_t sizes[] = {1,  2,   4,   8,   16,  24,  32,  48,  64,
                                 96, 128, 192, 256, 384, 512, 768, 1024};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* How far probes have come after each wave of them. */
struct spray {
    double share[WAVES_MAX]; /* the chance of one mapping to have been met */
    size_t waves;
    uint32_t wave, probes;
    double seconds; /* from one wave to the next */
};

static struct spray spray_of(const struct ph_allocation *a, const struct ph_port_order *order,
                             uint32_t probes, const struct ph_budget *pace)
{
    uint32_t least = (probes + WAVES_MAX - 1) / WAVES_MAX;
    struct spray s = {.wave = pace->burst > least ? pace->burst : least, .probes = probes};
    s.seconds = (double)s.wave / pace->rate;
    for (uint32_t done = 0; done < probes; done += s.wave)
        s.share[s.waves++] = ph_birthday_share(a, order, ph_least(done + s.wave, probes));
    return s;
}

static double miss(double share, uint32_t sockets)
{
    return share < 1 ? exp(sockets * log1p(-share)) : 0;
}

/* Seconds on average until the hit, as it were. */
static double cost(const struct spray *s, const struct ph_budget *pace, uint32_t sockets)
{
    double t = (double)ph_pace_until(pace, sockets) / 1e9 + sockets * PACKET_S;
    for (size_t i = 0; i < s->waves; i++)
        t += miss(s->share[i], sockets) * (i + 1 < s->waves ? s->seconds : FAILURE_S);
    return t;
}

static double packets(const struct spray *s, uint32_t sockets)
{
    double sent = ph_least(s->wave, s->probes);
    for (size_t i = 0; i + 1 < s->waves; i++) {
        uint32_t next = s->probes - (uint32_t)(i + 1) * s->wave;
        sent += miss(s->share[i], sockets) * ph_least(next, s->wave);
    }
    return sent;
}

static bool power_of_two(uint32_t n)
{
    return (n & (n - 1)) == 0;
}

/* Of one subscriber's block a quarter is left to its other flows at least; of large ranges, which
 * are many subscribers', much more. */
static uint32_t sockets_most(const struct ph_allocation *a, uint32_t openers)
{
    uint32_t ports = ph_birthday_ports(a);
    uint32_t most = a->type == PH_ALLOCATION_BLOCK ? ports / 4 : ports / 8;
    return ph_least(openers, most > 0 ? most : 1);
}

static uint32_t choose_sockets(const struct ph_allocation *a, const struct spray *s,
                               const struct ph_budget *pace, uint32_t most)
{
    uint32_t best = most;
    double best_cost = INFINITY;
    for (size_t i = 0; i <= SIZES; i++) {
        uint32_t n = i < SIZES ? sizes[i] : most;
        if (n == 0 || n > most || (a->type == PH_ALLOCATION_BLOCK && !power_of_two(n)))
            continue;
        double c = cost(s, pace, n);
        if (c < best_cost) {
            best_cost = c;
            best = n;
        }
    }
    return best;
}

/* The fewest probes with half of the success. */
static uint32_t median(const struct ph_allocation *a, const struct ph_move *m, double success)
{
    uint32_t low = 0, high = m->probes;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (ph_birthday_order_success(a, &m->order, m->sockets, middle) >= success / 2)
            high = middle;
        else
            low = middle;
    }
    return high;
}

/* A fan-in by its order, of at most so many probes and sockets. */
static bool fan_in(struct ph_planner *p, const struct ph_allocation *a, uint32_t probes,
                   uint32_t openers, double aim, struct ph_move *m)
{
    unsigned acceptor = m->acceptor, prober = !acceptor;
    openers = sockets_most(a, openers);
    if (probes == 0 || openers == 0)
        return false;
    struct spray s = spray_of(a, &m->order, probes, &m->prober_pace);
    m->sockets = (uint16_t)choose_sockets(a, &s, &m->acceptor_pace, openers);
    m->probes = (uint16_t)probes;
    double success = ph_birthday_order_success(a, &m->order, m->sockets, probes);
    m->success = aim * success;
    if (m->success < WORTH)
        return false;
    m->packets[acceptor] = m->mappings[acceptor] = m->sockets;
    m->packets[prober] = m->mappings[prober] = (uint32_t)lround(packets(&s, m->sockets));
    m->time = ph_pace_until(&m->acceptor_pace, m->sockets) + p->in->signalling +
              ph_pace_until(&m->prober_pace, median(a, m, success)) + p->in->direct;
    ph_fan_in_take(p, m);
    return true;
}

bool ph_move_guess(struct ph_planner *p, unsigned acceptor, double aim, bool rest,
                   struct ph_move *m)
{
    const struct ph_allocation *a = &p->in->side[acceptor].allocation;
    uint32_t probes = p->left[!acceptor].probes, openers = p->left[acceptor].openers;
    uint32_t ports = ph_birthday_ports(a);
    bool block = a->type == PH_ALLOCATION_BLOCK;

    ph_move_begin(p, PH_MOVE_FAN_IN, acceptor, m);
    ph_birthday_order(a, false, p->seed, &m->order);
    /* A mirror needs ports that this one has not touched: where its openers never got out, each
     * port that it probed is taken now. */
    if (rest && probes >= 4)
        probes -= probes / 4;
    if (block)
        probes = ph_least(probes, rest ? ports - ports / 4 : 2 * ports);
    if (!fan_in(p, a, probes, openers, aim, m))
        return false;
    char draws[48];
    if (block)
        (void)snprintf(draws, sizeof(draws), "draws from %u ports", ports);
    else
        (void)snprintf(draws, sizeof(draws), "%s",
                       a->type == PH_ALLOCATION_RANDOM ? "draws from all ports"
                                                       : "gives ports in no known way");
    (void)snprintf(m->why, sizeof(m->why),
                   "the %s's NAT %s: %u sockets send to %s, and that probes",
                   ph_plan_side_name(acceptor), draws, m->sockets,
                   p->in->side[acceptor].filtering == PH_FILTERING_APDF ||
                           p->in->side[acceptor].filtering == PH_FILTERING_UNKNOWN
                       ? "one endpoint"
                       : "the other's address");
    return true;
}

bool ph_move_guess_privileged(struct ph_planner *p, unsigned acceptor, double aim,
                              struct ph_move *m)
{
    static const struct ph_allocation privileged = {.type = PH_ALLOCATION_BLOCK,
                                                    .low = PH_NETFILTER_PRIVILEGED_LOW,
                                                    .high = PH_NETFILTER_PRIVILEGED_HIGH};
    const struct ph_plan_side *side = &p->in->side[acceptor];
    uint32_t sockets = ph_least(p->left[acceptor].openers / 4, 32);
    if (!side->privileged || !ph_birthday_is_netfilter(&side->allocation) || sockets == 0)
        return false;
    uint32_t ports = ph_birthday_ports(&privileged);
    uint32_t probes = ph_birthday_quantile(ports, sockets, SUFFICIENT);
    ph_move_begin(p, PH_MOVE_FAN_IN, acceptor, m);
    ph_birthday_order(&side->allocation, true, p->seed, &m->order);
    m->bind_low = privileged.low;
    m->bind_high = privileged.high;
    if (!fan_in(p, &privileged, ph_least(probes, p->left[!acceptor].probes / 4), sockets, aim, m))
        return false;
    (void)snprintf(m->why, sizeof(m->why),
                   "the %s binds %u ports below 1024, which a Linux NAT keeps among %u-%u",
                   ph_plan_side_name(acceptor), m->sockets, privileged.low, privileged.high);
    return true;
}

uint32_t ph_mirror_sockets_most(const struct ph_planner *p, unsigned acceptor, uint32_t most)
{
    uint32_t open = ph_budget_resolve(&p->in->side[acceptor].budget).openers;
    return ph_least(most, ph_least(open, p->left[acceptor].probes / MIRROR_PASSES));
}

void ph_fan_in_take(struct ph_planner *p, const struct ph_move *m)
{
    p->left[m->acceptor].openers -= m->sockets;
    p->left[!m->acceptor].probes -= m->probes;
}

void ph_mirror_take(struct ph_planner *p, const struct ph_move *m)
{
    p->left[m->acceptor].probes -= (uint16_t)(m->sockets * MIRROR_PASSES);
    p->left[!m->acceptor].probes -= m->probes;
}

bool ph_move_mirror(struct ph_planner *p, const struct ph_move *after, double aim,
                    struct ph_move *m)
{
    unsigned acceptor = after->acceptor, prober = !acceptor;
    const struct ph_allocation *a = &p->in->side[acceptor].allocation;
    uint32_t ports = ph_birthday_ports(a), probes = p->left[prober].probes;
    uint32_t most = sockets_most(a, ph_mirror_sockets_most(p, acceptor, UINT16_MAX));
    uint32_t sockets = most;

    ph_move_begin(p, PH_MOVE_MIRROR, acceptor, m);
    m->order = after->order;
    m->order.skip = after->probes;
    if (a->type == PH_ALLOCATION_BLOCK)
        probes = ph_least(probes, ports > after->probes ? ports - after->probes : 0);
    if (probes == 0 || most == 0)
        return false;
    double share = ph_birthday_share(a, &m->order, probes);
    for (size_t i = SIZES; i-- > 0;) {
        if (sizes[i] < most && miss(share, sizes[i]) < 1 - SUFFICIENT)
            sockets = sizes[i];
    }
    m->sockets = (uint16_t)sockets;
    m->probes = (uint16_t)probes;
    /* From the same socket: it costs no mapping, and a lost packet no longer counts. */
    m->repeats = 1;
    m->repeat_after = ph_max_ns(p->in->direct, 100 * PH_MS);
    double success = ph_birthday_order_success(a, &m->order, sockets, probes);
    m->success = aim * success;
    if (m->success < WORTH)
        return false;
    double half = log1p(-success / 2) / log1p(-share);
    uint32_t middle = share < 1 && half < sockets ? (uint32_t)ceil(half) : sockets;
    uint32_t until_hit = share < 1 ? (uint32_t)((1 - miss(share, sockets)) / share) : 1;
    uint32_t wave = ph_least(m->acceptor_pace.burst, sockets);
    m->packets[prober] = m->mappings[prober] = probes;
    m->packets[acceptor] = m->mappings[acceptor] = until_hit > wave ? until_hit : wave;
    m->time = ph_pace_until(&m->prober_pace, probes) + p->in->signalling +
              ph_pace_until(&m->acceptor_pace, middle) + p->in->direct;
    (void)snprintf(
        m->why, sizeof(m->why),
        "the same from the other side, if the %s's TTL was wrong: the %s opens %u holes, "
        "%u sockets seek one",
        ph_plan_side_name(acceptor), ph_plan_side_name(prober), probes, sockets);
    ph_mirror_take(p, m);
    return true;
}
