#include "nat/plan.h"

#include "nat/birthday.h"
#include "nat/plan_moves.h"

#include <math.h>
#include <stdio.h>

/* Of hole punching where all is known and nothing is in its way. */
#define PUNCH_SHARE 0.99
/* Endpoint-independent filtering lets anyone in to the port that STUN saw, also where mappings
 * depend on the destination; whether the answer leaves from that port is another matter. */
#define PUNCH_HARD_SHARE 0.8
/* A port that is mostly kept (a port that is wanted twice is not). */
#define KEPT_SHARE 0.9
/* Of what is not known: most NATs are easy (under a tenth of home and carrier NATs are symmetric);
 * of filters that let the unknown port of a known peer in, there are fewer. */
#define UNKNOWN_EASY_SHARE 0.85
#define UNKNOWN_OPEN_SHARE 0.3
/* Then no other move is looked for. */
#define PUNCH_SUFFICES 0.95
/* Packets of a side: a check and its answer, with a repetition; and all of what is sent in vain. */
#define PUNCH_PACKETS 4u
#define PUNCH_IN_VAIN 30u

/* What a peer needs to know in order to reach that side. */
enum aim {
    AIM_UNKNOWN,
    AIM_EASY,    /* one port for all */
    AIM_KEPT,    /* the socket's own port, mostly */
    AIM_COUNTED, /* a counter's next */
    AIM_BLOCK,   /* one of few */
    AIM_DRAWN,   /* any; or it changes in a way that is not known */
};

static enum aim aim_of(const struct ph_plan_side *s)
{
    const struct ph_allocation *a = &s->allocation;
    if (s->mapping == PH_MAPPING_NONE || s->mapping == PH_MAPPING_EIM)
        return AIM_EASY;
    switch (a->type) {
    case PH_ALLOCATION_PRESERVING:
        return AIM_KEPT;
    case PH_ALLOCATION_SEQUENTIAL:
        return a->step != 0 ? AIM_COUNTED : AIM_DRAWN;
    case PH_ALLOCATION_BLOCK:
        return ph_birthday_ports(a) < 64512 ? AIM_BLOCK : AIM_DRAWN;
    case PH_ALLOCATION_RANDOM:
        return AIM_DRAWN;
    case PH_ALLOCATION_NONE:
    case PH_ALLOCATION_ONE_PORT:
        return s->mapping == PH_MAPPING_UNKNOWN ? AIM_EASY : AIM_DRAWN;
    case PH_ALLOCATION_UNKNOWN:
        break;
    }
    return s->mapping == PH_MAPPING_UNKNOWN ? AIM_UNKNOWN : AIM_DRAWN;
}

/* More samples may show that it is anything else. */
static bool aim_is_open(const struct ph_plan_side *s)
{
    return aim_of(s) == AIM_UNKNOWN ||
           (aim_of(s) == AIM_DRAWN && s->allocation.type == PH_ALLOCATION_UNKNOWN);
}

/* The chance that the side's own endpoint is where the peer sends to. */
static double aim_share(enum aim a)
{
    switch (a) {
    case AIM_EASY:
        return 1;
    case AIM_KEPT:
        return KEPT_SHARE;
    case AIM_UNKNOWN:
        return UNKNOWN_EASY_SHARE;
    default:
        return 0;
    }
}

/* It has one endpoint to be aimed at. */
static bool aim_is_sure(enum aim a)
{
    return a == AIM_EASY || a == AIM_KEPT;
}

/* The peer's port need not be known, once its address has been sent to. */
static bool filter_is_open(const struct ph_plan_side *s)
{
    return s->filtering == PH_FILTERING_EIF || s->filtering == PH_FILTERING_ADF;
}

static double open_share(const struct ph_plan_side *s)
{
    if (s->filtering == PH_FILTERING_UNKNOWN)
        return UNKNOWN_OPEN_SHARE;
    return filter_is_open(s) ? 1 : 0;
}

static double punch_share(const struct ph_plan_input *in)
{
    double best = 0, aim[2];
    for (int i = 0; i < 2; i++)
        aim[i] = aim_share(aim_of(&in->side[i]));
    best = PUNCH_SHARE * aim[0] * aim[1];
    for (int i = 0; i < 2; i++) {
        const struct ph_plan_side *s = &in->side[i];
        best = fmax(best, PUNCH_SHARE * aim[i] * open_share(s));
        if (aim[i] <= 0 && s->filtering == PH_FILTERING_EIF)
            best = fmax(best, PUNCH_HARD_SHARE);
    }
    return best;
}

const char *ph_plan_side_name(unsigned side)
{
    return side == 0 ? "caller" : "callee";
}

void ph_move_begin(const struct ph_planner *p, enum ph_move_kind kind, unsigned acceptor,
                   struct ph_move *m)
{
    *m = (struct ph_move){
        .kind = kind, .acceptor = (uint8_t)acceptor, .opener_ttl = p->full_ttl ? PH_TTL_FULL : 0};
    const struct ph_budget *a = &p->left[acceptor], *b = &p->left[!acceptor];
    m->acceptor_pace = (struct ph_budget){.rate = a->rate, .burst = a->burst};
    m->prober_pace = (struct ph_budget){.rate = b->rate, .burst = b->burst};
}

static void punch(const struct ph_planner *p, struct ph_move *m)
{
    ph_move_begin(p, PH_MOVE_PUNCH, 0, m);
    m->opener_ttl = 0;
    m->success = punch_share(p->in);
    m->time = p->in->direct;
    for (int i = 0; i < 2; i++) {
        m->packets[i] = m->success >= 0.5 ? PUNCH_PACKETS : PUNCH_IN_VAIN;
        m->mappings[i] = 1;
    }
    (void)snprintf(m->why, sizeof(m->why), "%s",
                   m->success >= PUNCH_SUFFICES ? "the endpoints are known: both send to them"
                   : m->success > 0             ? "it costs nothing and may do"
                                    : "it costs nothing, and what is known may be wrong");
}

/* The moves behind the punch, and what they leave. */
struct attempt {
    struct ph_planner planner;
    struct ph_move moves[PH_PLAN_MOVES_MAX - 1];
    size_t count;
    double miss; /* all of them */
};

static struct ph_move *slot(struct attempt *a)
{
    return &a->moves[a->count];
}

static void keep(struct attempt *a, bool good)
{
    if (!good)
        return;
    a->miss *= 1 - a->moves[a->count].success;
    a->count++;
}

/* The acceptor's fresh sockets are sought from the prober's endpoint. */
static void fan_in(struct attempt *a, unsigned acceptor)
{
    struct ph_planner *p = &a->planner;
    enum aim prober = aim_of(&p->in->side[!acceptor]);
    bool mirror = aim_is_sure(prober);
    /* Where the acceptor's filter asks for the address alone, the prober's port does not matter.
     * Of a mirror it is the mark. */
    double mark = aim_share(prober), aim = filter_is_open(&p->in->side[acceptor]) ? 1 : mark;
    size_t first;

    switch (aim_of(&p->in->side[acceptor])) {
    case AIM_KEPT:
        keep(a, ph_move_own(p, acceptor, aim, slot(a)));
        break;
    case AIM_COUNTED:
        keep(a, ph_move_measured(p, acceptor, aim, slot(a)));
        if (mirror && a->count > 0)
            keep(a, ph_move_mirror_counted(p, &a->moves[0], mark, slot(a)));
        break;
    case AIM_BLOCK:
    case AIM_DRAWN:
        mirror = mirror && !p->full_ttl;
        keep(a, ph_move_guess_privileged(p, acceptor, aim, slot(a)));
        first = a->count;
        keep(a, ph_move_guess(p, acceptor, aim, mirror, slot(a)));
        if (mirror && a->count > first)
            keep(a, ph_move_mirror(p, &a->moves[first], mark, slot(a)));
        break;
    default:
        break;
    }
}

/* An easy side is not guessed at. */
static bool can_accept(const struct ph_plan_input *in, unsigned acceptor)
{
    enum aim a = aim_of(&in->side[acceptor]), b = aim_of(&in->side[!acceptor]);
    return a != AIM_EASY && a != AIM_UNKNOWN &&
           (aim_is_sure(b) || filter_is_open(&in->side[acceptor]));
}

static void both_hard(struct attempt *a)
{
    const struct ph_plan_side *s = a->planner.in->side;
    enum aim x = aim_of(&s[0]), y = aim_of(&s[1]);
    if (x == AIM_COUNTED && y == AIM_COUNTED)
        keep(a, ph_move_rendezvous(&a->planner, slot(a)));
    else if (x == AIM_BLOCK && y == AIM_BLOCK)
        keep(a, ph_move_sweep(&a->planner, slot(a)));
    else if ((x == AIM_COUNTED && y == AIM_BLOCK) || (x == AIM_BLOCK && y == AIM_COUNTED))
        keep(a, ph_move_sweep_counted(&a->planner, x == AIM_COUNTED ? 0 : 1, slot(a)));
}

static void attempt(const struct ph_planner *p, struct attempt *best)
{
    *best = (struct attempt){.planner = *p, .miss = 1};
    for (unsigned acceptor = 0; acceptor < 2; acceptor++) {
        if (!can_accept(p->in, acceptor))
            continue;
        struct attempt other = {.planner = *p, .miss = 1};
        fan_in(&other, acceptor);
        if (other.count > 0 && (best->count == 0 || other.miss < best->miss))
            *best = other;
    }
    if (best->count == 0)
        both_hard(best);
}

static const char *how(enum aim a)
{
    static const char *const names[] = {"is not known", "has one port for all", "keeps ports",
                                        "counts",       "draws from a block",   "draws at random"};
    return names[a];
}

/* Packets a side for an even chance. */
static double packets_for_half(const struct ph_plan_input *in)
{
    double draws = 1;
    bool counted = false;
    for (int i = 0; i < 2; i++) {
        bool counts = aim_of(&in->side[i]) == AIM_COUNTED;
        counted |= counts;
        draws *= counts ? 1 : ph_birthday_ports(&in->side[i].allocation);
    }
    /* Where one tells its ports, each packet of the other's meets with one chance in its ports. */
    return counted ? M_LN2 * draws : sqrt(M_LN2 * draws);
}

static void hopeless(const struct ph_plan_input *in, struct ph_plan *out)
{
    enum aim x = aim_of(&in->side[0]), y = aim_of(&in->side[1]);
    bool counted = x == AIM_COUNTED || y == AIM_COUNTED;
    bool drawn = x == AIM_DRAWN || y == AIM_DRAWN;
    const char *predict = counted ? "only one of them is sequential" : "not sequential";
    const char *birthday = drawn && counted ? "random and sequential"
                           : !drawn         ? "too large a block"
                           : x == y         ? "both random"
                                            : "random and block";
    out->outlook = PH_PLAN_HOPELESS;
    if (x == AIM_COUNTED && y == AIM_COUNTED) {
        (void)snprintf(out->why, sizeof(out->why),
                       "both NATs count, and others' flows move the counters on too fast");
        predict = "hopeless: the counters run away";
        birthday = "both sequential";
    } else {
        (void)snprintf(
            out->why, sizeof(out->why),
            "the caller's NAT %s, the callee's %s: %.1fk packets a side for an even chance", how(x),
            how(y), packets_for_half(in) / 1000);
    }
    (void)snprintf(out->no_predict, sizeof(out->no_predict), "%s", predict);
    (void)snprintf(out->no_birthday, sizeof(out->no_birthday), "hopeless: %s", birthday);
}

static void stages(const struct ph_plan_input *in, struct ph_plan *out)
{
    bool predict = false, birthday = false, counted = false;
    for (size_t i = 1; i < out->count; i++) {
        predict |= out->moves[i].predicted;
        birthday |= !out->moves[i].predicted;
    }
    for (int i = 0; i < 2; i++)
        counted |= aim_of(&in->side[i]) == AIM_COUNTED;
    if (!predict)
        (void)snprintf(out->no_predict, sizeof(out->no_predict), "%s",
                       counted ? "only one of them is sequential" : "not sequential");
    if (!birthday)
        (void)snprintf(out->no_birthday, sizeof(out->no_birthday), "%s",
                       counted ? "the ports are counted" : "the ports are kept");
}

static void no_moves(struct ph_plan *out, enum ph_plan_outlook outlook, const char *why,
                     const char *stage)
{
    out->outlook = outlook;
    (void)snprintf(out->why, sizeof(out->why), "%s", why);
    (void)snprintf(out->no_predict, sizeof(out->no_predict), "%s", stage);
    (void)snprintf(out->no_birthday, sizeof(out->no_birthday), "%s", stage);
}

static void say_direct(const struct ph_plan_input *in, struct ph_plan *out)
{
    const struct ph_move *m = &out->moves[1];
    enum aim acceptor = aim_of(&in->side[m->acceptor]), prober = aim_of(&in->side[!m->acceptor]);
    out->outlook = PH_PLAN_DIRECT;
    if (m->kind != PH_MOVE_FAN_IN)
        (void)snprintf(out->why, sizeof(out->why), "the caller's NAT %s, the callee's %s",
                       how(aim_of(&in->side[0])), how(aim_of(&in->side[1])));
    else
        (void)snprintf(out->why, sizeof(out->why), "the %s's NAT %s, %s the %s's %s",
                       ph_plan_side_name(m->acceptor), how(acceptor),
                       aim_is_sure(prober) ? "and is sought from" : "and lets in",
                       ph_plan_side_name(!m->acceptor),
                       aim_is_sure(prober) ? "one endpoint" : "whole address");
}

static void missing(const struct ph_plan_input *in, struct ph_plan *out)
{
    bool first = aim_is_open(&in->side[0]), second = aim_is_open(&in->side[1]);
    const char *why = first && second ? "how the two NATs map is not known yet"
                      : first         ? "how the caller's NAT maps is not known yet"
                                      : "how the callee's NAT maps is not known yet";
    no_moves(out, PH_PLAN_UNKNOWN, why, "facts are missing");
}

void ph_plan_make(const struct ph_plan_input *in, uint64_t seed, struct ph_plan *out)
{
    struct ph_planner p = {.in = in, .seed = seed, .full_ttl = true};
    struct attempt a;
    double miss;

    *out = (struct ph_plan){0};
    for (int i = 0; i < 2; i++) {
        p.left[i] = ph_budget_resolve(&in->side[i].budget);
        p.full_ttl &= in->side[i].gateway == PH_GATEWAY_DROP;
        if (in->side[i].udp == PH_NO) {
            no_moves(out, PH_PLAN_NO_UDP,
                     i == 0 ? "no UDP gets out at the caller's" : "no UDP gets out at the callee's",
                     "UDP is blocked");
            return;
        }
    }
    punch(&p, &out->moves[out->count++]);
    out->success = out->moves[0].success;
    if (out->success >= PUNCH_SUFFICES) {
        no_moves(out, PH_PLAN_DIRECT, "hole punching: the endpoints are known",
                 "the endpoints are known");
        return;
    }
    attempt(&p, &a);
    if (a.count == 0) {
        if (aim_is_open(&in->side[0]) || aim_is_open(&in->side[1]))
            missing(in, out);
        else
            hopeless(in, out);
        return;
    }
    for (size_t i = 0; i < a.count; i++)
        out->moves[out->count++] = a.moves[i];
    miss = (1 - out->success) * a.miss;
    out->success = 1 - miss;
    say_direct(in, out);
    stages(in, out);
}

bool ph_plan_is_hopeless(const struct ph_plan_input *in)
{
    struct ph_plan plan;
    ph_plan_make(in, 0, &plan);
    return plan.outlook == PH_PLAN_HOPELESS || plan.outlook == PH_PLAN_NO_UDP;
}
