#include "lab/net/shaper_table.h"

#include "base/err.h"
#include "base/rng.h"

#include <inttypes.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BUCKETS       1024u /* of directions, by the interface that they come in on */
#define HEADERS_BYTES 42u   /* of Ethernet, IPv4 and UDP */
/* A slow link queues what it sends in this time, then drops the tail. */
#define QUEUE_NS (100 * PH_MS)

struct direction {
    struct ph_heap_node node; /* keyed by the deadline of `head` */
    struct shaper_frame *head, **tail;
    struct direction *next_in_bucket;
    struct shaper_world *world;
    int if_in, if_out;
    bool up;                             /* from a to b */
    const struct translator *translator; /* the line's; NULL: none */
    struct link_direction params;
    struct ph_rng rng;
    ph_ns last;      /* the deadline of the latest frame, which the next may not overtake */
    ph_ns busy_till; /* when the last bit of the latest frame has been sent at the link's rate */
};

struct line {
    struct line *next;
    struct translator translator; /* bits 0: none */
    struct direction dir[2];      /* a to b, b to a */
};

struct shaper_world {
    struct shaper_world *next;
    uint32_t id;
    struct line *lines, **lines_end;
    size_t line_count;
    uint64_t worst, packets;
    struct link_drops drops;
};

struct shaper_table {
    struct ph_heap heap;
    struct direction *buckets[BUCKETS];
    struct shaper_world *worlds;
    struct shaper_frame *frames, *unused;
    size_t frame_count, fresh; /* from `fresh` on they were never used */
};

static struct direction *direction_of(struct ph_heap_node *node)
{
    return (struct direction *)((char *)node - offsetof(struct direction, node));
}

static struct direction **bucket(struct shaper_table *t, int if_in)
{
    return &t->buckets[(unsigned)if_in % BUCKETS];
}

static struct direction *find_direction(struct shaper_table *t, int if_in)
{
    struct direction *d = *bucket(t, if_in);

    while (d != NULL && d->if_in != if_in) {
        d = d->next_in_bucket;
    }
    return d;
}

static struct shaper_world *find_world(const struct shaper_table *t, uint32_t id)
{
    struct shaper_world *w = t->worlds;

    while (w != NULL && w->id != id) {
        w = w->next;
    }
    return w;
}

static struct shaper_world *known_world(const struct shaper_table *t, uint32_t id,
                                        struct lab_error *err)
{
    struct shaper_world *w = find_world(t, id);

    if (w == NULL) {
        lab_fail(err, LAB_BROKEN, "the shaper has no world %" PRIu32, id);
    }
    return w;
}

int shaper_table_new(size_t frames, struct shaper_table **out, struct lab_error *err)
{
    struct shaper_table *t = calloc(1, sizeof(*t));
    void *mem;

    if (t == NULL) {
        return lab_fail(err, LAB_BROKEN, "no memory for the shaper");
    }
    /* Pages that no frame was ever in cost nothing. */
    mem = mmap(NULL, frames * sizeof(struct shaper_frame), PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mem == MAP_FAILED) {
        free(t);
        return lab_fail_errno(err, LAB_BROKEN, "no memory for the shaper's frames");
    }
    t->frames = mem;
    t->frame_count = frames;
    *out = t;
    return 0;
}

static void world_clear(struct shaper_table *t, struct shaper_world *w)
{
    for (struct line *l = w->lines; l != NULL; l = l->next) {
        for (size_t i = 0; i < 2; i++) {
            struct direction *d = &l->dir[i];

            ph_heap_remove(&t->heap, &d->node);
            while (d->head != NULL) {
                struct shaper_frame *f = d->head;

                d->head = f->next;
                shaper_table_give_back(t, f);
            }
            d->tail = &d->head;
            d->last = 0;
            d->busy_till = 0;
        }
    }
}

static void world_free(struct shaper_table *t, struct shaper_world *w)
{
    world_clear(t, w);
    while (w->lines != NULL) {
        struct line *l = w->lines;

        for (size_t i = 0; i < 2; i++) {
            struct direction **at = bucket(t, l->dir[i].if_in);

            while (*at != &l->dir[i]) {
                at = &(*at)->next_in_bucket;
            }
            *at = l->dir[i].next_in_bucket;
        }
        w->lines = l->next;
        free(l);
    }
    free(w);
}

void shaper_table_free(struct shaper_table *t)
{
    if (t == NULL) {
        return;
    }
    while (t->worlds != NULL) {
        struct shaper_world *w = t->worlds;

        t->worlds = w->next;
        world_free(t, w);
    }
    ph_heap_fini(&t->heap);
    munmap(t->frames, t->frame_count * sizeof(struct shaper_frame));
    free(t);
}

struct shaper_frame *shaper_table_frame(struct shaper_table *t)
{
    struct shaper_frame *f = t->unused;

    if (f != NULL) {
        t->unused = f->next;
    } else if (t->fresh < t->frame_count) {
        f = &t->frames[t->fresh++];
    }
    return f;
}

void shaper_table_give_back(struct shaper_table *t, struct shaper_frame *f)
{
    f->world = NULL;
    f->next = t->unused;
    t->unused = f;
}

/* True for frames that the sequences of loss and jitter are about. */
static bool draws(const struct shaper_frame *f)
{
    return f->len >= ETHER_HDR_LEN && (f->data[0] & 1) == 0 &&
           (f->data[12] << 8 | f->data[13]) != ETHERTYPE_ARP;
}

/* Sets when the frame is to leave; false: it is lost. */
static bool schedule(struct direction *d, struct shaper_frame *f, ph_ns stamp)
{
    const struct link_direction *p = &d->params;
    ph_ns leave = stamp, wait = p->delay_ns;

    if (draws(f)) {
        /* Both are drawn always, so that a link's loss is the same with and without jitter. */
        double chance = ph_rng_unit(&d->rng);
        uint64_t late = ph_rng_below(&d->rng, 2 * p->jitter_ns + 1);

        if (chance < p->loss) {
            return false;
        }
        wait += late;
        wait -= ph_min_ns(wait, p->jitter_ns);
    }
    if (p->rate_bps > 0) {
        ph_ns start = ph_max_ns(stamp, d->busy_till);

        if (start - stamp > QUEUE_NS) {
            return false;
        }
        leave = start + (ph_ns)f->len * 8 * PH_SEC / p->rate_bps;
        d->busy_till = leave;
    }
    f->deadline = ph_max_ns(leave + wait, d->last);
    d->last = f->deadline;
    return true;
}

struct shaper_frame *shaper_table_offer(struct shaper_table *t, struct shaper_frame *f, int if_in,
                                        ph_ns stamp)
{
    struct direction *d = find_direction(t, if_in);
    struct shaper_frame *other;

    if (d != NULL && d->translator != NULL) {
        f->len = translator_frame(d->translator, f->data, f->len, sizeof(f->data));
        if (f->len == 0) {
            return f;
        }
    }
    if (d == NULL) {
        return f;
    }
    if (!schedule(d, f, stamp)) {
        d->world->drops.packets++;
        d->world->drops.large += f->len >= HEADERS_BYTES + LINK_LARGE ? 1 : 0;
        return f;
    }
    other = shaper_table_frame(t);
    if (other == NULL ||
        (d->head == NULL && ph_heap_add(&t->heap, &d->node, f->deadline) != PH_OK)) {
        if (other != NULL) {
            shaper_table_give_back(t, other);
        }
        shaper_table_lost(t, if_in);
        return f;
    }
    f->world = d->world;
    f->if_out = d->if_out;
    f->next = NULL;
    *d->tail = f;
    d->tail = &f->next;
    return other;
}

void shaper_table_lost(struct shaper_table *t, int if_in)
{
    const struct direction *d = if_in == 0 ? NULL : find_direction(t, if_in);

    if (if_in != 0 && d == NULL) {
        return;
    }
    for (struct shaper_world *w = t->worlds; w != NULL; w = w->next) {
        if (d == NULL || d->world == w) {
            w->worst = ph_max_ns(w->worst, SHAPER_LOST_NS);
        }
    }
}

ph_ns shaper_table_next(const struct shaper_table *t)
{
    const struct ph_heap_node *node = ph_heap_peek(&t->heap);

    return node == NULL ? PH_NEVER : node->key;
}

struct shaper_frame *shaper_table_due(struct shaper_table *t, ph_ns now)
{
    struct ph_heap_node *node = ph_heap_peek(&t->heap);
    struct direction *d;
    struct shaper_frame *f;

    if (node == NULL || node->key > now) {
        return NULL;
    }
    d = direction_of(node);
    f = d->head;
    d->head = f->next;
    if (d->head == NULL) {
        d->tail = &d->head;
        ph_heap_remove(&t->heap, node);
    } else {
        /* Moving a node that is in cannot fail. */
        (void)ph_heap_add(&t->heap, node, d->head->deadline);
    }
    return f;
}

void shaper_table_sent(struct shaper_table *t, struct shaper_frame *f, ph_ns now)
{
    (void)t;
    f->world->packets++;
    if (now > f->deadline) {
        f->world->worst = ph_max_ns(f->world->worst, now - f->deadline);
    }
}

static void direction_add(struct shaper_table *t, struct direction *d, struct shaper_world *w,
                          int if_in, int if_out)
{
    struct direction **at = bucket(t, if_in);

    ph_heap_node_init(&d->node);
    d->tail = &d->head;
    d->world = w;
    d->if_in = if_in;
    d->if_out = if_out;
    d->next_in_bucket = *at;
    *at = d;
}

int shaper_table_translate(struct shaper_table *t, int if_a, const struct translator *translator,
                           struct lab_error *err)
{
    struct direction *a = find_direction(t, if_a);
    struct line *l;

    if (a == NULL || !a->up) {
        return lab_fail(err, LAB_BROKEN, "the shaper has no link that starts at interface %d",
                        if_a);
    }
    l = (struct line *)((char *)a - offsetof(struct line, dir[0]));
    l->translator = *translator;
    l->dir[0].translator = l->dir[1].translator = &l->translator;
    return 0;
}

int shaper_table_add(struct shaper_table *t, uint32_t world, int if_a, int if_b,
                     struct lab_error *err)
{
    struct shaper_world *w = find_world(t, world);
    struct line *l;

    if (if_a <= 0 || if_b <= 0 || if_a == if_b || find_direction(t, if_a) != NULL ||
        find_direction(t, if_b) != NULL) {
        return lab_fail(err, LAB_BROKEN, "the shaper cannot join the interfaces %d and %d", if_a,
                        if_b);
    }
    if (w != NULL && w->line_count == SHAPER_LINKS_MAX) {
        return lab_fail(err, LAB_BROKEN, "the shaper takes %d links of a world", SHAPER_LINKS_MAX);
    }
    l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return lab_fail(err, LAB_BROKEN, "no memory for a link");
    }
    if (w == NULL) {
        w = calloc(1, sizeof(*w));
        if (w == NULL) {
            free(l);
            return lab_fail(err, LAB_BROKEN, "no memory for a world");
        }
        w->id = world;
        w->lines_end = &w->lines;
        w->next = t->worlds;
        t->worlds = w;
    }
    direction_add(t, &l->dir[0], w, if_a, if_b);
    direction_add(t, &l->dir[1], w, if_b, if_a);
    l->dir[0].up = true;
    *w->lines_end = l;
    w->lines_end = &l->next;
    w->line_count++;
    return 0;
}

static void world_seed(struct shaper_world *w, uint64_t seed)
{
    uint8_t place[2] = {0};

    for (struct line *l = w->lines; l != NULL; l = l->next, place[0]++) {
        for (place[1] = 0; place[1] < 2; place[1]++) {
            ph_rng_seed(&l->dir[place[1]].rng, ph_hash64(seed, place, sizeof(place)));
        }
    }
}

static bool direction_possible(const struct link_direction *p)
{
    /* Above these the sums of deadlines could overflow. */
    return p->delay_ns <= 3600 * PH_SEC && p->jitter_ns <= 3600 * PH_SEC && p->loss >= 0 &&
           p->loss <= 1;
}

int shaper_table_set(struct shaper_table *t, uint32_t world, const struct shaper_link *links,
                     size_t n, uint64_t seed, struct lab_error *err)
{
    struct shaper_world *w = known_world(t, world, err);

    if (w == NULL) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        const struct direction *d = find_direction(t, links[i].if_a);

        if (d == NULL || d->world != w || !d->up) {
            return lab_fail(err, LAB_BROKEN, "the shaper has no link at interface %d of this world",
                            links[i].if_a);
        }
        if (!direction_possible(&links[i].params.up) ||
            !direction_possible(&links[i].params.down)) {
            return lab_fail(err, LAB_BROKEN, "a link's delay, jitter or loss is out of bounds");
        }
    }
    for (size_t i = 0; i < n; i++) {
        struct direction *up = find_direction(t, links[i].if_a);
        struct direction *down = find_direction(t, up->if_out);

        up->params = links[i].params.up;
        down->params = links[i].params.down;
    }
    world_seed(w, seed);
    return 0;
}

int shaper_table_reset(struct shaper_table *t, uint32_t world, uint64_t seed, struct lab_error *err)
{
    struct shaper_world *w = known_world(t, world, err);

    if (w == NULL) {
        return -1;
    }
    world_clear(t, w);
    world_seed(w, seed);
    w->worst = 0;
    w->packets = 0;
    w->drops = (struct link_drops){0};
    return 0;
}

int shaper_table_stats(struct shaper_table *t, uint32_t world, uint64_t *worst, uint64_t *packets,
                       struct lab_error *err)
{
    const struct shaper_world *w = known_world(t, world, err);

    if (w == NULL) {
        return -1;
    }
    *worst = w->worst;
    *packets = w->packets;
    return 0;
}

int shaper_table_drops(struct shaper_table *t, uint32_t world, struct link_drops *out,
                       struct lab_error *err)
{
    const struct shaper_world *w = known_world(t, world, err);

    if (w == NULL) {
        return -1;
    }
    *out = w->drops;
    return 0;
}

int shaper_table_remove(struct shaper_table *t, uint32_t world, struct lab_error *err)
{
    for (struct shaper_world **at = &t->worlds; *at != NULL; at = &(*at)->next) {
        struct shaper_world *w = *at;

        if (w->id == world) {
            *at = w->next;
            world_free(t, w);
            return 0;
        }
    }
    return known_world(t, world, err) != NULL ? 0 : -1;
}
