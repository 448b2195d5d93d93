/* Vouchers: by what a peer shows to its relay that packets reach it by the other address family,
 * too, and who is told of that. */
#include "client.h"

#include "wire/stun.h"

#define CALLER_TAG 0x1122334455667788u

struct world {
    struct subject s;
    struct client *a, *b;
};

static void world_init(struct world *w)
{
    subject_init(&w->s, NULL);
    w->a = client_registered(w->s.net, &w->s.addr, 1);
    w->b = client_registered(w->s.net, &w->s.addr, 2);
}

static void world_fini(struct world *w)
{
    client_free(w->a);
    client_free(w->b);
    subject_fini(&w->s);
}

static struct ph_signal offer_to(const struct client *callee, uint8_t id, uint64_t tag)
{
    struct ph_signal m = {.type = PH_SIGNAL_DIRECT_CALL_OFFER,
                          .mapped_addr = ph_addr_v4(203, 0, 113, 9, 999),
                          .relay_token = tag};

    memset(m.call_id, id, sizeof(m.call_id));
    memcpy(m.fingerprint, client_fingerprint(callee), PH_FINGERPRINT_LEN);
    return m;
}

static struct ph_signal answer_of(uint8_t id)
{
    struct ph_signal m = {.type = PH_SIGNAL_DIRECT_CALL_ANSWER,
                          .mapped_addr = ph_addr_v4(203, 0, 113, 8, 888)};

    memset(m.call_id, id, sizeof(m.call_id));
    return m;
}

/* What the relay's STUN server gives to who receives packets at an address. */
static uint64_t voucher_at(struct world *w, const struct ph_addr *at)
{
    uint8_t tid[PH_STUN_TID_LEN] = {7}, bytes[64];
    struct ph_writer out = ph_writer_init(bytes, sizeof(bytes));
    struct ph_stun m;
    int len;

    ph_stun_begin(&out, PH_STUN_BINDING_REQUEST, tid);
    ph_stun_put_voucher(&out, 0);
    len = ph_stun_end(&out, true);
    assert_true(len > 0);
    fake_inject(w->s.net, at, &w->s.addr, bytes, (size_t)len);
    fake_run(w->s.net, PH_SEC);
    assert_true(ph_addr_eq(&w->s.host->stray_to, at));
    assert_int_equal(ph_stun_parse(w->s.host->stray, w->s.host->stray_len, &m), PH_OK);
    assert_true(ph_addr_eq(&m.mapped, at));
    assert_true(m.voucher != 0);
    return m.voucher;
}

static struct ph_addr v6(const char *text)
{
    struct ph_addr a;

    assert_int_equal(ph_addr_parse(text, &a), PH_OK);
    return a;
}

/* What the callee is told of where the caller also is, after the caller has said so; in the offer,
 * in the answer's direction, and in both setups. */
static struct ph_addr told_after(const struct ph_addr *at, uint64_t voucher, bool silent)
{
    struct world w;
    struct ph_signal also = {.type = PH_SIGNAL_ALSO_AT, .observed = *at};
    struct ph_addr told, home = v6("[2001:db8::7]:5555");

    world_init(&w);
    also.relay_token = voucher_at(&w, &home) ^ voucher;
    client_send(w.a, &also);
    fake_run(w.s.net, PH_SEC);
    struct ph_signal offer = offer_to(w.b, 9, CALLER_TAG), answer = answer_of(9);
    offer.also = answer.also = v6("[2001:db8::bad]:1"); /* nobody's own word */
    if (silent) {
        offer.mapped_addr = (struct ph_addr){0};
    }
    client_send(w.a, &offer);
    fake_run(w.s.net, PH_SEC);
    told = client_next(w.b, PH_SIGNAL_DIRECT_CALL_OFFER)->also;
    client_send(w.b, &answer);
    fake_run(w.s.net, PH_SEC);
    assert_true(ph_addr_eq(&client_next(w.b, PH_SIGNAL_CALL_SETUP)->also, &told));
    assert_false(ph_addr_is_set(&client_next(w.a, PH_SIGNAL_DIRECT_CALL_ANSWER)->also));
    assert_false(ph_addr_is_set(&client_next(w.a, PH_SIGNAL_CALL_SETUP)->also));
    world_fini(&w);
    return told;
}

static void the_other_family_is_vouched_for(void **state)
{
    struct ph_addr home = v6("[2001:db8::7]:5555"), other_port = v6("[2001:db8::7]:6666");
    struct ph_addr elsewhere = v6("[2001:db8::8]:5555"), link_local = v6("[fe80::1]:5555");
    struct ph_addr told = told_after(&home, 0, false);

    (void)state;
    assert_true(ph_addr_eq(&told, &home));
    told = told_after(&other_port, 0, false); /* it is about the IP */
    assert_true(ph_addr_eq(&told, &other_port));
    told = told_after(&home, 0, true); /* who names no address is not given away */
    assert_false(ph_addr_is_set(&told));
    told = told_after(&home, 1u << 5, false); /* forged */
    assert_false(ph_addr_is_set(&told));
    told = told_after(&elsewhere, 0, false);
    assert_false(ph_addr_is_set(&told));
    told = told_after(&link_local, 0, false);
    assert_false(ph_addr_is_set(&told));
}

/* One of the connection's own family would stand beside what the relay sees itself; and a voucher
 * is good for ten minutes and somewhat longer. */
static void vouchers_have_limits(void **state)
{
    static const ph_ns later[] = {590 * PH_SEC, 1210 * PH_SEC};
    struct ph_addr v4 = ph_addr_v4(203, 0, 113, 77, 5555), home = v6("[2001:db8::7]:5555");
    struct world w;
    struct ph_signal also = {.type = PH_SIGNAL_ALSO_AT, .observed = v4};

    (void)state;
    world_init(&w);
    also.relay_token = voucher_at(&w, &v4);
    client_send(w.a, &also);
    fake_run(w.s.net, PH_SEC);
    struct ph_signal offer = offer_to(w.b, 9, CALLER_TAG);
    client_send(w.a, &offer);
    fake_run(w.s.net, PH_SEC);
    assert_false(ph_addr_is_set(&client_next(w.b, PH_SIGNAL_DIRECT_CALL_OFFER)->also));
    world_fini(&w);
    for (int i = 0; i < 2; i++) {
        world_init(&w);
        also.observed = home;
        also.relay_token = voucher_at(&w, &home);
        fake_run(w.s.net, later[i]);
        client_send(w.a, &also);
        fake_run(w.s.net, PH_SEC);
        offer = offer_to(w.b, 9, CALLER_TAG);
        client_send(w.a, &offer);
        fake_run(w.s.net, PH_SEC);
        assert_int_equal(ph_addr_is_set(&client_next(w.b, PH_SIGNAL_DIRECT_CALL_OFFER)->also),
                         i == 0);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_other_family_is_vouched_for),
        cmocka_unit_test(vouchers_have_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
