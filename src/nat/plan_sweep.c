/* Sweeps: each side sends to all ports of the other's. */
#include "nat/plan_moves.h"

#include "nat/birthday.h"
#include "nat/predict.h"

#include <math.h>
#include <stdio.h>

#define SOCKETS_MOST 4u
/* Two sockets a side towards all ports miss each other twice in a hundred. */
#define SUFFICES 0.98
#define SLIGHT   0.02
/* Two thousand packets have to bring in something. */
#define WORTH         0.25
#define WORTH_COUNTED 0.3
#define SURE          0.9

/* A packet of the prober to the acceptor's port a comes from a port b that is drawn: it is let in
 * when the acceptor has sent to b, and from a. Of its `sockets` openers to b each has drawn another
 * port, so that one is a with the chance sockets / acceptor_ports. (The draws towards one port are
 * without replacement, so that those of different a are not quite independent: it moves the third
 * digit.) */
double ph_sweep_success(uint32_t sockets, uint32_t acceptor_ports, uint32_t here,
                        uint32_t prober_ports, uint32_t there)
{
    double one = (double)sockets / acceptor_ports * there / prober_ports;
    double packets = (double)sockets * here;
    return one < 1 ? -expm1(packets * log1p(-one)) : packets > 0;
}

/* How many of the ports of a range a side can send to from so many sockets. */
static uint32_t affordable(uint32_t ports, uint32_t probes, uint32_t sockets)
{
    return sockets > 0 ? ph_least(ports, probes / sockets) : 0;
}

static void add_range(struct ph_port_order *o, uint16_t low, uint32_t ports)
{
    (void)ph_port_order_add(o, &(struct ph_port_segment){.low = low,
                                                         .high = (uint16_t)(low + ports - 1),
                                                         .shuffled = true});
}

/* Packets of the prober until half of what succeeds has. */
static uint32_t median(double success, uint32_t packets)
{
    double part = success < 1 ? log1p(-success / 2) / log1p(-success) : 0;
    return (uint32_t)ceil(part * packets);
}

static void finish(struct ph_planner *p, uint32_t acceptor_packets, uint32_t prober_packets,
                   ph_ns told_after, struct ph_move *m)
{
    unsigned acceptor = m->acceptor, prober = !acceptor;
    m->packets[acceptor] = m->mappings[acceptor] = acceptor_packets;
    /* Of those that succeed nearly half are spared. */
    double spared = m->success * (prober_packets - median(m->success, prober_packets));
    m->packets[prober] = m->mappings[prober] = prober_packets - (uint32_t)spared;
    m->probes = (uint16_t)(acceptor_packets > prober_packets ? acceptor_packets : prober_packets);
    m->time = ph_pace_until(&m->acceptor_pace, acceptor_packets) + told_after +
              ph_pace_until(&m->prober_pace, median(m->success, prober_packets)) + p->in->direct;
    for (int i = 0; i < 2; i++) {
        p->left[i].openers -= m->sockets;
        p->left[i].probes = 0;
    }
}

bool ph_move_sweep(struct ph_planner *p, struct ph_move *m)
{
    const struct ph_allocation *a = &p->in->side[0].allocation, *b = &p->in->side[1].allocation;
    uint32_t here = ph_birthday_ports(a), there = ph_birthday_ports(b);
    uint32_t most = ph_least(p->left[0].openers, p->left[1].openers), sockets = 0;
    double best = 0;
    /* Whole ranges, as often as is needed; where the budgets do not reach so far, what they do
     * reach: the product of both sides' packets is what counts. */
    for (uint32_t n = 1; n <= ph_least(most, SOCKETS_MOST) && best < SUFFICES; n++) {
        double success = ph_sweep_success(n, here, affordable(here, p->left[1].probes, n), there,
                                          affordable(there, p->left[0].probes, n));
        if (success > best * (1 + SLIGHT)) {
            best = success;
            sockets = n;
        }
    }
    if (best < WORTH)
        return false;
    ph_move_begin(p, PH_MOVE_SWEEP, 0, m);
    m->sockets = (uint16_t)sockets;
    uint32_t part_here = affordable(here, p->left[1].probes, sockets);
    uint32_t part_there = affordable(there, p->left[0].probes, sockets);
    add_range(&m->order, a->low, part_here);
    add_range(&m->back, b->low, part_there);
    m->order.seed = m->back.seed = p->seed;
    m->success = best;
    (void)snprintf(m->why, sizeof(m->why),
                   "both draw from few ports (%u, %u): all of them from both sides, if the NATs "
                   "use a port for several destinations",
                   here, there);
    finish(p, sockets * part_there, sockets * part_here, p->in->signalling, m);
    return true;
}

bool ph_move_sweep_counted(struct ph_planner *p, unsigned acceptor, struct ph_move *m)
{
    unsigned prober = !acceptor;
    const struct ph_allocation *a = &p->in->side[acceptor].allocation;
    const struct ph_allocation *b = &p->in->side[prober].allocation;
    uint32_t ports = ph_birthday_ports(b), sockets = 2;
    sockets = ph_least(sockets, ph_least(p->left[0].openers, p->left[1].openers));
    if (sockets == 0 || a->step == 0)
        return false;
    ph_move_begin(p, PH_MOVE_SWEEP, acceptor, m);
    /* All that the acceptor's NAT gave out between two samples is probed: its openers, and what
     * others took meanwhile. */
    uint32_t range = affordable(sockets * ports, p->left[prober].probes, sockets);
    range = ph_least(range, p->left[acceptor].probes);
    struct ph_drift d = ph_predict_drift(a, ph_pace_until(&m->acceptor_pace, range));
    uint32_t others = ph_predict_quantile(&d, SURE);
    uint32_t there = range > others ? (range - others) / sockets : 0;
    if (there == 0)
        return false;
    uint32_t openers = sockets * there;
    m->ports = PH_PORTS_MEASURED;
    m->sockets = (uint16_t)sockets;
    add_range(&m->back, b->low, there);
    m->order.seed = m->back.seed = p->seed;
    if (a->last != 0)
        (void)ph_predict_order(a, a->last, 1, range, 1, &m->order);
    /* Each opener went to one port: the packet that comes to it must have drawn that. */
    m->success = SURE * -expm1((double)sockets * openers * log1p(-1.0 / ports));
    if (m->success < WORTH_COUNTED)
        return false;
    (void)snprintf(m->why, sizeof(m->why),
                   "the %s counts and tells its ports, the %s draws from %u: all of them, if its "
                   "NAT uses one for several peers",
                   ph_plan_side_name(acceptor), ph_plan_side_name(prober), ports);
    finish(p, openers, sockets * range, p->in->stun + p->in->signalling, m);
    return true;
}
