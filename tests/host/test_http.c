/* HTTP of the real host against a small server on loopback, in the same loop. Nothing waits for
 * time but what is to run out of it. */
#include "peer.h"

#include "host/sockaddr.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY "0123456789abcdef"

enum manner {
    CLOSES,  /* says its text and closes */
    HOLDS,   /* says it, and keeps the connection open */
    DRIPS,   /* a byte more each time that it is let to, without end */
    HANGS_UP /* closes with a reset before a word */
};

struct server {
    struct ph_loop *loop;
    int listener;
    struct ph_addr addr;
    enum manner manner;
    const char *text;
    size_t text_len; /* 0: strlen */
    int conns[32];
    size_t conn_count;
    char asked[4096]; /* of the last request */
    size_t asked_len;
};

static struct server server;

static void drip(void *user)
{
    struct server *s = user;

    /* A connection that has gone says so by an error, which is nothing to us. */
    (void)send(s->conns[0], "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    ph_loop_at(s->loop, ph_loop_now(s->loop) + PH_MS, drip, s);
}

static void answer(struct server *s, int fd)
{
    struct linger reset = {.l_onoff = 1};

    if (s->manner == HANGS_UP) {
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    } else {
        size_t len = s->text_len ? s->text_len : strlen(s->text);

        assert_int_equal(send(fd, s->text, len, MSG_NOSIGNAL), (ssize_t)len);
    }
    ph_loop_unwatch(s->loop, fd);
    if (s->manner == CLOSES) {
        shutdown(fd, SHUT_WR);
    } else if (s->manner == HANGS_UP) {
        close(fd);
        s->conn_count--; /* these tests have one at a time */
    } else if (s->manner == DRIPS) {
        drip(s);
    }
}

static void on_request(void *user, uint32_t events)
{
    int fd = *(int *)user;
    ssize_t n;

    (void)events;
    n = recv(fd, server.asked + server.asked_len, sizeof(server.asked) - 1 - server.asked_len, 0);
    if (n <= 0) {
        ph_loop_unwatch(server.loop, fd);
        return;
    }
    server.asked_len += (size_t)n;
    server.asked[server.asked_len] = '\0';
    if (strstr(server.asked, "\r\n\r\n")) {
        answer(&server, fd);
        server.asked_len = 0;
    }
}

static void on_connection(void *user, uint32_t events)
{
    int fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC);

    (void)user;
    (void)events;
    assert_true(fd >= 0 && server.conn_count < 32);
    server.conns[server.conn_count] = fd;
    assert_int_equal(
        ph_loop_watch(server.loop, fd, EPOLLIN, on_request, &server.conns[server.conn_count]),
        PH_OK);
    server.conn_count++;
}

static int listen_on_loopback(struct ph_addr *addr)
{
    struct ph_addr any = ph_addr_v4(127, 0, 0, 1, 0);
    union ph_sockaddr sa;
    socklen_t len = ph_sockaddr_from(&any, &sa);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &sa.sa, len), 0);
    assert_int_equal(getsockname(fd, &sa.sa, &len), 0);
    assert_true(ph_sockaddr_to(&sa.sa, addr));
    return fd;
}

/* What came to on_http. */
struct asker {
    struct peer peer; /* first */
    size_t done;
    ph_http id;
    int error, status;
    char body[PH_HTTP_ANSWER_MAX + 1];
    size_t len;
    bool free_host, cancel_other, start_again;
    ph_http other;
    bool starting; /* on_http must not be called from inside http_start */
};

static struct asker asker;

static struct ph_http_request request_of(const char *path)
{
    return (struct ph_http_request){
        .server = server.addr,
        .host = "192.0.2.1:5000",
        .path = path,
        .answer_max = PH_HTTP_ANSWER_MAX,
        .timeout = PATIENCE,
    };
}

static ph_http start(const struct ph_http_request *request)
{
    ph_http id = 0;

    asker.starting = true;
    assert_int_equal(asker.peer.host->ops->http_start(asker.peer.host, request, &id), PH_OK);
    asker.starting = false;
    assert_int_not_equal(id, 0);
    return id;
}

static void on_http(struct ph_endpoint *ep, ph_ns now, ph_http id, const struct ph_http_answer *a)
{
    struct asker *k = (struct asker *)ep;
    struct ph_http_request again = request_of("/again");

    assert_false(k->starting);
    assert_true(now <= ph_loop_now(server.loop));
    assert_true(a->len <= PH_HTTP_ANSWER_MAX);
    k->done++;
    k->id = id;
    k->error = a->error;
    k->status = a->status;
    k->len = a->len;
    if (a->len) {
        memcpy(k->body, a->body, a->len);
    }
    k->body[a->len] = '\0';
    if (k->cancel_other) {
        k->peer.host->ops->http_cancel(k->peer.host, k->other);
    }
    if (k->start_again) {
        k->start_again = false;
        k->other = start(&again);
    }
    if (k->free_host) {
        ph_loop_host_free(k->peer.host);
        k->peer.host = NULL;
    }
}

static int setup(void **state)
{
    memset(&server, 0, sizeof(server));
    memset(&asker, 0, sizeof(asker));
    if (loop_setup(state)) {
        return -1;
    }
    server.loop = *state;
    server.listener = listen_on_loopback(&server.addr);
    assert_int_equal(listen(server.listener, 16), 0);
    assert_int_equal(ph_loop_watch(server.loop, server.listener, EPOLLIN, on_connection, NULL),
                     PH_OK);
    peer_host(&asker.peer, server.loop, -1);
    asker.peer.ep.on_http = on_http;
    return 0;
}

static int teardown(void **state)
{
    for (size_t i = 0; i < server.conn_count; i++) {
        close(server.conns[i]);
    }
    close(server.listener);
    return loop_teardown(state);
}

#define HTTP_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void a_get_is_asked_and_answered(void **state)
{
    struct ph_http_request q = request_of("/a/../rootDesc.xml?x=%20");
    ph_http id;
    (void)state;

    server.text = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\nContent-Type: text/xml\r\n\r\n" BODY;
    server.manner = HOLDS; /* the length alone says that it is whole */
    id = start(&q);
    run_until(server.loop, &asker.done, 1);
    assert_int_equal(asker.id, id);
    assert_int_equal(asker.error, PH_OK);
    assert_int_equal(asker.status, 200);
    assert_string_equal(asker.body, BODY);
    /* The path as it was given, and nothing that a small router could stumble over. */
    assert_int_equal(strncmp(server.asked, "GET /a/../rootDesc.xml?x=%20 HTTP/1.1\r\n", 39), 0);
    assert_non_null(strstr(server.asked, "\r\nHost: 192.0.2.1:5000\r\n"));
    assert_non_null(strstr(server.asked, "\r\nConnection: close\r\n"));
    assert_null(strstr(server.asked, "Expect"));
    assert_null(strstr(server.asked, "SOAPAction"));
    assert_null(strstr(server.asked, "Accept-Encoding"));
}

static void a_soap_call_is_a_post(void **state)
{
    struct ph_http_request q = request_of("/ctl/IPConn");
    char body[1500];
    (void)state;

    memset(body, 'b', sizeof(body)); /* from 1,024 bytes on libcurl would like to say Expect */
    q.soap_action = "urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping";
    q.body = body;
    q.body_len = sizeof(body);
    server.text = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 16\r\n\r\n" BODY;
    start(&q);
    memset(body, 'x', sizeof(body)); /* borrowed until http_start returned */
    run_until(server.loop, &asker.done, 1);
    assert_int_equal(asker.error, PH_OK); /* whatever its status */
    assert_int_equal(asker.status, 500);
    assert_string_equal(asker.body, BODY);
    assert_int_equal(strncmp(server.asked, "POST /ctl/IPConn HTTP/1.1\r\n", 27), 0);
    assert_non_null(strstr(server.asked, "\r\nSOAPAction: \"urn:schemas-upnp-org:service:"
                                         "WANIPConnection:1#AddPortMapping\"\r\n"));
    assert_non_null(strstr(server.asked, "\r\nContent-Type: text/xml; charset=\"utf-8\"\r\n"));
    assert_non_null(strstr(server.asked, "\r\nContent-Length: 1500\r\n"));
    assert_non_null(strstr(server.asked, "\r\n\r\nbbbb"));
    assert_null(strstr(server.asked, "Expect"));
}

#define LONG_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n"

/* Each row is what a server says in full, how it ends, and what the endpoint hears. */
static void answers_of_all_kinds(void **state)
{
    static const struct {
        const char *name, *text;
        enum manner manner;
        int error, status;
        const char *body;
    } rows[] = {
        {"until the end", "HTTP/1.0 200 OK\r\n\r\n" BODY, CLOSES, PH_OK, 200, BODY},
        {"capitals, no blank (RetroArch#13399)",
         "HTTP/1.1 200 OK\r\nCONTENT-LENGTH:16\r\n\r\n" BODY, HOLDS, PH_OK, 200, BODY},
        {"bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 16\n\n" BODY, HOLDS, PH_OK, 200,
         BODY},
        {"chunks",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
         "6\r\n012345\r\na\r\n6789abcdef\r\n0\r\n\r\n",
         HOLDS, PH_OK, 200, BODY},
        {"no body", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", HOLDS, PH_OK, 404, ""},
        {"interim answer",
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n" BODY, HOLDS,
         PH_OK, 200, BODY},
        {"a redirect is an answer, not an order",
         "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", HOLDS,
         PH_OK, 302, ""},
        {"packed is handed on packed",
         "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 16\r\n\r\n" BODY, HOLDS,
         PH_OK, 200, BODY},
        {"ends before its length", "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n" BODY, CLOSES,
         PH_ERR_PROTO, 200, BODY},
        {"ends within a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" BODY,
         CLOSES, PH_ERR_PROTO, 200, BODY},
        {"a chunk's length is none",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n01\r\nzz\r\n" BODY, HOLDS,
         PH_ERR_PROTO, 200, "01"},
        {"a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" BODY, HOLDS,
         PH_ERR_PROTO, 200, ""},
        {"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", HOLDS, PH_ERR_PROTO, 0, ""},
        {"ends within the head", "HTTP/1.1 200 OK\r\nContent-Le", CLOSES, PH_ERR_PROTO, 200, ""},
        {"an interim answer alone", "HTTP/1.1 100 Continue\r\n\r\n", CLOSES, PH_ERR_PROTO, 100, ""},
        {"nothing", "", CLOSES, PH_ERR_PROTO, 0, ""},
        {"hangs up", "", HANGS_UP, PH_ERR_PROTO, 0, ""},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ph_http_request q = request_of("/x");

        server.text = rows[i].text;
        server.manner = rows[i].manner;
        start(&q);
        run_until(server.loop, &asker.done, i + 1);
        if (asker.error != rows[i].error || asker.status != rows[i].status ||
            strcmp(asker.body, rows[i].body) != 0) {
            fail_msg("%s: %s, status %d, \"%s\"", rows[i].name, ph_strerror(asker.error),
                     asker.status, asker.body);
        }
    }
}

static void what_is_too_long_is_cut(void **state)
{
    static char text[sizeof(LONG_HEAD) + 40000];
    static const size_t max[] = {0, 1, 5000, 39999, 40000, 40001};
    (void)state;

    memset(text, 'z', sizeof(text));
    memcpy(text, LONG_HEAD, sizeof(LONG_HEAD) - 1);
    server.text = text;
    server.text_len = sizeof(text) - 1;
    for (size_t i = 0; i < sizeof(max) / sizeof(max[0]); i++) {
        struct ph_http_request q = request_of("/x");

        q.answer_max = max[i];
        start(&q);
        run_until(server.loop, &asker.done, i + 1);
        assert_int_equal(asker.error, max[i] < 40000 ? PH_ERR_SPACE : PH_OK);
        assert_int_equal(asker.len, max[i] < 40000 ? max[i] : 40000);
    }
}

static void a_head_without_end_is_no_http(void **state)
{
    static char text[60000];
    struct ph_http_request q = request_of("/x");
    size_t len = (size_t)snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n");
    (void)state;

    while (len + 64 < sizeof(text)) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "X-Field: %040zu\r\n", len);
    }
    server.text = text;
    server.text_len = len;
    server.manner = HOLDS;
    start(&q);
    run_until(server.loop, &asker.done, 1);
    assert_int_equal(asker.error, PH_ERR_PROTO);
    assert_int_equal(asker.len, 0);
}

/* The time is for all of it: a server that always has one byte more does not stretch it. */
static void a_slow_answer_runs_out_of_time(void **state)
{
    struct ph_http_request q = request_of("/x");
    ph_ns begun = ph_loop_now(server.loop);
    (void)state;

    q.timeout = 40 * PH_MS;
    server.text = "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\nx";
    server.manner = DRIPS;
    start(&q);
    run_until(server.loop, &asker.done, 1);
    assert_int_equal(asker.error, PH_ERR_TIMEOUT);
    assert_int_equal(asker.status, 200);
    assert_true(asker.len >= 1);
    assert_int_equal(asker.body[0], 'x');
    /* Who times it counts whole milliseconds. */
    assert_true(ph_loop_now(server.loop) - begun + PH_MS >= q.timeout);
    ph_loop_at(server.loop, PH_NEVER, drip, &server);
}

static void silence_runs_out_of_time(void **state)
{
    struct ph_http_request q = request_of("/x");
    (void)state;

    q.timeout = 10 * PH_MS;
    server.text = "";
    server.manner = HOLDS;
    start(&q);
    run_until(server.loop, &asker.done, 1);
    assert_int_equal(asker.error, PH_ERR_TIMEOUT);
    assert_int_equal(asker.status, 0);
    assert_int_equal(asker.len, 0);
}

static void where_nobody_listens_it_is_refused(void **state)
{
    struct ph_http_request q = request_of("/x");
    int fd = listen_on_loopback(&q.server); /* bound, not listening: nobody else's port */
    (void)state;

    start(&q);
    run_until(server.loop, &asker.done, 1);
    assert_int_equal(asker.error, PH_ERR_REFUSED);
    close(fd);
}

static void it_leaves_from_the_address_asked_for(void **state)
{
    struct ph_http_request q = request_of("/x");
    union ph_sockaddr sa;
    struct ph_addr from;
    socklen_t len = sizeof(sa);
    (void)state;

    server.text = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n" BODY;
    server.manner = HOLDS;
    q.local = ph_addr_v4(127, 0, 0, 7, server.addr.port); /* the port is ignored */
    start(&q);
    run_until(server.loop, &asker.done, 1);
    assert_int_equal(asker.error, PH_OK);
    assert_int_equal(getpeername(server.conns[0], &sa.sa, &len), 0);
    assert_true(ph_sockaddr_to(&sa.sa, &from));
    assert_int_equal(from.ip[3], 7);
    /* An address that is not this machine's. */
    q.local = ph_addr_v4(192, 0, 2, 7, 0);
    start(&q);
    run_until(server.loop, &asker.done, 2);
    assert_int_equal(asker.error, PH_ERR_SYS);
}

static void requests_stand_beside_each_other(void **state)
{
    struct ph_http_request q = request_of("/x");
    ph_http ids[PH_HTTP_MAX], none = 0;
    (void)state;

    server.text = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n" BODY;
    for (size_t i = 0; i < PH_HTTP_MAX; i++) {
        ids[i] = start(&q);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(ids[i], ids[j]);
        }
    }
    assert_int_equal(asker.peer.host->ops->http_start(asker.peer.host, &q, &none), PH_ERR_SPACE);
    run_until(server.loop, &asker.done, PH_HTTP_MAX);
    assert_int_equal(asker.error, PH_OK);
    /* All are over, so there is room again, and an old name is nobody's. */
    none = start(&q);
    asker.peer.host->ops->http_cancel(asker.peer.host, ids[0]);
    run_until(server.loop, &asker.done, PH_HTTP_MAX + 1);
    assert_int_equal(asker.id, none);
}

static void a_cancelled_one_is_not_told(void **state)
{
    struct ph_http_request q = request_of("/x");
    ph_http first, second;
    (void)state;

    server.text = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n" BODY;
    first = start(&q);
    asker.peer.host->ops->http_cancel(asker.peer.host, first); /* before it was begun */
    first = start(&q);
    while (server.conn_count == 0) { /* under way */
        assert_int_equal(ph_loop_step(server.loop, PATIENCE), PH_OK);
    }
    asker.peer.host->ops->http_cancel(asker.peer.host, first);
    asker.peer.host->ops->http_cancel(asker.peer.host, first);
    asker.peer.host->ops->http_cancel(asker.peer.host, 0);
    asker.peer.host->ops->http_cancel(asker.peer.host, 4242);
    server.asked_len = 0;
    second = start(&q);
    run_until(server.loop, &asker.done, 1);
    assert_int_equal(asker.id, second);
    assert_int_equal(asker.done, 1);
}

static void callbacks_may_start_cancel_and_free(void **state)
{
    struct ph_http_request q = request_of("/x");
    (void)state;

    server.text = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n" BODY;
    asker.start_again = true;
    start(&q);
    run_until(server.loop, &asker.done, 2);
    assert_int_equal(asker.id, asker.other);
    /* The first to end cancels the other one, which then never ends. */
    server.manner = HOLDS;
    server.text = "";
    asker.other = start(&q);
    while (server.conn_count < 3) {
        assert_int_equal(ph_loop_step(server.loop, PATIENCE), PH_OK);
    }
    asker.cancel_other = true;
    asker.free_host = true;
    q.timeout = PH_MS;
    start(&q);
    q.timeout = PATIENCE;
    start(&q); /* under way when its host goes */
    run_until(server.loop, &asker.done, 3);
    assert_null(asker.peer.host);
    assert_int_equal(ph_loop_step(server.loop, 0), PH_OK);
    assert_int_equal(ph_loop_step(server.loop, 0), PH_OK);
    assert_int_equal(asker.done, 3);
}

static void a_host_may_be_freed_with_requests_under_way(void **state)
{
    struct ph_http_request q = request_of("/x");
    (void)state;

    server.text = "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n" BODY;
    server.manner = HOLDS;
    start(&q);
    while (server.conn_count == 0) {
        assert_int_equal(ph_loop_step(server.loop, PATIENCE), PH_OK);
    }
    start(&q);
    ph_loop_host_free(asker.peer.host);
    assert_int_equal(ph_loop_step(server.loop, 0), PH_OK);
    assert_int_equal(asker.done, 0);
}

static void what_cannot_be_a_request_is_refused(void **state)
{
    struct ph_http_request good = request_of("/x"), q;
    ph_http id;
    (void)state;

#define REFUSED(field, value)                                                                      \
    q = good;                                                                                      \
    q.field = (value);                                                                             \
    assert_int_equal(asker.peer.host->ops->http_start(asker.peer.host, &q, &id), PH_ERR_INVAL)

    REFUSED(server.family, PH_AF_NONE);
    REFUSED(server.port, 0);
    REFUSED(local, ((struct ph_addr){.family = PH_AF_V6}));
    REFUSED(host, NULL);
    REFUSED(host, "");
    REFUSED(host, "a\r\nX-Other: b");
    REFUSED(path, NULL);
    REFUSED(path, "x");
    REFUSED(path, "/x HTTP/1.1\r\nX-Other: b");
    REFUSED(path, "/a b");
    REFUSED(soap_action, "a\"\r\nX: b");
    REFUSED(answer_max, PH_HTTP_ANSWER_MAX + 1);
    REFUSED(timeout, 0);
    assert_int_equal(ph_loop_step(server.loop, 0), PH_OK);
    assert_int_equal(asker.done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(a_get_is_asked_and_answered),
        HTTP_TEST(a_soap_call_is_a_post),
        HTTP_TEST(answers_of_all_kinds),
        HTTP_TEST(what_is_too_long_is_cut),
        HTTP_TEST(a_head_without_end_is_no_http),
        HTTP_TEST(a_slow_answer_runs_out_of_time),
        HTTP_TEST(silence_runs_out_of_time),
        HTTP_TEST(where_nobody_listens_it_is_refused),
        HTTP_TEST(it_leaves_from_the_address_asked_for),
        HTTP_TEST(requests_stand_beside_each_other),
        HTTP_TEST(a_cancelled_one_is_not_told),
        HTTP_TEST(callbacks_may_start_cancel_and_free),
        HTTP_TEST(a_host_may_be_freed_with_requests_under_way),
        HTTP_TEST(what_cannot_be_a_request_is_refused),
    };

    /* A proxy of the environment is none of a router's business. */
    setenv("http_proxy", "http://192.0.2.9:3128/", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
