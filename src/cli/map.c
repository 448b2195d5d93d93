#include "base/err.h"
#include "cli/cli.h"
#include "cli/duration.h"
#include "cli/map_tell.h"
#include "cli/number.h"
#include "cli/stop.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define LIFETIME_MAX 604800 /* what some routers take at most, in seconds */

struct options {
    uint16_t port;
    uint32_t lifetime_s;
    unsigned protocols; /* 0: all */
    ph_ns duration;     /* from the mapping on; PH_NEVER: until it is stopped */
    bool once;
    bool ipv6;
    bool json;
};

struct holder {
    struct ph_endpoint ep; /* first */
    struct ph_loop *loop;
    struct ph_host *host;
    struct ph_mapper *mapper;
    struct cli_stop stop;
    struct map_tell tell;
    const struct options *options;
    bool mapped;  /* there has been a mapping */
    bool holding; /* and there is one */
    bool failed;  /* nobody maps, which has been told */
    bool leaving;
    uint32_t changes;
    ph_ns renew; /* of the mapping that was told last */
};

static unsigned parse_protocol(const char *arg, struct argp_state *state)
{
    for (unsigned p = 0; p < PH_PORTMAP_PROTOCOLS; p++) {
        if (strcmp(arg, ph_portmap_protocol_name((enum ph_portmap_protocol)p)) == 0) {
            return 1u << p;
        }
    }
    argp_error(state, "'%s' is no protocol of port mapping: write pcp, nat-pmp or upnp", arg);
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case 'p':
        o->port = (uint16_t)parse_number(arg, 65535, "port", state);
        return 0;
    case 'P':
        o->protocols |= parse_protocol(arg, state);
        return 0;
    case 'l':
        o->lifetime_s = (uint32_t)parse_number(arg, LIFETIME_MAX, "lifetime in seconds", state);
        return 0;
    case 'd':
        o->duration = parse_duration(arg, state);
        return 0;
    case 'o':
        o->once = true;
        return 0;
    case '6':
        o->ipv6 = true;
        return 0;
    case 'j':
        o->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is not an option; the port is given by --port", arg);
        return 0;
    case ARGP_KEY_END:
        if (o->once && o->duration != PH_NEVER) {
            argp_error(state, "'--once' gives back at once: leave it out, or '--duration'");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void leave(struct holder *h, ph_ns now)
{
    if (!h->leaving) {
        h->leaving = true;
        ph_mapper_release(h->mapper, now);
    }
}

/* Whatever the mapper holds, or has been given too late, goes back before the end. */
static void look_for_end(struct holder *h, ph_ns now)
{
    if (h->leaving && ph_mapper_state(h->mapper) == PH_MAPPER_IDLE) {
        if (h->mapped) {
            map_tell_released(&h->tell, h->mapper, now);
        }
        ph_loop_stop(h->loop);
    }
}

static void on_duration(void *user);

static void tell_first(struct holder *h, const struct ph_mapping *mapping, ph_ns now)
{
    map_tell_protocols(&h->tell, h->mapper, now);
    map_tell_mapping(&h->tell, "mapped", mapping, now);
    h->mapped = true;
    if (h->options->once ||
        (h->options->duration != PH_NEVER &&
         ph_loop_at(h->loop, now + h->options->duration, on_duration, h) != PH_OK)) {
        leave(h, now);
    }
}

static void look_at_mapping(struct holder *h, ph_ns now)
{
    const struct ph_mapping *mapping = ph_mapper_mapping(h->mapper);
    uint32_t changes = ph_mapper_changes(h->mapper);

    if (mapping) {
        struct ph_mapping copy = *mapping;
        bool changed = changes != h->changes;
        bool renewed = copy.renew != h->renew;

        h->changes = changes;
        h->renew = copy.renew;
        h->holding = true;
        h->failed = false;
        if (!h->mapped) {
            tell_first(h, &copy, now);
        } else if (changed || renewed) {
            map_tell_mapping(&h->tell, changed ? "changed" : "renewed", &copy, now);
        }
    } else if (h->holding) {
        h->holding = false;
        h->changes = changes;
        map_tell_event(&h->tell, "lost", "the mapping is gone; asking again", now);
    }
}

/* One that an address of ours of the wanted family leads to. */
static bool has_gateway(struct holder *h)
{
    struct ph_gateway gateways[PH_GATEWAYS_MAX];
    size_t n = h->host->ops->gateways(h->host, gateways, PH_GATEWAYS_MAX);

    for (size_t i = 0; i < n; i++) {
        if (gateways[i].local.family == (h->options->ipv6 ? PH_AF_V6 : PH_AF_V4)) {
            return true;
        }
    }
    return false;
}

static void look_at_failure(struct holder *h, ph_ns now)
{
    if (ph_mapper_state(h->mapper) != PH_MAPPER_FAILED || h->failed) {
        return;
    }
    h->failed = true;
    map_tell_protocols(&h->tell, h->mapper, now);
    if (h->mapped) {
        map_tell_event(&h->tell, "failed", "no router maps now; it is asked again later", now);
    } else {
        map_tell_event(
            &h->tell, "failed",
            has_gateway(h) ? "no router maps a port; switch PCP, NAT-PMP or UPnP on in the router, "
                             "or forward the port there by hand"
            : h->options->ipv6 ? "there is no default gateway of IPv6 to ask; connect to a network "
                                 "that has IPv6 first"
                               : "there is no default gateway to ask; connect to a network first",
            now);
        leave(h, now);
    }
}

static void update(struct holder *h, ph_ns now)
{
    if (!h->leaving) {
        look_at_mapping(h, now);
    }
    if (!h->leaving) {
        look_at_failure(h, now);
    }
    look_for_end(h, now);
    h->host->ops->wake_at(h->host, ph_mapper_deadline(h->mapper));
}

static void on_duration(void *user)
{
    struct holder *h = user;
    ph_ns now = ph_loop_now(h->loop);

    leave(h, now);
    update(h, now);
}

static void on_stop(void *user)
{
    on_duration(user);
}

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct holder *h = (struct holder *)ep;

    for (size_t i = 0; i < n; i++) {
        ph_mapper_on_datagram(h->mapper, now, sock, &in[i]);
    }
    update(h, now);
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    struct holder *h = (struct holder *)ep;

    ph_mapper_on_timer(h->mapper, now);
    update(h, now);
}

static void on_http(struct ph_endpoint *ep, ph_ns now, ph_http id,
                    const struct ph_http_answer *answer)
{
    struct holder *h = (struct holder *)ep;

    ph_mapper_on_http(h->mapper, now, id, answer);
    update(h, now);
}

static void on_network(struct ph_endpoint *ep, ph_ns now)
{
    struct holder *h = (struct holder *)ep;

    ph_mapper_on_network(h->mapper, now);
    update(h, now);
}

static int open_socket(struct holder *h)
{
    const struct options *o = h->options;
    struct ph_addr any = {.family = o->ipv6 ? PH_AF_V6 : PH_AF_V4, .port = o->port};

    if (h->host->ops->udp_open(h->host, &any, &h->tell.sock) == PH_OK) {
        return CLI_GOOD;
    }
    if (o->port) {
        fprintf(stderr, "pinhole: cannot open UDP port '%u': %s; choose a free one from 1024 up\n",
                o->port, strerror(errno));
    } else {
        fprintf(stderr, "pinhole: cannot open a UDP socket for %s: %s\n", o->ipv6 ? "IPv6" : "IPv4",
                strerror(errno));
    }
    return CLI_CANNOT;
}

static int start(struct holder *h)
{
    struct ph_loop_host_config host_config = {.netns_fd = -1};
    struct ph_mapper_config config = {.lifetime_s = h->options->lifetime_s,
                                      .protocols = h->options->protocols};
    ph_ns now;
    int err = ph_loop_new(&h->loop);

    if (!err) {
        err = cli_stop_init(&h->stop, h->loop, on_stop, h);
    }
    if (!err) {
        err = ph_loop_host_new(h->loop, &host_config, &h->host);
    }
    if (!err) {
        int code;

        h->tell.host = h->host;
        code = open_socket(h);
        if (code) {
            return code;
        }
        config.host = h->host;
        config.sock = h->tell.sock;
        err = ph_mapper_new(&config, &h->mapper);
    }
    if (err) {
        fprintf(stderr, "pinhole: cannot start: %s\n",
                err == PH_ERR_SYS ? strerror(errno) : ph_strerror(err));
        return CLI_CANNOT;
    }
    h->ep = (struct ph_endpoint){.on_datagrams = on_datagrams,
                                 .on_timer = on_timer,
                                 .on_http = on_http,
                                 .on_network = on_network};
    h->host->endpoint = &h->ep;
    /* Without it a change shows only when the next renewal fails. */
    (void)h->host->ops->watch_network(h->host, true);
    now = ph_loop_now(h->loop);
    h->tell.started = now;
    map_tell_start(&h->tell, now);
    ph_mapper_acquire(h->mapper, now);
    update(h, now);
    return CLI_GOOD;
}

static int run(struct holder *h)
{
    if (ph_loop_run(h->loop)) {
        fprintf(stderr, "pinhole: the event loop failed: %s\n", strerror(errno));
        return CLI_CANNOT;
    }
    if (h->stop.signal == SIGINT) {
        return CLI_INTERRUPTED;
    }
    return h->mapped ? CLI_GOOD : CLI_FAILED;
}

int cmd_map(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"port", 'p', "PORT", 0, "Our own UDP port (default: the system's choice)", 0},
        {"protocol", 'P', "NAME", 0, "Ask by pcp, nat-pmp or upnp alone; may be given again", 0},
        {"lifetime", 'l', "SECONDS", 0, "Ask for so long at a time (default: 7200)", 0},
        {"duration", 'd', "SECONDS", 0, "Hold the mapping so long, then give it back", 0},
        {"once", 'o', NULL, 0, "Map, give back at once", 0},
        {NULL, '6', NULL, 0, "For IPv6: a pinhole in the firewall", 0},
        {"json", 'j', NULL, 0, "Write JSON lines", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Asks the router for a port that leads to one of ours, holds and renews it until it "
               "is stopped, and gives it back."};
    struct options o = {.duration = PH_NEVER};
    struct holder h = {.options = &o};
    int code;

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    setvbuf(stdout, NULL, _IOLBF, 0);
    h.tell.json = o.json;
    h.tell.protocols = o.protocols ? o.protocols : (1u << PH_PORTMAP_PROTOCOLS) - 1;
    code = start(&h);
    if (!code) {
        code = run(&h);
    }
    if (h.loop) {
        ph_mapper_free(h.mapper);
        cli_stop_fini(&h.stop);
        ph_loop_free(h.loop);
    }
    return code;
}
