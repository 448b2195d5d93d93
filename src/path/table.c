#include "path/table.h"

#include "path/candidate.h"

#include <string.h>

const char *ph_path_state_name(enum ph_path_state state)
{
    static const char *const names[] = {"new", "heard", "valid", "proved"};
    return (unsigned)state < 4 ? names[state] : "?";
}

struct ph_path *ph_path_find(struct ph_path_table *t, const struct ph_source *from)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i].sock == from->sock && ph_addr_eq(&t->items[i].remote, &from->addr))
            return &t->items[i];
    }
    return NULL;
}

static bool is_free(const struct ph_path *p)
{
    return p->remote.family == PH_AF_NONE;
}

/* Paths never move: they are known by their place, too (call/carrier.c). */
static struct ph_path *free_place(struct ph_path_table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        if (is_free(&t->items[i]))
            return &t->items[i];
    }
    return t->count < PH_PATHS_MAX ? &t->items[t->count++] : NULL;
}

static void make_free(struct ph_path *p)
{
    *p = (struct ph_path){.next_check = PH_NEVER,
                          .probe_sent = PH_NEVER,
                          .next_probe = PH_NEVER,
                          .next_warm = PH_NEVER};
}

void ph_path_forget_dead(struct ph_path_table *t, ph_ns now, const struct ph_path *keep)
{
    for (size_t i = 0; i < t->count; i++) {
        struct ph_path *p = &t->items[i];
        if (p == keep || is_free(p))
            continue;
        bool alive = p->state == PH_PATH_PROVED && p->unanswered == 0;
        if (!alive && now >= p->not_before) {
            make_free(p);
            continue;
        }
        if (!alive)
            p->state = PH_PATH_NEW;
        p->named = false;
        p->checks = p->probes = 0;
        p->opened = false;
    }
}

static struct ph_path *path_new(struct ph_path_table *t, const struct ph_source *from)
{
    struct ph_path *p = free_place(t);
    if (!p)
        return NULL;
    make_free(p);
    p->sock = from->sock;
    p->remote = from->addr;
    return p;
}

struct ph_path *ph_path_add_named(struct ph_path_table *t, const struct ph_candidate *c)
{
    if (ph_addr_is_unusable(&c->addr))
        return NULL;
    struct ph_source own = {.addr = c->addr};
    struct ph_path *p = ph_path_find(t, &own);
    if (!p)
        p = path_new(t, &own);
    if (!p)
        return NULL;
    p->named = true;
    p->public_host = ph_candidate_is_public_host(c);
    p->type = c->type;
    p->priority = ph_candidate_priority(c->type, &c->addr, (unsigned)(p - t->items));
    return p;
}

struct ph_path *ph_path_add_heard(struct ph_path_table *t, const struct ph_source *from)
{
    struct ph_path *p = ph_path_find(t, from);
    if (!p) {
        p = path_new(t, from);
        if (!p)
            return NULL;
        p->type = PH_CANDIDATE_REFLEXIVE;
        p->priority = ph_candidate_priority(p->type, &from->addr, (unsigned)(p - t->items));
    }
    return p;
}

void ph_path_note_sent(struct ph_path *p, const uint8_t tid[PH_STUN_TID_LEN], ph_ns now)
{
    unsigned i = p->next_outstanding;
    p->next_outstanding = (i + 1) % PH_PATH_OUTSTANDING;
    memcpy(p->outstanding[i].tid, tid, PH_STUN_TID_LEN);
    p->outstanding[i].sent = now ? now : 1;
}

struct ph_path *ph_path_take_response(struct ph_path_table *t, const uint8_t tid[PH_STUN_TID_LEN],
                                      const struct ph_source *from, ph_ns now)
{
    struct ph_path *p = ph_path_find(t, from);
    if (!p)
        return NULL;
    for (unsigned i = 0; i < PH_PATH_OUTSTANDING; i++) {
        if (p->outstanding[i].sent && memcmp(p->outstanding[i].tid, tid, PH_STUN_TID_LEN) == 0) {
            p->rtt = now > p->outstanding[i].sent ? now - p->outstanding[i].sent : 1;
            p->outstanding[i].sent = 0;
            return p;
        }
    }
    return NULL;
}

bool ph_path_may_send(const struct ph_path *p, size_t len)
{
    return p->state >= PH_PATH_VALID || p->bytes_out + len <= 3 * p->bytes_in;
}

bool ph_path_better(const struct ph_path *a, const struct ph_path *b)
{
    if (a->type != b->type)
        return a->priority > b->priority;
    return a->rtt < b->rtt;
}
