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
_Static_assert(PH_NETCHECK_RELAYS_MAX + TEXTS_MAX <= RESOLVE_MANY_MAX &&
                   PH_NETCHECK_RELAYS_MAX + PUBLIC_STUN_COUNT <= RESOLVE_MANY_MAX,
               "all names fit");
/* For all that can be hurried: what the look-up of names took is missing afterwards. */
#define ALL_MAX     (2900 * PH_MS)
#define LOOK_UP_MAX (RESOLVE_MANY_MS * PH_MS)

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
    struct ph_nat64 nat64; /* bits 0: none */
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

static bool is_near(const struct resolved *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (public_stun_is_beside(&r->addr[i])) {
            return true;
        }
    }
    return false;
}

static bool any_is_near(const struct resolved *r, size_t n)
{
    while (n > 0 && !is_near(&r[n - 1])) {
        n--;
    }
    return n > 0;
}

/* Whether a text is the address of a near one: without asking anybody. */
static bool reads_near(const char *text)
{
    struct resolved r = {.count = 1};

    return !ph_addr_parse(text, &r.addr[0]) && is_near(&r);
}

static bool wants_public(const struct options *o)
{
    bool wants = o->stun_count == 0;

    for (size_t i = 0; i < o->relay_count; i++) {
        wants = wants && !reads_near(o->relays[i]);
    }
    return wants;
}

static void add_relay(struct checker *c, const struct resolved *r)
{
    for (size_t i = 0; i < r->count && c->config.relay_count < PH_NETCHECK_RELAYS_MAX; i++) {
        c->config.relays[c->config.relay_count++].addr = r->addr[i];
        remember(&c->view, &r->addr[i], r->text);
    }
}

static void add_stun(struct checker *c, const struct resolved *r)
{
    for (size_t i = 0; i < r->count && c->config.stun_count < PH_SURVEY_SERVERS_MAX; i++) {
        c->config.stuns[c->config.stun_count++] = r->addr[i];
        remember(&c->view, &r->addr[i], r->text);
    }
}

static ph_ns now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (ph_ns)t.tv_sec * PH_SEC + (ph_ns)t.tv_nsec;
}

static int find_servers(struct checker *c, const struct options *o)
{
    struct resolved r[RESOLVE_MANY_MAX] = {0};
    ph_ns begun = now();
    size_t n = 0;
    bool asks_nat64;
    int code;

    for (size_t i = 0; i < o->relay_count; i++) {
        r[n++].text = o->relays[i];
    }
    for (size_t i = 0; i < o->stun_count; i++) {
        r[n++].text = o->stuns[i];
    }
    if (wants_public(o)) {
        for (size_t i = 0; i < PUBLIC_STUN_COUNT; i++) {
            r[n++] = (struct resolved){.text = public_stun_servers[i], .optional = true};
        }
    }
    asks_nat64 = n < RESOLVE_MANY_MAX && resolve_asks_nat64(&r[n]);
    code = resolve_many(r, asks_nat64 ? n + 1 : n);
    if (code) {
        return code;
    }
    if (asks_nat64) {
        resolve_take_nat64(&r[n], &c->nat64);
    }
    for (size_t i = 0; i < o->relay_count; i++) {
        add_relay(c, &r[i]);
    }
    for (size_t i = o->relay_count; i < n; i++) {
        if (!r[i].optional || !any_is_near(r, o->relay_count)) {
            add_stun(c, &r[i]);
        }
    }
    if (c->config.relay_count + c->config.stun_count == 0) {
        fprintf(stderr, "pinhole: no public STUN server was found by name: is there a name server? "
                        "--stun and --relay take addresses too\n");
    }
    c->config.timeout = ALL_MAX - ph_min_ns(now() - begun, LOOK_UP_MAX);
    return CLI_GOOD;
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
    struct ph_loop_host_config host = {.netns_fd = -1, .nat64 = c->nat64};
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
