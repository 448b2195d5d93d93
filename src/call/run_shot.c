#include "call/run_private.h"

#include "base/err.h"
#include "call/agent.h"
#include "call/call.h"
#include "call/checks.h"
#include "path/batch.h"
#include "path/check.h"
#include "path/opener.h"

#include <stdlib.h>
#include <string.h>

struct ph_stage_report *ph_run_report(struct ph_run *r)
{
    return &r->hard->call->waterfall.stages[ph_stage_of_guesses(r->move.predicted)];
}

static void on_first_flight(void *user, const uint8_t *data, size_t len)
{
    struct ph_run *r = user;
    if (r->initial)
        return;
    r->initial = malloc(len);
    if (!r->initial)
        return;
    memcpy(r->initial, data, len);
    r->initial_len = len;
}

void ph_run_make_initial(struct ph_run *r, ph_ns now)
{
    struct ph_call *c = r->hard->call;
    struct ph_quic_conn_config config = ph_call_quic_config(c);
    struct ph_quic_conn *conn;
    config.callbacks = (struct ph_quic_callbacks){.on_packet = on_first_flight};
    config.user = r;
    if (ph_quic_connect(c->agent->quic, now, &config, &conn) != PH_OK)
        return;
    ph_quic_flush(conn, now);
    ph_quic_conn_free(conn);
}

static size_t add(struct ph_run *r, struct ph_batch *b, const struct ph_addr *to,
                  const struct ph_volley_shot *shot)
{
    struct ph_call *c = r->hard->call;
    uint8_t bytes[PH_CHECK_MAX];
    /* Where an opener's TTL is not the one learnt, somebody may read it. */
    bool unread = shot->ttl != 0 && r->move.opener_ttl == 0;
    int len = 0;
    if (r->initial && shot->ttl == 0) {
        ph_batch_lend(b, to, 0, r->initial, r->initial_len);
        return r->initial_len;
    }
    if (unread)
        len = ph_opener_packet(bytes, sizeof(bytes));
    else
        len = ph_check_request_at(&c->checker, r->prefix, r->counter + (uint32_t)shot->number,
                                  ph_candidate_priority(PH_CANDIDATE_PREDICTED, to, 0), bytes,
                                  sizeof(bytes));
    if (len <= 0)
        return 0;
    ph_batch_add(b, to, shot->ttl, bytes, (size_t)len);
    return (size_t)len;
}

/* Fresh sockets that only open holes have a budget of their own, and were counted when they were
 * opened; of other moves the packets are. */
static bool counts_sockets(const struct ph_run *r)
{
    return r->move.kind == PH_MOVE_FAN_IN || r->move.kind == PH_MOVE_RENDEZVOUS;
}

bool ph_run_fire(struct ph_run *r, ph_ns now)
{
    struct ph_stage_report *report = ph_run_report(r);
    struct ph_agent *a = r->hard->call->agent;
    struct ph_batch batch = {.host = a->host};
    struct ph_volley_shot shot;
    bool room = true;
    while (room && ph_volley_next(&r->volley, now, &shot)) {
        struct ph_addr to = r->target;
        ph_sock sock = r->main_socket ? a->sockets[0].sock : r->fan.items[shot.socket].sock;
        bool free_of_charge = counts_sockets(r) && shot.first_pass && r->phase == PH_RUN_OPENING;
        bool new_mapping =
            shot.first_pass && !(r->move.kind == PH_MOVE_RENDEZVOUS && r->phase == PH_RUN_PROBING);
        to.port = shot.port;
        room = ph_hard_may_fire(r->hard, free_of_charge);
        if (!room)
            break;
        ph_batch_from(&batch, sock);
        size_t len = add(r, &batch, &to, &shot);
        report->packets++;
        report->bytes += len;
        if (shot.ttl)
            report->openers++;
        else {
            report->probes++;
            r->hard->guesses++;
        }
        if (new_mapping)
            report->mappings++;
    }
    ph_batch_send(&batch);
    return room;
}

/* ---- Volleys */

struct ph_budget ph_run_pace(const struct ph_run *r, bool acceptor)
{
    struct ph_budget pace = acceptor ? r->move.acceptor_pace : r->move.prober_pace;
    struct ph_budget own = ph_budget_resolve(&r->hard->call->agent->config.budget);
    pace = ph_budget_resolve(&pace);
    /* Whatever the plan says, the own budget holds. */
    if (pace.rate > own.rate)
        pace.rate = own.rate;
    if (pace.burst > own.burst)
        pace.burst = own.burst;
    return pace;
}

/* The first ports of an order, malloc'ed; at most `most`. */
static uint16_t *ports_of(const struct ph_port_order *order, size_t most, size_t *count)
{
    struct ph_port_walk walk = {.order = order};
    uint16_t *ports = malloc((most ? most : 1) * sizeof(*ports));
    *count = 0;
    while (ports && *count < most && ph_port_walk_next(&walk, &ports[*count]))
        ++*count;
    return ports;
}

void ph_run_fire_at_order(struct ph_run *r, ph_ns now, bool main_socket,
                          const struct ph_port_order *order, size_t most, uint8_t passes,
                          uint8_t ttl)
{
    size_t port_count;
    uint16_t *ports = ports_of(order, most, &port_count);
    struct ph_call *c = r->hard->call;
    struct ph_budget pace = ph_run_pace(r, r->acceptor);
    struct ph_volley_config config = {
        .sockets = main_socket ? 1 : (uint32_t)r->fan.count,
        .ports = ports,
        .port_count = (uint32_t)port_count,
        .passes = passes ? passes : 1,
        .pass_every = r->move.repeats > 0 && r->acceptor ? r->move.repeat_after : 2 * ph_run_gap(r),
        .ttl = ttl,
        .ttl_up = ttl ? r->move.opener_ttl_up : 0,
        .rate = pace.rate,
        .burst = pace.burst,
        .waves = !r->move.no_canary && !c->agent->config.no_canary,
    };
    r->main_socket = main_socket;
    r->guesses_before = r->hard->guesses;
    ph_host_random(c->agent->host, r->prefix, sizeof(r->prefix));
    if (config.sockets == 0 || port_count == 0) {
        free(ports);
        ph_volley_fini(&r->volley);
        return;
    }
    ph_volley_begin(&r->volley, now, &config);
    r->counter = ph_check_reserve(&c->checker, (uint32_t)r->volley.total);
}

void ph_run_fire_at_one(struct ph_run *r, ph_ns now, uint16_t port, uint8_t passes, uint8_t ttl)
{
    struct ph_port_order one = {0};
    (void)ph_port_order_add_port(&one, port);
    ph_run_fire_at_order(r, now, false, &one, 1, passes, ttl);
}

uint8_t ph_run_opener_ttl(const struct ph_run *r)
{
    if (r->move.opener_ttl == PH_TTL_FULL)
        return 0;
    return r->move.opener_ttl ? r->move.opener_ttl : ph_agent_opener_ttl(r->hard->call->agent);
}

void ph_run_open_fan(struct ph_run *r, size_t n)
{
    struct ph_call *c = r->hard->call;
    size_t warm = r->hard->warm_count;
    size_t most = ph_budget_resolve(&c->agent->config.budget).openers;
    size_t left = counts_sockets(r) ? r->hard->openers_left : r->hard->probes_left;
    if (n + warm > most)
        n = most > warm ? most - warm : 0;
    if (n > left)
        n = left;
    ph_hard_keep_warm(r->hard);
    ph_fan_open(&r->fan, &c->agent->sockets[0].local, n, r->move.bind_low, r->move.bind_high);
    if (counts_sockets(r))
        r->hard->openers_left -= (uint32_t)r->fan.count;
    struct ph_stage_report *report = ph_run_report(r);
    if (report->sockets < r->fan.open)
        report->sockets = (uint32_t)r->fan.open;
}

/* ---- Soundings */

/* A relay answers STUN, too. */
static struct ph_addr relay_of_v4(const struct ph_agent *a)
{
    struct ph_addr relay = a->presence.home->relay;
    for (size_t i = 0; relay.family != PH_AF_V4 && i < a->config.relay_count; i++)
        relay = a->config.relays[i];
    return relay;
}

void ph_run_sound(struct ph_run *r, ph_ns now, struct ph_sounding *s, size_t nth)
{
    struct ph_agent *a = r->hard->call->agent;
    struct ph_survey_server server;
    if (!ph_network_stun_server(&a->network, nth, &server) &&
        !ph_network_stun_server(&a->network, 0, &server))
        server = (struct ph_survey_server){.addr = relay_of_v4(a)};
    ph_run_report(r)->mappings++;
    ph_run_report(r)->packets++;
    (void)ph_sounding_begin(s, now, &a->sockets[0].local, &server.addr, server.rtt);
}

void ph_run_sound_twice(struct ph_run *r, ph_ns now, size_t which)
{
    for (size_t i = 0; i < 2; i++)
        ph_run_sound(r, now, &r->soundings[which + i], i);
}

bool ph_run_all_over(const struct ph_run *r, size_t which)
{
    return ph_sounding_is_over(&r->soundings[which]) &&
           ph_sounding_is_over(&r->soundings[which + 1]);
}

uint16_t ph_run_last_of(const struct ph_run *r, size_t which)
{
    const struct ph_sounding *s = &r->soundings[which];
    return ph_addr_is_set(&s[1].seen) ? s[1].seen.port : s[0].seen.port;
}

uint16_t ph_run_first_of(const struct ph_run *r, size_t which)
{
    const struct ph_sounding *s = &r->soundings[which];
    return ph_addr_is_set(&s[0].seen) ? s[0].seen.port : s[1].seen.port;
}
