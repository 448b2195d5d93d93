/* HTTP connections to the scripted router: requests are collected, answers are sent at the pace
 * that they have. */
#include "lab/router/scripted_child.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 16

struct connection {
    int fd; /* -1: free */
    struct ph_addr client, server;
    char request[SCRIPTED_REQUEST_MAX];
    size_t len;
    bool answered;
    struct scripted_http answer;
    size_t sent;
    ph_ns next; /* when more is due */
};

struct scripted_web {
    const char *lan_if;
    int listeners[2];
    uint16_t ports[2];
    struct connection connections[WEB_CONNECTIONS];
    /* What the last scripted_web_poll put where: listeners, then connections; -1: not there. */
    int listener_at[2], connection_at[WEB_CONNECTIONS];
};

/* *port 0: one is chosen. */
static int listen_on(const char *lan_if, uint16_t *port, struct lab_error *err)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t len = sizeof(a);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, lan_if, (socklen_t)strlen(lan_if) + 1) != 0 ||
        bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
        (void)lab_fail_errno(err, LAB_BROKEN, "no HTTP socket");
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    *port = ntohs(a.sin_port);
    return fd;
}

int scripted_web_open(struct scripted_web **out, const char *lan_if, uint16_t ports[2],
                      struct lab_error *err)
{
    struct scripted_web *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return lab_fail(err, LAB_CANNOT, "out of memory");
    for (size_t i = 0; i < WEB_CONNECTIONS; i++)
        w->connections[i].fd = -1;
    w->lan_if = lan_if;
    for (int i = 0; i < 2; i++) {
        w->listeners[i] = listen_on(lan_if, &w->ports[i], err);
        if (w->listeners[i] < 0)
            return -1; /* the process ends */
        ports[i] = w->ports[i];
    }
    *out = w;
    return 0;
}

/* Somebody listens at the port of now, and at the other one nobody. */
static void follow_port(struct scripted_web *w, const struct scripted *s)
{
    for (int i = 0; i < 2; i++) {
        bool wanted = scripted_http_port(s) == w->ports[i];
        if (wanted && w->listeners[i] < 0) {
            w->listeners[i] = listen_on(w->lan_if, &w->ports[i], NULL);
        } else if (!wanted && w->listeners[i] >= 0) {
            (void)close(w->listeners[i]);
            w->listeners[i] = -1;
        }
    }
}

size_t scripted_web_poll(struct scripted_web *w, const struct scripted *s, struct pollfd *fds)
{
    size_t n = 0;
    follow_port(w, s);
    for (int i = 0; i < 2; i++) {
        w->listener_at[i] = -1;
        if (w->listeners[i] >= 0) {
            w->listener_at[i] = (int)n;
            fds[n++] = (struct pollfd){.fd = w->listeners[i], .events = POLLIN};
        }
    }
    for (size_t i = 0; i < WEB_CONNECTIONS; i++) {
        struct connection *c = &w->connections[i];
        bool writes = c->answered && c->next == 0;
        w->connection_at[i] = -1;
        if (c->fd < 0)
            continue;
        w->connection_at[i] = (int)n;
        fds[n++] = (struct pollfd){.fd = c->fd, .events = writes ? POLLIN | POLLOUT : POLLIN};
    }
    return n;
}

ph_ns scripted_web_next(const struct scripted_web *w)
{
    ph_ns next = PH_NEVER;
    for (size_t i = 0; i < WEB_CONNECTIONS; i++) {
        const struct connection *c = &w->connections[i];
        if (c->fd >= 0 && c->answered && c->next != 0 && c->next < next)
            next = c->next;
    }
    return next;
}

static void hang_up(struct connection *c)
{
    (void)close(c->fd);
    c->fd = -1;
    scripted_http_fini(&c->answer);
}

/* Sends what is due; false: the connection is over. */
static bool send_more(struct connection *c, ph_ns now)
{
    struct scripted_http *h = &c->answer;
    size_t most = h->chunk == 0 ? h->len : h->chunk;
    while (c->sent < h->len) {
        size_t n = h->len - c->sent < most ? h->len - c->sent : most;
        ssize_t done = send(c->fd, h->bytes + c->sent, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && (errno == EAGAIN || errno == EINTR)) {
            c->next = 0; /* when there is room again */
            return true;
        }
        if (done <= 0)
            return false;
        c->sent += (size_t)done;
        if (c->sent == h->len && h->again != SIZE_MAX)
            c->sent = h->again;
        if (h->pause != 0) {
            c->next = now + h->pause;
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct connection *c, struct scripted *s, ph_ns now)
{
    ssize_t n;
    size_t whole;
    char rest[512];
    if (c->answered) {
        /* Nothing more is expected but the client's end. */
        n = recv(c->fd, rest, sizeof(rest), MSG_DONTWAIT);
        return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
    }
    if (c->len == sizeof(c->request))
        return false;
    n = recv(c->fd, c->request + c->len, sizeof(c->request) - c->len, MSG_DONTWAIT);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    c->len += (size_t)n;
    whole = scripted_http_whole(c->request, c->len);
    if (whole == 0)
        return true;
    if (scripted_http_take(s, now, &c->client, &c->server, c->request, whole, &c->answer) != 0)
        return false;
    c->answered = true;
    c->sent = 0;
    c->next = PH_NEVER;
    if (c->answer.silent)
        return true;
    return c->answer.bytes != NULL && send_more(c, now);
}

static void take_client(struct scripted_web *w, int listener)
{
    struct sockaddr_in a = {0}, local = {0};
    socklen_t len = sizeof(a), local_len = sizeof(local);
    int fd = accept4(listener, (struct sockaddr *)&a, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct connection *c = NULL;
    if (fd < 0)
        return;
    for (size_t i = 0; i < WEB_CONNECTIONS && c == NULL; i++)
        if (w->connections[i].fd < 0)
            c = &w->connections[i];
    if (c == NULL || getsockname(fd, (struct sockaddr *)&local, &local_len) != 0) {
        (void)close(fd);
        return;
    }
    c->fd = fd;
    c->client = ph_addr_v4_u32(ntohl(a.sin_addr.s_addr), ntohs(a.sin_port));
    c->server = ph_addr_v4_u32(ntohl(local.sin_addr.s_addr), ntohs(local.sin_port));
    c->len = c->sent = 0;
    c->answered = false;
    c->next = PH_NEVER;
    c->answer = (struct scripted_http){.bytes = NULL};
}

void scripted_web_run(struct scripted_web *w, struct scripted *s, ph_ns now,
                      const struct pollfd *fds, size_t count)
{
    for (size_t i = 0; i < WEB_CONNECTIONS; i++) {
        struct connection *c = &w->connections[i];
        int at = w->connection_at[i];
        short seen = at >= 0 && (size_t)at < count ? fds[at].revents : 0;
        bool goes_on = true;
        if (c->fd < 0 || at < 0)
            continue;
        if ((seen & (POLLIN | POLLHUP | POLLERR)) != 0)
            goes_on = take_bytes(c, s, now);
        else if (c->answered && ((seen & POLLOUT) != 0 || (c->next != 0 && now >= c->next)))
            goes_on = send_more(c, now);
        if (!goes_on)
            hang_up(c);
    }
    for (int i = 0; i < 2; i++)
        if (w->listener_at[i] >= 0 && fds[w->listener_at[i]].revents != 0)
            take_client(w, w->listeners[i]);
}
