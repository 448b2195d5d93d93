/* What the shaper decides, by a clock that stands where the test puts it. */
#include "lab/net/shaper_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define FRAMES 1024
#define A      11 /* interfaces of the link */
#define B      12

static const uint8_t unicast[14] = {0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00};
static const uint8_t broadcast[14] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02,
                                      0,    0,    0,    0,    1,    0x86, 0xdd};
static const uint8_t arp_reply[14] = {0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08, 0x06};

struct fixture {
    struct shaper_table *table;
    struct shaper_frame *slot; /* an empty frame, as a receiver holds one */
    struct lab_error err;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    assert_int_equal(shaper_table_new(FRAMES, &f.table, &f.err), 0);
    assert_int_equal(shaper_table_add(f.table, 1, A, B, &f.err), 0);
    f.slot = shaper_table_frame(f.table);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    shaper_table_free(f->table);
    return 0;
}

static void offer(struct fixture *f, int if_in, const uint8_t header[14], uint16_t id, size_t len,
                  ph_ns stamp)
{
    memset(f->slot->data, 0, len);
    memcpy(f->slot->data, header, 14);
    f->slot->data[14] = (uint8_t)(id >> 8);
    f->slot->data[15] = (uint8_t)id;
    f->slot->len = len;
    f->slot = shaper_table_offer(f->table, f->slot, if_in, stamp);
    assert_non_null(f->slot);
}

/* Takes out all that is due; ids of at most cap frames, and the deadline of the last. */
static size_t drain(struct fixture *f, ph_ns now, uint16_t *ids, size_t cap, ph_ns *last)
{
    struct shaper_frame *frame;
    size_t n = 0;

    while ((frame = shaper_table_due(f->table, now)) != NULL) {
        assert_true(frame->deadline <= now);
        if (n < cap) {
            ids[n] = (uint16_t)(frame->data[14] << 8 | frame->data[15]);
        }
        if (last != NULL) {
            *last = frame->deadline;
        }
        n++;
        shaper_table_sent(f->table, frame, now);
        shaper_table_give_back(f->table, frame);
    }
    return n;
}

static void set(struct fixture *f, struct link_direction up, struct link_direction down,
                uint64_t seed)
{
    struct shaper_link link = {.if_a = A, .params = {.up = up, .down = down}};

    assert_int_equal(shaper_table_set(f->table, 1, &link, 1, seed, &f->err), 0);
}

static void passes_at_once_until_set(void **state)
{
    struct fixture *f = *state;
    struct shaper_frame *frame;

    assert_true(shaper_table_next(f->table) == PH_NEVER);
    offer(f, A, unicast, 1, 60, 5 * PH_MS);
    assert_true(shaper_table_next(f->table) == 5 * PH_MS);
    frame = shaper_table_due(f->table, 5 * PH_MS);
    assert_non_null(frame);
    assert_int_equal(frame->if_out, B);
    assert_int_equal(frame->len, 60);
    shaper_table_give_back(f->table, frame);
    offer(f, B, unicast, 2, 60, 6 * PH_MS);
    frame = shaper_table_due(f->table, 6 * PH_MS);
    assert_non_null(frame);
    assert_int_equal(frame->if_out, A);
    shaper_table_give_back(f->table, frame);
}

static void delays_each_direction_by_its_own(void **state)
{
    struct fixture *f = *state;
    uint16_t ids[4];

    set(f, (struct link_direction){.delay_ns = 20 * PH_MS},
        (struct link_direction){.delay_ns = 5 * PH_MS}, 1);
    offer(f, A, unicast, 1, 60, 100 * PH_MS);
    offer(f, B, unicast, 2, 60, 101 * PH_MS);
    offer(f, A, broadcast, 3, 60, 102 * PH_MS);
    assert_int_equal(drain(f, 106 * PH_MS - 1, ids, 4, NULL), 0);
    assert_int_equal(drain(f, 106 * PH_MS, ids, 4, NULL), 1);
    assert_int_equal(ids[0], 2);
    assert_int_equal(drain(f, 120 * PH_MS - 1, ids, 4, NULL), 0);
    assert_true(shaper_table_next(f->table) == 120 * PH_MS);
    assert_int_equal(drain(f, 122 * PH_MS, ids, 4, NULL), 2);
    assert_int_equal(ids[0], 1);
    assert_int_equal(ids[1], 3);
}

static void jitter_spreads_and_keeps_order(void **state)
{
    struct fixture *f = *state;
    ph_ns least = PH_NEVER, most = 0, last = 0;
    uint16_t id;

    set(f, (struct link_direction){.delay_ns = 20 * PH_MS, .jitter_ns = 4 * PH_MS},
        (struct link_direction){0}, 7);
    /* Far apart: each frame has its own jitter. */
    for (uint16_t i = 0; i < 400; i++) {
        ph_ns stamp = (ph_ns)i * 100 * PH_MS;
        ph_ns took;

        offer(f, A, unicast, i, 60, stamp);
        assert_int_equal(drain(f, stamp + 24 * PH_MS, &id, 1, &last), 1);
        took = last - stamp;
        least = ph_min_ns(least, took);
        most = ph_max_ns(most, took);
    }
    assert_in_range(least, 16 * PH_MS, 17 * PH_MS);
    assert_in_range(most, 23 * PH_MS, 24 * PH_MS);
    /* Close together: none overtakes. */
    for (uint16_t i = 0; i < 400; i++) {
        offer(f, A, unicast, i, 60, 100 * PH_SEC + i * PH_US);
    }
    {
        uint16_t ids[400];

        assert_int_equal(drain(f, 101 * PH_SEC, ids, 400, NULL), 400);
        for (uint16_t i = 0; i < 400; i++) {
            assert_int_equal(ids[i], i);
        }
    }
}

static void jitter_above_the_delay_never_sends_early(void **state)
{
    struct fixture *f = *state;
    uint16_t id;

    set(f, (struct link_direction){.delay_ns = PH_MS, .jitter_ns = 5 * PH_MS},
        (struct link_direction){0}, 3);
    for (uint16_t i = 0; i < 100; i++) {
        ph_ns stamp = PH_SEC + (ph_ns)i * 50 * PH_MS, last = 0;

        offer(f, A, unicast, i, 60, stamp);
        assert_int_equal(drain(f, stamp + 6 * PH_MS, &id, 1, &last), 1);
        assert_true(last >= stamp);
    }
}

/* A bit for each of 256 frames: did it pass? */
static void pattern(struct fixture *f, int if_in, bool with_housekeeping, uint8_t out[32])
{
    uint16_t ids[768];
    size_t n;

    memset(out, 0, 32);
    for (uint16_t i = 0; i < 256; i++) {
        offer(f, if_in, unicast, i, 60, PH_SEC);
        if (with_housekeeping) {
            offer(f, if_in, broadcast, 0xffff, 60, PH_SEC);
            offer(f, if_in, arp_reply, 0xffff, 42, PH_SEC);
        }
    }
    n = drain(f, 2 * PH_SEC, ids, 768, NULL);
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 256) {
            out[ids[i] / 8] |= (uint8_t)(1u << ids[i] % 8);
        }
    }
}

static unsigned bits(const uint8_t p[32])
{
    unsigned n = 0;

    for (size_t i = 0; i < 32; i++) {
        n += (unsigned)__builtin_popcount(p[i]);
    }
    return n;
}

static void loss_repeats_by_its_seed(void **state)
{
    struct fixture *f = *state;
    struct link_direction lossy = {.loss = 0.3}, jittery = {.loss = 0.3, .jitter_ns = PH_MS};
    uint8_t first[32], other[32];

    set(f, lossy, lossy, 42);
    pattern(f, A, false, first);
    assert_in_range(bits(first), 256 * 6 / 10, 256 * 8 / 10);

    assert_int_equal(shaper_table_reset(f->table, 1, 42, &f->err), 0);
    pattern(f, A, false, other);
    assert_memory_equal(first, other, 32);

    /* What is not drawn for does not shift the sequence, nor does jitter. */
    assert_int_equal(shaper_table_reset(f->table, 1, 42, &f->err), 0);
    pattern(f, A, true, other);
    assert_memory_equal(first, other, 32);
    assert_int_equal(shaper_table_reset(f->table, 1, 42, &f->err), 0);
    set(f, jittery, jittery, 42);
    pattern(f, A, false, other);
    assert_memory_equal(first, other, 32);

    assert_int_equal(shaper_table_reset(f->table, 1, 42, &f->err), 0);
    pattern(f, B, false, other);
    assert_memory_not_equal(first, other, 32);
    assert_int_equal(shaper_table_reset(f->table, 1, 43, &f->err), 0);
    pattern(f, A, false, other);
    assert_memory_not_equal(first, other, 32);
}

static void loss_of_all_and_of_none(void **state)
{
    struct fixture *f = *state;
    uint8_t p[32];

    set(f, (struct link_direction){.loss = 1}, (struct link_direction){0}, 1);
    pattern(f, A, true, p);
    assert_int_equal(bits(p), 0);
    pattern(f, B, false, p);
    assert_int_equal(bits(p), 256);
}

static void broadcast_and_arp_are_never_lost(void **state)
{
    struct fixture *f = *state;
    uint16_t ids[4];

    set(f, (struct link_direction){.loss = 1}, (struct link_direction){0}, 1);
    offer(f, A, unicast, 1, 60, 0);
    offer(f, A, broadcast, 2, 60, 0);
    offer(f, A, arp_reply, 3, 42, 0);
    assert_int_equal(drain(f, 1, ids, 4, NULL), 2);
    assert_int_equal(ids[0], 2);
    assert_int_equal(ids[1], 3);
}

static void rate_spaces_frames_then_drops_the_tail(void **state)
{
    struct fixture *f = *state;
    uint16_t ids[64];
    ph_ns last = 0;

    /* 1000 bytes at 1 Mbit/s: 8 ms each. Frame k starts after 8k ms of queue; the last to start
     * within 100 ms is the one with k = 12. */
    set(f, (struct link_direction){.delay_ns = 10 * PH_MS, .rate_bps = 1000000},
        (struct link_direction){0}, 1);
    for (uint16_t i = 0; i < 40; i++) {
        offer(f, A, unicast, i, 1000, PH_SEC);
    }
    assert_int_equal(drain(f, PH_SEC + 18 * PH_MS - 1, ids, 64, NULL), 0);
    assert_int_equal(drain(f, PH_SEC + 18 * PH_MS, ids, 64, NULL), 1);
    assert_int_equal(drain(f, PH_SEC + 26 * PH_MS - 1, ids, 64, NULL), 0);
    assert_int_equal(drain(f, 2 * PH_SEC, ids, 64, &last), 12);
    assert_int_equal(ids[11], 12);
    assert_true(last == PH_SEC + (13 * 8 + 10) * PH_MS);
    /* An idle link has no debts and saves nothing up. */
    offer(f, A, unicast, 50, 1000, 3 * PH_SEC);
    assert_true(shaper_table_next(f->table) == 3 * PH_SEC + 18 * PH_MS);
}

static void statistics_of_each_world(void **state)
{
    struct fixture *f = *state;
    uint64_t worst = 1, packets = 1;
    uint16_t ids[4];

    assert_int_equal(shaper_table_add(f->table, 2, 21, 22, &f->err), 0);
    set(f, (struct link_direction){.delay_ns = 20 * PH_MS}, (struct link_direction){0}, 1);
    offer(f, A, unicast, 1, 60, 0);
    offer(f, A, unicast, 2, 60, PH_MS);
    assert_int_equal(drain(f, 23 * PH_MS, ids, 4, NULL), 2);
    assert_int_equal(shaper_table_stats(f->table, 1, &worst, &packets, &f->err), 0);
    assert_int_equal(worst, 3 * PH_MS);
    assert_int_equal(packets, 2);
    assert_int_equal(shaper_table_stats(f->table, 2, &worst, &packets, &f->err), 0);
    assert_int_equal(worst, 0);
    assert_int_equal(packets, 0);

    {
        struct link_drops drops;

        assert_int_equal(shaper_table_drops(f->table, 1, &drops, &f->err), 0);
        assert_int_equal(drops.packets, 0);
        set(f, (struct link_direction){.loss = 1}, (struct link_direction){0}, 1);
        offer(f, A, unicast, 3, 42 + LINK_LARGE - 1, 30 * PH_MS);
        offer(f, A, unicast, 4, 42 + LINK_LARGE, 30 * PH_MS);
        offer(f, A, unicast, 5, 1200, 30 * PH_MS);
        assert_int_equal(shaper_table_drops(f->table, 1, &drops, &f->err), 0);
        assert_int_equal(drops.packets, 3);
        assert_int_equal(drops.large, 2);
        assert_int_equal(shaper_table_drops(f->table, 2, &drops, &f->err), 0);
        assert_int_equal(drops.packets, 0);
        assert_int_equal(shaper_table_drops(f->table, 77, &drops, &f->err), -1);
    }
    shaper_table_lost(f->table, 21);
    assert_int_equal(shaper_table_stats(f->table, 1, &worst, &packets, &f->err), 0);
    assert_int_equal(worst, 3 * PH_MS);
    shaper_table_lost(f->table, 0);
    assert_int_equal(shaper_table_stats(f->table, 1, &worst, &packets, &f->err), 0);
    assert_int_equal(worst, SHAPER_LOST_NS);
    assert_int_equal(shaper_table_reset(f->table, 1, 1, &f->err), 0);
    {
        struct link_drops drops;

        assert_int_equal(shaper_table_drops(f->table, 1, &drops, &f->err), 0);
        assert_int_equal(drops.packets + drops.large, 0);
    }
    assert_int_equal(shaper_table_stats(f->table, 1, &worst, &packets, &f->err), 0);
    assert_int_equal(worst, 0);
    assert_int_equal(packets, 0);
    assert_int_equal(shaper_table_stats(f->table, 2, &worst, &packets, &f->err), 0);
    assert_int_equal(worst, SHAPER_LOST_NS);
}

static void reset_and_removal_drop_what_is_under_way(void **state)
{
    struct fixture *f = *state;
    uint16_t ids[4];

    set(f, (struct link_direction){.delay_ns = 20 * PH_MS}, (struct link_direction){0}, 1);
    offer(f, A, unicast, 1, 60, 0);
    assert_int_equal(shaper_table_reset(f->table, 1, 1, &f->err), 0);
    assert_int_equal(drain(f, PH_SEC, ids, 4, NULL), 0);
    offer(f, A, unicast, 2, 60, 0);
    assert_int_equal(shaper_table_remove(f->table, 1, &f->err), 0);
    assert_true(shaper_table_next(f->table) == PH_NEVER);
    offer(f, A, unicast, 3, 60, 0);
    assert_int_equal(drain(f, PH_SEC, ids, 4, NULL), 0);
    /* The numbers are free again. */
    assert_int_equal(shaper_table_add(f->table, 9, B, A, &f->err), 0);
    offer(f, A, unicast, 4, 60, 0);
    assert_int_equal(drain(f, PH_SEC, ids, 4, NULL), 1);
}

static void no_frame_is_ever_missing_from_the_pool(void **state)
{
    struct fixture *f = *state;
    uint64_t worst, packets;

    set(f, (struct link_direction){.delay_ns = PH_SEC}, (struct link_direction){0}, 1);
    for (int round = 0; round < 3; round++) {
        /* One frame is the slot's; one more than there is room for is lost, and said so. */
        for (unsigned i = 0; i < FRAMES - 1; i++) {
            offer(f, A, unicast, (uint16_t)i, 60, 0);
        }
        assert_int_equal(shaper_table_stats(f->table, 1, &worst, &packets, &f->err), 0);
        assert_int_equal(worst, 0);
        offer(f, A, unicast, 0, 60, 0);
        assert_int_equal(shaper_table_stats(f->table, 1, &worst, &packets, &f->err), 0);
        assert_int_equal(worst, SHAPER_LOST_NS);
        if (round == 0) {
            assert_int_equal(shaper_table_reset(f->table, 1, 1, &f->err), 0);
        } else {
            assert_int_equal(drain(f, 2 * PH_SEC, NULL, 0, NULL), FRAMES - 1);
            assert_int_equal(shaper_table_reset(f->table, 1, 1, &f->err), 0);
        }
    }
}

static void refuses_what_cannot_be(void **state)
{
    struct fixture *f = *state;
    struct shaper_link link = {.if_a = A};
    uint64_t worst, packets;

    assert_int_equal(shaper_table_add(f->table, 1, A, 13, &f->err), -1);
    assert_int_equal(shaper_table_add(f->table, 1, 13, 13, &f->err), -1);
    assert_int_equal(shaper_table_add(f->table, 1, 0, 13, &f->err), -1);
    assert_int_equal(shaper_table_stats(f->table, 77, &worst, &packets, &f->err), -1);
    assert_int_equal(shaper_table_reset(f->table, 77, 1, &f->err), -1);
    assert_int_equal(shaper_table_remove(f->table, 77, &f->err), -1);
    link.if_a = B; /* the link's other end */
    assert_int_equal(shaper_table_set(f->table, 1, &link, 1, 1, &f->err), -1);
    link.if_a = A;
    link.params.up.loss = 1.5;
    assert_int_equal(shaper_table_set(f->table, 1, &link, 1, 1, &f->err), -1);
    link.params.up.loss = 0;
    link.params.up.delay_ns = UINT64_MAX;
    assert_int_equal(shaper_table_set(f->table, 1, &link, 1, 1, &f->err), -1);
    assert_int_equal(f->err.code, LAB_BROKEN);
    for (int i = 1; i < SHAPER_LINKS_MAX; i++) {
        assert_int_equal(shaper_table_add(f->table, 1, 1000 + 2 * i, 1001 + 2 * i, &f->err), 0);
    }
    assert_int_equal(shaper_table_add(f->table, 1, 5000, 5001, &f->err), -1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(passes_at_once_until_set),
        TEST(delays_each_direction_by_its_own),
        TEST(jitter_spreads_and_keeps_order),
        TEST(jitter_above_the_delay_never_sends_early),
        TEST(loss_repeats_by_its_seed),
        TEST(loss_of_all_and_of_none),
        TEST(broadcast_and_arp_are_never_lost),
        TEST(rate_spaces_frames_then_drops_the_tail),
        TEST(statistics_of_each_world),
        TEST(reset_and_removal_drop_what_is_under_way),
        TEST(no_frame_is_ever_missing_from_the_pool),
        TEST(refuses_what_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
