#include "lab/run/worker.h"

#include "lab/run/message.h"
#include "lab/world/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

struct worker;

/* A trial under way, in the runner's slot of the same number. */
struct place {
    struct worker *worker;
    uint32_t slot, trial, cell;
    bool known; /* layout is the cell's */
    struct layout *layout;
    struct world *world;
    struct trial *trial_now;
    ph_ns lateness; /* of the loop, as far as others took it from us */
};

struct worker {
    const struct run *run;
    int sock;
    struct ph_loop *loop;
    size_t slots;
    struct place *places;
    struct world_spec *spec;
    struct message *message;
    bool failed;
};

/* The loop tells its lateness once; every trial that runs on it suffers it. */
static void spread_lateness(struct worker *w, ph_ns lateness)
{
    for (size_t i = 0; i < w->slots; i++)
        if (w->places[i].trial_now != NULL)
            w->places[i].lateness = ph_max_ns(w->places[i].lateness, lateness);
}

static void send_result(struct worker *w, const struct place *p, const struct trial_result *result)
{
    struct message *m = w->message;
    memset(m, 0, sizeof(*m));
    m->type = MESSAGE_ENDED;
    m->slot = p->slot;
    m->cell = p->cell;
    m->trial = p->trial;
    m->ok = true;
    m->result = *result;
    if (message_send(w->sock, m) != 0)
        ph_loop_stop(w->loop);
}

/* To the builder, by way of the runner. */
static void on_ask(void *user, const struct incident *what)
{
    struct place *p = user;
    struct worker *w = p->worker;
    struct message *m = w->message;
    memset(m, 0, sizeof(*m));
    m->type = MESSAGE_FAULT;
    m->slot = p->slot;
    m->cell = p->cell;
    m->trial = p->trial;
    m->ok = true;
    m->incident = *what;
    if (message_send(w->sock, m) != 0)
        ph_loop_stop(w->loop);
}

static void on_fault_done(struct worker *w, const struct message *m)
{
    const struct place *p = &w->places[m->slot];
    if (p->trial_now != NULL && p->cell == m->cell && p->trial == m->trial)
        kernel_world_disturbed(p->world, m->at, m->ok ? NULL : m->text);
}

/* Outside the world's own callbacks. */
static void leave_world(void *user)
{
    struct place *p = user;
    if (p->world != NULL)
        p->world->ops->free(p->world);
    p->world = NULL;
}

static void on_done(void *user, const struct trial_result *result)
{
    struct place *p = user;
    struct worker *w = p->worker;
    struct trial_result r = *result;
    spread_lateness(w, r.lateness);
    r.lateness = p->lateness;
    p->trial_now = NULL;
    send_result(w, p, &r);
    /* The next trial in this slot waits for the builder, so this comes first; and should it not,
     * the start leaves the old world by itself. */
    (void)ph_loop_at(w->loop, ph_loop_now(w->loop), leave_world, p);
}

static int enter_world(struct worker *w, struct place *p, struct message *m, struct lab_error *err)
{
    const struct run *run = w->run;
    if (p->layout == NULL)
        p->layout = calloc(1, sizeof(*p->layout));
    if (p->layout == NULL)
        return lab_fail(err, LAB_BROKEN, "out of memory");
    if (!p->known || p->cell != m->cell) {
        p->known = false;
        if (matrix_world(run->scenario, &run->matrix.cells[m->cell], m->world_seed, w->spec, err) !=
                0 ||
            layout_compute(w->spec, p->layout, err) != 0)
            return -1;
        p->known = true;
        p->cell = m->cell;
    }
    int fds[LAYOUT_NODES_MAX];
    size_t next = 0;
    for (size_t i = 0; i < LAYOUT_NODES_MAX; i++)
        fds[i] = -1;
    for (size_t i = 0; i < p->layout->node_count && next < m->fd_count; i++)
        if (p->layout->nodes[i].runs != TOPO_RUNS_NOTHING)
            fds[i] = m->fds[next++];
    int rc = kernel_world_attach(w->loop, p->layout, fds, &p->world, err);
    if (rc == 0)
        m->fd_count = 0; /* the world's now */
    return rc;
}

static void start(struct worker *w, struct message *m)
{
    struct place *p = &w->places[m->slot];
    struct lab_error err = {0};
    struct trial_result result;
    (void)ph_loop_at(w->loop, PH_NEVER, leave_world, p);
    leave_world(p);
    p->slot = m->slot;
    p->trial = m->trial;
    if (enter_world(w, p, m, &err) != 0) {
        message_close_fds(m);
        p->cell = m->cell;
        run_lab_error(&result, err.text);
        send_result(w, p, &result);
        return;
    }
    struct trial_spec spec;
    matrix_trial(w->run->scenario, &w->run->matrix.cells[m->cell], &spec);
    spec.seed = m->seed;
    kernel_world_on_disturb(p->world, on_ask, p);
    if (spec.faults != NULL && fault_plan_moves_hosts(spec.faults))
        kernel_world_hosts_move(p->world);
    spread_lateness(w, ph_loop_take_lateness(w->loop));
    p->lateness = 0;
    int rc = trial_start(p->world, &spec, on_done, p, &p->trial_now);
    if (rc != PH_OK) {
        char text[160];
        if (snprintf(text, sizeof(text), "the trial could not start: %s", ph_strerror(rc)) < 0)
            text[0] = '\0';
        p->trial_now = NULL;
        run_lab_error(&result, text);
        send_result(w, p, &result);
        leave_world(p);
    }
}

static void on_readable(void *user, uint32_t events)
{
    (void)events;
    struct worker *w = user;
    struct message m;
    int got = message_receive(w->sock, &m, MSG_DONTWAIT);
    if (got < 0)
        ph_loop_stop(w->loop);
    if (got <= 0)
        return;
    if (m.type == MESSAGE_START && m.slot < w->slots && m.cell < w->run->matrix.count)
        start(w, &m);
    else if (m.type == MESSAGE_FAULT_DONE && m.slot < w->slots)
        on_fault_done(w, &m);
    else
        message_close_fds(&m);
}

int worker_kernel_main(const struct run *run, size_t slots, int sock)
{
    int rc = LAB_BROKEN;
    struct worker w = {.run = run, .sock = sock, .slots = slots};
    w.places = calloc(slots, sizeof(*w.places));
    w.spec = calloc(1, sizeof(*w.spec));
    w.message = calloc(1, sizeof(*w.message));
    if (w.places == NULL || w.spec == NULL || w.message == NULL || ph_loop_new(&w.loop) != PH_OK)
        goto cleanup;
    for (size_t i = 0; i < slots; i++)
        w.places[i].worker = &w;
    if (ph_loop_watch(w.loop, sock, EPOLLIN, on_readable, &w) != PH_OK)
        goto cleanup;
    rc = ph_loop_run(w.loop) == PH_OK ? LAB_GOOD : LAB_BROKEN;
cleanup:
    for (size_t i = 0; w.places != NULL && i < slots; i++) {
        trial_cancel(w.places[i].trial_now);
        leave_world(&w.places[i]);
        free(w.places[i].layout);
    }
    if (w.loop != NULL)
        ph_loop_free(w.loop);
    free(w.message);
    free(w.spec);
    free(w.places);
    return rc;
}
