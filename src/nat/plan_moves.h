/* The moves of a plan, each with what it spends and what it can do. Inside the room. */
#ifndef PH_NAT_PLAN_MOVES_H
#define PH_NAT_PLAN_MOVES_H

#include "nat/plan.h"

struct ph_planner {
    const struct ph_plan_input *in;
    uint64_t seed;
    struct ph_budget left[2]; /* what the moves so far have left */
    /* Neither router takes a packet that comes too early for its own: openers may go all the way,
     * and no TTL can be wrong. */
    bool full_ttl;
};

static inline uint32_t ph_least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

const char *ph_plan_side_name(unsigned side); /* "caller", "callee" */
/* What all moves of two roles share: kind, acceptor, paces, TTL. */
void ph_move_begin(const struct ph_planner *p, enum ph_move_kind kind, unsigned acceptor,
                   struct ph_move *m);

/* Each of the following takes what it needs out of p->left, and is false when the move is not to be
 * had with that, or not worth it. aim: the chance that the prober's endpoint is where the acceptor
 * sends to. */

/* plan_guess.c: the ports are drawn. rest: a mirror is to come, and gets its part. */
bool ph_move_guess(struct ph_planner *p, unsigned acceptor, double aim, bool rest,
                   struct ph_move *m);
/* From sockets that netfilter keeps among its privileged ports. */
bool ph_move_guess_privileged(struct ph_planner *p, unsigned acceptor, double aim,
                              struct ph_move *m);
/* Of a fan-in, whichever way its ports become known. */
void ph_fan_in_take(struct ph_planner *p, const struct ph_move *m);
/* A mirror's sockets: those of the moves before it are closed by then, and what these send goes all
 * the way, so they are charged as probes. */
uint32_t ph_mirror_sockets_most(const struct ph_planner *p, unsigned acceptor, uint32_t most);
void ph_mirror_take(struct ph_planner *p, const struct ph_move *m);
/* after: the guess, whose ports are not tried again. */
bool ph_move_mirror(struct ph_planner *p, const struct ph_move *after, double aim,
                    struct ph_move *m);

/* plan_count.c: the ports are counted, or kept. */
bool ph_move_measured(struct ph_planner *p, unsigned acceptor, double aim, struct ph_move *m);
bool ph_move_mirror_counted(struct ph_planner *p, const struct ph_move *after, double aim,
                            struct ph_move *m);
bool ph_move_own(struct ph_planner *p, unsigned acceptor, double aim, struct ph_move *m);
bool ph_move_rendezvous(struct ph_planner *p, struct ph_move *m);

/* plan_sweep.c: neither side's port is known, and one side's are few. */
/* The chance that one of the acceptor's openers and one of the prober's packets meet. The acceptor
 * has sent from so many sockets to `there` of the prober's `prober_ports`, the prober from as many
 * to `here` of the acceptor's `acceptor_ports`; both draw. */
double ph_sweep_success(uint32_t sockets, uint32_t acceptor_ports, uint32_t here,
                        uint32_t prober_ports, uint32_t there);
bool ph_move_sweep(struct ph_planner *p, struct ph_move *m);
/* The acceptor counts, and tells which ports it got. */
bool ph_move_sweep_counted(struct ph_planner *p, unsigned acceptor, struct ph_move *m);

#endif
