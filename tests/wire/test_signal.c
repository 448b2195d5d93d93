#include "base/err.h"
#include "wire/signal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* One message of each type with all that it carries, and its bytes. The bytes are the protocol: a
 * change that breaks this table breaks the peers that are out there. */
/* clang-format off */
#define CALL_ID \
    0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf
#define FINGERPRINT \
    0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff, \
    0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee, 0xef
#define V6_BYTES 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x09

static const uint8_t register_bytes[] = {
    0x00, 0x26,                                             /* 38 bytes follow */
    0x00, 0x01,                                             /* RegisterPresence */
    0x00, 0x02, 0x00, 0x20, FINGERPRINT,                    /* fingerprint */
};

static const uint8_t ack_bytes[] = {
    0x00, 0x49,                                             /* 73 bytes follow */
    0x00, 0x02,                                             /* RegisterPresenceAck */
    0x00, 0x03, 0x00, 0x07, 4, 0x9c, 0x40, 198, 51, 100, 7, /* observed: 198.51.100.7:40000 */
    0x00, 0x04, 0x00, 0x05, 'e', 'u', '-', 'w', '1',        /* region */
    0x00, 0x05, 0x00, 0x07, 4, 0x11, 0x51, 203, 0, 113, 1,  /* relay: 203.0.113.1:4433 */
    0x00, 0x05, 0x00, 0x13, 6, 0x11, 0x52, V6_BYTES,        /* relay: [2001:db8::9]:4434 */
    0x00, 0x05, 0x00, 0x0d, 4, 0x11, 0x53, 203, 0, 113, 2,  /* relay: 203.0.113.2:4435 */
    0x05, 'u', 's', '-', 'e', '2',                          /* and its region */
};

#define CANDIDATES \
    0x00, 0x06, 0x00, 0x0c, 1, 0x7e, 0x00, 0x00, 0xff, 4, 0x13, 0x88, 10, 0, 0, 2, /* host */ \
    0x00, 0x06, 0x00, 0x18, 3, 0x64, 0x00, 0x00, 0xff, 6, 0x13, 0x89, V6_BYTES /* reflexive */
#define CREDENTIALS \
    0x00, 0x07, 0x00, 0x18, 'u', 'f', 'r', 'a', 'g', '0', '0', '1', \
    'p', 'w', 'd', 'p', 'w', 'd', 'p', 'w', 'd', 'p', 'w', 'd', '0', '0', '0', '1'

static const uint8_t offer_bytes[] = {
    0x00, 0xa1,                                             /* 161 bytes follow */
    0x00, 0x03,                                             /* DirectCallOffer */
    0x00, 0x01, 0x00, 0x10, CALL_ID,                        /* call id */
    0x00, 0x02, 0x00, 0x20, FINGERPRINT,                    /* the callee */
    CANDIDATES,
    CREDENTIALS,
    0x00, 0x08, 0x00, 0x07, 4, 0x9c, 0x41, 198, 51, 100, 7, /* mapped: 198.51.100.7:40001 */
    0x00, 0x0a, 0x00, 0x04, 0, 0, 0, 80,                    /* round trip to the relay: 80 ms */
    0x00, 0x0b, 0x00, 0x08, 0x81, 2, 3, 4, 5, 6, 7, 8,      /* tag of the relay leg */
};

static const uint8_t answer_bytes[] = {
    0x00, 0x3f,                                             /* 63 bytes follow */
    0x00, 0x04,                                             /* DirectCallAnswer */
    0x00, 0x01, 0x00, 0x10, CALL_ID,                        /* call id */
    CREDENTIALS,
    0x00, 0x09, 0x00, 0x01, 1,                              /* mode: privacy */
    0x00, 0x0a, 0x00, 0x04, 0x00, 0x01, 0, 0,               /* 65536 ms */
};

static const uint8_t setup_bytes[] = {
    0x00, 0xa6,                                             /* 166 bytes follow */
    0x00, 0x05,                                             /* CallSetup */
    0x00, 0x01, 0x00, 0x10, CALL_ID,                        /* call id */
    0x00, 0x02, 0x00, 0x20, FINGERPRINT,                    /* the other peer */
    CANDIDATES,
    CREDENTIALS,
    0x00, 0x08, 0x00, 0x07, 4, 0x9c, 0x41, 198, 51, 100, 7, /* mapped: 198.51.100.7:40001 */
    0x00, 0x09, 0x00, 0x01, 2,                              /* mode: refuse */
    0x00, 0x0a, 0x00, 0x04, 0, 0, 0, 80,                    /* 80 ms */
    0x00, 0x0b, 0x00, 0x08, 0x81, 2, 3, 4, 5, 6, 7, 8,      /* the receiver's own tag */
};

static const uint8_t candidate_bytes[] = {
    0x00, 0x42,                                             /* 66 bytes follow */
    0x00, 0x06,                                             /* IceCandidate */
    0x00, 0x01, 0x00, 0x10, CALL_ID,                        /* call id */
    CANDIDATES,
};

static const uint8_t update_bytes[] = {
    0x00, 0x4a,                                             /* 74 bytes follow */
    0x00, 0x07,                                             /* CandidateUpdate */
    0x00, 0x01, 0x00, 0x10, CALL_ID,                        /* call id */
    CANDIDATES,
    0x00, 0x0c, 0x00, 0x04, 0, 0, 1, 0,                     /* generation 256 */
};

static const uint8_t hangup_bytes[] = {
    0x00, 0x1b,                                             /* 27 bytes follow */
    0x00, 0x0c,                                             /* Hangup */
    0x00, 0x01, 0x00, 0x10, CALL_ID,                        /* call id */
    0x00, 0x0d, 0x00, 0x01, 4,                              /* reason: lost */
};

static const uint8_t resume_bytes[] = {
    0x00, 0x46,                                             /* 70 bytes follow */
    0x00, 0x0d,                                             /* CallResume */
    0x00, 0x01, 0x00, 0x10, CALL_ID,                        /* call id */
    0x00, 0x02, 0x00, 0x20, FINGERPRINT,                    /* the other peer */
    0x00, 0x0b, 0x00, 0x08, 0x81, 2, 3, 4, 5, 6, 7, 8,      /* the sender's own tag */
};

static const uint8_t drain_bytes[] = {
    0x00, 0x1b,                                             /* 27 bytes follow */
    0x00, 0x0e,                                             /* Drain */
    0x00, 0x05, 0x00, 0x0a, 4, 0x0d, 0x96, 192, 0, 2, 9,    /* relay: 192.0.2.9:3478 */
    0x02, 'e', 'u',                                         /* and its region */
    0x00, 0x05, 0x00, 0x07, 4, 0x11, 0x51, 192, 0, 2, 10,   /* relay: 192.0.2.10:4433 */
};

static const uint8_t also_bytes[] = {
    0x00, 0x19,                                             /* 25 bytes follow */
    0x00, 0x0f,                                             /* AlsoAt */
    0x00, 0x03, 0x00, 0x07, 4, 0x0d, 0x96, 192, 0, 2, 9,    /* 192.0.2.9:3478 */
    0x00, 0x0b, 0x00, 0x08, 0x81, 2, 3, 4, 5, 6, 7, 8,      /* the voucher */
};

#define V4(a, b, c, d, p) {.family = PH_AF_V4, .port = (p), .ip = {a, b, c, d}}
#define V6(p)             {.family = PH_AF_V6, .port = (p), .ip = {V6_BYTES}}
#define CANDIDATE_LIST \
    .candidates = {{PH_CANDIDATE_HOST, 0x7e0000ff, V4(10, 0, 0, 2, 5000)}, \
                   {PH_CANDIDATE_REFLEXIVE, 0x640000ff, V6(5001)}}, \
    .candidate_count = 2
#define CREDENTIAL_PAIR \
    .credentials = { \
        {'u', 'f', 'r', 'a', 'g', '0', '0', '1'}, \
        {'p', 'w', 'd', 'p', 'w', 'd', 'p', 'w', 'd', 'p', 'w', 'd', '0', '0', '0', '1'}, \
    }
/* clang-format on */

static const struct {
    const char *name;
    const uint8_t *bytes;
    size_t len;
    struct ph_signal message;
} golden[] = {
    {"RegisterPresence",
     register_bytes,
     sizeof(register_bytes),
     {.type = PH_SIGNAL_REGISTER_PRESENCE, .fingerprint = {FINGERPRINT}}},
    {"RegisterPresenceAck",
     ack_bytes,
     sizeof(ack_bytes),
     {.type = PH_SIGNAL_REGISTER_PRESENCE_ACK,
      .observed = V4(198, 51, 100, 7, 40000),
      .region = "eu-w1",
      .relays = {V4(203, 0, 113, 1, 4433), V6(4434), V4(203, 0, 113, 2, 4435)},
      .relay_regions = {[2] = "us-e2"},
      .relay_count = 3}},
    {"DirectCallOffer",
     offer_bytes,
     sizeof(offer_bytes),
     {.type = PH_SIGNAL_DIRECT_CALL_OFFER,
      .call_id = {CALL_ID},
      .fingerprint = {FINGERPRINT},
      CANDIDATE_LIST,
      CREDENTIAL_PAIR,
      .mapped_addr = V4(198, 51, 100, 7, 40001),
      .relay_rtt_ms = 80,
      .relay_token = 0x8102030405060708u}},
    {"DirectCallAnswer",
     answer_bytes,
     sizeof(answer_bytes),
     {.type = PH_SIGNAL_DIRECT_CALL_ANSWER,
      .call_id = {CALL_ID},
      CREDENTIAL_PAIR,
      .mode = PH_ANSWER_PRIVACY,
      .relay_rtt_ms = 65536}},
    {"CallSetup",
     setup_bytes,
     sizeof(setup_bytes),
     {.type = PH_SIGNAL_CALL_SETUP,
      .call_id = {CALL_ID},
      .fingerprint = {FINGERPRINT},
      CANDIDATE_LIST,
      CREDENTIAL_PAIR,
      .mapped_addr = V4(198, 51, 100, 7, 40001),
      .mode = PH_ANSWER_REFUSE,
      .relay_rtt_ms = 80,
      .relay_token = 0x8102030405060708u}},
    {"IceCandidate",
     candidate_bytes,
     sizeof(candidate_bytes),
     {.type = PH_SIGNAL_ICE_CANDIDATE, .call_id = {CALL_ID}, CANDIDATE_LIST}},
    {"CandidateUpdate",
     update_bytes,
     sizeof(update_bytes),
     {.type = PH_SIGNAL_CANDIDATE_UPDATE, .call_id = {CALL_ID}, CANDIDATE_LIST, .generation = 256}},
    {"Hangup",
     hangup_bytes,
     sizeof(hangup_bytes),
     {.type = PH_SIGNAL_HANGUP, .call_id = {CALL_ID}, .reason = PH_HANGUP_LOST}},
    {"CallResume",
     resume_bytes,
     sizeof(resume_bytes),
     {.type = PH_SIGNAL_CALL_RESUME,
      .call_id = {CALL_ID},
      .fingerprint = {FINGERPRINT},
      .relay_token = 0x8102030405060708u}},
    {"Drain",
     drain_bytes,
     sizeof(drain_bytes),
     {.type = PH_SIGNAL_DRAIN,
      .relays = {V4(192, 0, 2, 9, 3478), V4(192, 0, 2, 10, 4433)},
      .relay_regions = {"eu"},
      .relay_count = 2}},
    {"AlsoAt",
     also_bytes,
     sizeof(also_bytes),
     {.type = PH_SIGNAL_ALSO_AT,
      .observed = V4(192, 0, 2, 9, 3478),
      .relay_token = 0x8102030405060708u}},
};

#define GOLDEN_COUNT (sizeof(golden) / sizeof(golden[0]))

static bool same_candidates(const struct ph_signal *a, const struct ph_signal *b)
{
    if (a->candidate_count != b->candidate_count)
        return false;
    for (size_t i = 0; i < a->candidate_count; i++) {
        if (a->candidates[i].type != b->candidates[i].type ||
            a->candidates[i].priority != b->candidates[i].priority ||
            !ph_addr_eq(&a->candidates[i].addr, &b->candidates[i].addr))
            return false;
    }
    return true;
}

/* Every field, those that the type does not carry included: they must be zero. */
static bool same(const struct ph_signal *a, const struct ph_signal *b)
{
    return a->type == b->type && memcmp(a->call_id, b->call_id, sizeof(a->call_id)) == 0 &&
           memcmp(a->fingerprint, b->fingerprint, sizeof(a->fingerprint)) == 0 &&
           ph_addr_eq(&a->observed, &b->observed) && ph_addr_eq(&a->also, &b->also) &&
           memcmp(a->region, b->region, sizeof(a->region)) == 0 &&
           a->relay_count == b->relay_count &&
           memcmp(a->relays, b->relays, sizeof(a->relays)) == 0 &&
           memcmp(a->relay_regions, b->relay_regions, sizeof(a->relay_regions)) == 0 &&
           same_candidates(a, b) &&
           memcmp(&a->credentials, &b->credentials, sizeof(a->credentials)) == 0 &&
           ph_addr_eq(&a->mapped_addr, &b->mapped_addr) && a->mode == b->mode &&
           a->relay_rtt_ms == b->relay_rtt_ms && a->relay_token == b->relay_token &&
           a->generation == b->generation && a->reason == b->reason;
}

static void test_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        uint8_t out[PH_SIGNAL_MAX];
        struct ph_signal m;

        assert_int_equal(ph_signal_encode(&golden[i].message, out, sizeof(out)), golden[i].len);
        assert_memory_equal(out, golden[i].bytes, golden[i].len);
        memset(&m, 0xa5, sizeof(m));
        assert_int_equal(ph_signal_decode(golden[i].bytes, golden[i].len, &m), golden[i].len);
        assert_true(same(&m, &golden[i].message));
        assert_string_equal(ph_signal_name(m.type), golden[i].name);
    }
    assert_string_equal(ph_signal_name((enum ph_signal_type)0), "unknown");
    assert_string_equal(ph_signal_name((enum ph_signal_type)8), "unknown");
    assert_string_equal(ph_signal_name((enum ph_signal_type)16), "unknown");
    assert_string_equal(ph_signal_name((enum ph_signal_type) - 1), "unknown");
}

/* A stream: one call takes one message and leaves the next. */
static void test_stream(void **state)
{
    uint8_t stream[sizeof(hangup_bytes) + sizeof(answer_bytes)];
    struct ph_signal m;

    (void)state;
    memcpy(stream, hangup_bytes, sizeof(hangup_bytes));
    memcpy(stream + sizeof(hangup_bytes), answer_bytes, sizeof(answer_bytes));
    assert_int_equal(ph_signal_decode(stream, sizeof(stream), &m), sizeof(hangup_bytes));
    assert_int_equal(m.type, PH_SIGNAL_HANGUP);
    assert_int_equal(ph_signal_decode(stream + sizeof(hangup_bytes), sizeof(answer_bytes), &m),
                     sizeof(answer_bytes));
    assert_int_equal(m.type, PH_SIGNAL_DIRECT_CALL_ANSWER);
}

/* A part of a message is short. A message that claims to end inside a field is refused, one that
 * ends between two fields is a message whose later fields are missing. */
static void test_truncated(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        const uint8_t *bytes = golden[i].bytes;
        size_t next_field = 4;

        for (size_t len = 0; len < golden[i].len; len++) {
            uint8_t copy[PH_SIGNAL_MAX];
            struct ph_signal m;
            int want = PH_ERR_FORMAT;

            assert_int_equal(ph_signal_decode(bytes, len, &m), PH_ERR_SHORT);
            assert_int_equal(m.type, 0);
            if (len < 2)
                continue;
            if (len == next_field) {
                want = (int)len;
                next_field += 4 + (size_t)(bytes[len + 2] << 8 | bytes[len + 3]);
            }
            memcpy(copy, bytes, len);
            copy[0] = (uint8_t)((len - 2) >> 8);
            copy[1] = (uint8_t)(len - 2);
            assert_int_equal(ph_signal_decode(copy, len, &m), want);
            assert_int_equal(m.type, want < 0 ? 0 : golden[i].message.type);
        }
        assert_int_equal(next_field, golden[i].len);
    }
}

/* What an older peer leaves out has its default. */
static void test_backward_compatible(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        struct ph_signal want = {.type = golden[i].message.type};
        const uint8_t bytes[4] = {0, 2, 0, (uint8_t)want.type};
        uint8_t out[8];
        struct ph_signal m;

        assert_int_equal(ph_signal_decode(bytes, sizeof(bytes), &m), 4);
        assert_true(same(&m, &want));
        assert_int_equal(m.mode, PH_ANSWER_FULL);
        /* And defaults take no bytes. */
        assert_int_equal(ph_signal_encode(&want, out, sizeof(out)), 4);
    }
}

static void test_encode_limits(void **state)
{
    uint8_t out[PH_SIGNAL_MAX];
    struct ph_signal m;

    (void)state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        for (size_t cap = 0; cap < golden[i].len; cap++) {
            memset(out, 0xee, sizeof(out));
            assert_int_equal(ph_signal_encode(&golden[i].message, out, cap), PH_ERR_SPACE);
            for (size_t j = cap; j < golden[i].len; j++)
                assert_int_equal(out[j], 0xee);
        }
    }
#define REFUSED(...)                                                                               \
    do {                                                                                           \
        m = (struct ph_signal){__VA_ARGS__};                                                       \
        assert_int_equal(ph_signal_encode(&m, out, sizeof(out)), PH_ERR_INVAL);                    \
    } while (0)
    REFUSED(.type = 0);
    REFUSED(.type = 8);
    REFUSED(.type = 16);
    REFUSED(.type = PH_SIGNAL_CALL_SETUP, .candidate_count = PH_SIGNAL_CANDIDATES_MAX + 1);
    REFUSED(.type = PH_SIGNAL_CALL_SETUP, .candidate_count = 1); /* no type, no address */
    REFUSED(.type = PH_SIGNAL_CALL_SETUP, .candidate_count = 1,
            .candidates = {{.type = PH_CANDIDATE_HOST}});
    REFUSED(.type = PH_SIGNAL_CALL_SETUP, .candidate_count = 1,
            .candidates = {{.type = 6, .addr = V4(1, 1, 1, 1, 1)}});
    REFUSED(.type = PH_SIGNAL_CALL_SETUP, .mode = PH_ANSWER_REFUSE + 1);
    REFUSED(.type = PH_SIGNAL_HANGUP, .reason = PH_HANGUP_LOST + 1);
    REFUSED(.type = PH_SIGNAL_REGISTER_PRESENCE_ACK, .relay_count = PH_SIGNAL_RELAYS_MAX + 1);
    REFUSED(.type = PH_SIGNAL_REGISTER_PRESENCE_ACK, .relay_count = 1);
    REFUSED(.type = PH_SIGNAL_REGISTER_PRESENCE_ACK,
            .region = {'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r',
                       'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r',
                       'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r'});
    REFUSED(.type = PH_SIGNAL_REGISTER_PRESENCE_ACK, .relay_count = 1,
            .relays = {V4(1, 1, 1, 1, 1)},
            .relay_regions = {{'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r',
                               'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r',
                               'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r'}});
#undef REFUSED
}

/* The fullest message of every type still fits, so that PH_ERR_SPACE never comes of content. */
static void test_fullest(void **state)
{
    struct ph_signal m = golden[4].message;

    (void)state;
    for (size_t i = 0; i < PH_SIGNAL_CANDIDATES_MAX; i++)
        m.candidates[i] = golden[4].message.candidates[1];
    m.candidate_count = PH_SIGNAL_CANDIDATES_MAX;
    m.observed = m.mapped_addr = m.candidates[0].addr;
    m.relay_count = PH_SIGNAL_RELAYS_MAX;
    for (size_t i = 0; i < PH_SIGNAL_RELAYS_MAX; i++)
        m.relays[i] = m.candidates[0].addr;
    for (size_t i = 0; i < PH_SIGNAL_RELAYS_MAX; i++)
        memset(m.relay_regions[i], 'r', PH_SIGNAL_REGION_MAX - 1);
    memset(m.region, 'r', sizeof(m.region) - 1);
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        uint8_t out[PH_SIGNAL_MAX];
        struct ph_signal back;
        int len;

        m.type = golden[i].message.type;
        len = ph_signal_encode(&m, out, sizeof(out));
        assert_true(len > 0);
        assert_int_equal(ph_signal_decode(out, (size_t)len, &back), len);
        assert_int_equal(back.type, m.type);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_truncated),     cmocka_unit_test(test_backward_compatible),
        cmocka_unit_test(test_encode_limits), cmocka_unit_test(test_fullest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
