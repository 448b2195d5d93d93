#include "host/loop.h"

#include "base/err.h"
#include "host/loop_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 64

struct ph_loop_watch {
    struct ph_loop_watch *prev, *next;
    int fd;
    uint32_t name;
    void (*on_ready)(void *user, uint32_t events);
    void *user;
};

struct ph_loop_call {
    struct ph_loop_timer timer; /* first */
    struct ph_loop_call *next;
    void (*fn)(void *user);
    void *user;
};

static void raise_descriptor_limit(void)
{
    struct rlimit lim;

    if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
        lim.rlim_cur = lim.rlim_max;
        setrlimit(RLIMIT_NOFILE, &lim);
    }
}

int ph_loop_new(struct ph_loop **out)
{
    static bool limit_raised;
    struct ph_loop *loop = calloc(1, sizeof(*loop));
    int err;

    if (!loop) {
        return PH_ERR_NOMEM;
    }
    if (!limit_raised) {
        limit_raised = true;
        raise_descriptor_limit();
    }
    /* The default of 50 us would make every timer late by that. */
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    ph_netns_init(&loop->netns);
    ph_slots_init(&loop->socks);
    ph_slots_init(&loop->watches);
    loop->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epfd < 0) {
        err = PH_ERR_SYS;
        goto fail;
    }
    err = ph_udp_io_new(&loop->io);
    if (err) {
        goto fail;
    }
    *out = loop;
    return PH_OK;

fail:
    if (loop->epfd >= 0) {
        close(loop->epfd);
    }
    free(loop);
    return err;
}

void ph_loop_free(struct ph_loop *loop)
{
    if (!loop) {
        return;
    }
    while (loop->hosts) {
        ph_loop_host_free(&loop->hosts->base);
    }
    ph_loop_bury(loop);
    ph_heap_fini(&loop->timers); /* it touches the nodes that are still in it */
    while (loop->watch_list) {
        struct ph_loop_watch *w = loop->watch_list;

        loop->watch_list = w->next;
        free(w);
    }
    for (size_t i = 0; i < PH_LOOP_CALL_BUCKETS; i++) {
        while (loop->calls[i]) {
            struct ph_loop_call *c = loop->calls[i];

            loop->calls[i] = c->next;
            free(c);
        }
    }
    ph_slots_fini(&loop->socks);
    ph_slots_fini(&loop->watches);
    ph_udp_io_free(loop->io);
    ph_netns_fini(&loop->netns);
    close(loop->epfd);
    free(loop);
}

ph_ns ph_loop_now(const struct ph_loop *loop)
{
    struct timespec ts;

    (void)loop;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (ph_ns)ts.tv_sec * PH_SEC + (ph_ns)ts.tv_nsec;
}

int ph_loop_watch(struct ph_loop *loop, int fd, uint32_t epoll_events,
                  void (*on_ready)(void *user, uint32_t events), void *user)
{
    struct ph_loop_watch *w = calloc(1, sizeof(*w));
    struct epoll_event ev = {.events = epoll_events};
    int err;

    if (!w) {
        return PH_ERR_NOMEM;
    }
    w->fd = fd;
    w->on_ready = on_ready;
    w->user = user;
    err = ph_slots_add(&loop->watches, w, &w->name);
    if (err) {
        free(w);
        return err;
    }
    ev.data.u64 = PH_LOOP_KIND_WATCH | w->name;
    if (epoll_ctl(loop->epfd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        ph_slots_remove(&loop->watches, w->name);
        free(w);
        return PH_ERR_SYS;
    }
    w->next = loop->watch_list;
    if (w->next) {
        w->next->prev = w;
    }
    loop->watch_list = w;
    return PH_OK;
}

void ph_loop_unwatch(struct ph_loop *loop, int fd)
{
    struct ph_loop_watch *w = loop->watch_list;

    while (w && w->fd != fd) {
        w = w->next;
    }
    if (!w) {
        return;
    }
    if (w->prev) {
        w->prev->next = w->next;
    } else {
        loop->watch_list = w->next;
    }
    if (w->next) {
        w->next->prev = w->prev;
    }
    epoll_ctl(loop->epfd, EPOLL_CTL_DEL, fd, NULL);
    ph_slots_remove(&loop->watches, w->name);
    free(w);
}

static struct ph_loop_call **call_slot(struct ph_loop *loop, void (*fn)(void *user), void *user)
{
    uint64_t h = ((uint64_t)(uintptr_t)user ^ (uint64_t)(uintptr_t)fn) * 0x9e3779b97f4a7c15u;
    struct ph_loop_call **at = &loop->calls[h >> 56];

    while (*at && ((*at)->fn != fn || (*at)->user != user)) {
        at = &(*at)->next;
    }
    return at;
}

int ph_loop_at(struct ph_loop *loop, ph_ns when, void (*fn)(void *user), void *user)
{
    struct ph_loop_call **at = call_slot(loop, fn, user);
    struct ph_loop_call *c = *at;

    when = ph_max_ns(when, ph_max_ns(loop->floor, ph_loop_now(loop)));
    if (when == PH_NEVER) {
        if (c) {
            *at = c->next;
            ph_heap_remove(&loop->timers, &c->timer.node);
            free(c);
        }
        return PH_OK;
    }
    if (c) {
        ph_heap_remove(&loop->timers, &c->timer.node);
        /* The place that it has just left holds it again: this cannot fail. */
        return ph_heap_add(&loop->timers, &c->timer.node, when);
    }
    c = calloc(1, sizeof(*c));
    if (!c) {
        return PH_ERR_NOMEM;
    }
    c->fn = fn;
    c->user = user;
    c->timer.kind = PH_LOOP_TIMER_CALL;
    ph_heap_node_init(&c->timer.node);
    if (ph_heap_add(&loop->timers, &c->timer.node, when)) {
        free(c);
        return PH_ERR_NOMEM;
    }
    *at = c;
    return PH_OK;
}

static void fire_call(struct ph_loop *loop, struct ph_loop_call *c)
{
    struct ph_loop_call **at = call_slot(loop, c->fn, c->user);
    void (*fn)(void *user) = c->fn;
    void *user = c->user;

    *at = c->next;
    free(c);
    fn(user);
}

/* A timer that is set again for now, from inside a callback, waits for the next step, behind those
 * that are due: descriptors and other timers get their turn. */
static void fire_timers(struct ph_loop *loop)
{
    ph_ns now = ph_loop_now(loop);
    struct ph_heap_node *node;

    loop->floor = now + 1;
    while ((node = ph_heap_peek(&loop->timers)) != NULL && node->key <= now) {
        struct ph_loop_timer *timer = (struct ph_loop_timer *)node;
        ph_ns fired = ph_loop_now(loop);

        loop->lateness = ph_max_ns(loop->lateness, fired - node->key);
        if (timer->kind == PH_LOOP_TIMER_HOST) {
            ph_loop_host_fire(timer, fired);
        } else {
            ph_heap_remove(&loop->timers, node);
            fire_call(loop, (struct ph_loop_call *)timer);
        }
    }
    loop->floor = 0;
}

/* Returns the number of events, or -1. */
static int wait_events(struct ph_loop *loop, struct epoll_event *events, ph_ns timeout)
{
    struct timespec ts = {.tv_sec = (time_t)(timeout / PH_SEC),
                          .tv_nsec = (long)(timeout % PH_SEC)};
    struct timespec *limit = timeout == PH_NEVER ? NULL : &ts;
    int n;

    if (timeout == 0) {
        n = epoll_wait(loop->epfd, events, EVENTS_MAX, 0);
        return n < 0 && errno == EINTR ? 0 : n;
    }
    if (!loop->no_pwait2) {
        n = epoll_pwait2(loop->epfd, events, EVENTS_MAX, limit, NULL);
        if (n >= 0 || errno == EINTR) {
            return n < 0 ? 0 : n;
        }
        if (errno != ENOSYS) {
            return -1;
        }
        loop->no_pwait2 = true;
    }
    /* ppoll on the epoll descriptor waits as exactly, for one call more. */
    {
        struct pollfd pfd = {.fd = loop->epfd, .events = POLLIN};

        n = ppoll(&pfd, 1, limit, NULL);
        if (n <= 0) {
            return n < 0 && errno != EINTR ? -1 : 0;
        }
    }
    n = epoll_wait(loop->epfd, events, EVENTS_MAX, 0);
    return n < 0 && errno == EINTR ? 0 : n;
}

static void dispatch(struct ph_loop *loop, const struct epoll_event *ev)
{
    uint32_t name = (uint32_t)ev->data.u64;

    if (ev->data.u64 & PH_LOOP_KIND_SOCK) {
        ph_loop_host_readable(loop, name);
    } else {
        struct ph_loop_watch *w = ph_slots_get(&loop->watches, name);

        if (w) {
            w->on_ready(w->user, ev->events);
        }
    }
}

/* Lets datagrams gather, but no timer wait. */
static void wait_for_more(struct ph_loop *loop, ph_ns limit)
{
    ph_ns now = ph_loop_now(loop);
    ph_ns until = ph_min_ns(loop->gather_until, limit);
    struct timespec ts = {.tv_nsec = until > now ? (long)(until - now) : 0};

    loop->gather_until = 0;
    if (ts.tv_nsec > 0 && ts.tv_nsec < (long)PH_SEC) {
        (void)ppoll(NULL, 0, &ts, NULL);
    }
}

int ph_loop_step(struct ph_loop *loop, ph_ns timeout)
{
    struct epoll_event events[EVENTS_MAX];
    struct ph_heap_node *first = ph_heap_peek(&loop->timers);
    int n;

    if (loop->gather_until && timeout > 0) {
        wait_for_more(loop, first ? first->key : PH_NEVER);
    }
    if (first && first->key != PH_NEVER && timeout > 0) {
        ph_ns now = ph_loop_now(loop);

        timeout = ph_min_ns(timeout, first->key > now ? first->key - now : 0);
    }
    n = wait_events(loop, events, timeout);
    if (n < 0) {
        return PH_ERR_SYS;
    }
    loop->dispatching = true;
    for (int i = 0; i < n; i++) {
        dispatch(loop, &events[i]);
    }
    fire_timers(loop);
    loop->dispatching = false;
    ph_loop_bury(loop);
    return PH_OK;
}

int ph_loop_run(struct ph_loop *loop)
{
    int err = PH_OK;

    while (!loop->stop && !err) {
        err = ph_loop_step(loop, PH_NEVER);
    }
    loop->stop = false;
    return err;
}

void ph_loop_stop(struct ph_loop *loop)
{
    loop->stop = true;
}

ph_ns ph_loop_take_lateness(struct ph_loop *loop)
{
    ph_ns worst = loop->lateness;

    loop->lateness = 0;
    return worst;
}
