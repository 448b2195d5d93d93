/* Proof of what the NATs of a world do with IPv6, before its links are on: from each host behind
 * any, by one packet out, one of a stranger's in and one answer, past all NATs of its way together.
 * Nothing is translated; who may come in is what the strictest of them says. */
#include "host/sockaddr.h"
#include "lab/net/netns.h"
#include "lab/world/kernel_private.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Nothing delays a packet yet, but a busy machine. */
#define ARRIVES_MS 1000
#define ABSENT_MS  100
#define PORT       40000

struct probe6 {
    const struct kernel_world *w;
    size_t host;
    int inside, server, stranger; /* sockets */
    struct ph_addr host_addr, server_addr;
};

/* What the way of a host to the core is like: the strictest of its NATs. *any: there is one. */
static enum nat_ipv6 declared(const struct layout *l, size_t host, bool *any)
{
    enum nat_ipv6 all = NAT_IPV6_OPEN;

    *any = false;
    for (size_t at = l->nodes[host].upstream; at != SIZE_MAX; at = l->nodes[at].upstream) {
        const struct layout_node *n = &l->nodes[at];

        if (n->kind == LAYOUT_NAT) {
            enum nat_ipv6 one =
                n->profile.udp_blocked ? NAT_IPV6_BLOCK : nat_profile_ipv6(&n->profile);

            *any = true;
            all = one > all ? one : all;
        }
    }
    return all;
}

static int open_at(const struct kernel_world *w, size_t node, const struct ph_addr *addr,
                   struct lab_error *err)
{
    union ph_sockaddr sa;
    struct ph_addr local = *addr;
    socklen_t len;
    int fd;

    local.port = PORT;
    len = ph_sockaddr_from(&local, &sa);
    if (netns_enter(w->fds[node], err) != 0) {
        return -1;
    }
    fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, &sa.sa, len) != 0) {
        (void)lab_fail_errno(err, LAB_BROKEN, "no IPv6 socket to probe %s with",
                             w->layout.nodes[node].name);
        if (fd >= 0) {
            (void)close(fd);
        }
        fd = -1;
    }
    if (netns_enter(w->lab->home, err) != 0 && fd >= 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

static void say(int fd, const struct ph_addr *to, char word)
{
    union ph_sockaddr sa;
    struct ph_addr at = *to;
    socklen_t len;

    at.port = PORT;
    len = ph_sockaddr_from(&at, &sa);
    /* What cannot be sent does not arrive. */
    (void)sendto(fd, &word, 1, 0, &sa.sa, len);
}

/* The next word that comes, 0: none in time. */
static char hear(int fd, int ms, struct ph_addr *from)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    union ph_sockaddr sa = {0};
    socklen_t len = sizeof(sa);
    char word = 0;

    *from = (struct ph_addr){0};
    if (poll(&p, 1, ms) <= 0 || recvfrom(fd, &word, 1, 0, &sa.sa, &len) != 1) {
        return 0;
    }
    (void)ph_sockaddr_to(&sa.sa, from);
    return word;
}

static int differs(const struct probe6 *p, const char *what, struct lab_error *err)
{
    return lab_fail(err, LAB_BROKEN, "IPv6 of %s is not what its NATs declare: %s",
                    p->w->layout.nodes[p->host].name, what);
}

static int talk(const struct probe6 *p, enum nat_ipv6 kind, struct lab_error *err)
{
    struct ph_addr from;
    char word;

    say(p->inside, &p->server_addr, 'o');
    word = hear(p->server, kind == NAT_IPV6_BLOCK ? ABSENT_MS : ARRIVES_MS, &from);
    if (kind == NAT_IPV6_BLOCK) {
        return word == 0 ? 0 : differs(p, "declared block, and a packet gets out", err);
    }
    if (word != 'o') {
        return differs(p, "a packet does not get out", err);
    }
    if (!ph_addr_ip_eq(&from, &p->host_addr) || from.port != PORT) {
        return differs(p, "a packet comes out with another source", err);
    }
    /* The stranger's goes first: with the answer it would be there, too. */
    say(p->stranger, &p->host_addr, 's');
    say(p->server, &p->host_addr, 'a');
    word = hear(p->inside, ARRIVES_MS, &from);
    if (kind == NAT_IPV6_OPEN && word == 's') {
        word = hear(p->inside, ARRIVES_MS, &from);
    } else if (kind == NAT_IPV6_OPEN) {
        return differs(p, "declared open, and a stranger is not let in", err);
    } else if (word == 's') {
        return differs(p, "declared firewall, and a stranger is let in", err);
    }
    return word == 'a' ? 0 : differs(p, "an answer does not come in", err);
}

static int check_host(const struct kernel_world *w, size_t host, size_t server, enum nat_ipv6 kind,
                      struct lab_error *err)
{
    const struct layout_node *h = &w->layout.nodes[host], *s = &w->layout.nodes[server];
    struct probe6 p = {.w = w,
                       .host = host,
                       .server = -1,
                       .stranger = -1,
                       .host_addr = h->addrs6[0],
                       .server_addr = s->addrs6[0]};
    int rc = -1;

    p.inside = open_at(w, host, &h->addrs6[0], err);
    if (p.inside >= 0) {
        p.server = open_at(w, server, &s->addrs6[0], err);
    }
    if (p.server >= 0) {
        p.stranger = open_at(w, server, &s->addrs6[1], err);
    }
    if (p.stranger >= 0) {
        rc = talk(&p, kind, err);
        (void)close(p.stranger);
    }
    if (p.server >= 0) {
        (void)close(p.server);
    }
    if (p.inside >= 0) {
        (void)close(p.inside);
    }
    return rc;
}

int kernel_check_ipv6(const struct kernel_world *w, struct lab_error *err)
{
    const struct layout *l = &w->layout;
    size_t server = SIZE_MAX;

    for (size_t i = 0; i < l->node_count; i++) {
        const struct layout_node *n = &l->nodes[i];

        if (n->kind == LAYOUT_HOST && n->addr6_count > 1 &&
            l->nodes[n->upstream].lan_if == SIZE_MAX) {
            server = i;
        }
    }
    for (size_t i = 0; i < l->node_count && server != SIZE_MAX; i++) {
        const struct layout_node *n = &l->nodes[i];
        bool any;
        enum nat_ipv6 kind;

        if (n->kind != LAYOUT_HOST || n->addr6_count == 0) {
            continue;
        }
        kind = declared(l, i, &any);
        if (any && check_host(w, i, server, kind, err) != 0) {
            return -1;
        }
    }
    return 0;
}
