#include "base/mac.h"
#include "base/trace.h"
#include "cli/cli.h"
#include "cli/duration.h"
#include "cli/number.h"
#include "cli/page_server.h"
#include "cli/relay_state.h"
#include "cli/resolve.h"
#include "cli/seed.h"
#include "cli/stop.h"
#include "relay/metrics.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* What a burst of many calls needs while the loop is busy; the system's maximum caps it. */
#define RCVBUF_BYTES (4u << 20)

/* Where draining ends when calls do not. */
#define DRAIN_TIME (600 * PH_SEC)
/* How often a draining relay looks whether its last call is over; the first time leaves the word to
 * the clients time to arrive. */
#define DRAIN_LOOK (500 * PH_MS)

#define CLIENTS_MOST 1000000u
#define RATE_MOST    100000000u

enum {
    KEY_STATE = 256,
    KEY_DRAIN_TIME,
    KEY_METRICS,
    KEY_MAX_CLIENTS,
    KEY_MAX_CALLS,
    KEY_MAX_RATE,
    KEY_MAX_RATE_ALL,
};

/* At high rates, for the sake of one wake-up for many packets. */
#define GATHER (400 * PH_US)

struct options {
    struct ph_relay_config config;
    const char *listen[PH_RELAY_LISTENS];
    size_t listen_count;
    const char *others[PH_SIGNAL_RELAYS_MAX];
    const char *seed_file;
    const char *state_file;
    const char *metrics;
    ph_ns drain_time;
    bool json;
};

/* HOST[:PORT][=REGION]: the address is looked up later, the region is taken here. */
static void parse_other(struct options *o, const char *arg, struct argp_state *state)
{
    size_t n = o->config.other_count;
    const char *region = strchr(arg, '=');

    if (n == PH_SIGNAL_RELAYS_MAX) {
        argp_error(state, "more than %d other relays, of which '%s' is one too many",
                   PH_SIGNAL_RELAYS_MAX, arg);
    }
    if (region && strlen(region + 1) >= sizeof(o->config.other_regions[n])) {
        argp_error(state, "the region '%s' is longer than %zu bytes", region + 1,
                   sizeof(o->config.other_regions[n]) - 1);
    }
    if (region) {
        memcpy(o->config.other_regions[n], region + 1, strlen(region + 1));
    }
    o->others[n] = arg;
    o->config.other_count++;
}

/* Returns a cli_exit; what is wrong is printed. */
static int resolve_others(struct options *o)
{
    for (size_t i = 0; i < o->config.other_count; i++) {
        char host[300];
        size_t len = strcspn(o->others[i], "=");
        int code;

        if (len >= sizeof(host)) {
            fprintf(stderr, "pinhole: '%s' is longer than the name of a host can be\n",
                    o->others[i]);
            return CLI_USAGE;
        }
        memcpy(host, o->others[i], len);
        host[len] = '\0';
        code = resolve(host, PH_AF_NONE, &o->config.others[i]);
        if (code) {
            return code;
        }
    }
    return CLI_GOOD;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case 'l':
        if (o->listen_count == PH_RELAY_LISTENS) {
            argp_error(state, "more than %d addresses to listen on, of which '%s' is one too many",
                       PH_RELAY_LISTENS, arg);
        }
        o->listen[o->listen_count++] = arg;
        return 0;
    case 'g':
        if (strlen(arg) >= sizeof(o->config.region)) {
            argp_error(state, "the region '%s' is longer than %zu bytes", arg,
                       sizeof(o->config.region) - 1);
        }
        memset(o->config.region, 0, sizeof(o->config.region));
        memcpy(o->config.region, arg, strlen(arg));
        return 0;
    case 'o':
        parse_other(o, arg, state);
        return 0;
    case 'f':
        o->seed_file = arg;
        return 0;
    case 'j':
        o->json = true;
        return 0;
    case KEY_STATE:
        o->state_file = arg;
        return 0;
    case KEY_DRAIN_TIME:
        o->drain_time = parse_duration(arg, state);
        return 0;
    case KEY_METRICS:
        o->metrics = arg;
        return 0;
    case KEY_MAX_CLIENTS:
        o->config.clients_max =
            (uint32_t)parse_number(arg, CLIENTS_MOST, "number of clients", state);
        return 0;
    case KEY_MAX_CALLS:
        o->config.sessions_max =
            (uint32_t)parse_number(arg, CLIENTS_MOST, "number of calls", state);
        return 0;
    case KEY_MAX_RATE:
        o->config.packets_per_second_max =
            (uint32_t)parse_number(arg, RATE_MOST, "number of packets a second", state);
        return 0;
    case KEY_MAX_RATE_ALL:
        o->config.packets_per_second_all =
            (uint32_t)parse_number(arg, RATE_MOST, "number of packets a second", state);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is not an option; an address is given by --listen", arg);
        return 0;
    case ARGP_KEY_END:
        if (o->listen_count == 0) {
            argp_error(state, "no address to listen on: add --listen 0.0.0.0:%d", CLI_PORT);
        }
        if (o->state_file && !o->seed_file) {
            argp_error(state,
                       "--state '%s' needs --seed-file: only a relay with the same identity "
                       "may go on with its calls",
                       o->state_file);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct server {
    const struct options *options;
    struct ph_loop *loop;
    struct ph_relay *relay;
    struct ph_page_server *metrics; /* NULL: none */
    struct cli_stop stop;
    ph_ns began;
    ph_ns drained_by; /* 0: not draining */
    int restored;     /* calls of the process before */
};

static void on_stop(void *user)
{
    struct server *s = user;

    ph_loop_stop(s->loop);
}

static void say_event(const struct server *s, const char *event, const char *text)
{
    char line[256];

    if (s->options->json) {
        struct ph_json j = ph_json_begin(line, sizeof(line));

        ph_json_str(&j, "event", event);
        puts(ph_json_end(&j));
    } else {
        puts(text);
    }
}

static void look_whether_drained(void *user)
{
    struct server *s = user;
    ph_ns now = ph_loop_now(s->loop);
    struct ph_relay_stats st;

    ph_relay_get_stats(s->relay, &st);
    if (st.sessions == 0 || now >= s->drained_by) {
        ph_relay_farewell(s->relay);
        ph_loop_stop(s->loop);
    } else if (ph_loop_at(s->loop, ph_min_ns(now + DRAIN_LOOK, s->drained_by), look_whether_drained,
                          s)) {
        ph_loop_stop(s->loop);
    }
}

static void on_drain(void *user)
{
    struct server *s = user;

    if (s->drained_by) {
        return;
    }
    s->drained_by = ph_loop_now(s->loop) + s->options->drain_time;
    ph_relay_drain(s->relay);
    say_event(s, "draining", "draining: no new calls; ends with the last one");
    if (ph_loop_at(s->loop, ph_loop_now(s->loop) + DRAIN_LOOK, look_whether_drained, s)) {
        ph_loop_stop(s->loop);
    }
}

static double seconds_of(const struct timeval *t)
{
    return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static size_t metrics_page(void *user, char *out)
{
    struct server *s = user;
    struct ph_metrics_process process = {0};
    struct ph_relay_stats st;
    struct rusage use;

    _Static_assert(PH_METRICS_MAX <= PH_PAGE_MAX, "the page holds the metrics");
    if (getrusage(RUSAGE_SELF, &use) == 0) {
        process.cpu_s = seconds_of(&use.ru_utime) + seconds_of(&use.ru_stime);
    }
    process.lateness_s = (double)ph_loop_take_lateness(s->loop) / (double)PH_SEC;
    process.uptime_s = (double)(ph_loop_now(s->loop) - s->began) / (double)PH_SEC;
    ph_relay_get_stats(s->relay, &st);
    return ph_relay_metrics(&st, &process, out);
}

static int start_metrics(struct server *s)
{
    struct ph_page_server_config config = {
        .path = "/metrics", .type = PH_METRICS_TYPE, .page = metrics_page, .user = s};
    int code;

    if (!s->options->metrics) {
        return CLI_GOOD;
    }
    code = resolve_local(s->options->metrics, &config.listen);
    if (code) {
        return code;
    }
    if (ph_page_server_new(s->loop, &config, &s->metrics)) {
        fprintf(
            stderr,
            "pinhole: no metrics on %s: %s; choose an address of this machine and a free port\n",
            s->options->metrics, strerror(errno));
        return CLI_CANNOT;
    }
    return CLI_GOOD;
}

static void tell_start(const struct server *s, const struct options *o)
{
    struct ph_addr at = ph_relay_address(s->relay);
    struct ph_addr metrics = s->metrics ? ph_page_server_address(s->metrics) : (struct ph_addr){0};
    char line[512], addr[PH_ADDR_STRLEN];

    if (o->json) {
        struct ph_json j = ph_json_begin(line, sizeof(line));

        ph_json_str(&j, "event", "listening");
        ph_json_addr(&j, "address", &at);
        ph_json_str(&j, "region", o->config.region);
        ph_json_addr(&j, "metrics", &metrics);
        ph_json_u64(&j, "restored", (uint64_t)s->restored);
        puts(ph_json_end(&j));
    } else {
        printf("relay on %s\n", ph_addr_format(&at, addr));
        if (s->metrics) {
            printf("metrics on http://%s/metrics\n", ph_addr_format(&metrics, addr));
        }
        if (s->restored > 0) {
            printf("goes on with %d calls\n", s->restored);
        }
    }
}

static void tell_end(const struct server *s, const struct options *o)
{
    struct ph_relay_stats st;
    unsigned long long dropped;
    char line[512];

    ph_relay_get_stats(s->relay, &st);
    dropped = st.dropped_unknown_tag + st.dropped_wrong_source + st.dropped_rate +
              st.dropped_rate_all + st.dropped_unproved + st.dropped_no_peer;
    if (o->json) {
        struct ph_json j = ph_json_begin(line, sizeof(line));

        ph_json_str(&j, "event", "stopped");
        ph_json_u64(&j, "clients", st.clients);
        ph_json_u64(&j, "sessions", st.sessions);
        ph_json_u64(&j, "forwarded_packets", st.forwarded_packets);
        ph_json_u64(&j, "forwarded_bytes", st.forwarded_bytes);
        ph_json_u64(&j, "dropped_unknown_tag", st.dropped_unknown_tag);
        ph_json_u64(&j, "dropped_wrong_source", st.dropped_wrong_source);
        ph_json_u64(&j, "dropped_rate", st.dropped_rate + st.dropped_rate_all);
        ph_json_u64(&j, "dropped_unproved", st.dropped_unproved);
        ph_json_u64(&j, "dropped_no_peer", st.dropped_no_peer);
        ph_json_u64(&j, "stun_requests", st.stun_requests);
        puts(ph_json_end(&j));
    } else {
        printf("stopped: %llu packets forwarded, %llu dropped, %llu STUN requests answered\n",
               (unsigned long long)st.forwarded_packets, dropped,
               (unsigned long long)st.stun_requests);
    }
}

static int start(struct server *s, struct options *o)
{
    struct ph_loop_host_config host_config = {
        .netns_fd = -1, .rcvbuf_bytes = RCVBUF_BYTES, .gather = GATHER, .join = true};
    struct ph_host *host;
    int err = ph_loop_new(&s->loop);

    s->options = o;
    if (!err) {
        s->began = ph_loop_now(s->loop);
        err = cli_stop_init(&s->stop, s->loop, on_stop, s);
    }
    if (!err) {
        err = cli_stop_on_drain(&s->stop, on_drain);
    }
    if (!err) {
        err = ph_loop_host_new(s->loop, &host_config, &host);
    }
    if (!err) {
        o->config.host = host;
        err = ph_relay_new(&o->config, &s->relay);
    }
    if (err == PH_ERR_SYS) {
        int why = errno;

        fprintf(stderr, "pinhole: cannot listen on %s", o->listen[0]);
        for (size_t i = 1; i < o->listen_count; i++) {
            fprintf(stderr, "%s%s", i + 1 < o->listen_count ? ", " : " and ", o->listen[i]);
        }
        fprintf(stderr, ": %s; choose an address of this machine and a free port from 1024 up\n",
                strerror(why));
    } else if (err) {
        fprintf(stderr, "pinhole: cannot start: %s\n", ph_strerror(err));
    }
    if (err) {
        return CLI_CANNOT;
    }
    if (o->state_file) {
        s->restored = relay_state_load(s->relay, o->state_file);
    }
    return start_metrics(s);
}

int cmd_relay(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"listen", 'l', "ADDRESS[:PORT]", 0,
         "Where clients come; given again, up to four: further addresses of the STUN server", 0},
        {"region", 'g', "NAME", 0, "Told to clients", 0},
        {"other", 'o', "HOST[:PORT][=REGION]", 0,
         "Another relay, which clients are told of; may be given again", 0},
        {"seed-file", 'f', "FILE", 0, "The relay's identity; made when it is missing", 0},
        {"state", KEY_STATE, "FILE", 0,
         "Leaves its running calls there when it is stopped, and goes on with those that it finds",
         0},
        {"drain-time", KEY_DRAIN_TIME, "SECONDS", 0,
         "How long SIGUSR1 waits for calls to end (600)", 0},
        {"metrics", KEY_METRICS, "ADDRESS:PORT", 0, "Serves OpenMetrics text at /metrics there", 0},
        {"max-clients", KEY_MAX_CLIENTS, "N", 0, "Clients at once (4096)", 0},
        {"max-calls", KEY_MAX_CALLS, "N", 0, "Calls at once (16384)", 0},
        {"max-rate", KEY_MAX_RATE, "N", 0, "Packets a second from one peer of a call (2000)", 0},
        {"max-rate-all", KEY_MAX_RATE_ALL, "N", 0, "Packets a second of all calls (no limit)", 0},
        {"json", 'j', NULL, 0, "Write JSON lines", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc =
            "Runs a relay until it is stopped: registers peers, passes their signalling on, "
            "forwards their sealed packets and answers STUN, all on one UDP port. SIGUSR1 drains "
            "it: it ends with its last call."};
    struct options o = {.drain_time = DRAIN_TIME};
    struct server s = {0};
    int code;

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < o.listen_count; i++) {
        code = resolve_local(o.listen[i], &o.config.listen[i]);
        if (code) {
            return code;
        }
    }
    code = resolve_others(&o);
    if (code) {
        return code;
    }
    code = seed_load(o.seed_file, o.config.seed);
    if (code) {
        return code;
    }
    code = start(&s, &o);
    if (!code) {
        tell_start(&s, &o);
        if (ph_loop_run(s.loop)) {
            fprintf(stderr, "pinhole: the event loop failed: %s\n", strerror(errno));
            code = CLI_CANNOT;
        } else {
            /* To be told to stop is how a server ends well. */
            code = s.stop.signal == SIGINT ? CLI_INTERRUPTED : CLI_GOOD;
        }
        /* One that has drained leaves nothing. */
        if (o.state_file && s.stop.signal != 0 && !relay_state_save(s.relay, o.state_file)) {
            code = CLI_CANNOT;
        }
        tell_end(&s, &o);
    }
    ph_page_server_free(s.metrics);
    ph_relay_free(s.relay);
    if (s.loop) {
        cli_stop_fini(&s.stop);
        ph_loop_free(s.loop);
    }
    return code;
}
