#include "lab/run/runner.h"

#include "lab/run/agenda.h"
#include "lab/run/builder.h"
#include "lab/run/children.h"
#include "lab/run/message.h"
#include "lab/run/scheduler.h"
#include "lab/run/seed.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 64
#define DEATHS_MAX  8
#define START_GAP   (4 * PH_MS)
#define TICK        (250 * PH_MS)

/* What the runner holds of a slot's world. */
struct held {
    struct message world;        /* its descriptors, from the builder */
    struct trial_result pending; /* waits for the shaper's lateness */
    bool has_pending;
};

struct runner {
    struct run *run;
    const struct runner_config *config;
    struct scheduler *scheduler;
    struct child builder;
    struct child workers[WORKERS_MAX];
    size_t worker_count, slots;
    struct held *held;
    struct agenda agenda; /* its pieces are what the scheduler takes for cells */
    struct message *in;   /* the last message received */
    int signals;
    unsigned deaths;
    ph_ns started;
    struct lab_error *err;
};

static ph_ns clock_now(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (ph_ns)ts.tv_sec * PH_SEC + (ph_ns)ts.tv_nsec;
}

/* The cell and trial of the run that the scheduler's are. */
static void of_run(const struct runner *r, size_t *cell, unsigned *trial)
{
    *trial += r->agenda.pieces[*cell].trial;
    *cell = r->agenda.pieces[*cell].cell;
}

/* The cell of the run, trial and worker that a slot is at. */
static void where(const struct runner *r, size_t slot, size_t *cell, unsigned *trial,
                  size_t *worker)
{
    scheduler_where(r->scheduler, slot, cell, trial, worker);
    of_run(r, cell, trial);
}

static uint64_t trial_seed(const struct runner *r, size_t cell, unsigned trial)
{
    return seed_trial(r->run->seed, r->run->scenario->name, r->run->matrix.cells[cell].key, trial);
}

static uint64_t world_seed(const struct runner *r, size_t cell)
{
    return seed_cell(r->run->seed, r->run->scenario->name, r->run->matrix.cells[cell].key);
}

static void report(struct runner *r, size_t cell, unsigned trial, const struct trial_result *result)
{
    run_add(r->run, cell, trial, result);
    r->config->on_trial(r->config->user, cell, trial, trial_seed(r, cell, trial), result);
}

/* From `trial` on, the cell's trials are the lab's fault. */
static void report_rest(struct runner *r, size_t cell, unsigned trial, const char *why)
{
    struct trial_result result;
    run_lab_error(&result, why);
    for (; trial < run_trials(r->run, cell); trial++)
        report(r, cell, trial, &result);
}

static int ask_builder(struct runner *r, enum message_type type, size_t slot)
{
    struct message m = {.type = type, .slot = (uint32_t)slot, .ok = true};
    size_t cell, worker;
    unsigned trial;
    where(r, slot, &cell, &trial, &worker);
    m.cell = (uint32_t)cell;
    m.trial = trial;
    m.world_seed = world_seed(r, cell);
    m.seed = trial_seed(r, cell, trial);
    if (message_send(r->builder.sock, &m) != 0)
        return lab_fail(r->err, LAB_BROKEN, "the process that builds worlds is gone");
    return 0;
}

static void drop_world(struct held *h)
{
    message_close_fds(&h->world);
}

static int start_trial(struct runner *r, const struct scheduler_action *a)
{
    size_t cell = a->cell;
    unsigned trial = a->trial;
    of_run(r, &cell, &trial);
    struct message m = {
        .type = MESSAGE_START,
        .slot = (uint32_t)a->slot,
        .cell = (uint32_t)cell,
        .trial = trial,
        .ok = true,
        .seed = trial_seed(r, cell, trial),
        .world_seed = world_seed(r, cell),
        .fd_count = r->held[a->slot].world.fd_count,
    };
    memcpy(m.fds, r->held[a->slot].world.fds, sizeof(m.fds));
    /* A worker that is gone is noticed by its closed socket, which is being polled. */
    (void)message_send(r->workers[a->worker].sock, &m);
    return 0;
}

static int act(struct runner *r, const struct scheduler_action *a)
{
    if (a->what == SCHEDULER_START)
        return start_trial(r, a);
    if (!r->config->sim)
        return ask_builder(r, MESSAGE_BUILD, a->slot);
    scheduler_built(r->scheduler, a->slot, true);
    return 0;
}

/* m: what the builder says of the trial that was. */
static void flush_pending(struct runner *r, size_t slot, size_t cell, unsigned trial,
                          const struct message *m)
{
    struct held *h = &r->held[slot];
    if (!h->has_pending)
        return;
    h->has_pending = false;
    h->pending.shaper_lateness = m->lateness;
    h->pending.router_mappings = m->mappings;
    h->pending.drops = m->drops;
    h->pending.drops_known = m->drops_known;
    report(r, cell, trial, &h->pending);
}

/* A trial is over (or its worker is): its world must be put in order before it is reported, for the
 * shaper's lateness belongs to it. */
static int end_trial(struct runner *r, size_t slot, const struct trial_result *result)
{
    struct held *h = &r->held[slot];
    size_t cell, worker;
    unsigned trial;
    where(r, slot, &cell, &trial, &worker);
    h->pending = *result;
    h->has_pending = true;
    enum scheduler_after after = scheduler_trial_ended(r->scheduler, slot);
    if (!r->config->sim)
        return ask_builder(r, after == SCHEDULER_RESET ? MESSAGE_RESET : MESSAGE_FREE, slot);
    h->has_pending = false;
    report(r, cell, trial, result);
    if (after == SCHEDULER_RESET)
        scheduler_reset_done(r->scheduler, slot, true);
    else
        scheduler_freed(r->scheduler, slot);
    return 0;
}

/* Whether a message is about the trial that its slot is at now. */
static bool is_of_now(const struct runner *r, const struct message *m, size_t *worker)
{
    size_t cell;
    unsigned trial;
    if (m->slot >= r->slots || !scheduler_running(r->scheduler, m->slot))
        return false;
    where(r, m->slot, &cell, &trial, worker);
    return m->cell == cell && m->trial == trial;
}

/* A worker that is gone meanwhile is noticed by its closed socket. */
static void answer_fault(struct runner *r, const struct message *m)
{
    size_t worker;
    if (is_of_now(r, m, &worker))
        (void)message_send(r->workers[worker].sock, m);
}

static int pass_fault(struct runner *r, size_t from, const struct message *m)
{
    size_t worker;
    if (r->config->sim || !is_of_now(r, m, &worker) || worker != from)
        return 0;
    if (message_send(r->builder.sock, m) != 0)
        return lab_fail(r->err, LAB_BROKEN, "the process that builds worlds is gone");
    return 0;
}

static int on_builder(struct runner *r)
{
    struct message *m = r->in;
    int got = message_receive(r->builder.sock, m, MSG_DONTWAIT);
    if (got < 0)
        return lab_fail(r->err, LAB_BROKEN, "the process that builds worlds is gone");
    if (got == 0)
        return 0;
    struct held *h = &r->held[m->slot];
    size_t cell, worker;
    unsigned trial; /* the next one */
    where(r, m->slot, &cell, &trial, &worker);
    switch (m->type) {
    case MESSAGE_BUILT:
        h->world = *m;
        scheduler_built(r->scheduler, m->slot, m->ok);
        if (!m->ok && m->code == LAB_CANNOT)
            return lab_fail(r->err, LAB_CANNOT, "%s", m->text);
        if (!m->ok)
            report_rest(r, cell, 0, m->text);
        break;
    case MESSAGE_RESET_DONE:
        flush_pending(r, m->slot, cell, trial - 1, m);
        scheduler_reset_done(r->scheduler, m->slot, m->ok);
        if (!m->ok) {
            report_rest(r, cell, trial, m->text);
            return ask_builder(r, MESSAGE_FREE, m->slot);
        }
        break;
    case MESSAGE_FREED:
        flush_pending(r, m->slot, cell, trial - 1, m);
        drop_world(h);
        scheduler_freed(r->scheduler, m->slot);
        break;
    case MESSAGE_FAULT_DONE:
        answer_fault(r, m);
        break;
    default:
        break;
    }
    return 0;
}

static int start_worker(struct runner *r, size_t i)
{
    struct child_task task = {
        .kind = r->config->sim ? CHILD_SIM_WORKER : CHILD_WORKER,
        .run = r->run,
        .slots = r->slots,
    };
    return child_start(&task, &r->workers[i], r->err);
}

/* What died with it is nobody's measurement; another takes its place. */
static int on_worker_death(struct runner *r, size_t i)
{
    char why[96];
    struct trial_result result;
    child_end(&r->workers[i], why, sizeof(why));
    if (++r->deaths > DEATHS_MAX)
        return lab_fail(r->err, LAB_BROKEN, "processes that run trials keep dying: %s", why);
    run_lab_error(&result, why);
    for (size_t slot = 0; slot < r->slots; slot++) {
        size_t cell, worker;
        unsigned trial;
        where(r, slot, &cell, &trial, &worker);
        if (!scheduler_running(r->scheduler, slot) || worker != i)
            continue;
        if (end_trial(r, slot, &result) != 0)
            return -1;
    }
    return start_worker(r, i);
}

static int on_worker(struct runner *r, size_t i)
{
    struct message *m = r->in;
    int got = message_receive(r->workers[i].sock, m, MSG_DONTWAIT);
    if (got < 0)
        return on_worker_death(r, i);
    size_t worker;
    if (got > 0 && m->type == MESSAGE_FAULT)
        return pass_fault(r, i, m);
    if (got == 0 || m->type != MESSAGE_ENDED || !is_of_now(r, m, &worker) || worker != i)
        return 0;
    return end_trial(r, m->slot, &m->result);
}

static void on_signal(struct runner *r)
{
    struct signalfd_siginfo info;
    if (read(r->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    r->run->interrupted = true;
    scheduler_stop(r->scheduler);
}

static int wait_and_handle(struct runner *r, ph_ns until)
{
    struct pollfd fds[2 + WORKERS_MAX];
    ph_ns now = clock_now();
    ph_ns left = until > now ? ph_min_ns(until - now, TICK) : 0;
    struct timespec timeout = {.tv_sec = (time_t)(left / PH_SEC), .tv_nsec = (long)(left % PH_SEC)};
    fds[0] = (struct pollfd){.fd = r->signals, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = r->config->sim ? -1 : r->builder.sock, .events = POLLIN};
    for (size_t i = 0; i < r->worker_count; i++)
        fds[2 + i] = (struct pollfd){.fd = r->workers[i].sock, .events = POLLIN};
    int n = ppoll(fds, 2 + r->worker_count, &timeout, NULL);
    if (n < 0 && errno != EINTR)
        return lab_fail_errno(r->err, LAB_BROKEN, "poll");
    if (n <= 0)
        return 0;
    if (fds[0].revents != 0)
        on_signal(r);
    if (fds[1].revents != 0 && on_builder(r) != 0)
        return -1;
    for (size_t i = 0; i < r->worker_count; i++)
        if (fds[2 + i].revents != 0 && on_worker(r, i) != 0)
            return -1;
    return 0;
}

static int loop(struct runner *r)
{
    ph_ns next_tick = r->started;
    for (;;) {
        ph_ns now = clock_now();
        if (now >= next_tick && r->config->on_tick != NULL) {
            r->config->on_tick(r->config->user, now - r->started);
            next_tick = now + TICK;
        }
        struct scheduler_action a;
        scheduler_next(r->scheduler, now, &a);
        /* Interrupted: what is under way is given up, the processes are ended below. */
        if (a.what == SCHEDULER_OVER || r->run->interrupted)
            return 0;
        int rc = a.what == SCHEDULER_WAIT ? wait_and_handle(r, a.when) : act(r, &a);
        if (rc != 0)
            return -1;
        /* Between two starts, whatever has come is taken too. */
        if (a.what != SCHEDULER_WAIT && wait_and_handle(r, now) != 0)
            return -1;
    }
}

static int open_signals(struct runner *r, sigset_t *before)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, before) != 0)
        return lab_fail_errno(r->err, LAB_BROKEN, "sigprocmask");
    r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (r->signals < 0)
        return lab_fail_errno(r->err, LAB_BROKEN, "signalfd");
    return 0;
}

static int start_children(struct runner *r)
{
    struct child_task task = {.kind = CHILD_BUILDER, .run = r->run, .slots = r->slots};
    if (!r->config->sim && child_start(&task, &r->builder, r->err) != 0)
        return -1;
    for (size_t i = 0; i < r->worker_count; i++)
        if (start_worker(r, i) != 0)
            return -1;
    return 0;
}

int runner_run(struct run *run, const struct runner_config *config, struct lab_error *err)
{
    int rc = -1;
    sigset_t before;
    struct runner *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return lab_fail(err, LAB_CANNOT, "out of memory");
    r->run = run;
    r->config = config;
    r->err = err;
    r->signals = -1;
    r->builder.sock = -1;
    for (size_t i = 0; i < WORKERS_MAX; i++)
        r->workers[i].sock = -1;
    r->slots = agenda_jobs(run, config->jobs, config->sim);
    r->worker_count = config->workers != 0 ? config->workers : agenda_cores();
    if (r->worker_count > WORKERS_MAX)
        r->worker_count = WORKERS_MAX;
    bool agenda = agenda_init(&r->agenda, run, config->sim) == 0;
    struct scheduler_config sc = {
        .cells = r->agenda.count,
        .trials = r->agenda.trials,
        .slots = r->slots,
        .workers = r->worker_count,
        .builds_max = config->sim ? r->slots : 2,
        .rounds = !config->sim,
        .start_gap = config->sim ? 0 : START_GAP,
    };
    (void)sigprocmask(SIG_SETMASK, NULL, &before);
    r->scheduler = scheduler_new(&sc);
    r->held = calloc(r->slots, sizeof(*r->held));
    r->in = calloc(1, sizeof(*r->in));
    if (r->scheduler == NULL || !agenda || r->held == NULL || r->in == NULL) {
        lab_fail(err, LAB_CANNOT, "out of memory");
        goto cleanup;
    }
    if (open_signals(r, &before) != 0)
        goto cleanup;
    r->started = clock_now();
    rc = start_children(r);
    if (rc == 0)
        rc = loop(r);
    run->duration = clock_now() - r->started;
cleanup:
    child_end(&r->builder, NULL, 0);
    for (size_t i = 0; i < r->worker_count; i++)
        child_end(&r->workers[i], NULL, 0);
    for (size_t i = 0; r->held != NULL && i < r->slots; i++)
        drop_world(&r->held[i]);
    if (r->signals >= 0)
        close(r->signals);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    scheduler_free(r->scheduler);
    agenda_fini(&r->agenda);
    free(r->held);
    free(r->in);
    free(r);
    return rc;
}
