/* What leaves from one socket goes in one call. */
#include "path/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static size_t sent, calls;
static ph_sock from[4];
static struct ph_datagram last;
static uint8_t last_bytes[2048];

static void fake_send(struct ph_host *h, ph_sock sock, const struct ph_datagram *out, size_t n)
{
    (void)h;
    assert_true(n > 0);
    if (calls < sizeof(from) / sizeof(from[0]))
        from[calls] = sock;
    last = out[n - 1];
    memcpy(last_bytes, last.data, last.len);
    sent += n;
    calls++;
}

static const struct ph_host_ops ops = {.udp_send = fake_send};
static struct ph_host host = {.ops = &ops};
static const struct ph_addr server = {.family = PH_AF_V4, .port = 3478, .ip = {203, 0, 113, 1}};

static int reset(void **state)
{
    (void)state;
    sent = calls = 0;
    return 0;
}

/* A batch that is full goes out, and goes on. */
static void test_full(void **state)
{
    struct ph_batch batch = {.host = &host, .sock = 7};
    uint8_t bytes[PH_BATCH_BYTES + 1] = {0};

    (void)state;
    for (size_t i = 0; i < 70; i++) {
        bytes[0] = (uint8_t)i;
        ph_batch_add(&batch, &server, 3, bytes, PH_BATCH_BYTES);
    }
    ph_batch_add(&batch, &server, 0, bytes, sizeof(bytes)); /* does not fit */
    ph_batch_add(&batch, &server, 0, bytes, 0);
    bytes[0] = 255; /* it was copied */
    ph_batch_send(&batch);
    ph_batch_send(&batch);
    assert_int_equal(sent, 70);
    assert_int_equal(calls, 3);
    assert_int_equal(last_bytes[0], 69);
    assert_int_equal(last.len, PH_BATCH_BYTES);
    assert_int_equal(last.ttl, 3);
    assert_true(ph_addr_eq(&last.peer, &server));
    for (int i = 0; i < 3; i++)
        assert_int_equal(from[i], 7);
}

/* Another socket's turn sends what there was, from where it was to leave. */
static void test_sockets(void **state)
{
    struct ph_batch batch = {.host = &host, .sock = 7};
    uint8_t byte = 1;

    (void)state;
    ph_batch_from(&batch, 8);
    assert_int_equal(calls, 0);
    ph_batch_add(&batch, &server, 0, &byte, 1);
    ph_batch_from(&batch, 8);
    ph_batch_add(&batch, &server, 0, &byte, 1);
    assert_int_equal(calls, 0);
    ph_batch_from(&batch, 9);
    assert_int_equal(sent, 2);
    ph_batch_add(&batch, &server, 0, &byte, 1);
    ph_batch_send(&batch);
    assert_int_equal(calls, 2);
    assert_int_equal(from[0], 8);
    assert_int_equal(from[1], 9);
}

/* What is lent may be of any length. */
static void test_lent(void **state)
{
    struct ph_batch batch = {.host = &host, .sock = 7};
    uint8_t bytes[1200] = {42};

    (void)state;
    for (size_t i = 0; i < PH_BATCH_DATAGRAMS + 1; i++)
        ph_batch_lend(&batch, &server, 0, bytes, sizeof(bytes));
    assert_int_equal(sent, PH_BATCH_DATAGRAMS);
    ph_batch_send(&batch);
    assert_int_equal(sent, PH_BATCH_DATAGRAMS + 1);
    assert_ptr_equal(last.data, bytes);
    assert_int_equal(last.len, sizeof(bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_full, reset),
        cmocka_unit_test_setup(test_sockets, reset),
        cmocka_unit_test_setup(test_lent, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
