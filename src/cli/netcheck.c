#include "cli/netcheck.h"

#include "base/err.h"
#include "cli/cli.h"
#include "cli/public_stun.h"
#include "cli/resolve.h"
#include "cli/stop.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TEXTS_MAX 16
/* For all that can be hurried: what the look-up of names took is missing afterwards. */
#define ALL_MAX     (2900 * PH_MS)
#define LOOK_UP_MAX PH_SEC

struct options {
    const char *relays[PH_NETCHECK_RELAYS_MAX];
    size_t relay_count;
    const char *stuns[TEXTS_MAX];
    size_t stun_count;
    bool json, profile, no_portmap, lifetime;
};

struct checker {
    struct ph_loop *loop;
    struct cli_stop stop;
    struct ph_netcheck *netcheck;
    struct ph_netcheck_config config;
    struct netcheck_view view;
};

enum {
    KEY_NO_PORTMAP = 0x100,
    KEY_LIFETIME,
    KEY_PROFILE,
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case 'r':
        if (o->relay_count == PH_NETCHECK_RELAYS_MAX) {
            argp_error(state, "more than %d relays, of which '%s' is one too many",
                       PH_NETCHECK_RELAYS_MAX, arg);
        }
        o->relays[o->relay_count++] = arg;
        return 0;
    case 's':
        if (o->stun_count == TEXTS_MAX) {
            argp_error(state, "more than %d STUN servers, of which '%s' is one too many", TEXTS_MAX,
                       arg);
        }
        o->stuns[o->stun_count++] = arg;
        return 0;
    case 'j':
        o->json = true;
        return 0;
    case KEY_PROFILE:
        o->profile = true;
        return 0;
    case KEY_NO_PORTMAP:
        o->no_portmap = true;
        return 0;
    case KEY_LIFETIME:
        o->lifetime = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is not an option; a server is given by --relay or --stun", arg);
        return 0;
    case ARGP_KEY_END:
        if (o->json && o->profile) {
            argp_error(state, "--json and --profile both write to the output: choose one");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- Servers */

static void remember(struct netcheck_view *v, const struct ph_addr *addr, const char *text)
{
    struct ph_addr literal;

    if (ph_addr_parse(text, &literal) && v->name_count < NETCHECK_NAMES_MAX) {
        v->names[v->name_count].addr = *addr;
        v->names[v->name_count++].text = text;
    }
}

static int add_relays(struct checker *c, const struct options *o)
{
    for (size_t i = 0; i < o->relay_count; i++) {
        struct ph_addr found[2];
        size_t n;
        int code = resolve_both(o->relays[i], found, &n);

        if (code) {
            return code;
        }
        for (size_t k = 0; k < n && c->config.relay_count < PH_NETCHECK_RELAYS_MAX; k++) {
            c->config.relays[c->config.relay_count++].addr = found[k];
            remember(&c->view, &found[k], o->relays[i]);
        }
    }
    return CLI_GOOD;
}

static int add_stuns(struct checker *c, const struct options *o)
{
    for (size_t i = 0; i < o->stun_count; i++) {
        struct ph_addr found[2];
        size_t n;
        int code = resolve_both(o->stuns[i], found, &n);

        if (code) {
            return code;
        }
        for (size_t k = 0; k < n && c->config.stun_count < PH_SURVEY_SERVERS_MAX; k++) {
            c->config.stuns[c->config.stun_count++] = found[k];
            remember(&c->view, &found[k], o->stuns[i]);
        }
    }
    return CLI_GOOD;
}

/* Servers of the internet see another network than relays on this machine or beside it. */
static bool relays_are_near(const struct checker *c)
{
    for (size_t i = 0; i < c->config.relay_count; i++) {
        const struct ph_addr *a = &c->config.relays[i].addr;

        if (ph_addr_is_loopback(a) || ph_addr_is_private(a)) {
            return true;
        }
    }
    return false;
}

static ph_ns now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (ph_ns)t.tv_sec * PH_SEC + (ph_ns)t.tv_nsec;
}

static int find_servers(struct checker *c, const struct options *o)
{
    ph_ns begun = now();
    int code = add_relays(c, o);

    if (!code) {
        code = add_stuns(c, o);
    }
    if (!code && o->stun_count == 0 && !relays_are_near(c)) {
        c->config.stun_count = public_stun_servers(c->config.stuns, PH_SURVEY_SERVERS_MAX);
    }
    c->config.timeout = ALL_MAX - ph_min_ns(now() - begun, LOOK_UP_MAX);
    return code;
}

/* ---- The course of things */

static void on_stop(void *user)
{
    struct checker *c = user;

    ph_loop_stop(c->loop);
}

static void on_done(void *user)
{
    struct checker *c = user;

    ph_netcheck_report(c->netcheck, &c->view.report);
    ph_loop_stop(c->loop);
}

static int start(struct checker *c)
{
    struct ph_loop_host_config host = {.netns_fd = -1};
    int err = ph_loop_new(&c->loop);

    if (!err) {
        err = cli_stop_init(&c->stop, c->loop, on_stop, c);
    }
    if (!err) {
        err = ph_loop_host_new(c->loop, &host, &c->config.host);
    }
    if (!err) {
        c->config.done = on_done;
        c->config.user = c;
        err = ph_netcheck_new(&c->config, &c->netcheck);
    }
    if (err) {
        fprintf(stderr, "pinhole: cannot start: %s%s%s\n", ph_strerror(err),
                err == PH_ERR_SYS ? ": " : "", err == PH_ERR_SYS ? strerror(errno) : "");
    }
    return err ? CLI_CANNOT : CLI_GOOD;
}

static int tell(const struct checker *c, const struct options *o)
{
    const struct ph_netcheck_report *r = &c->view.report;

    if (o->profile) {
        netcheck_profile(stdout, &c->view);
    } else if (!o->json) {
        netcheck_text(stdout, &c->view);
    } else if (netcheck_json(stdout, &c->view) != 0) {
        fprintf(stderr, "pinhole: cannot write the report: out of memory\n");
        return CLI_CANNOT;
    }
    return netcheck_udp(r) == PH_YES ? CLI_GOOD : CLI_FAILED;
}

int cmd_netcheck(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"relay", 'r', "HOST[:PORT]", 0, "A relay to be measured, and asked by STUN; repeatable",
         0},
        {"stun", 's', "HOST[:PORT]", 0,
         "A STUN server; repeatable. By default the relays, then some public ones", 0},
        {"no-portmap", KEY_NO_PORTMAP, NULL, 0, "Do not ask the router for a port", 0},
        {"lifetime", KEY_LIFETIME, NULL, 0,
         "Also measure how long an idle mapping lives: takes three minutes", 0},
        {"json", 'j', NULL, 0, "Write JSON", 0},
        {"profile", KEY_PROFILE, NULL, 0, "Write a NAT profile for natlab", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Looks at the network from here: UDP, what the NAT does and how it gives out ports, "
               "whether the router maps ports, which relay is near, and what that means for calls. "
               "Leaves nothing behind."};
    struct options o = {0};
    static struct checker c;
    int code;

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    c.config.no_portmap = o.no_portmap;
    c.config.lifetime = o.lifetime;
    c.view.asked_portmap = !o.no_portmap;
    c.view.asked_lifetime = o.lifetime;
    code = find_servers(&c, &o);
    if (code) {
        return code;
    }
    code = start(&c);
    if (!code) {
        if (ph_loop_run(c.loop)) {
            fprintf(stderr, "pinhole: the event loop failed: %s\n", strerror(errno));
            code = CLI_CANNOT;
        } else {
            code = c.stop.signal ? CLI_INTERRUPTED : tell(&c, &o);
        }
    }
    ph_netcheck_free(c.netcheck); /* interrupted: the router hears a last word */
    if (c.loop) {
        cli_stop_fini(&c.stop);
        ph_loop_free(c.loop);
    }
    return code;
}
