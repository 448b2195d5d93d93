/* Which signals stop a command: also the end of its terminal, but not under nohup. */
#include "cli/stop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

static void on_stop(void *user)
{
    ph_loop_stop(*(struct ph_loop **)user);
}

/* The signal that the loop was stopped by, of two that came one after the other. */
static int stopped_by(int first, int second)
{
    struct ph_loop *loop;
    struct cli_stop s;
    sigset_t before;

    assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &before), 0);
    assert_int_equal(ph_loop_new(&loop), 0);
    assert_int_equal(cli_stop_init(&s, loop, on_stop, &loop), 0);
    assert_int_equal(raise(first), 0);
    if (second != 0)
        assert_int_equal(raise(second), 0);
    assert_int_equal(ph_loop_run(loop), 0);
    cli_stop_fini(&s);
    ph_loop_free(loop);
    /* One that was not read must not end the test. */
    const struct timespec none = {0};
    sigset_t all;
    sigfillset(&all);
    while (second != 0 && sigtimedwait(&all, NULL, &none) > 0)
        ;
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    return s.signal;
}

static void test_signals(void **state)
{
    (void)state;
    assert_int_equal(stopped_by(SIGINT, 0), SIGINT);
    assert_int_equal(stopped_by(SIGTERM, 0), SIGTERM);
    assert_int_equal(stopped_by(SIGHUP, 0), SIGHUP);
}

static void test_nohup(void **state)
{
    void (*before)(int) = signal(SIGHUP, SIG_IGN);

    (void)state;
    assert_int_equal(stopped_by(SIGHUP, SIGTERM), SIGTERM);
    assert_true(signal(SIGHUP, before) != SIG_ERR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_nohup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
