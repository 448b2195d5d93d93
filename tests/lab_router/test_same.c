/* The scripted router beside miniupnpd: one and the same question to each, answers compared byte by
 * byte. Both keep one table for NAT-PMP and PCP, and whose an entry is shows in who may delete it.
 */
#include "tests/kernel_lab.h"
#include "tests/router_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PORT    41000
#define WAIT_MS 5000

/* Where an answer has the time since the server's start (RFC 6886 section 3.2, RFC 6887 section
 * 7.2), which the two do not share. */
#define NATPMP_EPOCH 4
#define PCP_EPOCH    8
/* What an error's answer to MAP has there is a server's own choice: the lifetime of the error (RFC
 * 6887 section 7.2), and the external address (a copy of what was asked, section 11.1; miniupnpd
 * writes its own). */
#define PCP_LIFETIME 4
#define PCP_EXTERNAL 44

enum speech {
    ADDRESS, /* NAT-PMP's */
    NATPMP,
    PCP,
    ANNOUNCE,
};

static const struct step {
    const char *what;
    enum speech speech;
    uint8_t protocol; /* as NAT-PMP's op: 1 UDP, 2 TCP */
    uint16_t inside, outside;
    uint32_t lifetime;
    uint8_t nonce;
    size_t mappings; /* in the table afterwards */
} steps[] = {
    {"the address", ADDRESS, 0, 0, 0, 0, 0, 0},
    {"announce", ANNOUNCE, 0, 0, 0, 0, 0, 0},
    {"NAT-PMP maps", NATPMP, 1, 41000, 42000, 600, 0, 1},
    {"and renews", NATPMP, 1, 41000, 42000, 600, 0, 1},
    {"TCP is another table", NATPMP, 2, 41000, 42000, 300, 0, 2},
    {"no wish", NATPMP, 1, 41001, 0, 600, 0, 3},
    {"no inside port", NATPMP, 1, 0, 42001, 600, 0, 3},
    {"deleted", NATPMP, 1, 41001, 0, 0, 0, 2},
    {"and again", NATPMP, 1, 41001, 0, 0, 0, 2},
    /* (Told to delete all of TCP, miniupnpd 2.3.1 takes UDP's along, against RFC 6886 section 3.4.)
     */
    {"TCP deleted", NATPMP, 2, 41000, 0, 0, 0, 1},
    {"no such op", NATPMP, 3, 0, 0, 0, 0, 1},
    {"all of UDP", NATPMP, 1, 0, 0, 0, 0, 0},

    {"PCP maps", PCP, 1, 41000, 42000, 600, 0x11, 1},
    {"and renews", PCP, 1, 41000, 42000, 600, 0x11, 1},
    {"no wish of PCP", PCP, 1, 41001, 0, 600, 0x11, 2},
    {"TCP by PCP", PCP, 2, 41001, 42001, 600, 0x11, 3},
    {"another's nonce does not delete", PCP, 1, 41000, 42000, 0, 0x22, 3},
    {"NAT-PMP does not delete PCP's", NATPMP, 1, 41000, 0, 0, 0, 3},
    {"nor with all the others", NATPMP, 1, 0, 0, 0, 0, 3},
    {"its nonce does", PCP, 1, 41000, 42000, 0, 0x11, 2},
    {"and the second", PCP, 1, 41001, 0, 0, 0x11, 1},
    {"and the third", PCP, 2, 41001, 0, 0, 0x11, 0},

    {"PCP again", PCP, 1, 41000, 42000, 600, 0x11, 1},
    {"NAT-PMP takes it over", NATPMP, 1, 41000, 42000, 600, 0, 1},
    {"then PCP has no say", PCP, 1, 41000, 42000, 0, 0x11, 1},
    {"PCP takes it back", PCP, 1, 41000, 42000, 600, 0x33, 1},
    {"then NAT-PMP has none", NATPMP, 1, 41000, 0, 0, 0, 1},
    {"gone", PCP, 1, 41000, 42000, 0, 0x33, 0},
};

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

/* The request's length. */
static size_t write_request(const struct step *s, const struct ph_addr *me, uint8_t out[60])
{
    memset(out, 0, 60);
    switch (s->speech) {
    case ADDRESS:
        return 2;
    case NATPMP: /* RFC 6886 section 3.3 */
        out[1] = s->protocol;
        put16(out + 4, s->inside);
        put16(out + 6, s->outside);
        put32(out + 8, s->lifetime);
        return 12;
    case PCP:
    case ANNOUNCE: /* RFC 6887 sections 7.1 and 11.1 */
        break;
    }
    out[0] = 2;
    out[1] = s->speech == PCP ? 1 : 0;
    put32(out + 4, s->lifetime);
    put16(out + 18, 0xffff);
    memcpy(out + 20, me->ip, 4);
    if (s->speech == ANNOUNCE)
        return 24;
    memset(out + 24, s->nonce, 12);
    out[36] = s->protocol == 1 ? 17 : 6;
    put16(out + 40, s->inside);
    put16(out + 42, s->outside);
    put16(out + 54, 0xffff);
    return 60;
}

static size_t ask(struct kernel_world *w, int fd, const struct step *s, uint8_t in[128])
{
    uint8_t request[60];
    struct ph_addr me = router_world_host(w, "a");
    struct ph_addr to = router_world_lan(w, "a.nat");
    size_t len = write_request(s, &me, request);
    to.port = 5351;
    router_world_send(fd, &to, request, len);
    len = router_world_hear(fd, in, 128, WAIT_MS, NULL);
    assert_in_range(len, 8, 60);
    memset(in + (in[0] == 0 ? NATPMP_EPOCH : PCP_EPOCH), 0, 4);
    if (in[0] == 2 && in[3] != 0) {
        memset(in + PCP_LIFETIME, 0, 4);
        memset(in + PCP_EXTERNAL, 0, 16);
    }
    return len;
}

static void print_bytes(const char *who, const uint8_t *bytes, size_t len)
{
    char line[256] = "";
    for (size_t i = 0; i < len; i++)
        (void)snprintf(line + 2 * i, sizeof(line) - 2 * i, "%02x", bytes[i]);
    print_message("%s: %s\n", who, line);
}

static void test_natpmp_and_pcp(void **state)
{
    /* The one fault that no answer shows: it makes the router a scripted one. */
    static const char *const port_mapping[2] = {
        "nat_pmp: true, pcp: true", "nat_pmp: true, pcp: true, faults: [dnat-without-snat]"};
    struct kernel_world *w[2];
    int fd[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        w[i] = router_world_new(NULL, port_mapping[i]);
        fd[i] = router_world_udp(w[i], "a", PORT);
    }
    for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
        uint8_t in[2][128];
        size_t len[2];
        for (int i = 0; i < 2; i++)
            len[i] = ask(w[i], fd[i], &steps[k], in[i]);
        if (len[0] != len[1] || memcmp(in[0], in[1], len[0]) != 0) {
            print_bytes("miniupnpd", in[0], len[0]);
            print_bytes("scripted ", in[1], len[1]);
            fail_msg("step %zu, %s: they do not say the same", k, steps[k].what);
        }
        for (int i = 0; i < 2; i++)
            if (router_world_mappings(w[i]) != steps[k].mappings)
                fail_msg("step %zu, %s: %s holds %zu, not %zu", k, steps[k].what,
                         i == 0 ? "miniupnpd" : "the scripted router", router_world_mappings(w[i]),
                         steps[k].mappings);
    }
    for (int i = 0; i < 2; i++) {
        (void)close(fd[i]);
        kernel_world_free(w[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_natpmp_and_pcp)};
    return cmocka_run_group_tests_name("lab/router/same", tests, kernel_lab_setup,
                                       kernel_lab_teardown);
}
