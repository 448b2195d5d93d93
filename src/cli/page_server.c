#include "cli/page_server.h"

#include "base/err.h"
#include "host/sockaddr.h"
#include "wire/http_head.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 512

struct visitor {
    struct ph_page_server *server;
    int fd; /* -1: free */
    size_t in_len, out_len, out_at;
    char in[PH_PAGE_REQUEST];
    char out[HEAD_MAX + PH_PAGE_MAX];
};

struct ph_page_server {
    struct ph_loop *loop;
    struct ph_page_server_config config;
    struct ph_addr addr;
    int fd;
    struct visitor visitors[PH_PAGE_VISITORS];
};

static void part(void *user)
{
    struct visitor *v = user;

    if (v->fd < 0) {
        return;
    }
    ph_loop_at(v->server->loop, PH_NEVER, part, v);
    ph_loop_unwatch(v->server->loop, v->fd);
    close(v->fd);
    v->fd = -1;
}

static bool is(struct ph_span s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

static void compose(struct visitor *v, const char *status, bool head_only)
{
    const struct ph_page_server_config *c = &v->server->config;
    bool found = strncmp(status, "200", 3) == 0;
    char page[PH_PAGE_MAX];
    size_t len;

    if (found) {
        len = c->page(c->user, page);
    } else {
        len = (size_t)snprintf(page, sizeof(page), "%s; the page is %s\n", status, c->path);
    }
    v->out_len = (size_t)snprintf(v->out, HEAD_MAX,
                                  "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                                  "Connection: close\r\n\r\n",
                                  status, found ? c->type : "text/plain", len);
    if (!head_only) {
        memcpy(v->out + v->out_len, page, len);
        v->out_len += len;
    }
}

/* True when there is an answer. */
static bool judge(struct visitor *v)
{
    struct ph_http_head head;
    int err = ph_http_head_parse(v->in, v->in_len, false, &head);

    if (err == PH_ERR_SHORT) {
        if (v->in_len < sizeof(v->in)) {
            return false;
        }
        compose(v, "431 Request Header Fields Too Large", false);
    } else if (err || head.status != 0) {
        compose(v, "400 Bad Request", false);
    } else if (!is(head.method, "GET") && !is(head.method, "HEAD")) {
        compose(v, "405 Method Not Allowed", false);
    } else if (!is(head.target, v->server->config.path)) {
        compose(v, "404 Not Found", false);
    } else {
        compose(v, "200 OK", is(head.method, "HEAD"));
    }
    return true;
}

static void serve(void *user, uint32_t events)
{
    struct visitor *v = user;
    ssize_t n;

    (void)events;
    if (v->out_len == 0) {
        n = recv(v->fd, v->in + v->in_len, sizeof(v->in) - v->in_len, 0);
        if (n <= 0) {
            if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                part(v);
            }
            return;
        }
        v->in_len += (size_t)n;
        if (!judge(v)) {
            return;
        }
        /* Once more, for when it can be written. */
        ph_loop_unwatch(v->server->loop, v->fd);
        if (ph_loop_watch(v->server->loop, v->fd, EPOLLOUT, serve, v)) {
            part(v);
            return;
        }
    }
    n = send(v->fd, v->out + v->out_at, v->out_len - v->out_at, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    v->out_at += n > 0 ? (size_t)n : 0;
    if (n < 0 || v->out_at == v->out_len) {
        shutdown(v->fd, SHUT_WR);
        part(v);
    }
}

static void on_visit(void *user, uint32_t events)
{
    struct ph_page_server *s = user;
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)events;
    if (fd < 0) {
        return;
    }
    for (size_t i = 0; i < PH_PAGE_VISITORS; i++) {
        struct visitor *v = &s->visitors[i];

        if (v->fd >= 0) {
            continue;
        }
        *v = (struct visitor){.server = s, .fd = fd};
        if (ph_loop_watch(s->loop, fd, EPOLLIN, serve, v)) {
            v->fd = -1;
            break;
        }
        ph_loop_at(s->loop, ph_loop_now(s->loop) + PH_PAGE_TIME, part, v);
        return;
    }
    close(fd); /* the house is full */
}

int ph_page_server_new(struct ph_loop *loop, const struct ph_page_server_config *config,
                       struct ph_page_server **out)
{
    struct ph_page_server *s = calloc(1, sizeof(*s));
    union ph_sockaddr sa;
    socklen_t len = ph_sockaddr_from(&config->listen, &sa);
    int on = 1, err = PH_ERR_SYS, why;

    if (!s) {
        return PH_ERR_NOMEM;
    }
    s->loop = loop;
    s->config = *config;
    for (size_t i = 0; i < PH_PAGE_VISITORS; i++) {
        s->visitors[i].fd = -1;
    }
    s->fd = len ? socket(sa.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
    if (s->fd < 0) {
        err = len ? PH_ERR_SYS : PH_ERR_INVAL;
        goto fail;
    }
    setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(s->fd, &sa.sa, len) < 0 || listen(s->fd, PH_PAGE_VISITORS) < 0) {
        goto fail;
    }
    len = sizeof(sa);
    if (getsockname(s->fd, &sa.sa, &len) < 0 || !ph_sockaddr_to(&sa.sa, &s->addr)) {
        goto fail;
    }
    err = ph_loop_watch(loop, s->fd, EPOLLIN, on_visit, s);
    if (err) {
        goto fail;
    }
    *out = s;
    return PH_OK;

fail:
    why = errno;
    if (s->fd >= 0) {
        close(s->fd);
    }
    free(s);
    errno = why;
    return err;
}

void ph_page_server_free(struct ph_page_server *s)
{
    if (!s) {
        return;
    }
    for (size_t i = 0; i < PH_PAGE_VISITORS; i++) {
        part(&s->visitors[i]);
    }
    ph_loop_unwatch(s->loop, s->fd);
    close(s->fd);
    free(s);
}

struct ph_addr ph_page_server_address(const struct ph_page_server *s)
{
    return s->addr;
}
