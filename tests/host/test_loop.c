/* Timers of the real loop, and what else it waits for. */
#include "peer.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void timers_come_in_order(void **state)
{
    struct ph_loop *loop = *state;
    struct peer p[5];
    static const unsigned delay_ms[] = {9, 1, 5, 3, 7};
    static const unsigned turn[] = {5, 1, 3, 2, 4};
    ph_ns start = ph_loop_now(loop);
    ph_ns end = start + PATIENCE;
    unsigned order = 0;

    for (size_t i = 0; i < 5; i++) {
        peer_host(&p[i], loop, -1);
        p[i].order = &order;
        p[i].host->ops->wake_at(p[i].host, start + delay_ms[i] * PH_MS);
    }
    while (order < 5 && ph_loop_now(loop) < end) {
        assert_int_equal(ph_loop_step(loop, PATIENCE), PH_OK);
    }
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(p[i].fired, 1);
        assert_int_equal(p[i].turn, turn[i]);
        assert_true(p[i].fired_at >= start + delay_ms[i] * PH_MS);
    }
    assert_true(ph_loop_take_lateness(loop) > 0);
    assert_true(ph_loop_take_lateness(loop) == 0);
}

static void wake_at_replaces_and_cancels(void **state)
{
    struct ph_loop *loop = *state;
    struct peer a, b, c;
    ph_ns start = ph_loop_now(loop);
    ph_ns end = start + PATIENCE;

    peer_host(&a, loop, -1);
    peer_host(&b, loop, -1);
    peer_host(&c, loop, -1);
    a.host->ops->wake_at(a.host, start + PH_MS);
    a.host->ops->wake_at(a.host, start + 4 * PH_MS); /* later */
    b.host->ops->wake_at(b.host, start + PATIENCE);
    b.host->ops->wake_at(b.host, start + 2 * PH_MS); /* sooner */
    b.again_at = start + 3 * PH_MS;                  /* and once more, from inside */
    c.host->ops->wake_at(c.host, start + PH_MS);
    c.host->ops->wake_at(c.host, PH_NEVER);
    /* On a machine that is late b's second turn may come behind a's. */
    while ((a.fired < 1 || b.fired < 2) && ph_loop_now(loop) < end) {
        assert_int_equal(ph_loop_step(loop, PATIENCE), PH_OK);
    }
    assert_int_equal(a.fired, 1);
    assert_true(a.fired_at >= start + 4 * PH_MS);
    assert_int_equal(b.fired, 2);
    assert_int_equal(c.fired, 0);
    /* Spent: nothing is left, so a step of no time fires nothing. */
    assert_int_equal(ph_loop_step(loop, 0), PH_OK);
    assert_int_equal(a.fired + b.fired + c.fired, 3);
}

static void a_timer_that_is_set_for_now_starves_nobody(void **state)
{
    struct ph_loop *loop = *state;
    struct peer a, b;
    ph_ns past = ph_loop_now(loop);

    peer_init(&a, loop);
    peer_init(&b, loop);
    send_one(&a, &b.addr, "x", 1, 0);
    a.host->ops->wake_at(a.host, past);
    for (int i = 0; i < 100; i++) {
        a.again_at = past;
        assert_int_equal(ph_loop_step(loop, PATIENCE), PH_OK);
    }
    assert_int_equal(b.received, 1);
    assert_int_equal(a.fired, 100);
}

struct watched {
    struct ph_loop *loop;
    int fd;
    size_t ready;
    uint32_t events;
    bool unwatch;
};

static void on_ready(void *user, uint32_t events)
{
    struct watched *w = user;
    uint64_t value;

    w->ready++;
    w->events = events;
    assert_int_equal(read(w->fd, &value, sizeof(value)), sizeof(value));
    if (w->unwatch) {
        ph_loop_unwatch(w->loop, w->fd);
    }
}

static void other_descriptors_are_watched(void **state)
{
    struct ph_loop *loop = *state;
    struct watched w = {.loop = loop, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    uint64_t one = 1;

    assert_true(w.fd >= 0);
    assert_int_equal(ph_loop_watch(loop, w.fd, EPOLLIN, on_ready, &w), PH_OK);
    assert_int_equal(write(w.fd, &one, sizeof(one)), sizeof(one));
    run_until(loop, &w.ready, 1);
    assert_true(w.events & EPOLLIN);
    w.unwatch = true;
    assert_int_equal(write(w.fd, &one, sizeof(one)), sizeof(one));
    run_until(loop, &w.ready, 2);
    assert_int_equal(write(w.fd, &one, sizeof(one)), sizeof(one));
    assert_int_equal(ph_loop_step(loop, 0), PH_OK);
    assert_int_equal(w.ready, 2);
    ph_loop_unwatch(loop, w.fd); /* twice does no harm */
    close(w.fd);
    assert_int_equal(ph_loop_watch(loop, -1, EPOLLIN, on_ready, &w), PH_ERR_SYS);
}

struct noted {
    struct ph_loop *loop;
    size_t called;
    ph_ns again;
};

static void note(void *user)
{
    struct noted *n = user;

    n->called++;
    if (n->again) {
        assert_int_equal(ph_loop_at(n->loop, n->again, note, n), PH_OK);
        n->again = 0;
    } else {
        ph_loop_stop(n->loop);
    }
}

static void calls_at_a_time(void **state)
{
    struct ph_loop *loop = *state;
    ph_ns start = ph_loop_now(loop);
    struct noted a = {.loop = loop, .again = start + 3 * PH_MS};
    struct noted b = {.loop = loop};

    assert_int_equal(ph_loop_at(loop, start + PATIENCE, note, &a), PH_OK);
    assert_int_equal(ph_loop_at(loop, start + PH_MS, note, &a), PH_OK); /* one slot each */
    assert_int_equal(ph_loop_at(loop, start + PH_MS, note, &b), PH_OK);
    assert_int_equal(ph_loop_at(loop, PH_NEVER, note, &b), PH_OK);
    assert_int_equal(ph_loop_run(loop), PH_OK);
    assert_int_equal(a.called, 2);
    assert_int_equal(b.called, 0);
    assert_true(ph_loop_now(loop) >= start + 3 * PH_MS);
}

static void a_loop_may_go_with_all_that_waits(void **state)
{
    struct ph_loop *loop;
    struct noted n = {0};
    struct watched w = {.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    struct peer p;

    (void)state;
    assert_int_equal(ph_loop_new(&loop), PH_OK);
    peer_init(&p, loop);
    p.host->ops->wake_at(p.host, ph_loop_now(loop) + PATIENCE);
    assert_int_equal(ph_loop_at(loop, ph_loop_now(loop) + PATIENCE, note, &n), PH_OK);
    assert_int_equal(ph_loop_watch(loop, w.fd, EPOLLIN, on_ready, &w), PH_OK);
    ph_loop_free(loop);
    assert_int_equal(n.called, 0);
    close(w.fd);
    ph_loop_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(timers_come_in_order),
        LOOP_TEST(wake_at_replaces_and_cancels),
        LOOP_TEST(a_timer_that_is_set_for_now_starves_nobody),
        LOOP_TEST(other_descriptors_are_watched),
        LOOP_TEST(calls_at_a_time),
        LOOP_TEST(a_loop_may_go_with_all_that_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
