#include "portmap/contest.h"

size_t ph_contest_rank(const struct ph_client *c)
{
    return c->gateway * PH_PORTMAP_PROTOCOLS + c->protocol;
}

static bool better(const struct ph_client *a, const struct ph_client *b)
{
    return a != b && ph_contest_rank(a) < ph_contest_rank(b);
}

/* Has nothing under way that could end in a mapping. */
static bool is_out(const struct ph_client *c)
{
    return c->state == PH_CLIENT_DOWN || c->state == PH_CLIENT_IDLE;
}

/* From when on `c` does not wait any more for `b`, which is better and not out. */
static ph_ns patience(const struct ph_client *c, const struct ph_client *b)
{
    if (b->doubtful)
        return 0;
    if (b->answered != PH_NEVER || b->state == PH_CLIENT_MAPPED)
        return PH_NEVER;
    if (c->protocol == PH_PORTMAP_UPNP)
        return b->asked + PH_PORTMAP_GRACE;
    if (c->answered == PH_NEVER)
        return PH_NEVER;
    return ph_max_ns(c->answered, b->asked) + c->report.rtt + PH_CONTEST_PATIENCE;
}

bool ph_contest_may_ask(const struct ph_contest *k, const struct ph_client *c, ph_ns now)
{
    for (size_t i = 0; i < k->count; i++) {
        const struct ph_client *b = k->clients[i];
        if (better(b, c) && !is_out(b) && now < patience(c, b))
            return false;
    }
    return true;
}

/* How long after the first mapping a better one of `b` is waited for. */
static ph_ns grace(const struct ph_contest *k, const struct ph_client *best,
                   const struct ph_client *b)
{
    /* Whom the best did not wait for before asking need not be waited for now. */
    bool given_up = b->doubtful || patience(best, b) <= best->asked;
    return k->first + (given_up ? PH_CONTEST_DOUBTFUL : PH_PORTMAP_GRACE);
}

static struct ph_client *best_mapped(const struct ph_contest *k)
{
    struct ph_client *best = NULL;
    for (size_t i = 0; i < k->count; i++) {
        struct ph_client *c = k->clients[i];
        if (c->state == PH_CLIENT_MAPPED && (!best || better(c, best)))
            best = c;
    }
    return best;
}

struct ph_client *ph_contest_winner(struct ph_contest *k, ph_ns now)
{
    struct ph_client *best = best_mapped(k);
    if (!best)
        return NULL;
    if (k->first == PH_NEVER)
        k->first = now;
    for (size_t i = 0; i < k->count; i++) {
        const struct ph_client *b = k->clients[i];
        if (better(b, best) && !is_out(b) && now < grace(k, best, b))
            return NULL;
    }
    return best;
}

bool ph_contest_is_over(const struct ph_contest *k)
{
    for (size_t i = 0; i < k->count; i++) {
        if (!is_out(k->clients[i]))
            return false;
    }
    return true;
}

ph_ns ph_contest_deadline(const struct ph_contest *k, ph_ns now)
{
    const struct ph_client *best = best_mapped(k);
    ph_ns at = PH_NEVER;
    for (size_t i = 0; i < k->count; i++) {
        const struct ph_client *b = k->clients[i];
        if (is_out(b))
            continue;
        if (best && better(b, best) && grace(k, best, b) > now)
            at = ph_min_ns(at, grace(k, best, b));
        for (size_t j = 0; j < k->count; j++) {
            const struct ph_client *c = k->clients[j];
            if (c->state == PH_CLIENT_PRESENT && better(b, c) && patience(c, b) > now)
                at = ph_min_ns(at, patience(c, b));
        }
    }
    return at;
}

bool ph_contest_shares(const struct ph_client *loser, const struct ph_client *winner)
{
    const struct ph_addr *a = &loser->mapping.external, *b = &winner->mapping.external;
    if (ph_addr_ip_eq(&loser->server, &winner->server))
        return loser->protocol == PH_PORTMAP_NATPMP || loser->held == PH_HELD_PERHAPS ||
               a->port == b->port;
    return ph_addr_is_set(a) && ph_addr_eq(a, b); /* by another address of the same router */
}
