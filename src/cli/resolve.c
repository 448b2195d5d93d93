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

int resolve(const char *text, enum ph_family family, struct ph_addr *out)
{
    char name[NAME_MAX_LEN + 1];
    uint16_t port = CLI_PORT;
    const char *colon;
    size_t len;
    int err = EAI_NONAME;

    if (!ph_addr_parse(text, out)) {
        if (out->port == 0) {
            out->port = CLI_PORT;
        }
        if (family != PH_AF_NONE && out->family != family) {
            fprintf(stderr,
                    "pinhole: '%s' is no IPv%d address, as the first relay is, or as was asked "
                    "for\n",
                    text, (int)family);
            return CLI_USAGE;
        }
        return CLI_GOOD;
    }
    colon = strrchr(text, ':');
    len = colon ? (size_t)(colon - text) : strlen(text);
    if (len == 0 || len > NAME_MAX_LEN || text[0] == '[' ||
        (colon && !parse_port(colon + 1, &port))) {
        return bad(text);
    }
    memcpy(name, text, len);
    name[len] = '\0';
    if (strchr(name, ':')) {
        return bad(text);
    }
    if (family != PH_AF_V6) {
        err = look_up(name, AF_INET, out);
    }
    if (err && family != PH_AF_V4) {
        err = look_up(name, AF_INET6, out);
    }
    if (err) {
        fprintf(stderr,
                "pinhole: cannot find the address of '%s': %s; check the name, or write the "
                "address itself\n",
                name, gai_strerror(err));
        return err == EAI_AGAIN || err == EAI_SYSTEM ? CLI_CANNOT : CLI_USAGE;
    }
    out->port = port;
    return CLI_GOOD;
}
