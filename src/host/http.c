#include "host/http.h"

#include "base/err.h"
#include "host/sockaddr.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* The body's memory grows from here, doubling. */
#define BODY_FIRST 2048

struct request {
    struct ph_http_client *client;
    ph_http id; /* 0: this place is free */
    CURL *easy;
    struct curl_slist *fields;
    struct ph_addr local;
    bool no_socket; /* the system gave none */
    bool too_long;  /* the body */
    uint8_t *body;
    size_t len, cap, max;
    size_t head_len;
    bool head_ended; /* of the last head, where interim answers came before */
};

/* A connection's socket, from its making to its closing. */
struct conn {
    struct ph_http_client *client;
    struct conn *next;
    int fd;
    uint32_t watched; /* EPOLL* bits; 0: not watched */
};

struct ph_http_client {
    struct ph_http_config config;
    CURLM *multi;
    struct request requests[PH_HTTP_MAX];
    struct conn *conns;
    uint32_t started; /* requests so far, for their names */
    bool telling;     /* on_done is called from here */
    bool dead;        /* freed meanwhile */
};

static void drive(struct ph_http_client *c, curl_socket_t fd, int events);

static void on_timer(void *user)
{
    drive(user, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long timeout_ms, void *user)
{
    struct ph_http_client *c = user;
    ph_ns when = PH_NEVER;

    (void)multi;
    if (timeout_ms >= 0) {
        when = ph_loop_now(c->config.loop) + (ph_ns)timeout_ms * PH_MS;
    }
    return ph_loop_at(c->config.loop, when, on_timer, c) ? -1 : 0;
}

static void on_ready(void *user, uint32_t events)
{
    struct conn *conn = user;
    int mask = 0;

    mask |= events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0;
    mask |= events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
    mask |= events & EPOLLERR ? CURL_CSELECT_ERR : 0;
    drive(conn->client, conn->fd, mask);
}

static void watch(struct conn *conn, uint32_t events)
{
    struct ph_loop *loop = conn->client->config.loop;

    if (conn->watched == events) {
        return;
    }
    if (conn->watched) {
        ph_loop_unwatch(loop, conn->fd);
    }
    conn->watched = 0;
    /* Where there is no memory to watch it, the request ends by its time-out. */
    if (events && ph_loop_watch(loop, conn->fd, events, on_ready, conn) == PH_OK) {
        conn->watched = events;
    }
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    struct ph_http_client *c = user;
    struct conn *conn = c->conns;

    (void)easy;
    (void)socket_user;
    while (conn && conn->fd != fd) {
        conn = conn->next;
    }
    if (conn) {
        uint32_t events = 0;

        events |= what == CURL_POLL_IN || what == CURL_POLL_INOUT ? EPOLLIN : 0u;
        events |= what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? EPOLLOUT : 0u;
        watch(conn, events);
    }
    return 0;
}

static int bind_to(int fd, const struct ph_addr *local)
{
    union ph_sockaddr sa;
    struct ph_addr ip = *local;

    if (!ph_addr_is_set(local)) {
        return 0;
    }
    ip.port = 0;
    return bind(fd, &sa.sa, ph_sockaddr_from(&ip, &sa));
}

static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct request *r = user;
    struct ph_http_client *c = r->client;
    struct conn *conn = calloc(1, sizeof(*conn));
    int fd = -1;

    (void)purpose;
    if (conn && ph_netns_enter(c->config.netns, c->config.netns_fd) == PH_OK) {
        fd = socket(to->family, to->socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, to->protocol);
        ph_netns_leave(c->config.netns, c->config.netns_fd);
    }
    if (fd >= 0 && bind_to(fd, &r->local) < 0) {
        close(fd);
        fd = -1;
    }
    if (fd < 0) {
        free(conn);
        r->no_socket = true;
        return CURL_SOCKET_BAD;
    }
    conn->client = c;
    conn->fd = fd;
    conn->next = c->conns;
    c->conns = conn;
    return fd;
}

static int close_socket(void *user, curl_socket_t fd)
{
    struct ph_http_client *c = user;
    struct conn **at = &c->conns;
    struct conn *conn;

    while (*at && (*at)->fd != fd) {
        at = &(*at)->next;
    }
    conn = *at;
    if (conn) {
        watch(conn, 0);
        *at = conn->next;
        free(conn);
    }
    return close(fd);
}

/* Fields of the head, and trailers behind a body in chunks. */
static size_t on_head(char *data, size_t size, size_t n, void *user)
{
    struct request *r = user;
    size_t len = size * n; /* one line, with its end */

    r->head_len += len;
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        r->head_ended = false;
    } else if (len > 0 && (data[0] == '\r' || data[0] == '\n')) {
        r->head_ended = true;
    }
    return r->head_len > PH_HTTP_HEAD_MAX ? 0 : len;
}

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
    struct request *r = user;
    size_t len = size * n;
    size_t fits = len < r->max - r->len ? len : r->max - r->len;

    if (r->len + fits > r->cap) {
        size_t cap = r->cap ? r->cap : BODY_FIRST;
        uint8_t *body;

        while (cap < r->len + fits) {
            cap *= 2;
        }
        body = realloc(r->body, cap);
        if (!body) {
            return 0; /* libcurl's CURLE_WRITE_ERROR */
        }
        r->body = body;
        r->cap = cap;
    }
    if (fits) {
        memcpy(r->body + r->len, data, fits);
        r->len += fits;
    }
    r->too_long = fits < len;
    return fits;
}

static bool is_plain(const char *text, const char *refused)
{
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f || strchr(refused, *p)) {
            return false;
        }
    }
    return true;
}

/* What goes into the head as it is must not be able to break out of its place there. */
static bool is_valid(const struct ph_http_request *q)
{
    if (!ph_addr_is_set(&q->server) || q->server.port == 0 || q->answer_max > PH_HTTP_ANSWER_MAX ||
        q->timeout == 0 || q->timeout > PH_SEC * 86400 || !q->host || !q->path) {
        return false;
    }
    if (ph_addr_is_set(&q->local) && q->local.family != q->server.family) {
        return false;
    }
    return q->host[0] != '\0' && is_plain(q->host, " ") && q->path[0] == '/' &&
           is_plain(q->path, " #") &&
           (!q->soap_action || (is_plain(q->soap_action, "\"") && (q->body || !q->body_len)));
}

static int add_field(struct request *r, const char *name, const char *value, const char *quote)
{
    size_t size = strlen(name) + strlen(value) + 2 * strlen(quote) + 1;
    char *line = malloc(size);
    struct curl_slist *list = NULL;

    if (line) {
        snprintf(line, size, "%s%s%s%s", name, quote, value, quote);
        list = curl_slist_append(r->fields, line);
        free(line);
    }
    if (!list) {
        return PH_ERR_NOMEM;
    }
    r->fields = list;
    return PH_OK;
}

static int add_fields(struct request *r, const struct ph_http_request *q)
{
    int err = add_field(r, "Host: ", q->host, "");

    /* Many small routers close without saying so, or say so and do not. */
    err = err ? err : add_field(r, "Connection: close", "", "");
    if (q->soap_action) {
        err = err ? err : add_field(r, "Content-Type: text/xml; charset=\"utf-8\"", "", "");
        err = err ? err : add_field(r, "SOAPAction: ", q->soap_action, "\"");
        /* Without a value libcurl leaves it out: small routers do not know 100 Continue. */
        err = err ? err : add_field(r, "Expect:", "", "");
    }
    return err;
}

/* Options that hold for every request. */
static CURLcode set_common(CURL *easy, struct request *r)
{
    struct ph_http_client *c = r->client;
    CURLcode e = CURLE_OK;

#define SET(option, value) e = e ? e : curl_easy_setopt(easy, option, value)
    SET(CURLOPT_PRIVATE, r);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* and none of the environment's */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_FORBID_REUSE, 1L);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, r);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, c);
    SET(CURLOPT_HEADERFUNCTION, on_head);
    SET(CURLOPT_HEADERDATA, r);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, r);
    return e;
}

static CURLcode set_request(CURL *easy, struct request *r, const struct ph_http_request *q)
{
    char url[PH_ADDR_STRLEN + 16], address[PH_ADDR_STRLEN];
    CURLcode e = CURLE_OK;

    snprintf(url, sizeof(url), "http://%s/", ph_addr_format(&q->server, address));
    SET(CURLOPT_URL, url);
    /* The path as the router wrote it: it is not ours to tidy. */
    SET(CURLOPT_REQUEST_TARGET, q->path);
    SET(CURLOPT_HTTPHEADER, r->fields);
    SET(CURLOPT_TIMEOUT_MS, (long)((q->timeout + PH_MS - 1) / PH_MS));
    if (q->soap_action) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE, (long)q->body_len);
        SET(CURLOPT_COPYPOSTFIELDS, q->body ? q->body : "");
    }
#undef SET
    return e;
}

static void clear(struct request *r)
{
    curl_easy_cleanup(r->easy);
    curl_slist_free_all(r->fields);
    free(r->body);
    memset(r, 0, sizeof(*r));
}

/* Before clear where libcurl knows of the request. */
static void take_out(struct request *r)
{
    curl_multi_remove_handle(r->client->multi, r->easy);
}

int ph_http_client_start(struct ph_http_client *c, const struct ph_http_request *request,
                         ph_http *out)
{
    struct request *r = c->requests;
    int err;

    if (!is_valid(request)) {
        return PH_ERR_INVAL;
    }
    while (r < c->requests + PH_HTTP_MAX && r->id) {
        r++;
    }
    if (r == c->requests + PH_HTTP_MAX) {
        return PH_ERR_SPACE;
    }
    r->client = c;
    r->local = request->local;
    r->max = request->answer_max;
    r->easy = curl_easy_init();
    err = r->easy ? add_fields(r, request) : PH_ERR_NOMEM;
    if (!err && (set_common(r->easy, r) || set_request(r->easy, r, request))) {
        err = PH_ERR_NOMEM;
    }
    if (!err && curl_multi_add_handle(c->multi, r->easy)) {
        err = PH_ERR_SYS;
    }
    if (err) {
        clear(r);
        return err;
    }
    /* Never zero, and not one that was in use a moment ago. */
    c->started++;
    r->id = c->started * PH_HTTP_MAX + (uint32_t)(r - c->requests);
    if (r->id < PH_HTTP_MAX) {
        c->started++;
        r->id += PH_HTTP_MAX;
    }
    *out = r->id;
    return PH_OK;
}

void ph_http_client_cancel(struct ph_http_client *c, ph_http id)
{
    struct request *r = &c->requests[id % PH_HTTP_MAX];

    if (id != 0 && r->id == id) {
        take_out(r);
        clear(r);
    }
}

static int error_of(const struct request *r, CURLcode code, long status)
{
    switch (code) {
    case CURLE_OK:
        /* libcurl takes a head that breaks off for a whole one. */
        return r->head_ended && status >= 200 ? PH_OK : PH_ERR_PROTO;
    case CURLE_OPERATION_TIMEDOUT:
        return PH_ERR_TIMEOUT;
    case CURLE_COULDNT_CONNECT:
        return r->no_socket ? PH_ERR_SYS : PH_ERR_REFUSED;
    case CURLE_WRITE_ERROR: /* on_head or on_body said so */
        if (r->too_long) {
            return PH_ERR_SPACE;
        }
        return r->head_len > PH_HTTP_HEAD_MAX ? PH_ERR_PROTO : PH_ERR_SYS;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_URL_MALFORMAT:
    case CURLE_INTERFACE_FAILED:
        return PH_ERR_SYS;
    default:
        /* No HTTP, an end or a reset before the answer's, a length or a chunk that cannot be. */
        return PH_ERR_PROTO;
    }
}

static void finish(struct request *r, CURLcode code)
{
    struct ph_http_client *c = r->client;
    struct ph_http_answer answer = {.body = r->body, .len = r->len};
    uint8_t *body = r->body;
    ph_http id = r->id;
    long status = 0;

    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    answer.status = (int)status;
    answer.error = error_of(r, code, status);
    take_out(r);
    r->body = NULL;
    clear(r);
    c->config.on_done(c->config.user, id, &answer);
    free(body);
}

static void destroy(struct ph_http_client *c)
{
    curl_multi_cleanup(c->multi); /* closes what is left open */
    ph_loop_at(c->config.loop, PH_NEVER, on_timer, c);
    free(c);
}

static void drive(struct ph_http_client *c, curl_socket_t fd, int events)
{
    CURLMsg *m;
    int running, left;

    curl_multi_socket_action(c->multi, fd, events, &running);
    c->telling = true;
    while (!c->dead && (m = curl_multi_info_read(c->multi, &left)) != NULL) {
        struct request *r = NULL;

        if (m->msg == CURLMSG_DONE &&
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&r) == CURLE_OK) {
            finish(r, m->data.result);
        }
    }
    c->telling = false;
    if (c->dead) {
        destroy(c);
    }
}

int ph_http_client_new(const struct ph_http_config *config, struct ph_http_client **out)
{
    static bool ready;
    struct ph_http_client *c;

    if (!ready) {
        /* No TLS library, no sockets library: plain HTTP needs neither. */
        if (curl_global_init(CURL_GLOBAL_NOTHING)) {
            return PH_ERR_NOMEM;
        }
        ready = true;
    }
    c = calloc(1, sizeof(*c));
    if (!c) {
        return PH_ERR_NOMEM;
    }
    c->config = *config;
    c->multi = curl_multi_init();
    if (!c->multi) {
        free(c);
        return PH_ERR_NOMEM;
    }
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    *out = c;
    return PH_OK;
}

void ph_http_client_free(struct ph_http_client *c)
{
    if (!c || c->dead) {
        return;
    }
    for (size_t i = 0; i < PH_HTTP_MAX; i++) {
        if (c->requests[i].id) {
            take_out(&c->requests[i]);
            clear(&c->requests[i]);
        }
    }
    if (c->telling) {
        c->dead = true;
    } else {
        destroy(c);
    }
}
