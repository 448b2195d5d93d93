#include "cli/resolve.h"

#include "cli/cli.h"
#include "host/sockaddr.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 255

static int bad(const char *text)
{
    fprintf(stderr,
            "pinhole: '%s' is not HOST:PORT: write a name or an address and a port from 1 to "
            "65535, such as relay.example:3478, 192.0.2.1:3478 or [2001:db8::1]:3478\n",
            text);
    return CLI_USAGE;
}

int resolve_local(const char *text, struct ph_addr *out)
{
    const char *colon = strrchr(text, ':');
    bool ok = !ph_addr_parse(text, out);
    bool has_port = colon && (out->family == PH_AF_V4 || text[0] == '[');

    /* A port 0 that is written down is the system's choice: the relay says which it got. */
    if (ok && !has_port) {
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

static bool parse_port(const char *text, uint16_t *port)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end || n == 0 || n > 65535) {
        return false;
    }
    *port = (uint16_t)n;
    return true;
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
static int split(const char *text, char name[NAME_MAX_LEN + 1], uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : strlen(text);

    *port = CLI_PORT;
    if (len == 0 || len > NAME_MAX_LEN || text[0] == '[' ||
        (colon && !parse_port(colon + 1, port))) {
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

static bool is_literal(const char *text, struct ph_addr *out)
{
    if (ph_addr_parse(text, out)) {
        return false;
    }
    if (out->port == 0) {
        out->port = CLI_PORT;
    }
    return true;
}

int resolve(const char *text, enum ph_family family, struct ph_addr *out)
{
    char name[NAME_MAX_LEN + 1];
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

int resolve_both(const char *text, struct ph_addr out[2], size_t *count)
{
    static const int families[] = {AF_INET, AF_INET6};
    char name[NAME_MAX_LEN + 1];
    uint16_t port;
    int err = 0, code;

    *count = 0;
    if (is_literal(text, &out[0])) {
        *count = 1;
        return CLI_GOOD;
    }
    code = split(text, name, &port);
    if (code) {
        return code;
    }
    for (size_t i = 0; i < 2; i++) {
        int failed = look_up(name, families[i], &out[*count]);

        if (failed) {
            err = i == 0 ? failed : err;
        } else {
            out[(*count)++].port = port;
        }
    }
    return *count > 0 ? CLI_GOOD : not_found(name, err);
}
