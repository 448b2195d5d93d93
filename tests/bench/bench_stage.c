/* The stages predict and birthday alone: the same plan, the same moves, packets, sockets and NATs
 * as in a call, but between two peers whose connection is taken for granted. A trial goes from both
 * sides' facts to the first guess that is answered. Rates are by the process's own processor time.
 *
 *   bench_stage [SECONDS]
 */
#include "base/err.h"
#include "base/rng.h"
#include "call/agent.h"
#include "call/call.h"
#include "call/checks.h"
#include "lab/world/sim/sim.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELAY (40 * PH_MS) /* of a message, one way: by the relay */
#define LIMIT (15 * PH_SEC)

struct peer {
    struct ph_agent agent; /* first: the endpoint */
    struct ph_call call;
    struct pair *pair;
    /* Messages that are on their way to this one, in order. */
    uint8_t in[4096];
    size_t in_len, lens[16];
    ph_ns due[16];
    size_t count;
};

struct pair {
    struct world *w;
    struct peer peer[2];
    struct ph_host *stun_host;
    struct ph_stun_server *stun;
};

static struct peer *peer_of(struct ph_endpoint *ep)
{
    return (struct peer *)(void *)ep;
}

static bool found(const struct peer *p)
{
    for (size_t i = 0; i < p->call.paths.count; i++) {
        if (p->call.paths.items[i].state >= PH_PATH_VALID)
            return true;
    }
    return false;
}

static void pump(struct peer *p, ph_ns now)
{
    while (p->count > 0 && now >= p->due[0]) {
        ph_talk_on_stream(&p->call, now, p->in, p->lens[0]);
        p->in_len -= p->lens[0];
        memmove(p->in, p->in + p->lens[0], p->in_len);
        p->count--;
        memmove(p->due, p->due + 1, p->count * sizeof(p->due[0]));
        memmove(p->lens, p->lens + 1, p->count * sizeof(p->lens[0]));
    }
    ph_checks_pump(&p->call, now);
    ph_hard_pump(&p->call.hard, now);
    ph_ns t = ph_min_ns(ph_hard_deadline(&p->call.hard, now), ph_checks_deadline(&p->call));
    if (p->count > 0)
        t = ph_min_ns(t, p->due[0]);
    p->agent.host->ops->wake_at(p->agent.host, t);
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    pump(peer_of(ep), now);
}

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct peer *p = peer_of(ep);
    for (size_t i = 0; i < n; i++) {
        struct ph_source from = {sock == p->agent.sock ? 0 : sock, in[i].peer};
        struct ph_stun msg;
        if (from.sock && ph_hard_on_datagram(&p->call.hard, now, sock, &in[i]))
            continue;
        if (ph_stun_parse(in[i].data, in[i].len, &msg) == PH_OK)
            (void)ph_call_on_check(&p->call, now, &msg, in[i].data, in[i].len, &from);
    }
    pump(p, now);
}

static void carry(struct ph_hard *h, const uint8_t *message, size_t len)
{
    struct peer *from = (struct peer *)(void *)h->call->agent;
    struct peer *to = &from->pair->peer[from == &from->pair->peer[0]];
    ph_ns now = ph_host_now(from->agent.host);
    if (to->count == 16 || to->in_len + len > sizeof(to->in))
        bench_die("too many messages");
    memcpy(to->in + to->in_len, message, len);
    to->in_len += len;
    to->lens[to->count] = len;
    to->due[to->count++] = now + DELAY;
    to->agent.host->ops->wake_at(to->agent.host, now + DELAY);
}

static struct ph_addr with_port(struct ph_addr a, uint16_t port)
{
    a.port = port;
    return a;
}

static void start_peer(struct pair *pair, size_t k, size_t node, const struct ph_addr *stun,
                       uint64_t seed)
{
    struct peer *p = &pair->peer[k];
    struct ph_addr any = ph_addr_v4(0, 0, 0, 0, 0);
    uint8_t random[32];
    memset(p, 0, sizeof(*p));
    p->pair = pair;
    if (pair->w->ops->host_new(pair->w, node, NULL, NULL, &p->agent.host) != PH_OK)
        bench_die("no host");
    p->agent.endpoint = (struct ph_endpoint){.on_datagrams = on_datagrams, .on_timer = on_timer};
    p->agent.host->endpoint = &p->agent.endpoint;
    p->agent.config.stages = (1u << PH_STAGE_COUNT) - 1;
    p->agent.config.give_up = LIMIT;
    if (p->agent.host->ops->udp_open(p->agent.host, &any, &p->agent.sock) != PH_OK)
        bench_die("no socket");
    p->agent.local = p->agent.host->ops->udp_local(p->agent.host, p->agent.sock);
    p->agent.opener.ttl = PH_OPENER_TTL_DEFAULT;
    ph_presence_init(&p->agent.presence, &p->agent);
    p->agent.presence.home->relay = *stun;
    ph_host_random(p->agent.host, random, sizeof(random));
    p->call = (struct ph_call){.agent = &p->agent,
                               .caller = k == 0,
                               .state = PH_CALL_CONNECTED,
                               .started = ph_host_now(p->agent.host),
                               .peer_relay_rtt = 2 * DELAY};
    memcpy(p->call.id, &seed, sizeof(seed));
    ph_checker_init(&p->call.checker, k == 0, random);
    ph_carrier_init(&p->call.carrier, &p->call);
    ph_waterfall_init(&p->call.waterfall, p->call.started, p->agent.config.stages);
    ph_punch_init(&p->call.punch, &p->call);
    ph_hard_init(&p->call.hard, &p->call);
    p->call.hard.carry = carry;
}

/* What a survey would have found, and the peer been told. */
static void set_facts(struct peer *p, const struct layout_node *nat, bool random)
{
    struct ph_hard_probe *own = &p->call.hard.own;
    *own = (struct ph_hard_probe){.generation = 1,
                                  .final = true,
                                  .udp = PH_YES,
                                  .mapping = random ? PH_MAPPING_APDM : PH_MAPPING_EIM,
                                  .filtering = random ? PH_FILTERING_UNKNOWN : PH_FILTERING_APDF,
                                  .external = with_port(nat->wan[0], p->agent.local.port),
                                  .low = random ? 1024 : 0,
                                  .high = random ? 65535 : 0,
                                  .confidence = 999,
                                  .samples = 10,
                                  .addresses = 1,
                                  .relay_rtt_ms = 40,
                                  .stun_rtt_ms = 40};
    memcpy(own->call_id, p->call.id, sizeof(own->call_id));
    strcpy(own->allocation, random ? "random" : "preserving");
    p->call.hard.told = true;
    p->call.hard.state = PH_HARD_LEARNING;
    p->call.hard.surveyed = 0;
}

static void tell(struct peer *p)
{
    struct ph_hard_message m = {.type = PH_HARD_NAT_PROBE, .probe = p->call.hard.own};
    uint8_t data[PH_HARD_MESSAGE_MAX];
    int len = ph_hard_encode(&m, data, sizeof(data));
    if (len <= 0)
        bench_die("facts too long");
    carry(&p->call.hard, data, (size_t)len);
}

static bool is_over(void *user)
{
    const struct pair *pair = user;
    return (found(&pair->peer[0]) && found(&pair->peer[1])) ||
           (pair->peer[0].call.hard.state == PH_HARD_RESTING &&
            pair->peer[1].call.hard.state == PH_HARD_RESTING);
}

/* One trial; whether it hit, and the packets that it took. */
static bool trial(struct pair *pair, const struct layout *l, uint64_t seed, uint64_t *packets)
{
    struct lab_error err = {0};
    size_t stun = layout_find_host(l, TOPO_RUNS_STUN, 0);
    struct ph_addr server = with_port(l->nodes[stun].addrs[0], 3478);
    if (sim_world_reset(pair->w, seed, &err) != 0)
        bench_die(err.text);
    if (pair->w->ops->host_new(pair->w, stun, NULL, NULL, &pair->stun_host) != PH_OK ||
        ph_stun_server_new(pair->stun_host, &server, 1, &pair->stun) != PH_OK)
        bench_die("no STUN server");
    size_t nodes[2];
    if (!layout_find_peers(l, nodes))
        bench_die("no two peers");
    for (size_t k = 0; k < 2; k++) {
        start_peer(pair, k, nodes[k], &server, seed);
        set_facts(&pair->peer[k], &l->nodes[l->nodes[nodes[k]].upstream], k == 1);
    }
    for (size_t k = 0; k < 2; k++) {
        struct peer *p = &pair->peer[k], *other = &pair->peer[1 - k];
        ph_checker_set_peer(&p->call.checker, &other->call.checker.own);
        p->call.peer_observed = other->call.hard.own.external;
        tell(p);
    }
    bool over = sim_run_while(pair->w, pair->w->ops->now(pair->w) + LIMIT, is_over, pair);
    bool hit = over && found(&pair->peer[0]) && found(&pair->peer[1]);
    for (size_t k = 0; k < 2; k++) {
        struct peer *p = &pair->peer[k];
        *packets += p->call.waterfall.stages[PH_STAGE_BIRTHDAY].packets;
        ph_hard_fini(&p->call.hard);
        p->agent.host->ops->udp_close(p->agent.host, p->agent.sock);
        p->agent.host->endpoint = NULL;
        pair->w->ops->host_free(pair->w, p->agent.host);
    }
    ph_stun_server_free(pair->stun);
    pair->w->ops->host_free(pair->w, pair->stun_host);
    return hit;
}

int main(int argc, char **argv)
{
    static struct layout layout;
    static struct pair pair;
    struct lab_error err = {0};
    double seconds = argc > 1 ? atof(argv[1]) : 2.0;
    bench_two_nats("port-preserving", "random", &layout);
    if (sim_world_new(&layout, 1, &pair.w, &err) != 0)
        bench_die(err.text);
    uint64_t trials = 0, hits = 0, packets = 0;
    double start = bench_cpu(), end;
    do {
        trials++;
        hits += trial(&pair, &layout, trials, &packets);
        end = bench_cpu();
    } while (end - start < seconds);
    printf(
        "birthday trials, the stage alone   %8.0f /s  %8.1f us   (%.1f%% hit, %.0f packets each)\n",
        (double)trials / (end - start), (end - start) * 1e6 / (double)trials,
        100.0 * (double)hits / (double)trials, (double)packets / (double)trials);
    pair.w->ops->free(pair.w);
    return 0;
}
