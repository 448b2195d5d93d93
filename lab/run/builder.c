#include "lab/run/builder.h"

#include "lab/run/message.h"
#include "lab/world/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct builder {
    const struct run *run;
    int sock;
    struct kernel_lab *lab;
    struct lab_error lab_error; /* why there is no lab */
    struct kernel_world **worlds;
    struct kernel_world **graves; /* worlds that are over, see bury */
    size_t grave_count;
    size_t slots;
    struct world_spec *spec;
    struct layout *layout;
};

static ph_ns clock_now(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (ph_ns)ts.tv_sec * PH_SEC + (ph_ns)ts.tv_nsec;
}

static void fail(struct message *m, const struct lab_error *err)
{
    m->ok = false;
    m->lateness = 0;
    m->code = err->code;
    if (snprintf(m->text, sizeof(m->text), "%s", err->text) < 0)
        m->text[0] = '\0';
}

/* The namespaces that a trial stands in go along, in the order of the layout's nodes. */
static void add_fds(struct builder *b, const struct kernel_world *w, struct message *m)
{
    for (size_t i = 0; i < b->layout->node_count && m->fd_count < MESSAGE_FDS_MAX; i++)
        if (b->layout->nodes[i].runs != TOPO_RUNS_NOTHING)
            m->fds[m->fd_count++] = kernel_world_netns(w, i);
}

/* While namespaces die the kernel makes everything wait, up to tenths of a second. So they are kept
 * until worlds are built again, when nobody times anything. */
static void bury(struct builder *b, size_t slot)
{
    if (b->worlds[slot] == NULL || b->grave_count >= b->slots)
        return;
    b->graves[b->grave_count++] = b->worlds[slot];
    b->worlds[slot] = NULL;
}

static void free_graves(struct builder *b)
{
    while (b->graves != NULL && b->grave_count > 0)
        kernel_world_free(b->graves[--b->grave_count]);
}

static int build(struct builder *b, struct message *m, struct lab_error *err)
{
    struct kernel_world *w = NULL;
    if (b->lab == NULL) {
        *err = b->lab_error;
        return -1;
    }
    const struct cell *cell = &b->run->matrix.cells[m->cell];
    if (matrix_world(b->run->scenario, cell, m->world_seed, b->spec, err) != 0 ||
        layout_compute(b->spec, b->layout, err) != 0 ||
        kernel_world_build(b->lab, b->layout, &w, err) != 0)
        return -1;
    /* The proof may leave traces in the NATs; a trial begins with empty ones. */
    if (kernel_world_check(w, err) != 0 || kernel_world_links_on(w, m->seed, err) != 0 ||
        kernel_world_reset(w, m->seed, err) != 0) {
        kernel_world_free(w);
        return -1;
    }
    b->worlds[m->slot] = w;
    add_fds(b, w, m);
    return 0;
}

static void take_lateness(struct kernel_world *w, struct message *m)
{
    uint64_t packets;
    struct lab_error err;
    m->lateness = 0;
    /* A shaper that cannot say how late it was is not to be trusted with this trial's times. */
    if (kernel_world_lateness(w, &m->lateness, &packets, &err) != 0)
        m->lateness = PH_SEC;
}

static void take_mappings(struct kernel_world *w, struct message *m)
{
    size_t count = 0;
    struct lab_error err;
    m->mappings =
        kernel_world_mappings(w, &count, &err) == 0 ? (int)count : ROUTER_MAPPINGS_UNKNOWN;
}

static void take_drops(struct kernel_world *w, struct message *m)
{
    struct lab_error err;
    m->drops_known = kernel_world_drops(w, &m->drops, &err) == 0;
}

static int disturb(struct kernel_world *w, struct message *m, struct lab_error *err)
{
    if (w == NULL)
        return lab_fail(err, LAB_BROKEN, "its world is gone");
    return kernel_world_disturb(w, &m->incident, &m->at, err);
}

static void handle(struct builder *b, struct message *m)
{
    struct lab_error err = {0};
    ph_ns start = clock_now();
    m->ok = true;
    m->text[0] = '\0';
    struct kernel_world *w = m->slot < b->slots ? b->worlds[m->slot] : NULL;
    switch (m->type) {
    case MESSAGE_BUILD:
        m->type = MESSAGE_BUILT;
        free_graves(b);
        if (build(b, m, &err) != 0)
            fail(m, &err);
        break;
    case MESSAGE_RESET:
        m->type = MESSAGE_RESET_DONE;
        take_lateness(w, m);
        take_mappings(w, m);
        take_drops(w, m);
        if (kernel_world_reset(w, m->seed, &err) != 0) {
            ph_ns lateness = m->lateness;
            fail(m, &err);
            m->lateness = lateness;
        }
        break;
    case MESSAGE_FREE:
        m->type = MESSAGE_FREED;
        take_lateness(w, m);
        take_mappings(w, m);
        take_drops(w, m);
        bury(b, m->slot);
        break;
    case MESSAGE_FAULT:
        m->type = MESSAGE_FAULT_DONE;
        if (disturb(w, m, &err) != 0)
            fail(m, &err);
        break;
    default:
        break;
    }
    m->took = clock_now() - start;
}

int builder_main(const struct run *run, size_t slots, int sock)
{
    int rc = LAB_BROKEN;
    struct builder b = {.run = run, .sock = sock, .slots = slots};
    b.worlds = calloc(slots, sizeof(struct kernel_world *));
    b.graves = calloc(slots, sizeof(struct kernel_world *));
    b.spec = calloc(1, sizeof(*b.spec));
    b.layout = calloc(1, sizeof(*b.layout));
    struct message *m = calloc(1, sizeof(*m));
    if (b.worlds == NULL || b.graves == NULL || b.spec == NULL || b.layout == NULL || m == NULL)
        goto cleanup;
    if (kernel_lab_open(&b.lab, &b.lab_error) != 0)
        b.lab = NULL;
    int got;
    while ((got = message_receive(sock, m, 0)) >= 0) {
        if (got == 0)
            continue;
        message_close_fds(m);
        handle(&b, m);
        if (message_send(sock, m) != 0)
            break;
    }
    rc = LAB_GOOD;
cleanup:
    for (size_t i = 0; b.worlds != NULL && b.graves != NULL && i < slots; i++)
        bury(&b, i);
    free_graves(&b);
    if (b.lab != NULL)
        kernel_lab_close(b.lab);
    free(m);
    free(b.layout);
    free(b.spec);
    free(b.graves);
    free(b.worlds);
    return rc;
}
