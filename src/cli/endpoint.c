#include "cli/endpoint.h"

#include "base/mac.h"
#include "cli/cli.h"
#include "cli/public_stun.h"
#include "cli/resolve.h"
#include "cli/seed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    OPT_RELAY = 'r',
    OPT_STUN = 's',
    OPT_SEED_FILE = 'f',
    OPT_JSON = 'j',
    OPT_NO_PORT_MAPPING = 'm',
};

/* For the last packets to go out. */
#define GOODBYE (100 * PH_MS)

static const struct argp_option options[] = {
    {"relay", OPT_RELAY, "HOST[:PORT]", 0,
     "A relay to register with, by IPv6 or IPv4; may be given again: the nearest serves, the "
     "others "
     "when it dies",
     0},
    {"stun", OPT_STUN, "HOST[:PORT]", 0,
     "A STUN server; may be given again (default: the relays and public ones, see the manual)", 0},
    {"seed-file", OPT_SEED_FILE, "FILE", 0,
     "The identity; made when it is missing (default: a new identity each time)", 0},
    {"no-port-mapping", OPT_NO_PORT_MAPPING, NULL, 0, "Do not ask routers to map a port", 0},
    {"json", OPT_JSON, NULL, 0, "Write JSON lines", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct endpoint_options *o = state->input;

    switch (key) {
    case OPT_RELAY:
        if (o->relay_count == PH_RELAYS_MAX) {
            argp_error(state, "more than %d relays, of which '%s' is one too many", PH_RELAYS_MAX,
                       arg);
        }
        o->relays[o->relay_count++] = arg;
        return 0;
    case OPT_STUN:
        if (o->stun_count == PH_STUNS_MAX) {
            argp_error(state, "more than %d STUN servers, of which '%s' is one too many",
                       PH_STUNS_MAX, arg);
        }
        o->stuns[o->stun_count++] = arg;
        return 0;
    case OPT_SEED_FILE:
        o->seed_file = arg;
        return 0;
    case OPT_NO_PORT_MAPPING:
        o->no_port_mapping = true;
        return 0;
    case OPT_JSON:
        o->json = true;
        return 0;
    case ARGP_KEY_END:
        if (o->relay_count == 0) {
            argp_error(state, "no relay is given: add --relay HOST:PORT");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp endpoint_argp = {.options = options, .parser = parse};

/* The first addresses of all names before the second ones: each is to have one at least. */
static void add(struct ph_addr *list, size_t *count, size_t cap, const struct resolved *r, size_t n)
{
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < n && *count < cap; i++) {
            if (k < r[i].count) {
                list[(*count)++] = r[i].addr[k];
            }
        }
    }
}

static bool is_beside(const struct ph_agent_config *config)
{
    for (size_t i = 0; i < config->relay_count; i++) {
        if (public_stun_is_beside(&config->relays[i])) {
            return true;
        }
    }
    return false;
}

/* Nobody needs to be asked for the public servers to know that they are not wanted. */
static bool is_at_home(const struct endpoint_options *o)
{
    struct ph_addr a;

    for (size_t i = 0; i < o->relay_count; i++) {
        if (resolve_literal(o->relays[i], &a) && public_stun_is_beside(&a)) {
            return true;
        }
    }
    return false;
}

/* Of each name the addresses of both families: the agent has a socket for each that this machine
 * has. Without STUN servers of the user's the relays serve, which answer STUN, and then public
 * ones: what a NAT does shows only to several of them. */
static int resolve_all(const struct endpoint_options *o, struct ph_agent_config *config,
                       struct ph_nat64 *nat64)
{
    struct resolved r[PH_RELAYS_MAX + PH_STUNS_MAX + PUBLIC_STUN_COUNT + 1] = {0};
    size_t n = 0;
    bool asks_nat64;
    int code;

    for (size_t i = 0; i < o->relay_count; i++) {
        r[n++].text = o->relays[i];
    }
    for (size_t i = 0; i < o->stun_count; i++) {
        r[n++].text = o->stuns[i];
    }
    for (size_t i = 0; o->stun_count == 0 && !is_at_home(o) && i < PUBLIC_STUN_COUNT; i++) {
        r[n++] = (struct resolved){.text = public_stun_servers[i], .optional = true};
    }
    asks_nat64 = resolve_asks_nat64(&r[n]);
    code = resolve_many(r, asks_nat64 ? n + 1 : n);
    if (code) {
        return code;
    }
    if (asks_nat64) {
        resolve_take_nat64(&r[n], nat64);
    }
    add(config->relays, &config->relay_count, PH_RELAYS_MAX, r, o->relay_count);
    if (o->stun_count == 0 && is_beside(config)) {
        return CLI_GOOD; /* then the agent asks its relays */
    }
    if (o->stun_count == 0) {
        add(config->stuns, &config->stun_count, PH_STUNS_MAX, r, o->relay_count);
    }
    add(config->stuns, &config->stun_count, PH_STUNS_MAX, r + o->relay_count, n - o->relay_count);
    return CLI_GOOD;
}

void endpoint_parse_fingerprint(const char *arg, uint8_t out[PH_FINGERPRINT_LEN],
                                struct argp_state *state)
{
    if (!ph_unhex(arg, out, PH_FINGERPRINT_LEN)) {
        argp_error(state,
                   "'%s' is not a fingerprint: write the %d hex digits that 'pinhole answer' or "
                   "'pinhole id' shows",
                   arg, 2 * PH_FINGERPRINT_LEN);
    }
}

void endpoint_screen(struct screen *s, const struct endpoint_options *o, bool pipe)
{
    FILE *out = pipe ? stderr : stdout;
    /* Bytes of the pipe on the same terminal would run into the status. */
    bool shared = pipe && (isatty(STDIN_FILENO) == 1 || isatty(STDOUT_FILENO) == 1);

    pipe_keep_descriptors();
    screen_init(s, out, o->json, !shared && screen_is_live(out));
}

int endpoint_tell_pipe(enum pipe_end end)
{
    switch (end) {
    case PIPE_DONE:
        return CLI_GOOD;
    case PIPE_BROKEN: /* said already */
        return CLI_CANNOT;
    case PIPE_REFUSED:
        fprintf(stderr, "pinhole: the other side takes no stream: it needs --pipe, too\n");
        break;
    case PIPE_CUT:
        fprintf(stderr, "pinhole: the call ended before the stream did\n");
        break;
    }
    return CLI_FAILED;
}

/* Acknowledgements go out within 25 ms and are repeated in each packet for a while: 50 times a
 * second, with media. */
ph_ns endpoint_pipe_linger(const struct ph_call_report *r)
{
    return 300 * PH_MS + ph_min_ns(2 * r->in.rtt, PH_SEC);
}

int endpoint_init(struct endpoint *e, const struct endpoint_options *o,
                  struct ph_agent_config *config, void (*on_stop)(void *user), void *user)
{
    struct ph_loop_host_config host = {.netns_fd = -1};
    int code, err;

    memset(e, 0, sizeof(*e));
    code = seed_load(o->seed_file, config->seed);
    if (code) {
        return code;
    }
    code = resolve_all(o, config, &host.nat64);
    if (code) {
        return code;
    }
    err = ph_loop_new(&e->loop);
    if (!err) {
        err = cli_stop_init(&e->stop, e->loop, on_stop, user);
    }
    if (!err) {
        err = ph_loop_host_new(e->loop, &host, &e->host);
    }
    if (o->no_port_mapping) {
        config->stages = ((1u << PH_STAGE_COUNT) - 1) & ~(1u << PH_STAGE_PORTMAP);
    }
    if (!err) {
        config->host = e->host;
        err = ph_agent_new(config, &e->agent);
    }
    if (err) {
        fprintf(stderr, "pinhole: cannot start: %s%s%s\n", ph_strerror(err),
                err == PH_ERR_SYS ? ": " : "", err == PH_ERR_SYS ? strerror(errno) : "");
        return CLI_CANNOT;
    }
    ph_hex(ph_agent_fingerprint(e->agent), PH_FINGERPRINT_LEN, e->fingerprint);
    return CLI_GOOD;
}

static void after_goodbye(void *user)
{
    struct endpoint *e = user;

    e->said_goodbye = true;
    if (ph_agent_closed(e->agent)) {
        ph_loop_stop(e->loop);
    }
}

void endpoint_leave(struct endpoint *e)
{
    ph_agent_close(e->agent);
    if (ph_loop_at(e->loop, ph_loop_now(e->loop) + GOODBYE, after_goodbye, e)) {
        ph_loop_stop(e->loop);
    }
}

void endpoint_on_closed(struct endpoint *e)
{
    if (e->said_goodbye) {
        ph_loop_stop(e->loop);
    }
}

void endpoint_fini(struct endpoint *e)
{
    ph_agent_free(e->agent);
    if (e->loop) {
        cli_stop_fini(&e->stop);
        ph_loop_free(e->loop);
    }
    memset(e, 0, sizeof(*e));
}
