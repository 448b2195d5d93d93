/* A router in memory for the tests of the mapper: PCP and NAT-PMP with one table, as routers have
 * it. It reads and writes its messages by offsets of the RFCs, not by our codecs. */
#ifndef TESTS_PORTMAP_FAKE_ROUTER_H
#define TESTS_PORTMAP_FAKE_ROUTER_H

#include "fake_host.h"

#define ROUTER_TABLE 32

struct router_entry {
    bool used;
    uint8_t nonce[12]; /* of PCP; zero: made by NAT-PMP or UPnP */
    uint16_t internal, external;
    uint32_t lifetime_s;
};

struct router {
    bool pcp, natpmp;
    bool natpmp_refuses_pcp; /* version 0, UNSUPP_VERSION; otherwise it is silent */
    struct ph_addr address;  /* external */
    ph_ns rtt;
    ph_ns booted;
    uint8_t pcp_result; /* of MAP; 0: grants */
    uint32_t pcp_error_lifetime_s;
    uint16_t natpmp_result;
    uint32_t lifetime_s; /* grants at most; 0: what is asked */
    uint16_t other_port; /* it gives this external port; 0: the one that is suggested */
    unsigned lose;       /* so many requests are lost yet */
    struct router_entry table[ROUTER_TABLE];
    unsigned maps, deletes, announces, addresses; /* requests that came */
};

static inline uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static inline void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
    put16(p, (uint16_t)(v >> 16));
    put16(p + 2, (uint16_t)v);
}

static inline size_t router_count(const struct router *r)
{
    size_t n = 0;
    for (size_t i = 0; i < ROUTER_TABLE; i++)
        n += r->table[i].used;
    return n;
}

static inline struct router_entry *router_find(struct router *r, uint16_t internal)
{
    for (size_t i = 0; i < ROUTER_TABLE; i++) {
        if (r->table[i].used && r->table[i].internal == internal)
            return &r->table[i];
    }
    return NULL;
}

static inline struct router_entry *router_put(struct router *r, uint16_t internal,
                                              uint16_t external, uint32_t lifetime_s)
{
    struct router_entry *e = router_find(r, internal);
    for (size_t i = 0; !e && i < ROUTER_TABLE; i++) {
        if (!r->table[i].used)
            e = &r->table[i];
    }
    assert_non_null(e);
    if (e->used)
        external = e->external;
    else if (r->other_port)
        external = r->other_port;
    *e = (struct router_entry){
        .used = true, .internal = internal, .external = external, .lifetime_s = lifetime_s};
    return e;
}

static inline uint32_t router_epoch(const struct fake_host *f, const struct router *r)
{
    return (uint32_t)((f->now - r->booted) / PH_SEC);
}

static inline void router_answers(struct fake_host *f, const struct fake_sent *s, const void *data,
                                  size_t len)
{
    struct router *r = f->router;
    fake_arrives(f, r->rtt, s->sock, &s->to, data, len);
}

static inline void router_pcp_map(struct fake_host *f, const struct fake_sent *s, uint8_t *a)
{
    struct router *r = f->router;
    const uint8_t *q = s->data;
    uint32_t lifetime = get32(q + 4);
    uint16_t internal = get16(q + 40), external = get16(q + 42);
    assert_int_equal(s->len, 60);
    assert_int_equal(q[36], 17); /* UDP */
    struct router_entry *e = router_find(r, internal);
    memcpy(a + 24, q + 24, 36);
    if (lifetime == 0)
        r->deletes++;
    else
        r->maps++;
    if (r->pcp_result != 0) {
        a[3] = r->pcp_result;
        put32(a + 4, r->pcp_error_lifetime_s);
    } else if (e && memcmp(e->nonce, q + 24, 12) != 0 &&
               memcmp(e->nonce, (uint8_t[12]){0}, 12) != 0) {
        a[3] = 2; /* NOT_AUTHORIZED: somebody else's nonce */
    } else if (lifetime == 0) {
        if (e)
            e->used = false;
        put32(a + 4, 0);
    } else {
        if (r->lifetime_s && lifetime > r->lifetime_s)
            lifetime = r->lifetime_s;
        e = router_put(r, internal, external, lifetime);
        memcpy(e->nonce, q + 24, 12);
        put32(a + 4, lifetime);
        put16(a + 42, e->external);
        memset(a + 44, 0, 10);
        memset(a + 54, 0xff, 2);
        memcpy(a + 56, r->address.ip, 4);
    }
}

static inline void router_pcp(struct fake_host *f, const struct fake_sent *s)
{
    struct router *r = f->router;
    uint8_t a[60] = {2, (uint8_t)(0x80 | s->data[1])};
    assert_true(s->len >= 24);
    put32(a + 8, router_epoch(f, r));
    if (s->data[1] == 0) {
        r->announces++;
        router_answers(f, s, a, 24);
        return;
    }
    assert_int_equal(s->data[1], 1);
    router_pcp_map(f, s, a);
    router_answers(f, s, a, 60);
}

static inline void router_natpmp(struct fake_host *f, const struct fake_sent *s)
{
    struct router *r = f->router;
    uint8_t a[16] = {0, (uint8_t)(128 + s->data[1])};
    put32(a + 4, router_epoch(f, r));
    if (s->data[1] == 0) {
        assert_int_equal(s->len, 2);
        r->addresses++;
        memcpy(a + 8, r->address.ip, 4);
        router_answers(f, s, a, 12);
        return;
    }
    assert_int_equal(s->len, 12);
    assert_int_equal(s->data[1], 1);
    uint16_t internal = get16(s->data + 4);
    uint32_t lifetime = get32(s->data + 8);
    put16(a + 2, r->natpmp_result);
    put16(a + 8, internal);
    if (lifetime == 0) {
        assert_int_equal(get16(s->data + 6), 0); /* RFC 6886 section 3.4 */
        r->deletes++;
        struct router_entry *e = router_find(r, internal);
        if (e)
            e->used = false;
    } else if (r->natpmp_result == 0) {
        r->maps++;
        if (r->lifetime_s && lifetime > r->lifetime_s)
            lifetime = r->lifetime_s;
        put16(a + 10, router_put(r, internal, get16(s->data + 6), lifetime)->external);
        put32(a + 12, lifetime);
    }
    router_answers(f, s, a, 16);
}

static inline void router_on_sent(struct fake_host *f, const struct fake_sent *s)
{
    struct router *r = f->router;
    if (s->to.port != 5351)
        return;
    if (r->lose > 0) {
        r->lose--;
        return;
    }
    if (s->data[0] == 2 && r->pcp) {
        router_pcp(f, s);
    } else if (s->data[0] == 2 && r->natpmp && r->natpmp_refuses_pcp) {
        uint8_t a[8] = {0, (uint8_t)(128 + s->data[1]), 0, 1};
        put32(a + 4, router_epoch(f, r));
        router_answers(f, s, a, sizeof(a));
    } else if (s->data[0] == 0 && r->natpmp) {
        router_natpmp(f, s);
    } else if (s->data[0] == 0 && r->pcp) {
        uint8_t a[24] = {2, (uint8_t)(128 + s->data[1]), 0, 1};
        router_answers(f, s, a, sizeof(a));
    }
}

static inline void router_init(struct fake_host *f, struct router *r)
{
    *r = (struct router){
        .address = FAKE_EXTERNAL, .rtt = PH_MS, .booted = 0, .natpmp_refuses_pcp = true};
    f->router = r;
    f->on_sent = router_on_sent;
}

#define PCP    (1u << PH_PORTMAP_PCP)
#define NATPMP (1u << PH_PORTMAP_NATPMP)
#define UPNP   (1u << PH_PORTMAP_UPNP)

#endif
