/* What the simulator does in a second of one core: whole calls with TLS, trials of the birthday
 * geometry alone, packets through two NATs, operations of a NAT's model. Rates are by the process's
 * own processor time, so that what else runs on the machine counts little.
 *
 *   bench_sim [SECONDS]
 */
#include "base/err.h"
#include "base/rng.h"
#include "lab/run/trial.h"
#include "lab/world/sim/nat.h"
#include "lab/world/sim/sim.h"
#include "lab/world/site.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPENERS  256
#define PROBES   1024 /* at the most */
#define WAVE     64
#define NAT_WORK 1000

static double seconds = 2.0;

/* ---- Calls */

struct calls {
    bool over;
    size_t direct;
};

static void on_done(void *user, const struct trial_result *result)
{
    struct calls *c = user;
    c->over = true;
    c->direct += result->connected && result->direct;
}

static bool is_over(void *user)
{
    return ((const struct calls *)user)->over;
}

static void bench_calls(const struct layout *layout)
{
    struct lab_error err = {0};
    struct world *w = NULL;
    struct calls calls = {0};
    struct trial_spec spec = {.subject = SUBJECT_PINHOLE,
                              .stages = (1u << PH_STAGE_COUNT) - 1,
                              .give_up = 15 * PH_SEC,
                              .media = PH_SEC,
                              .deterministic = true};
    size_t n = 0;
    uint64_t packets = 0;
    if (sim_world_new(layout, 0, &w, &err) != 0)
        bench_die(err.text);
    double start = bench_cpu();
    for (; bench_cpu() - start < seconds; n++) {
        struct trial *trial;
        spec.seed = n;
        calls.over = false;
        if (sim_world_reset(w, n, &err) != 0)
            bench_die(err.text);
        if (trial_start(w, &spec, on_done, &calls, &trial) != PH_OK ||
            !sim_run_while(w, 90 * PH_SEC, is_over, &calls))
            bench_die("a call did not end");
        packets += sim_packets(w);
    }
    double took = bench_cpu() - start;
    printf("whole calls, TLS, 1 s of media       %8.0f /s   %7.2f ms   (%zu of %zu direct, %.0f "
           "packets each)\n",
           (double)n / took, took * 1e3 / (double)n, calls.direct, n, (double)packets / (double)n);
    w->ops->free(w);
}

/* ---- The birthday geometry: openers to one endpoint, probes from it until one is hit */

struct party {
    struct ph_endpoint endpoint; /* first */
    struct ph_host *host;
    size_t got;
};

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    (void)now, (void)sock, (void)in;
    ((struct party *)(void *)ep)->got += n;
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    (void)ep, (void)now;
}

static void join(struct world *w, const char *node, struct party *p)
{
    *p = (struct party){.endpoint = {.on_datagrams = on_datagrams, .on_timer = on_timer}};
    if (w->ops->host_new(w, layout_find(w->layout, node), NULL, NULL, &p->host) != PH_OK)
        bench_die("no host");
    p->host->endpoint = &p->endpoint;
}

static ph_sock open_at(struct party *p, uint16_t port)
{
    struct ph_addr any = ph_addr_v4(0, 0, 0, 0, port);
    ph_sock sock;
    if (p->host->ops->udp_open(p->host, &any, &sock) != PH_OK)
        bench_die("no socket");
    return sock;
}

static void send_one(struct party *p, ph_sock sock, const struct ph_addr *to, size_t len,
                     uint8_t ttl)
{
    static const uint8_t data[1200];
    struct ph_datagram d = {.peer = *to, .data = data, .len = len, .ttl = ttl};
    p->host->ops->udp_send(p->host, sock, &d, 1);
}

static void shuffle(uint16_t *ports, size_t n, struct ph_rng *rng)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = ph_rng_below(rng, i);
        uint16_t t = ports[i - 1];
        ports[i - 1] = ports[k];
        ports[k] = t;
    }
}

/* How many probes it took; PROBES + 1: more than there were. */
static size_t birthday(struct world *w, const struct ph_addr *easy, const struct ph_addr *hard,
                       uint64_t seed)
{
    struct party a, b;
    struct ph_rng rng;
    struct ph_addr at = *hard;
    uint16_t ports[PROBES];
    size_t sent = 0;
    ph_rng_seed(&rng, seed);
    for (size_t i = 0; i < PROBES; i++)
        ports[i] = (uint16_t)(1024 + i); /* those that netfilter draws twice as often */
    shuffle(ports, PROBES, &rng);
    join(w, "a", &a);
    join(w, "b", &b);
    ph_sock e = open_at(&a, easy->port);
    for (size_t i = 0; i < OPENERS; i++)
        send_one(&b, open_at(&b, 0), easy, 80, 3);
    while (sent < PROBES && b.got == 0) {
        for (size_t end = sent + WAVE; sent < end; sent++) {
            at.port = ports[sent];
            send_one(&a, e, &at, 80, 0);
        }
        sim_run_until(w, w->ops->now(w) + 50 * PH_MS);
    }
    w->ops->host_free(w, a.host);
    w->ops->host_free(w, b.host);
    return b.got > 0 ? sent : PROBES + 1;
}

static void bench_birthday(const struct layout *layout)
{
    struct lab_error err = {0};
    struct world *w = NULL;
    struct ph_addr easy = layout->nodes[layout_find(layout, "a.nat")].wan[0];
    struct ph_addr hard = layout->nodes[layout_find(layout, "b.nat")].wan[0];
    size_t n = 0, hits = 0, probes = 0;
    if (sim_world_new(layout, 0, &w, &err) != 0)
        bench_die(err.text);
    easy.port = 40000;
    double start = bench_cpu();
    for (; bench_cpu() - start < seconds; n++) {
        if (sim_world_reset(w, n, &err) != 0)
            bench_die(err.text);
        size_t took = birthday(w, &easy, &hard, n);
        hits += took <= PROBES;
        probes += took;
    }
    double took = bench_cpu() - start;
    printf("trials of %d openers               %8.0f /s   %7.1f us   (%.1f%% hit, %.0f probes "
           "each)\n",
           OPENERS, (double)n / took, took * 1e6 / (double)n, 100.0 * (double)hits / (double)n,
           (double)probes / (double)n);
    w->ops->free(w);
}

/* ---- Packets */

static void bench_packets(const struct layout *layout, size_t len)
{
    struct lab_error err = {0};
    struct world *w = NULL;
    struct party a, b;
    struct ph_addr to_a = layout->nodes[layout_find(layout, "a.nat")].wan[0];
    struct ph_addr to_b = layout->nodes[layout_find(layout, "b.nat")].wan[0];
    size_t n = 0;
    to_a.port = to_b.port = 40000;
    if (sim_world_new(layout, 1, &w, &err) != 0)
        bench_die(err.text);
    join(w, "a", &a);
    join(w, "b", &b);
    ph_sock sa = open_at(&a, 40000), sb = open_at(&b, 40000);
    double start = bench_cpu();
    while (bench_cpu() - start < seconds / 2) {
        for (int i = 0; i < 500; i++, n += 2) {
            send_one(&a, sa, &to_b, len, 0);
            send_one(&b, sb, &to_a, len, 0);
            sim_run_until(w, w->ops->now(w) + PH_MS);
        }
    }
    double took = bench_cpu() - start;
    printf("packets of %4zu bytes, two NATs        %8.2f M/s  %6.0f ns   (%.1f%% arrived)\n", len,
           (double)n / took / 1e6, took * 1e9 / (double)n,
           100.0 * (double)(a.got + b.got) / (double)n);
    w->ops->host_free(w, a.host);
    w->ops->host_free(w, b.host);
    w->ops->free(w);
}

/* ---- A NAT's model alone */

static void bench_nat(const char *profile)
{
    static struct layout layout;
    struct nat_site site;
    struct sim_nat *n = NULL;
    size_t node, opened = 0, passed = 0;
    struct ph_addr outside[NAT_WORK];
    double opening = 0, passing = 0;
    bench_two_nats(profile, "port-preserving", &layout);
    node = layout_find(&layout, "a.nat");
    world_nat_site(&layout, node, &site);
    if (sim_nat_new(&layout.nodes[node].profile, &site, 1, &n) != PH_OK)
        bench_die("out of memory");
    struct ph_addr inside = layout.nodes[layout_find(&layout, "a")].addrs[0];
    ph_ns now = PH_SEC;
    while (opening + passing < seconds / 4) {
        double t0 = bench_cpu();
        for (size_t i = 0; i < NAT_WORK; i++) {
            struct ph_addr dst = ph_addr_v4(11, 9, 0, 1, 9);
            outside[i] = inside;
            outside[i].port = (uint16_t)(20000 + i);
            opened += sim_nat_outbound(n, now, &outside[i], &dst, false);
        }
        double t1 = bench_cpu();
        for (int round = 0; round < 4; round++)
            for (size_t i = 0; i < NAT_WORK; i++) {
                struct ph_addr src = ph_addr_v4(11, 9, 0, 1, 9), dst = outside[i];
                bool in = sim_nat_inbound(n, now + 1, &src, &dst, false);
                passed += in && sim_nat_outbound(n, now + 1, &dst, &src, false) ? 2 : 0;
            }
        double t2 = bench_cpu();
        opening += t1 - t0;
        passing += t2 - t1;
        now += 1000 * PH_SEC;
        sim_nat_flush(n);
    }
    printf("NAT %-16s new flows         %8.2f M/s  %6.0f ns;  packets of old ones %6.2f M/s "
           "%5.0f ns\n",
           profile, (double)opened / opening / 1e6, opening * 1e9 / (double)opened,
           (double)passed / passing / 1e6, passing * 1e9 / (double)passed);
    sim_nat_free(n);
}

int main(int argc, char **argv)
{
    static struct layout layout;
    static const char *const profiles[] = {"port-preserving", "port-restricted", "random",
                                           "block-512", "sequential"};
    if (argc > 1) {
        seconds = strtod(argv[1], NULL);
        if (!(seconds > 0 && seconds <= 600)) {
            fprintf(stderr, "bench_sim: seconds above 0, at most 600, not '%s'\n", argv[1]);
            return LAB_USAGE;
        }
    }
    bench_two_nats("port-restricted", "port-restricted", &layout);
    bench_calls(&layout);
    bench_two_nats("port-preserving", "random", &layout);
    bench_birthday(&layout);
    bench_two_nats("port-preserving", "port-preserving", &layout);
    bench_packets(&layout, 100);
    bench_packets(&layout, 1200);
    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
        bench_nat(profiles[i]);
    return 0;
}
