/* The shaper's process between two namespaces. Delays have a lower bound here, never an upper one:
 * the machine may be busy. */
#include "wires.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define DONE 0xffffffffu /* the number of a frame that says: no more come */

static bool possible;

static struct wires *open_or_skip(size_t links)
{
    static struct wires w;
    struct lab_error err = {0};

    if (!possible) {
        printf("no namespaces here\n");
        skip();
    }
    if (wires_open(&w, links, &err) != 0) {
        wires_close(&w);
        if (err.code == LAB_CANNOT) {
            printf("%s\n", err.text);
            skip();
        }
        fail_msg("%s", err.text);
    }
    return &w;
}

static void set(const struct wires *w, struct link_direction up, struct link_direction down,
                uint64_t seed)
{
    struct lab_error err = {0};

    if (wires_set(w, (struct link_params){.up = up, .down = down}, seed, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void take(const struct wires *w, int side, struct wires_note *note, ph_ns *arrived)
{
    if (!wires_take(w, side, note, arrived, NULL)) {
        fail_msg("no frame came out at side %d", side);
    }
}

static void delays_at_least_and_in_order(void **state)
{
    struct wires *w = open_or_skip(1);
    uint64_t worst = 0, packets = 0;
    struct wires_note note;
    ph_ns arrived;

    (void)state;
    set(w, (struct link_direction){.delay_ns = 20 * PH_MS, .jitter_ns = 3 * PH_MS},
        (struct link_direction){.delay_ns = 5 * PH_MS}, 1);
    /* Few long ones: all that come out have to wait in this test's own socket, whose buffer may be
     * no larger than 208 KiB. */
    for (uint32_t i = 0; i < 100; i++) {
        assert_true(wires_send(w, 0, 0, 0, i, 100, false));
        assert_true(wires_send(w, 1, 0, 0, i, i % 4 == 0 ? 1514 : 100, false));
    }
    for (uint32_t i = 0; i < 100; i++) {
        take(w, 0, &note, &arrived);
        assert_int_equal(note.number, i);
        assert_true(arrived - note.sent >= 5 * PH_MS);
    }
    for (uint32_t i = 0; i < 100; i++) {
        take(w, 1, &note, &arrived);
        assert_int_equal(note.number, i);
        assert_true(arrived - note.sent >= 17 * PH_MS);
    }
    assert_int_equal(shaper_world_stats(w->shaper, 1, &worst, &packets, NULL), 0);
    assert_true(packets >= 200); /* kernels greet their new links */
    assert_true(worst > 0);
    wires_close(w);
}

static void links_do_not_mix(void **state)
{
    struct wires *w = open_or_skip(3);
    struct wires_note note;
    ph_ns arrived;
    size_t link;

    (void)state;
    set(w, (struct link_direction){.delay_ns = PH_MS}, (struct link_direction){0}, 1);
    for (uint32_t i = 0; i < 30; i++) {
        assert_true(wires_send(w, 0, i % 3, i % 3, i, 60, false));
    }
    for (uint32_t i = 0; i < 30; i++) {
        assert_true(wires_take(w, 1, &note, &arrived, &link));
        assert_int_equal(note.stream, link);
    }
    wires_close(w);
}

/* Sends 300 frames and a last one that cannot be lost; a byte for each: did it pass? */
static void survivors(const struct wires *w, uint8_t out[300])
{
    struct wires_note note;
    ph_ns arrived;

    memset(out, 0, 300);
    for (uint32_t i = 0; i < 300; i++) {
        assert_true(wires_send(w, 0, 0, 0, i, 60, false));
    }
    assert_true(wires_send(w, 0, 0, 0, DONE, 60, true));
    for (;;) {
        take(w, 1, &note, &arrived);
        if (note.number == DONE) {
            return;
        }
        assert_true(note.number < 300);
        out[note.number] = 1;
    }
}

static void loss_repeats_by_its_seed(void **state)
{
    struct wires *w = open_or_skip(1);
    uint8_t first[300], again[300];
    size_t passed = 0;

    (void)state;
    set(w, (struct link_direction){.loss = 0.3, .jitter_ns = PH_MS}, (struct link_direction){0},
        42);
    survivors(w, first);
    for (size_t i = 0; i < 300; i++) {
        passed += first[i];
    }
    assert_in_range(passed, 150, 270);
    assert_int_equal(shaper_world_reset(w->shaper, 1, 42, NULL), 0);
    survivors(w, again);
    assert_memory_equal(first, again, 300);
    assert_int_equal(shaper_world_reset(w->shaper, 1, 43, NULL), 0);
    survivors(w, again);
    assert_memory_not_equal(first, again, 300);
    wires_close(w);
}

static void rate_limits(void **state)
{
    struct wires *w = open_or_skip(1);
    struct wires_note note;
    ph_ns arrived, start = wires_now();

    (void)state;
    /* 1000 bytes take 8 ms; ten of them fit into the queue. */
    set(w, (struct link_direction){.rate_bps = 1000000}, (struct link_direction){0}, 1);
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(wires_send(w, 0, 0, 0, i, 1000, false));
    }
    for (uint32_t i = 0; i < 10; i++) {
        take(w, 1, &note, &arrived);
        assert_int_equal(note.number, i);
        assert_true(arrived - start >= (i + 1) * 8 * PH_MS);
    }
    wires_close(w);
}

static void a_world_that_is_removed_carries_nothing(void **state)
{
    struct wires *w = open_or_skip(2);
    struct lab_error err = {0};
    struct wires_note note;
    ph_ns arrived;

    (void)state;
    assert_int_equal(shaper_world_remove(w->shaper, 1, NULL), 0);
    assert_int_equal(shaper_link_add(w->shaper, 2, WIRES_IF_A(1), WIRES_IF_B(1), NULL), 0);
    assert_true(wires_send(w, 0, 0, 0, 1, 60, false));
    assert_true(wires_send(w, 0, 1, 1, 2, 60, false));
    /* Were the first one carried, it would be the first to come. */
    take(w, 1, &note, &arrived);
    assert_int_equal(note.number, 2);

    assert_int_equal(shaper_world_reset(w->shaper, 1, 1, &err), -1);
    assert_int_equal(err.code, LAB_BROKEN);
    assert_non_null(strstr(err.text, "no world 1"));
    wires_close(w);
}

static void what_is_under_way_is_dropped_by_a_reset(void **state)
{
    struct wires *w = open_or_skip(1);
    struct wires_note note;
    ph_ns arrived;
    uint64_t worst = 1, packets = 1;

    (void)state;
    set(w, (struct link_direction){.delay_ns = 3600 * PH_SEC}, (struct link_direction){0}, 1);
    assert_true(wires_send(w, 0, 0, 0, 1, 60, false));
    /* When this one is out, the one before it is in. */
    assert_true(wires_send(w, 1, 0, 0, 2, 60, false));
    take(w, 0, &note, &arrived);
    assert_int_equal(shaper_world_reset(w->shaper, 1, 1, NULL), 0);
    set(w, (struct link_direction){0}, (struct link_direction){0}, 1);
    assert_true(wires_send(w, 0, 0, 0, 3, 60, false));
    take(w, 1, &note, &arrived);
    assert_int_equal(note.number, 3);
    assert_int_equal(shaper_world_reset(w->shaper, 1, 1, NULL), 0);
    assert_int_equal(shaper_world_stats(w->shaper, 1, &worst, &packets, NULL), 0);
    wires_close(w);
}

/* The pid of the only child of a process. */
static pid_t only_child(pid_t pid)
{
    char path[64], text[32] = "";
    FILE *in;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    in = fopen(path, "r");
    if (in == NULL) {
        return -1;
    }
    if (fgets(text, sizeof(text), in) == NULL) {
        text[0] = '\0';
    }
    (void)fclose(in);
    return text[0] == '\0' ? -1 : (pid_t)strtol(text, NULL, 10);
}

/* Sends long frames while the shaper stands still, then lets it go on. False: it was not found. */
static bool burst(const struct wires *w, uint32_t frames)
{
    pid_t shaper = only_child(getpid());

    if (shaper <= 0) {
        return false;
    }
    assert_int_equal(shaper_world_reset(w->shaper, 1, 1, NULL), 0);
    assert_int_equal(kill(shaper, SIGSTOP), 0);
    assert_int_equal(waitpid(shaper, NULL, WUNTRACED), shaper);
    for (uint32_t i = 0; i < frames; i++) {
        assert_true(wires_send(w, 0, 0, 0, i, 1514, false));
    }
    assert_int_equal(kill(shaper, SIGCONT), 0);
    return true;
}

/* What the shaper has sent of a burst: many of them are lost at this test's own socket. */
static void a_burst_waits_in_the_ring_and_its_excess_counts_as_lost(void **state)
{
    struct wires *w = open_or_skip(1);
    uint64_t worst = 0, packets = 0;
    ph_ns until;

    (void)state;
    if (!burst(w, 3900)) {
        wires_close(w);
        printf("this kernel has no list of children\n");
        skip();
    }
    until = wires_now() + 30 * PH_SEC;
    do {
        assert_int_equal(shaper_world_stats(w->shaper, 1, &worst, &packets, NULL), 0);
    } while (packets < 3900 && wires_now() < until);
    assert_true(packets >= 3900);

    assert_true(burst(w, 5000));
    assert_int_equal(shaper_world_stats(w->shaper, 1, &worst, &packets, NULL), 0);
    assert_true(worst >= SHAPER_LOST_NS);
    wires_close(w);
}

static void dies_with_its_parent(void **state)
{
    struct pollfd p = {.events = POLLIN};
    int ready[2];
    char word;
    pid_t parent, shaper;

    (void)state;
    if (!possible) {
        printf("no namespaces here\n");
        skip();
    }
    assert_int_equal(pipe(ready), 0);
    parent = fork();
    assert_true(parent >= 0);
    if (parent == 0) {
        struct shaper *s;

        word = shaper_start(&s, NULL) == 0 ? 'y' : 'n';
        if (write(ready[1], &word, 1) != 1) {
            _exit(1);
        }
        for (;;) {
            (void)pause();
        }
    }
    assert_int_equal(read(ready[0], &word, 1), 1);
    close(ready[0]);
    close(ready[1]);
    if (word != 'y') {
        (void)kill(parent, SIGKILL);
        (void)waitpid(parent, NULL, 0);
        printf("no shaper here\n");
        skip();
    }
    shaper = only_child(parent);
    p.fd = shaper > 0 ? (int)syscall(SYS_pidfd_open, shaper, 0) : -1;
    (void)kill(parent, SIGKILL);
    (void)waitpid(parent, NULL, 0);
    if (p.fd < 0) {
        printf("this kernel has no list of children or no pidfd\n");
        skip();
    }
    assert_int_equal(poll(&p, 1, 10000), 1);
    close(p.fd);
}

static void ends_although_a_fork_holds_its_socket(void **state)
{
    struct wires *w = open_or_skip(1);
    pid_t child = fork();

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        for (;;) {
            (void)pause();
        }
    }
    wires_close(w); /* waits for the process */
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    /* No child is left, so the shaper was waited for. */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_at_least_and_in_order),
        cmocka_unit_test(links_do_not_mix),
        cmocka_unit_test(loss_repeats_by_its_seed),
        cmocka_unit_test(rate_limits),
        cmocka_unit_test(a_world_that_is_removed_carries_nothing),
        cmocka_unit_test(what_is_under_way_is_dropped_by_a_reset),
        cmocka_unit_test(a_burst_waits_in_the_ring_and_its_excess_counts_as_lost),
        cmocka_unit_test(dies_with_its_parent),
        cmocka_unit_test(ends_although_a_fork_holds_its_socket),
    };

    possible = wires_possible();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
