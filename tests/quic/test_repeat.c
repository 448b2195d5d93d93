/* Exact repetition: equal seeds, equal bytes at equal times. */
#include "tests/quic/link.h"

#include <openssl/rand.h>

struct run {
    uint64_t hash, sent;
    int datagrams;
    uint8_t key[32];
};

static struct run run(uint64_t seed, bool deterministic, bool retry)
{
    struct link *l = link_new(seed, deterministic);
    struct run r = {0};
    uint8_t data[160] = {1, 2, 3};

    l->loss = 5;
    l->end[1].retries = retry;
    link_start(l);
    link_run_for(l, 3 * PH_SEC);
    link_assert_open(l);
    assert_int_equal(ph_quic_stream_send(l->end[0].conn, data, sizeof(data)), PH_OK);
    for (int i = 0; i < 100; i++) {
        for (int side = 0; side < 2; side++)
            (void)ph_quic_datagram_send(l->end[side].conn, l->now, data, sizeof(data));
        link_run_for(l, 20 * PH_MS);
    }
    assert_int_equal(ph_quic_export(l->end[0].conn, "EXPORTER-test", r.key, sizeof(r.key)), PH_OK);
    r.datagrams = l->end[0].datagrams + l->end[1].datagrams;
    ph_quic_conn_close(l->end[0].conn, l->now);
    l->end[0].conn = NULL;
    r.hash = l->hash;
    r.sent = l->sent;
    link_free(l);
    return r;
}

static void equal_seeds(void **state)
{
    (void)state;
    for (int retry = 0; retry < 2; retry++) {
        for (uint64_t seed = 1; seed < 6; seed++) {
            struct run a = run(seed, true, retry), b;
            (void)run(seed + 50, true, retry); /* what runs in between leaves no trace */
            (void)run(seed, false, retry);
            b = run(seed, true, retry);
            assert_true(a.sent > 200 && a.datagrams > 100);
            assert_int_equal(a.sent, b.sent);
            assert_int_equal(a.datagrams, b.datagrams);
            assert_memory_equal(a.key, b.key, sizeof(a.key));
            assert_true(a.hash == b.hash);
        }
    }
}

static void other_seeds(void **state)
{
    struct run a = run(1, true, false), b = run(2, true, false);

    (void)state;
    assert_true(a.hash != b.hash);
    assert_memory_not_equal(a.key, b.key, sizeof(a.key));
}

/* Only where it is asked for: a seed must not be able to decide the keys of real connections. */
static void real_ones_do_not_repeat(void **state)
{
    struct run a = run(3, false, false), b = run(3, false, false);

    (void)state;
    assert_memory_not_equal(a.key, b.key, sizeof(a.key));
}

static void the_library_keeps_its_own_generator(void **state)
{
    uint8_t a[32], b[32];

    (void)state;
    (void)run(4, true, true);
    assert_int_equal(RAND_bytes(a, sizeof(a)), 1);
    (void)run(4, true, true);
    assert_int_equal(RAND_bytes(b, sizeof(b)), 1);
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_seeds),
        cmocka_unit_test(other_seeds),
        cmocka_unit_test(real_ones_do_not_repeat),
        cmocka_unit_test(the_library_keeps_its_own_generator),
    };

    return cmocka_run_group_tests_name("quic repeat", tests, NULL, NULL);
}
