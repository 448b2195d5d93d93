#include "tests/both_worlds.h"

#include "base/err.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SOCKETS_MAX 1024
#define HOSTS_MAX   8
#define FENCE_PORT  9000
#define FENCE_MAX   (10 * PH_SEC)
#define NO_TAG      0

struct both_world;

struct party {
    struct ph_endpoint endpoint; /* first */
    struct both_world *w;
    struct ph_host *host;
    size_t node;
    unsigned told; /* of its network */
};

struct both_world {
    struct layout layout;
    struct world *world;
    struct ph_loop *loop; /* of the kernel's */
    struct kernel_world *kernel;
    cpu_set_t cores;
    struct party parties[HOSTS_MAX];
    size_t party_count;
    struct {
        struct party *party;
        ph_sock sock;
    } sockets[SOCKETS_MAX];
    size_t socket_count;
    size_t fence[2]; /* inside, outside */
    struct ph_addr fence_at[2];
    uint32_t last_tag, wanted, fence_tag;
    bool fence_heard, disturbed;
    struct both_heard heard;
};

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct party *p = (struct party *)(void *)ep;
    struct both_world *w = p->w;
    (void)now;
    for (size_t i = 0; i < n; i++) {
        uint32_t tag = NO_TAG;
        size_t by = 0;
        if (in[i].len == sizeof(tag))
            memcpy(&tag, in[i].data, sizeof(tag));
        while (by < w->socket_count && (w->sockets[by].party != p || w->sockets[by].sock != sock))
            by++;
        if (tag == w->fence_tag) {
            w->fence_heard = true;
            if (by == w->fence[1])
                w->fence_at[0] = in[i].peer;
        } else if (tag == w->wanted) {
            w->heard = (struct both_heard){.by = by, .from = in[i].peer};
        }
    }
}

static void on_network(struct ph_endpoint *ep, ph_ns now)
{
    (void)now;
    ((struct party *)(void *)ep)->told++;
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    (void)ep, (void)now;
}

/* Both halves are here. */
static void on_ask(void *user, const struct incident *what)
{
    struct both_world *w = user;
    struct lab_error err = {.text = ""};
    ph_ns at = 0;
    if (kernel_world_disturb(w->kernel, what, &at, &err) != 0)
        fail_msg("%s", err.text);
    kernel_world_disturbed(w->world, at, NULL);
}

static void take_fds(const struct both_world *w, int fds[LAYOUT_NODES_MAX])
{
    for (size_t i = 0; i < LAYOUT_NODES_MAX; i++)
        fds[i] = i < w->layout.node_count && w->layout.nodes[i].kind == LAYOUT_HOST
                     ? dup(kernel_world_netns(w->kernel, i))
                     : -1;
}

static void enter(struct both_world *w, const int *fds)
{
    struct lab_error err = {.text = ""};
    if (kernel_world_attach(w->loop, &w->layout, fds, &w->world, &err) != 0)
        fail_msg("%s", err.text);
    kernel_world_on_disturb(w->world, on_ask, w);
    kernel_world_hosts_move(w->world);
}

static void attach(struct both_world *w, struct kernel_lab *lab)
{
    struct lab_error err = {.text = ""};
    int fds[LAYOUT_NODES_MAX];
    cpu_set_t one;
    int core = sched_getcpu();
    if (kernel_world_build(lab, &w->layout, &w->kernel, &err) != 0)
        fail_msg("%s", err.text);
    take_fds(w, fds);
    assert_int_equal(ph_loop_new(&w->loop), PH_OK);
    enter(w, fds);
    assert_true(core >= 0);
    CPU_ZERO(&one);
    CPU_SET((size_t)core, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

static void open_fence(struct both_world *w)
{
    w->fence[0] = both_open(w, "a", FENCE_PORT);
    w->fence[1] = both_open(w, "stun", FENCE_PORT);
    /* There and back once: its flow stands before there is anything to ask. */
    w->fence_at[1] = both_addr(w, "stun", 0, FENCE_PORT);
    struct ph_addr nobody = both_addr(w, "stun", 0, 9);
    (void)both_send(w, w->fence[0], &nobody, 1);
    (void)both_send(w, w->fence[1], &nobody, 1);
}

static void leave_all(struct both_world *w)
{
    for (size_t i = 0; i < w->party_count; i++)
        w->world->ops->host_free(w->world, w->parties[i].host);
    w->party_count = w->socket_count = 0;
}

struct both_world *both_world_new(struct kernel_lab *lab, const struct world_spec *spec,
                                  uint64_t seed)
{
    struct both_world *w = calloc(1, sizeof(*w));
    struct lab_error err = {.text = ""};
    assert_non_null(w);
    assert_int_equal(sched_getaffinity(0, sizeof(w->cores), &w->cores), 0);
    if (layout_compute(spec, &w->layout, &err) != 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < w->layout.link_count; i++) {
        memset(&w->layout.links[i].params, 0, sizeof(w->layout.links[i].params));
        w->layout.links[i].shaped = false;
    }
    if (lab != NULL)
        attach(w, lab);
    else if (sim_world_new(&w->layout, seed, &w->world, &err) != 0)
        fail_msg("%s", err.text);
    open_fence(w);
    return w;
}

void both_world_free(struct both_world *w)
{
    leave_all(w);
    w->world->ops->free(w->world);
    if (w->loop != NULL)
        ph_loop_free(w->loop);
    if (w->kernel != NULL)
        kernel_world_free(w->kernel);
    (void)sched_setaffinity(0, sizeof(w->cores), &w->cores);
    free(w);
}

size_t both_open(struct both_world *w, const char *node, uint16_t port)
{
    struct ph_addr any = ph_addr_v4(0, 0, 0, 0, port);
    size_t at = layout_find(&w->layout, node);
    size_t i = 0, n = w->socket_count;
    assert_int_not_equal(at, SIZE_MAX);
    assert_in_range(n, 0, SOCKETS_MAX - 1);
    while (i < w->party_count && w->parties[i].node != at)
        i++;
    struct party *p = &w->parties[i];
    if (i == w->party_count) {
        assert_in_range(i, 0, HOSTS_MAX - 1);
        *p = (struct party){.endpoint = {.on_datagrams = on_datagrams,
                                         .on_timer = on_timer,
                                         .on_network = on_network},
                            .w = w,
                            .node = at};
        assert_int_equal(w->world->ops->host_new(w->world, at, NULL, NULL, &p->host), PH_OK);
        p->host->endpoint = &p->endpoint;
        assert_int_equal(p->host->ops->watch_network(p->host, true), PH_OK);
        w->party_count++;
    }
    w->sockets[n].party = p;
    assert_int_equal(p->host->ops->udp_open(p->host, &any, &w->sockets[n].sock), PH_OK);
    w->socket_count++;
    return n;
}

struct ph_addr both_addr(const struct both_world *w, const char *node, size_t n, uint16_t port)
{
    const struct layout_node *at;
    size_t i = layout_find(&w->layout, node);
    assert_int_not_equal(i, SIZE_MAX);
    at = &w->world->layout->nodes[i];
    struct ph_addr a = at->kind == LAYOUT_HOST ? at->addrs[n] : at->wan[n];
    a.port = port;
    return a;
}

static void transmit(struct both_world *w, size_t from, const struct ph_addr *to, uint8_t ttl,
                     uint32_t tag)
{
    struct ph_host *h = w->sockets[from].party->host;
    struct ph_datagram d = {.peer = *to, .len = sizeof(tag), .ttl = ttl};
    d.data = (const uint8_t *)&tag;
    h->ops->udp_send(h, w->sockets[from].sock, &d, 1);
}

static bool is_fenced(void *user)
{
    return ((const struct both_world *)user)->fence_heard;
}

/* From the side where the packet went in. */
static void fence(struct both_world *w, size_t side)
{
    ph_ns limit = w->world->ops->now(w->world) + FENCE_MAX;
    w->fence_tag = ++w->last_tag;
    w->fence_heard = false;
    transmit(w, w->fence[side], &w->fence_at[1 - side], 0, w->fence_tag);
    if (w->loop == NULL)
        (void)sim_run_while(w->world, limit, is_fenced, w);
    while (w->loop != NULL && !w->fence_heard && w->world->ops->now(w->world) < limit)
        assert_int_equal(ph_loop_step(w->loop, 100 * PH_MS), PH_OK);
    /* What came before it may be behind it in the loop's turn. */
    if (w->loop != NULL)
        assert_int_equal(ph_loop_step(w->loop, 0), PH_OK);
    if (!w->fence_heard)
        fail_msg("the fence was not heard");
}

struct both_heard both_send(struct both_world *w, size_t from, const struct ph_addr *to,
                            uint8_t ttl)
{
    w->wanted = ++w->last_tag;
    w->heard = (struct both_heard){.by = SIZE_MAX};
    transmit(w, from, to, ttl, w->wanted);
    size_t above = w->layout.nodes[w->sockets[from].party->node].upstream;
    fence(w, above != SIZE_MAX && w->layout.nodes[above].kind == LAYOUT_NAT ? 0 : 1);
    return w->heard;
}

static void on_disturbed(void *user, const struct incident *what, ph_ns at, const char *error)
{
    struct both_world *w = user;
    if (error != NULL)
        fail_msg("%s: %s", incident_name(what->kind), error);
    assert_true(at <= w->world->ops->now(w->world));
    w->disturbed = true;
}

void both_disturb(struct both_world *w, const struct incident *what)
{
    w->disturbed = false;
    w->world->ops->disturb(w->world, what, on_disturbed, w);
    assert_true(w->disturbed);
}

void both_reset(struct both_world *w, uint64_t seed)
{
    struct lab_error err = {.text = ""};
    leave_all(w);
    if (w->kernel != NULL) {
        int fds[LAYOUT_NODES_MAX];
        w->world->ops->free(w->world);
        if (kernel_world_reset(w->kernel, seed, &err) != 0)
            fail_msg("%s", err.text);
        take_fds(w, fds);
        enter(w, fds);
    } else if (sim_world_reset(w->world, seed, &err) != 0) {
        fail_msg("%s", err.text);
    }
    open_fence(w);
}

static struct party *party_on(struct both_world *w, const char *node)
{
    size_t at = layout_find(&w->layout, node), i = 0;
    while (i < w->party_count && w->parties[i].node != at)
        i++;
    assert_true(i < w->party_count);
    return &w->parties[i];
}

struct ph_addr both_local(struct both_world *w, const char *node)
{
    const struct party *p = party_on(w, node);
    struct ph_addr a[4] = {{0}};
    return p->host->ops->local_addrs(p->host, a, 4) > 0 ? a[0] : (struct ph_addr){0};
}

unsigned both_told(struct both_world *w, const char *node)
{
    fence(w, 0);
    return party_on(w, node)->told;
}

unsigned both_await_told(struct both_world *w, const char *node, unsigned than)
{
    const struct party *p = party_on(w, node);
    ph_ns limit = w->world->ops->now(w->world) + FENCE_MAX;
    while (p->told <= than && w->world->ops->now(w->world) < limit) {
        if (w->loop != NULL)
            assert_int_equal(ph_loop_step(w->loop, 100 * PH_MS), PH_OK);
        else if (!sim_step(w->world))
            break;
    }
    assert_true(p->told > than);
    return p->told;
}

struct kernel_world *both_kernel(struct both_world *w)
{
    return w->kernel;
}
