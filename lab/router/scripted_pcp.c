/* NAT-PMP (RFC 6886) and PCP (RFC 6887) as a server reads and writes them. */
#include "lab/router/scripted_private.h"

#include <stdio.h>
#include <string.h>

#define PCP_HEAD       24
#define PCP_MAP        60
#define PCP_MAX        1100
#define NATPMP_MAP_ASK 12
#define PADDED_TO      1000
#define ERROR_LIFETIME 30u /* seconds, of PCP's errors */
#define SHORT_LIFETIME 2u

enum {
    PCP_SUCCESS = 0,
    PCP_UNSUPP_VERSION = 1,
    PCP_NOT_AUTHORIZED = 2,
    PCP_MALFORMED_REQUEST = 3,
    PCP_UNSUPP_OPCODE = 4,
    PCP_UNSUPP_OPTION = 5,
    PCP_NO_RESOURCES = 8,
    PCP_UNSUPP_PROTOCOL = 9,
    PCP_ADDRESS_MISMATCH = 12,
};

enum {
    NATPMP_SUCCESS = 0,
    NATPMP_UNSUPP_VERSION = 1,
    NATPMP_NOT_AUTHORIZED = 2,
    NATPMP_OUT_OF_RESOURCES = 4,
    NATPMP_UNSUPP_OPCODE = 5,
};

static unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void set16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void set32(uint8_t *p, uint32_t v)
{
    set16(p, v >> 16);
    set16(p + 2, v & 0xffff);
}

static const uint8_t v4_in_v6[12] = {[10] = 0xff, [11] = 0xff};

/* An answer on its way, with what the faults do to every one of them. port_at: where the answer has
 * the internal and behind it the external port; 0: it has none. */
static void answer(struct scripted *s, ph_ns now, const struct ph_addr *to, const uint8_t *data,
                   size_t len, size_t port_at)
{
    uint8_t out[PADDED_TO];
    struct ph_addr from = s->lan;
    struct ph_addr elsewhere = scripted_elsewhere(s);
    from.port = elsewhere.port = SCRIPTED_PORT;
    memcpy(out, data, len);
    if (port_at != 0 && (has(s, F_STALE_ANSWERS) || has(s, F_FOREIGN_ANSWERS))) {
        /* Port 9 discards; whoever takes this for its mapping is not reached. */
        set16(out + port_at + 2, 9);
        if (has(s, F_FOREIGN_ANSWERS))
            scripted_send(s, now, &elsewhere, to, out, len);
        set16(out + port_at, get16(data + port_at) ^ 2u);
        if (len >= PCP_MAP)
            memset(out + PCP_HEAD, 0x5a, NONCE_LEN);
        if (has(s, F_STALE_ANSWERS))
            scripted_send(s, now, &from, to, out, len);
        memcpy(out, data, len);
    }
    if (has(s, F_WRONG_NONCE) && len >= PCP_MAP)
        out[PCP_HEAD] ^= 0xff;
    if (has(s, F_PADDED_ANSWERS)) {
        memset(out + len, 0xa5, sizeof(out) - len);
        len = sizeof(out);
    }
    if (has(s, F_TRUNCATED_ANSWERS))
        len = len * 2 / 3;
    scripted_send(s, now, &from, to, out, len);
}

static uint32_t lifetime_for(const struct scripted *s, uint32_t asked)
{
    uint32_t most = has(s, F_SHORT_LIFETIME) ? SHORT_LIFETIME : LIFETIME_MAX_S;
    return asked < most ? asked : most;
}

static bool is_of(const struct entry *e, const uint8_t *nonce)
{
    if (nonce == NULL)
        return e->owner == OWNER_NAT_PMP;
    return e->owner == OWNER_PCP && memcmp(e->nonce, nonce, NONCE_LEN) == 0;
}

/* The description is what UPnP's clients are shown. */
static void take_over(struct entry *e, const uint8_t *nonce)
{
    char *out = e->description;
    e->owner = nonce != NULL ? OWNER_PCP : OWNER_NAT_PMP;
    if (nonce == NULL) {
        (void)snprintf(out, DESCRIPTION_MAX, "NAT-PMP %u %s", e->external, e->tcp ? "tcp" : "udp");
        return;
    }
    memcpy(e->nonce, nonce, NONCE_LEN);
    out += snprintf(out, DESCRIPTION_MAX, "PCP MAP ");
    for (size_t i = 0; i < NONCE_LEN; i++)
        out += sprintf(out, "%02x", nonce[i]);
}

/* A mapping made, renewed, or deleted (lifetime 0). nonce: of PCP; NULL: NAT-PMP has none. Returns
 * a result of PCP; the external port and the lifetime are set where it is a success. Another nonce
 * is refused (RFC 6887 section 11.3.1; miniupnpd refuses it only in deletions). */
static unsigned change(struct scripted *s, ph_ns now, bool tcp, const struct ph_addr *inside,
                       const uint8_t *nonce, uint16_t *external, uint32_t *lifetime)
{
    struct entry *e = scripted_by_inside(s, tcp, inside);
    if (e != NULL && nonce != NULL && e->owner == OWNER_PCP && !is_of(e, nonce))
        return PCP_NOT_AUTHORIZED;
    if (*lifetime == 0) {
        if (e == NULL)
            return PCP_SUCCESS;
        if (is_of(e, nonce))
            scripted_remove(s, e);
        else if (nonce != NULL)
            return PCP_NOT_AUTHORIZED;
        return PCP_SUCCESS; /* NAT-PMP says so in any case */
    }
    if (e == NULL) {
        uint16_t wish = *external != 0 ? *external : inside->port;
        uint16_t port = scripted_free_port(s, tcp, wish);
        e = port == 0 ? NULL : scripted_add(s, now, tcp, port, inside);
    }
    if (e == NULL)
        return PCP_NO_RESOURCES;
    take_over(e, nonce);
    *lifetime = lifetime_for(s, *lifetime);
    e->expires = now + *lifetime * PH_SEC;
    *external = e->external;
    return PCP_SUCCESS;
}

static void natpmp_head(const struct scripted *s, ph_ns now, uint8_t *out, unsigned op,
                        unsigned result)
{
    out[0] = 0;
    out[1] = (uint8_t)(0x80 | op);
    set16(out + 2, result);
    set32(out + 4, scripted_epoch(s, now));
}

static void natpmp_address(struct scripted *s, ph_ns now, const struct ph_addr *from)
{
    uint8_t out[12] = {0};
    struct ph_addr external = scripted_external(s);
    bool refused = has(s, F_NOT_AUTHORIZED);
    natpmp_head(s, now, out, 0, refused ? NATPMP_NOT_AUTHORIZED : NATPMP_SUCCESS);
    if (!refused)
        memcpy(out + 8, external.ip, 4);
    answer(s, now, from, out, sizeof(out), 0);
}

static void natpmp_map(struct scripted *s, ph_ns now, const struct ph_addr *from,
                       const uint8_t *data)
{
    uint8_t out[16] = {0};
    struct ph_addr inside = *from;
    uint16_t external = (uint16_t)get16(data + 6);
    uint32_t lifetime = get32(data + 8);
    unsigned result = NATPMP_SUCCESS;
    inside.port = (uint16_t)get16(data + 4);
    if (has(s, F_NOT_AUTHORIZED))
        result = NATPMP_NOT_AUTHORIZED;
    else if (has(s, F_REFUSES_ALL) && lifetime > 0)
        result = NATPMP_OUT_OF_RESOURCES;
    else if (inside.port == 0 && lifetime > 0)
        result = NATPMP_NOT_AUTHORIZED;
    else if (inside.port == 0) {
        /* All of the client's that NAT-PMP made, section 3.4. */
        for (size_t i = 0; i < ENTRIES_MAX; i++) {
            struct entry *e = &s->entries[i];
            if (e->used && !e->foreign && is_of(e, NULL) && e->tcp == (data[1] == 2) &&
                ph_addr_ip_eq(&e->inside, from))
                scripted_remove(s, e);
        }
    } else if (change(s, now, data[1] == 2, &inside, NULL, &external, &lifetime) != PCP_SUCCESS) {
        result = NATPMP_OUT_OF_RESOURCES;
    }
    if (lifetime == 0)
        external = 0;
    natpmp_head(s, now, out, data[1], result);
    set16(out + 8, inside.port);
    set16(out + 10, external); /* of an error what was asked for, as miniupnpd has it */
    set32(out + 12, lifetime);
    answer(s, now, from, out, sizeof(out), result == NATPMP_SUCCESS && lifetime > 0 ? 8 : 0);
}

static void natpmp(struct scripted *s, ph_ns now, const struct ph_addr *from, const uint8_t *data,
                   size_t len)
{
    uint8_t out[8];
    if (data[1] >= 0x80)
        return; /* a response */
    if (data[1] == 0) {
        natpmp_address(s, now, from);
    } else if (data[1] > 2) {
        natpmp_head(s, now, out, data[1], NATPMP_UNSUPP_OPCODE);
        answer(s, now, from, out, sizeof(out), 0);
    } else if (len >= NATPMP_MAP_ASK) {
        natpmp_map(s, now, from, data);
    }
}

/* Options behind a MAP that the server must understand (their codes are below 128); it has none. */
static bool has_mandatory_option(const uint8_t *data, size_t len)
{
    size_t at = PCP_MAP;
    while (at + 4 <= len) {
        if (data[at] < 0x80)
            return true;
        at += 4 + ((get16(data + at + 2) + 3u) & ~3u);
    }
    return false;
}

static unsigned pcp_map(struct scripted *s, ph_ns now, const struct ph_addr *from,
                        const uint8_t *data, size_t len, uint8_t *out)
{
    uint32_t lifetime = get32(data + 4);
    uint16_t external = (uint16_t)get16(data + 42);
    struct ph_addr inside = *from;
    struct ph_addr outside = scripted_external(s);
    unsigned result;
    inside.port = (uint16_t)get16(data + 40);
    memcpy(out + PCP_HEAD, data + PCP_HEAD, PCP_MAP - PCP_HEAD);
    if (memcmp(data + 8, v4_in_v6, 12) != 0 || memcmp(data + 20, from->ip, 4) != 0 ||
        has(s, F_ADDRESS_MISMATCH))
        return PCP_ADDRESS_MISMATCH;
    if (has_mandatory_option(data, len))
        return PCP_UNSUPP_OPTION;
    if (data[36] != 17 && data[36] != 6)
        return PCP_UNSUPP_PROTOCOL;
    if (inside.port == 0)
        return PCP_MALFORMED_REQUEST;
    if (has(s, F_NOT_AUTHORIZED))
        return PCP_NOT_AUTHORIZED;
    if (has(s, F_REFUSES_ALL) && lifetime > 0)
        return PCP_NO_RESOURCES;
    result = change(s, now, data[36] == 6, &inside, data + PCP_HEAD, &external, &lifetime);
    if (result == PCP_SUCCESS) {
        set32(out + 4, lifetime);
        set16(out + 42, external);
        memcpy(out + 44, v4_in_v6, 12);
        memcpy(out + 56, outside.ip, 4);
    }
    return result;
}

static void pcp(struct scripted *s, ph_ns now, const struct ph_addr *from, const uint8_t *data,
                size_t len)
{
    uint8_t out[PCP_MAP] = {0};
    unsigned opcode = data[1] & 0x7fu;
    unsigned result = PCP_SUCCESS;
    size_t out_len = PCP_HEAD;
    if ((data[1] & 0x80) != 0)
        return; /* a response */
    if (data[0] != 2)
        result = PCP_UNSUPP_VERSION;
    else if (len < PCP_HEAD || len > PCP_MAX || len % 4 != 0)
        result = PCP_MALFORMED_REQUEST;
    else if (opcode == 1 && len < PCP_MAP)
        result = PCP_MALFORMED_REQUEST;
    else if (opcode > 1)
        result = PCP_UNSUPP_OPCODE;
    else if (opcode == 1) {
        out_len = PCP_MAP;
        result = pcp_map(s, now, from, data, len, out);
    }
    out[0] = 2;
    out[1] = (uint8_t)(0x80 | opcode);
    out[3] = (uint8_t)result;
    if (result != PCP_SUCCESS)
        set32(out + 4, ERROR_LIFETIME);
    set32(out + 8, scripted_epoch(s, now));
    answer(s, now, from, out, out_len,
           out_len == PCP_MAP && result == PCP_SUCCESS && get32(out + 4) > 0 ? 40 : 0);
}

/* first-lost: each kind of request (protocol and opcode) has its first one lost. */
static bool lost(struct scripted *s, const uint8_t *data)
{
    unsigned kind = 1u << ((data[0] == 0 ? 0u : 8u) + (data[1] & 7u));
    bool first = (s->heard & kind) == 0;
    s->heard |= kind;
    return has(s, F_FIRST_LOST) && first;
}

void scripted_pcp_take(struct scripted *s, ph_ns now, const struct ph_addr *from,
                       const uint8_t *data, size_t len)
{
    bool speaks_pcp = (s->protocols & FAULT_PCP) != 0;
    bool speaks_natpmp = (s->protocols & FAULT_NAT_PMP) != 0;
    uint8_t out[8];
    if (len < 2 || lost(s, data))
        return;
    if (data[0] == 0 && speaks_natpmp) {
        natpmp(s, now, from, data, len);
    } else if (speaks_pcp) {
        pcp(s, now, from, data, len);
    } else if (!has(s, F_PCP_SILENT) && data[1] < 0x80) {
        /* RFC 6886 section 3.5: what is not version 0 is answered in version 0. */
        natpmp_head(s, now, out, data[1], NATPMP_UNSUPP_VERSION);
        answer(s, now, from, out, sizeof(out), 0);
    }
}
