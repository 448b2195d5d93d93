/* natlab up TOPOLOGY: a lab that lives until `natlab down`. */
#include "lab/cli/cli.h"
#include "lab/cli/holder.h"
#include "lab/cli/living.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define NATS_SET_MAX 8

enum {
    KEY_NAT = 'n',
    KEY_LINK = 'l',
    KEY_GATEWAY = 'g',
    KEY_NAME = 'N',
    KEY_SEED = 's',
};

struct options {
    const char *topology, *name, *link, *gateway;
    const char *nats[NATS_SET_MAX]; /* "a=PROFILE" */
    size_t nat_count;
    uint64_t seed;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    char *end;

    switch (key) {
    case KEY_NAT:
        if (strchr(arg, '=') == NULL || o->nat_count == NATS_SET_MAX) {
            argp_error(state, "--nat is \"%s\"; it must be NAT=PROFILE, at most %d times", arg,
                       NATS_SET_MAX);
        }
        o->nats[o->nat_count++] = arg;
        return 0;
    case KEY_LINK:
        o->link = arg;
        return 0;
    case KEY_GATEWAY:
        o->gateway = arg;
        return 0;
    case KEY_NAME:
        o->name = arg;
        return 0;
    case KEY_SEED:
        o->seed = strtoull(arg, &end, 0);
        if (end == arg || *end != '\0') {
            argp_error(state, "--seed is \"%s\"; it must be a number", arg);
        }
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0) {
            argp_error(state, "one topology is enough, and \"%s\" is another", arg);
        }
        o->topology = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which topology?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int set_nat(struct world_spec *spec, const char *setting, struct lab_error *err)
{
    const char *equals = strchr(setting, '=');
    char nat[TOPO_NAME_MAX];

    (void)snprintf(nat, sizeof(nat), "%.*s", (int)(equals - setting), setting);
    return world_spec_set_profile(spec, nat, equals + 1, err);
}

static int set_gateway(struct world_spec *spec, const char *name, struct lab_error *err)
{
    static const enum nat_gateway all[] = {NAT_GATEWAY_ACCEPT, NAT_GATEWAY_DROP,
                                           NAT_GATEWAY_REJECT};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(name, nat_gateway_name(all[i])) == 0) {
            return world_spec_set_gateway(spec, all[i]);
        }
    }
    return lab_fail(err, LAB_USAGE, "--gateway is \"%s\"; it must be accept, drop or reject", name);
}

static int lay_out(const struct options *o, struct world_spec *spec, struct layout *layout,
                   struct lab_error *err)
{
    static struct topology topology;

    if (topology_find(o->topology, &topology, err) != 0 ||
        world_spec_init(spec, &topology, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < o->nat_count; i++) {
        if (set_nat(spec, o->nats[i], err) != 0) {
            return -1;
        }
    }
    if ((o->gateway != NULL && set_gateway(spec, o->gateway, err) != 0) ||
        (o->link != NULL && world_spec_set_link(spec, o->link, err) != 0)) {
        return -1;
    }
    spec->seed = o->seed;
    return layout_compute(spec, layout, err);
}

int cmd_up(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"nat", KEY_NAT, "NAT=PROFILE", 0, "Another profile for one of the NATs; repeatable", 0},
        {"link", KEY_LINK, "PRESET", 0, "Delay of all links: lan, 20ms, 80ms-1%, lte, satellite",
         0},
        {"gateway", KEY_GATEWAY, "POLICY", 0,
         "What the NATs do with new packets to themselves: accept, drop, reject", 0},
        {"name", KEY_NAME, "NAME", 0, "Name of the lab (default: the topology's)", 0},
        {"seed", KEY_SEED, "S", 0, "Seed of loss, jitter and hashes (default: drawn)", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "TOPOLOGY",
        .doc = "Builds a lab that lives in the background, for any program.\v"
               "TOPOLOGY is a file, or the name of a shipped one. Enter it with `natlab exec` or "
               "`natlab shell`, end it with `natlab down`. Each NAT is proved to be what it "
               "declares before the lab is handed over.",
    };
    static struct world_spec spec;
    static struct layout layout;
    static struct living_reply info;
    struct living_request ask = {.op = LIVING_INFO};
    struct options o = {0};
    struct lab_error err = {0};

    if (getrandom(&o.seed, sizeof(o.seed), 0) != (ssize_t)sizeof(o.seed)) {
        o.seed = 1;
    }
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) {
        return LAB_USAGE;
    }
    if (lay_out(&o, &spec, &layout, &err) != 0) {
        goto fail;
    }
    if (o.name == NULL) {
        o.name = spec.topology.name;
    }
    if (living_ask(o.name, &ask, &info, NULL, NULL, NULL) == 0) {
        lab_fail(&err, LAB_USAGE,
                 "a lab named \"%s\" is living already (--name gives this one another, `natlab "
                 "down %s` ends that one)",
                 o.name, o.name);
        goto fail;
    }
    {
        /* Reading the list removes what a killed holder of that name left. */
        struct living_list list;

        if (living_list(&list, &err) != 0) {
            goto fail;
        }
    }
    if (holder_start(o.name, spec.topology.name, &layout, &err) != 0 ||
        living_ask(o.name, &ask, &info, NULL, NULL, &err) != 0) {
        goto fail;
    }
    printf("%s is up.\n", o.name);
    living_print_nodes(&info);
    return LAB_GOOD;
fail:
    (void)fprintf(stderr, "natlab up: %s\n", err.text);
    return (int)err.code;
}
