/* The scheduler against a runner that does what it says, in an order drawn by seed. */
#include "base/rng.h"
#include "lab/run/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CELLS 7
#define SLOTS 3
#define NEVER (1u << 30)

/* What a slot's world is being asked to do. */
enum doing {
    NOTHING,
    BUILDING,
    RUNNING,
    RESETTING,
    FREEING
};

struct model {
    struct scheduler *s;
    enum doing doing[SLOTS];
    unsigned ran[CELLS];
    size_t alive, worst_alive, builds, worst_builds, running;
    size_t load[2], worst_load;
    bool overlap; /* a build was under way while a trial ran */
    ph_ns now, last_start, least_gap;
};

static void note_start(struct model *m, const struct scheduler_action *a)
{
    assert_int_equal(m->doing[a->slot], NOTHING);
    assert_int_equal(m->ran[a->cell], a->trial); /* in order, each once */
    m->ran[a->cell]++;
    m->doing[a->slot] = RUNNING;
    m->running++;
    m->load[a->worker]++;
    if (m->load[a->worker] > m->worst_load)
        m->worst_load = m->load[a->worker];
    if (m->last_start != PH_NEVER && m->now - m->last_start < m->least_gap)
        m->least_gap = m->now - m->last_start;
    m->last_start = m->now;
}

static void note_build(struct model *m, const struct scheduler_action *a)
{
    assert_int_equal(m->doing[a->slot], NOTHING);
    m->doing[a->slot] = BUILDING;
    if (++m->builds > m->worst_builds)
        m->worst_builds = m->builds;
    if (++m->alive > m->worst_alive)
        m->worst_alive = m->alive;
}

/* Ends what the slot is doing. */
static void advance(struct model *m, size_t slot, struct ph_rng *rng, bool failures)
{
    size_t cell, worker;
    unsigned trial;
    scheduler_where(m->s, slot, &cell, &trial, &worker);
    bool ok = !failures || ph_rng_below(rng, 4) != 0;
    switch (m->doing[slot]) {
    case BUILDING:
        m->builds--;
        m->alive -= ok ? 0 : 1;
        scheduler_built(m->s, slot, ok);
        m->doing[slot] = NOTHING;
        break;
    case RUNNING:
        assert_true(scheduler_running(m->s, slot));
        m->running--;
        m->load[worker]--;
        m->doing[slot] = scheduler_trial_ended(m->s, slot) == SCHEDULER_RESET ? RESETTING : FREEING;
        break;
    case RESETTING:
        scheduler_reset_done(m->s, slot, ok);
        m->doing[slot] = ok ? NOTHING : FREEING;
        break;
    case FREEING:
        scheduler_freed(m->s, slot);
        m->alive--;
        m->doing[slot] = NOTHING;
        break;
    case NOTHING:
        break;
    }
}

static void play(struct model *m, const struct scheduler_config *config, uint64_t seed,
                 bool failures, unsigned stop_after)
{
    struct ph_rng rng;
    ph_rng_seed(&rng, seed);
    memset(m, 0, sizeof(*m));
    m->last_start = PH_NEVER;
    m->least_gap = PH_NEVER;
    m->now = 1000 * PH_MS;
    m->s = scheduler_new(config);
    assert_non_null(m->s);
    for (unsigned step = 0; step < 10000; step++) {
        struct scheduler_action a;
        if (step == stop_after)
            scheduler_stop(m->s);
        scheduler_next(m->s, m->now, &a);
        m->overlap = m->overlap || (m->builds > 0 && m->running > 0);
        if (a.what == SCHEDULER_OVER) {
            assert_int_equal(m->builds + m->running, 0);
            if (stop_after == NEVER)
                assert_int_equal(m->alive, 0);
            scheduler_free(m->s);
            return;
        }
        if (a.what == SCHEDULER_START)
            note_start(m, &a);
        else if (a.what == SCHEDULER_BUILD)
            note_build(m, &a);
        else if (a.when != PH_NEVER)
            m->now = a.when;
        else
            advance(m, (size_t)ph_rng_below(&rng, SLOTS), &rng, failures);
    }
    fail_msg("seed %llu does not end", (unsigned long long)seed);
}

static const unsigned trials[CELLS] = {4, 1, 4, 7, 2, 4, 3};

static const struct scheduler_config base = {
    .cells = CELLS,
    .trials = trials,
    .slots = SLOTS,
    .workers = 2,
    .builds_max = 2,
    .start_gap = 5 * PH_MS,
};

static void test_all_trials_run_once(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct model m;
        struct scheduler_config config = base;
        config.rounds = seed % 2 == 0;
        play(&m, &config, seed, false, NEVER);
        for (size_t c = 0; c < CELLS; c++)
            assert_int_equal(m.ran[c], trials[c]);
        assert_int_equal(m.worst_alive, SLOTS);
        assert_true(m.worst_builds <= 2);
        assert_true(m.worst_load <= 2); /* three trials on two workers */
        assert_true(m.least_gap >= 5 * PH_MS);
        if (config.rounds)
            assert_false(m.overlap);
    }
}

static void test_failures_cost_their_cell_alone(void **state)
{
    (void)state;
    unsigned whole = 0, cut = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct model m;
        struct scheduler_config config = base;
        config.rounds = seed % 2 == 0;
        play(&m, &config, seed, true, NEVER);
        for (size_t c = 0; c < CELLS; c++) {
            assert_true(m.ran[c] <= trials[c]);
            whole += m.ran[c] == trials[c] ? 1 : 0;
            cut += m.ran[c] < trials[c] ? 1 : 0;
        }
    }
    assert_true(whole > 0 && cut > 0);
}

static void test_stop(void **state)
{
    (void)state;
    for (unsigned after = 0; after < 60; after++) {
        struct model m;
        play(&m, &base, after, false, after);
        unsigned ran = 0;
        for (size_t c = 0; c < CELLS; c++)
            ran += m.ran[c];
        assert_true(ran <= after);
    }
}

static void test_refused(void **state)
{
    (void)state;
    struct scheduler_config config = base;
    config.slots = 0;
    assert_null(scheduler_new(&config));
    config = base;
    config.workers = 0;
    assert_null(scheduler_new(&config));
    config = base;
    config.trials = NULL;
    assert_null(scheduler_new(&config));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_trials_run_once),
        cmocka_unit_test(test_failures_cost_their_cell_alone),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
