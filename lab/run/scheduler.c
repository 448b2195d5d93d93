#include "lab/run/scheduler.h"

#include <stdint.h>
#include <stdlib.h>

enum slot_state {
    SLOT_EMPTY,
    SLOT_BUILDING,
    SLOT_READY,
    SLOT_RUNNING,
    SLOT_RESETTING,
    SLOT_FREEING,
};

struct slot {
    enum slot_state state;
    size_t cell, worker;
    unsigned trial;
};

struct scheduler {
    struct scheduler_config config;
    size_t next_cell;
    size_t builds;
    ph_ns next_start;
    size_t turn; /* the slot to look at first: each gets its turn */
    bool stopped;
    bool making;  /* of a round: its trials are being made */
    size_t *load; /* running trials of each worker */
    struct slot slots[];
};

struct scheduler *scheduler_new(const struct scheduler_config *config)
{
    if (config->slots == 0 || config->workers == 0 || config->builds_max == 0 ||
        config->trials == NULL)
        return NULL;
    struct scheduler *s = calloc(1, sizeof(*s) + config->slots * sizeof(s->slots[0]));
    if (s == NULL)
        return NULL;
    s->config = *config;
    s->load = calloc(config->workers, sizeof(*s->load));
    if (s->load == NULL) {
        free(s);
        return NULL;
    }
    return s;
}

void scheduler_free(struct scheduler *s)
{
    if (s == NULL)
        return;
    free(s->load);
    free(s);
}

static size_t find_slot(const struct scheduler *s, enum slot_state state)
{
    for (size_t i = 0; i < s->config.slots; i++) {
        size_t slot = (s->turn + i) % s->config.slots;
        if (s->slots[slot].state == state)
            return slot;
    }
    return SIZE_MAX;
}

static bool all_empty(const struct scheduler *s)
{
    for (size_t i = 0; i < s->config.slots; i++)
        if (s->slots[i].state != SLOT_EMPTY && !(s->stopped && s->slots[i].state == SLOT_READY))
            return false;
    return true;
}

static void begin_start(struct scheduler *s, ph_ns now, size_t slot, struct scheduler_action *out)
{
    size_t worker = 0;
    for (size_t i = 1; i < s->config.workers; i++)
        if (s->load[i] < s->load[worker])
            worker = i;
    s->load[worker]++;
    s->slots[slot].worker = worker;
    s->slots[slot].state = SLOT_RUNNING;
    s->turn = (slot + 1) % s->config.slots;
    s->next_start = now + s->config.start_gap;
    *out = (struct scheduler_action){
        .what = SCHEDULER_START,
        .slot = slot,
        .cell = s->slots[slot].cell,
        .worker = worker,
        .trial = s->slots[slot].trial,
    };
}

/* In rounds, what may be done now; otherwise both, always. */
static void turn_round(struct scheduler *s, bool more)
{
    if (s->making && all_empty(s))
        s->making = false;
    if (!s->making && s->builds == 0 && (!more || find_slot(s, SLOT_EMPTY) == SIZE_MAX))
        s->making = true;
}

void scheduler_next(struct scheduler *s, ph_ns now, struct scheduler_action *out)
{
    *out = (struct scheduler_action){.what = SCHEDULER_WAIT, .when = PH_NEVER};
    bool more = !s->stopped && s->next_cell < s->config.cells;
    turn_round(s, more);
    bool may_start = !s->stopped && (s->making || !s->config.rounds);
    bool may_build = more && (!s->making || !s->config.rounds);
    size_t ready = may_start ? find_slot(s, SLOT_READY) : SIZE_MAX;
    if (ready != SIZE_MAX && now >= s->next_start) {
        begin_start(s, now, ready, out);
        return;
    }
    size_t empty = may_build ? find_slot(s, SLOT_EMPTY) : SIZE_MAX;
    if (empty != SIZE_MAX && s->builds < s->config.builds_max) {
        s->slots[empty] = (struct slot){.state = SLOT_BUILDING, .cell = s->next_cell++};
        s->builds++;
        out->what = SCHEDULER_BUILD;
        out->slot = empty;
        out->cell = s->slots[empty].cell;
        return;
    }
    if (!more && all_empty(s))
        out->what = SCHEDULER_OVER;
    else if (ready != SIZE_MAX)
        out->when = s->next_start;
}

void scheduler_built(struct scheduler *s, size_t slot, bool ok)
{
    s->builds--;
    s->slots[slot].state = ok ? SLOT_READY : SLOT_EMPTY;
}

enum scheduler_after scheduler_trial_ended(struct scheduler *s, size_t slot)
{
    struct slot *at = &s->slots[slot];
    s->load[at->worker]--;
    if (++at->trial < s->config.trials[at->cell] && !s->stopped) {
        at->state = SLOT_RESETTING;
        return SCHEDULER_RESET;
    }
    at->state = SLOT_FREEING;
    return SCHEDULER_FREE;
}

void scheduler_reset_done(struct scheduler *s, size_t slot, bool ok)
{
    s->slots[slot].state = ok ? SLOT_READY : SLOT_FREEING;
}

void scheduler_freed(struct scheduler *s, size_t slot)
{
    s->slots[slot].state = SLOT_EMPTY;
}

void scheduler_stop(struct scheduler *s)
{
    s->stopped = true;
}

void scheduler_where(const struct scheduler *s, size_t slot, size_t *cell, unsigned *trial,
                     size_t *worker)
{
    *cell = s->slots[slot].cell;
    *trial = s->slots[slot].trial;
    *worker = s->slots[slot].worker;
}

bool scheduler_running(const struct scheduler *s, size_t slot)
{
    return s->slots[slot].state == SLOT_RUNNING;
}
