#include "cli/resolve.h"

#include "cli/cli.h"
#include "cli/lookup.h"
#include "cli/number.h"
#include "host/own_addrs.h"
#include "host/sockaddr.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

static int bad(const char *text)
{
    fprintf(stderr,
            "pinhole: '%s' is not HOST:PORT: write a name or an address and a port from 1 to "
            "65535, such as relay.example:3478, 192.0.2.1:3478 or [2001:db8::1]:3478\n",
            text);
    return CLI_USAGE;
}

/* Whether a port is written behind the address, which is a good one. */
static bool names_port(const char *text, const struct ph_addr *a)
{
    return a->family == PH_AF_V4 ? strchr(text, ':') != NULL : strstr(text, "]:") != NULL;
}

int resolve_local(const char *text, struct ph_addr *out)
{
    bool ok = !ph_addr_parse(text, out);

    /* A port 0 that is written down is the system's choice: the relay says which it got. */
    if (ok && !names_port(text, out)) {
        out->port = CLI_PORT;
    }
    if (!ok) {
        fprintf(stderr,
                "pinhole: '%s' is not ADDRESS:PORT: write an address of this machine and a port, "
                "such as 0.0.0.0:3478 or [::]:3478\n",
                text);
        return CLI_USAGE;
    }
    return CLI_GOOD;
}

static int look_up(const char *name, int af, struct ph_addr *out)
{
    struct addrinfo hints = {.ai_family = af, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *list;
    int err = getaddrinfo(name, NULL, &hints, &list);
    bool ok;

    if (err) {
        return err;
    }
    ok = ph_sockaddr_to(list->ai_addr, out);
    freeaddrinfo(list);
    return ok ? 0 : EAI_FAMILY;
}

/* "name:port" or "name"; a cli_exit. */
static int split(const char *text, char name[LOOKUP_NAME_MAX + 1], uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : strlen(text);

    *port = colon ? (uint16_t)read_number(colon + 1, 65535) : CLI_PORT;
    if (len == 0 || len > LOOKUP_NAME_MAX || text[0] == '[' || *port == 0) {
        return bad(text);
    }
    memcpy(name, text, len);
    name[len] = '\0';
    return strchr(name, ':') ? bad(text) : CLI_GOOD;
}

static int not_found(const char *name, int err)
{
    fprintf(stderr,
            "pinhole: cannot find the address of '%s': %s; check the name, or write the "
            "address itself\n",
            name, gai_strerror(err));
    return err == EAI_AGAIN || err == EAI_SYSTEM ? CLI_CANNOT : CLI_USAGE;
}

/* A port 0 that is written down is nobody's: what is not taken here is refused as a name. */
static bool is_literal(const char *text, struct ph_addr *out)
{
    if (ph_addr_parse(text, out) || (out->port == 0 && names_port(text, out))) {
        return false;
    }
    if (out->port == 0) {
        out->port = CLI_PORT;
    }
    return true;
}

int resolve(const char *text, enum ph_family family, struct ph_addr *out)
{
    char name[LOOKUP_NAME_MAX + 1];
    uint16_t port;
    int err = EAI_NONAME;
    int code;

    if (is_literal(text, out)) {
        if (family != PH_AF_NONE && out->family != family) {
            fprintf(stderr,
                    "pinhole: '%s' is no IPv%d address, as the first relay is, or as was asked "
                    "for\n",
                    text, (int)family);
            return CLI_USAGE;
        }
        return CLI_GOOD;
    }
    code = split(text, name, &port);
    if (code) {
        return code;
    }
    if (family != PH_AF_V6) {
        err = look_up(name, AF_INET, out);
    }
    if (err && family != PH_AF_V4) {
        err = look_up(name, AF_INET6, out);
    }
    if (err) {
        return not_found(name, err);
    }
    out->port = port;
    return CLI_GOOD;
}

/* ---- Many at once */

/* The first address of each family in what was found. */
static void take_found(const struct addrinfo *list, uint16_t port, struct resolved *r)
{
    for (; list && r->count < 2; list = list->ai_next) {
        struct ph_addr a;

        if (ph_sockaddr_to(list->ai_addr, &a) && (r->count == 0 || r->addr[0].family != a.family)) {
            a.port = port;
            r->addr[r->count++] = a;
        }
    }
}

static int collect(struct resolved *r, const char *name, uint16_t port, struct lookup *l)
{
    struct addrinfo *found;
    int err = lookup_take(l, &found);

    if (err == EAI_INPROGRESS && !r->optional) {
        fprintf(stderr,
                "pinhole: no answer in %d s to the question for the address of '%s'; check the "
                "network and its name server, or write the address itself\n",
                RESOLVE_MANY_MS / 1000, name);
    }
    if (err == EAI_INPROGRESS) {
        return CLI_CANNOT;
    }
    if (err) {
        return r->optional ? CLI_CANNOT : not_found(name, err);
    }
    take_found(found, port, r);
    freeaddrinfo(found);
    return r->count > 0 ? CLI_GOOD : CLI_CANNOT;
}

int resolve_many(struct resolved *r, size_t n)
{
    struct lookup *all[RESOLVE_MANY_MAX] = {NULL};
    char names[RESOLVE_MANY_MAX][LOOKUP_NAME_MAX + 1];
    uint16_t ports[RESOLVE_MANY_MAX] = {0};
    int result = CLI_GOOD;

    for (size_t i = 0; i < n; i++) {
        r[i].count = 0;
        if (is_literal(r[i].text, &r[i].addr[0])) {
            r[i].count = 1;
            continue;
        }
        int code = split(r[i].text, names[i], &ports[i]);
        if (!code && (all[i] = lookup_start(names[i])) == NULL) {
            fprintf(stderr, "pinhole: cannot look up '%s': out of memory or threads\n", names[i]);
            code = CLI_CANNOT;
        }
        result = result ? result : code;
    }
    if (!result) {
        lookup_wait(all, n, RESOLVE_MANY_MS);
    }
    for (size_t i = 0; i < n; i++) {
        struct resolved silent = {.optional = true};
        int code = all[i] ? collect(result ? &silent : &r[i], names[i], ports[i], all[i]) : 0;

        if (code && !r[i].optional && !result) {
            result = code;
        }
    }
    return result;
}

bool resolve_literal(const char *text, struct ph_addr *out)
{
    return is_literal(text, out);
}

/* ---- NAT64 */

bool resolve_asks_nat64(struct resolved *question)
{
    struct ph_addr own[64];
    size_t n = ph_own_addrs(own, sizeof(own) / sizeof(own[0]));
    bool v6 = false;

    for (size_t i = 0; i < n; i++) {
        if (own[i].family == PH_AF_V4) {
            return false;
        }
        v6 = v6 || own[i].family == PH_AF_V6;
    }
    *question = (struct resolved){.text = "ipv4only.arpa", .optional = true};
    return v6;
}

void resolve_take_nat64(const struct resolved *answer, struct ph_nat64 *out)
{
    *out = (struct ph_nat64){0};
    for (size_t i = 0; i < answer->count && out->bits == 0; i++) {
        (void)ph_nat64_discover(&answer->addr[i], out);
    }
}
