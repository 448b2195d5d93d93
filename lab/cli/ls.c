/* natlab ls [LAB]: the living labs, or the nodes of one. */
#include "lab/cli/cli.h"
#include "lab/cli/living.h"

#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

struct options {
    const char *lab;
    bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case 'j':
        o->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0) {
            argp_error(state, "one lab is enough, and \"%s\" is another", arg);
        }
        o->lab = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static long long age(const struct living_reply *r)
{
    long long now = (long long)time(NULL);

    return now > r->since ? now - r->since : 0;
}

static json_t *to_json(const struct living_reply *r)
{
    json_t *nodes = json_array();

    for (uint32_t i = 0; i < r->node_count && i < LAYOUT_NODES_MAX; i++) {
        json_array_append_new(nodes,
                              json_pack("{s:s, s:s, s:s}", "name", r->nodes[i].name, "what",
                                        r->nodes[i].what, "addresses", r->nodes[i].addresses));
    }
    return json_pack("{s:s, s:s, s:I, s:o}", "name", r->name, "topology", r->topology, "age_s",
                     (json_int_t)age(r), "nodes", nodes);
}

static void print_line(const struct living_reply *r)
{
    printf("%-20s %-16s %3u nodes, up for %lld s\n", r->name, r->topology, r->node_count, age(r));
}

static int one(const struct options *o, struct lab_error *err)
{
    struct living_request req = {.op = LIVING_INFO};
    static struct living_reply reply;

    if (living_ask(o->lab, &req, &reply, NULL, NULL, err) != 0) {
        return -1;
    }
    if (o->json) {
        json_t *j = to_json(&reply);

        (void)json_dumpf(j, stdout, JSON_INDENT(2));
        printf("\n");
        json_decref(j);
    } else {
        print_line(&reply);
        living_print_nodes(&reply);
    }
    return 0;
}

static int all(const struct options *o, struct lab_error *err)
{
    struct living_request req = {.op = LIVING_INFO};
    static struct living_reply reply;
    struct living_list list;
    json_t *j;

    if (living_list(&list, err) != 0) {
        return -1;
    }
    j = json_array();
    for (size_t i = 0; i < list.count; i++) {
        /* One that ends right now is not there any more. */
        if (living_ask(list.names[i], &req, &reply, NULL, NULL, NULL) != 0) {
            continue;
        }
        if (o->json) {
            json_array_append_new(j, to_json(&reply));
        } else {
            print_line(&reply);
        }
    }
    if (o->json) {
        (void)json_dumpf(j, stdout, JSON_INDENT(2));
        printf("\n");
    } else if (list.count == 0) {
        printf("No lab is living.\n");
    }
    json_decref(j);
    return 0;
}

int cmd_ls(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "Print JSON", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[LAB]",
        .doc = "Lists the living labs, or the nodes and addresses of one.",
    };
    struct options o = {0};
    struct lab_error err = {0};

    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) {
        return LAB_USAGE;
    }
    if ((o.lab != NULL ? one(&o, &err) : all(&o, &err)) != 0) {
        (void)fprintf(stderr, "natlab ls: %s\n", err.text);
        return (int)err.code;
    }
    return LAB_GOOD;
}
