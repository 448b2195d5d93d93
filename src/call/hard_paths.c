/* The paths that guesses open, their sockets, and how much may be guessed. */
#include "call/agent.h"
#include "call/call.h"
#include "call/checks.h"
#include "call/hard.h"

bool ph_hard_spares(struct ph_hard *h, const struct ph_path *path)
{
    bool guessing = h->state == PH_HARD_IDLE || ph_hard_is_running(h);
    if (!guessing || !ph_hard_is_wanted(h) || path->sock != 0 || path->state != PH_PATH_NEW ||
        path->type != PH_CANDIDATE_REFLEXIVE || path->public_host)
        return false;
    if (h->heard &&
        (h->peer.filtering == PH_FILTERING_EIF || h->peer.filtering == PH_FILTERING_ADF))
        return false;
    /* Where the allocation is not known yet it may turn out to be a block. */
    const struct ph_nat_facts *own = ph_network_facts(&h->call->agent->network);
    return (own->mapping == PH_MAPPING_ADM || own->mapping == PH_MAPPING_APDM) &&
           (own->allocation.type == PH_ALLOCATION_BLOCK ||
            own->allocation.type == PH_ALLOCATION_UNKNOWN);
}

/* Whether the peer's word on where it is can be had from the relay, too. */
static bool is_confirmed(const struct ph_hard *h)
{
    return ph_addr_ip_eq(&h->peer.external, &h->call->peer_observed) ||
           ph_addr_ip_eq(&h->peer.external, &h->call->peer_also);
}

bool ph_hard_owns(const struct ph_hard *h, ph_sock sock)
{
    for (size_t i = 0; i < h->warm_count; i++) {
        if (h->warm[i] == sock)
            return true;
    }
    return ph_run_owns(&h->run, sock);
}

bool ph_hard_on_datagram(struct ph_hard *h, ph_ns now, ph_sock sock, const struct ph_datagram *in)
{
    return ph_run_on_datagram(&h->run, now, sock, in);
}

void ph_hard_keep_warm(struct ph_hard *h)
{
    const struct ph_path_table *t = &h->call->paths;
    for (size_t i = 0; i < t->count; i++) {
        const struct ph_path *p = &t->items[i];
        if ((p->echoed || p->state == PH_PATH_PROVED) && ph_fan_take(&h->run.fan, p->sock))
            h->warm[h->warm_count++] = p->sock;
    }
}

bool ph_hard_may_fire(struct ph_hard *h, bool free_of_charge)
{
    if ((!free_of_charge && h->probes_left == 0) || (!is_confirmed(h) && h->handful_left == 0))
        return false;
    if (!is_confirmed(h))
        h->handful_left--;
    if (!free_of_charge)
        h->probes_left--;
    return true;
}

/* A path that this move has opened. */
static void claim(struct ph_hard *h, struct ph_path *path, uint64_t number)
{
    struct ph_stage_report *r =
        &h->call->waterfall.stages[ph_stage_of_guesses(h->run.move.predicted)];
    path->guessed = true;
    path->predicted = h->run.move.predicted;
    path->type = PH_CANDIDATE_PREDICTED;
    path->priority = ph_candidate_priority(path->type, &path->remote, 0);
    if (number > 0 && r->probes_to_hit == 0)
        r->probes_to_hit = (uint32_t)(h->run.guesses_before + number);
}

struct ph_path *ph_hard_take_response(struct ph_hard *h, ph_ns now,
                                      const uint8_t tid[PH_STUN_TID_LEN],
                                      const struct ph_source *from)
{
    uint64_t number = h->state == PH_HARD_MOVING ? ph_run_answered(&h->run, tid, from) : 0;
    if (number == 0)
        return NULL;
    struct ph_path *path = ph_path_add_heard(&h->call->paths, from);
    if (!path)
        return NULL;
    if (path->state == PH_PATH_NEW)
        claim(h, path, number);
    ph_run_on_hit(&h->run, now);
    return path;
}

void ph_hard_on_heard(struct ph_hard *h, struct ph_path *path)
{
    if (h->state != PH_HARD_MOVING || !ph_addr_ip_eq(&path->remote, &h->peer.external))
        return;
    uint64_t number = ph_run_aimed_at(&h->run, path->remote.port);
    /* The peer's guess may also have met the mapping that punching has made for the call's own
     * socket. */
    bool met_own = h->run.acceptor;
    /* Or a check of punching's, to a port that the peer's NAT gave it before, has met its fan: with
     * 256 sockets that is one call of a hundred. */
    bool met_fan = path->named && h->peer.mapping == PH_MAPPING_APDM;
    if (path->sock == 0 && number == 0 && !met_own && !met_fan)
        return;
    claim(h, path, number);
    ph_run_on_hit(&h->run, ph_host_now(h->call->agent->host));
}

bool ph_hard_on_initial(struct ph_hard *h, ph_ns now, const struct ph_source *from, size_t len)
{
    /* From elsewhere than where the peer says that it is, it means nothing; and whoever pretends to
     * be there has the peer sent a few checks, which are less than what that has cost. */
    if (h->state != PH_HARD_MOVING || len < PH_QUIC_PACKET_MAX ||
        !ph_addr_ip_eq(&from->addr, &h->peer.external))
        return false;
    bool known = ph_path_find(&h->call->paths, from) != NULL;
    struct ph_path *path = ph_path_add_heard(&h->call->paths, from);
    if (!path)
        return false;
    path->bytes_in += len;
    path->last_heard = now;
    if (!known && ph_hard_may_fire(h, true)) {
        claim(h, path, 0);
        ph_checks_send(h->call, now, path, 0);
    }
    return true;
}
