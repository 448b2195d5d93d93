#include "wire/stun.h"

#include "base/trace.h"
#include "cli/cli.h"
#include "cli/resolve.h"
#include "cli/stop.h"
#include "pinhole.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* RFC 8489 section 6.2.1: the first time-out, doubled each time, and the last one's length. */
#define RTO      (500 * PH_MS)
#define REQUESTS 5

struct options {
    const char *server;
    enum ph_family family;
    bool json;
};

struct asker {
    struct ph_endpoint ep; /* first */
    struct ph_loop *loop;
    struct ph_host *host;
    ph_sock sock;
    struct ph_addr server;
    struct cli_stop stop;
    uint8_t tid[REQUESTS][PH_STUN_TID_LEN];
    ph_ns sent_at[REQUESTS];
    unsigned sent;
    bool answered;
    struct ph_stun answer;
    ph_ns rtt;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case 'j':
        o->json = true;
        return 0;
    case '4':
        o->family = PH_AF_V4;
        return 0;
    case '6':
        o->family = PH_AF_V6;
        return 0;
    case ARGP_KEY_ARG:
        if (o->server) {
            argp_error(state, "'%s' is a second server; one is asked at a time", arg);
        }
        o->server = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->server) {
            argp_error(state, "no server is given: write HOST:PORT");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void ask(struct asker *a, ph_ns now)
{
    uint8_t bytes[64];
    struct ph_writer w = ph_writer_init(bytes, sizeof(bytes));
    struct ph_datagram d = {.peer = a->server, .data = bytes};

    /* A transaction each, so that the round trip is that of the request that was answered. */
    ph_host_random(a->host, a->tid[a->sent], PH_STUN_TID_LEN);
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, a->tid[a->sent]);
    d.len = (size_t)ph_stun_end(&w, true);
    a->host->ops->udp_send(a->host, a->sock, &d, 1);
    a->sent_at[a->sent] = now;
    a->host->ops->wake_at(a->host, now + (RTO << a->sent));
    a->sent++;
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    struct asker *a = (struct asker *)ep;

    if (a->sent == REQUESTS) {
        ph_loop_stop(a->loop);
    } else {
        ask(a, now);
    }
}

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct asker *a = (struct asker *)ep;

    (void)sock;
    for (size_t i = 0; i < n && !a->answered; i++) {
        struct ph_stun m;

        if (!ph_addr_eq(&in[i].peer, &a->server) || ph_stun_parse(in[i].data, in[i].len, &m) ||
            (m.type != PH_STUN_BINDING_SUCCESS && m.type != PH_STUN_BINDING_ERROR)) {
            continue;
        }
        for (unsigned t = 0; t < a->sent; t++) {
            if (memcmp(m.tid, a->tid[t], PH_STUN_TID_LEN) == 0) {
                a->answered = true;
                a->answer = m;
                a->rtt = now - a->sent_at[t];
            }
        }
    }
    if (a->answered) {
        ph_loop_stop(a->loop);
    }
}

static void on_stop(void *user)
{
    struct asker *a = user;

    ph_loop_stop(a->loop);
}

static int start(struct asker *a)
{
    struct ph_loop_host_config config = {.netns_fd = -1};
    struct ph_addr any = {.family = a->server.family};
    int err = ph_loop_new(&a->loop);

    if (!err) {
        err = cli_stop_init(&a->stop, a->loop, on_stop, a);
    }
    if (!err) {
        err = ph_loop_host_new(a->loop, &config, &a->host);
    }
    if (!err) {
        err = a->host->ops->udp_open(a->host, &any, &a->sock);
    }
    if (err) {
        fprintf(stderr, "pinhole: cannot open a socket: %s%s%s\n", ph_strerror(err),
                err == PH_ERR_SYS ? ": " : "", err == PH_ERR_SYS ? strerror(errno) : "");
        return CLI_CANNOT;
    }
    a->ep.on_datagrams = on_datagrams;
    a->ep.on_timer = on_timer;
    a->host->endpoint = &a->ep;
    ask(a, ph_loop_now(a->loop));
    return CLI_GOOD;
}

static void tell(const struct asker *a, const struct options *o)
{
    struct ph_addr local = a->host->ops->udp_local(a->host, a->sock);
    char line[512], text[PH_ADDR_STRLEN];

    if (o->json) {
        struct ph_json j = ph_json_begin(line, sizeof(line));

        ph_json_addr(&j, "server", &a->server);
        ph_json_addr(&j, "mapped", &a->answer.mapped);
        ph_json_addr(&j, "other", &a->answer.other);
        ph_json_u64(&j, "local_port", local.port);
        ph_json_ns_ms(&j, "rtt_ms", a->rtt);
        ph_json_u64(&j, "requests", a->sent);
        puts(ph_json_end(&j));
        return;
    }
    printf("%s sees %s", o->server, ph_addr_format(&a->answer.mapped, text));
    printf(" (own port %u) after %.1f ms\n", local.port, ph_ns_to_ms(a->rtt));
    if (ph_addr_is_set(&a->answer.other)) {
        printf("its other address is %s\n", ph_addr_format(&a->answer.other, text));
    }
}

static int result(const struct asker *a, const struct options *o)
{
    if (a->stop.signal) {
        return CLI_INTERRUPTED;
    }
    if (!a->answered) {
        fprintf(stderr,
                "pinhole: no answer from '%s' to %u requests; check the name, the port and "
                "that UDP gets out\n",
                o->server, a->sent);
        return CLI_FAILED;
    }
    if (a->answer.type == PH_STUN_BINDING_ERROR || !ph_addr_is_set(&a->answer.mapped)) {
        fprintf(stderr, "pinhole: '%s' answers without an address (error %u)\n", o->server,
                a->answer.error_code);
        return CLI_FAILED;
    }
    tell(a, o);
    return CLI_GOOD;
}

int cmd_stun(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {NULL, '4', NULL, 0, "By IPv4, where the name has both (default: IPv4 first)", 0},
        {NULL, '6', NULL, 0, "By IPv6", 0},
        {"json", 'j', NULL, 0, "Write JSON", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "HOST[:PORT]",
        .doc = "Asks a STUN server (a relay is one) which address it sees."};
    struct options o = {0};
    struct asker a = {0};
    int code;

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    code = resolve(o.server, o.family, &a.server);
    if (code) {
        return code;
    }
    code = start(&a);
    if (!code) {
        if (ph_loop_run(a.loop)) {
            fprintf(stderr, "pinhole: the event loop failed: %s\n", strerror(errno));
            code = CLI_CANNOT;
        } else {
            code = result(&a, &o);
        }
    }
    if (a.loop) {
        cli_stop_fini(&a.stop);
        ph_loop_free(a.loop);
    }
    return code;
}
