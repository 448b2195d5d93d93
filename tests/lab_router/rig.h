/* A scripted router without sockets: what it sends and maps is kept, the clock is the test's. */
#ifndef TESTS_LAB_ROUTER_RIG_H
#define TESTS_LAB_ROUTER_RIG_H

#include "lab/router/fault.h"
#include "lab/router/scripted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW       (5 * PH_SEC)
#define SENT_MAX  16
#define HTTP_PORT 49152
#define HTTP_NEXT 49153

struct sent {
    ph_ns at;
    struct ph_addr from, to;
    size_t len;
    uint8_t data[1500];
};

struct rig {
    struct scripted *s;
    ph_ns now;
    struct sent sent[SENT_MAX];
    size_t sent_count;
    struct scripted_mapping last;
    size_t on, off; /* mappings that began and ended */
};

static const struct ph_addr client = {PH_AF_V4, 0, 41000, {192, 168, 1, 10}};
static const struct ph_addr lan = {PH_AF_V4, 0, 0, {192, 168, 1, 1}};
static const struct ph_addr wan = {PH_AF_V4, 0, 0, {11, 2, 0, 2}};

static inline void on_send(void *user, const struct scripted_datagram *d)
{
    struct rig *r = user;
    struct sent *out = &r->sent[r->sent_count++];
    assert_true(r->sent_count <= SENT_MAX);
    assert_true(d->len <= sizeof(out->data));
    assert_true(d->at >= r->now);
    *out = (struct sent){.at = d->at, .from = d->from, .to = d->to, .len = d->len};
    memcpy(out->data, d->data, d->len);
}

static inline void on_map(void *user, const struct scripted_mapping *m, bool on)
{
    struct rig *r = user;
    r->last = *m;
    *(on ? &r->on : &r->off) += 1;
}

static const struct scripted_ops ops = {.send = on_send, .map = on_map};

/* protocols: bits of enum fault_protocol; fault: NULL for a good router. */
static inline void start(struct rig *r, unsigned protocols, const char *fault)
{
    struct nat_profile p;
    struct scripted_config config = {
        .profile = &p, .lan = lan, .wan = wan, .http_ports = {HTTP_PORT, HTTP_NEXT}, .seed = 1};
    nat_profile_init(&p);
    p.port_mapping.pcp = (protocols & FAULT_PCP) != 0;
    p.port_mapping.nat_pmp = (protocols & FAULT_NAT_PMP) != 0;
    p.port_mapping.upnp = (protocols & FAULT_UPNP) != 0;
    if (fault != NULL) {
        p.port_mapping.fault_count = 1;
        (void)snprintf(p.port_mapping.faults[0], NAT_NAME_MAX, "%s", fault);
    }
    *r = (struct rig){.now = NOW};
    assert_int_equal(scripted_new(&config, &ops, r, NOW, &r->s), 0);
}

static inline void stop(struct rig *r)
{
    scripted_free(r->s);
}

/* A datagram in; how many came out. */
static inline size_t ask(struct rig *r, const void *data, size_t len)
{
    struct ph_addr to = lan;
    to.port = SCRIPTED_PORT;
    r->sent_count = 0;
    scripted_take(r->s, r->now, &client, &to, data, len);
    return r->sent_count;
}

/* RFC 6886 section 3.3. */
static const uint8_t natpmp_map[12] = {
    0x00, 0x01,             /* version 0, op 1: map UDP */
    0x00, 0x00,             /* reserved */
    0xa0, 0x28,             /* internal port 41000 */
    0xa4, 0x10,             /* suggested external port 42000 */
    0x00, 0x00, 0x02, 0x58, /* 600 s */
};

#endif
