#include "base/trace.h"
#include "cli/cli.h"
#include "cli/endpoint.h"
#include "cli/progress.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define CALLS_MAX 16

struct options {
    struct endpoint_options endpoint;
    bool privacy;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->endpoint;
        return 0;
    case 'p':
        o->privacy = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is not an option; answer takes none but options", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct answered {
    struct ph_call *call; /* NULL: free */
    struct progress progress;
};

struct answerer {
    struct endpoint endpoint;
    bool json;
    bool registered;
    struct answered calls[CALLS_MAX];
};

static void on_registered(void *user, int err, const struct ph_addr *reflexive)
{
    struct answerer *a = user;

    progress_registered(a->json, a->endpoint.fingerprint, err, reflexive, a->endpoint.agent);
}

static struct answered *find(struct answerer *a, const struct ph_call *call)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (a->calls[i].call == call) {
            return &a->calls[i];
        }
    }
    return NULL;
}

static void end_call(struct answerer *a, struct answered *c)
{
    struct ph_call_report r;

    ph_call_report(c->call, &r);
    progress_update(&c->progress, &r);
    progress_summary(&c->progress, &r, ph_loop_now(a->endpoint.loop));
    c->call = NULL;
}

static void on_call(void *user, struct ph_call *call)
{
    struct answerer *a = user;
    struct answered *c = find(a, call);
    struct ph_call_report r;

    ph_call_report(call, &r);
    if (!c) {
        c = find(a, NULL);
        if (c) {
            c->call = call;
            progress_init(&c->progress, a->json, &r);
        }
    }
    if (r.state != PH_CALL_ENDED) {
        if (c) {
            progress_update(&c->progress, &r);
        }
        return;
    }
    if (c) {
        end_call(a, c);
    }
    ph_call_release(call);
}

static void on_closed(void *user)
{
    endpoint_on_closed(&((struct answerer *)user)->endpoint);
}

static void on_stop(void *user)
{
    struct answerer *a = user;

    endpoint_leave(&a->endpoint); /* on_call tells the ends */
}

static void tell_start(const struct answerer *a)
{
    char line[256];

    if (a->json) {
        struct ph_json j = ph_json_begin(line, sizeof(line));

        ph_json_str(&j, "event", "started");
        ph_json_str(&j, "fingerprint", a->endpoint.fingerprint);
        puts(ph_json_end(&j));
    } else {
        printf("fingerprint %s\n", a->endpoint.fingerprint);
    }
}

int cmd_answer(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"privacy", 'p', NULL, 0, "Give no address away: answer by the relay only", 0},
        {0},
    };
    static const struct argp_child children[] = {{&endpoint_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .children = children,
        .doc = "Registers with a relay and answers every call until it is stopped."};
    struct options o = {0};
    struct answerer a = {0};
    struct ph_agent_config config = {
        .callbacks = {.on_registered = on_registered, .on_call = on_call, .on_closed = on_closed},
        .user = &a};
    int code;

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    a.json = o.endpoint.json;
    config.answer_mode = o.privacy ? PH_ANSWER_PRIVACY : PH_ANSWER_FULL;
    code = endpoint_init(&a.endpoint, &o.endpoint, &config, on_stop, &a);
    if (!code) {
        tell_start(&a);
        if (ph_loop_run(a.endpoint.loop)) {
            fprintf(stderr, "pinhole: the event loop failed: %s\n", strerror(errno));
            code = CLI_CANNOT;
        } else {
            code = a.endpoint.stop.signal == SIGINT ? CLI_INTERRUPTED : CLI_GOOD;
        }
        for (size_t i = 0; i < CALLS_MAX; i++) {
            if (a.calls[i].call) {
                end_call(&a, &a.calls[i]);
            }
        }
    }
    endpoint_fini(&a.endpoint);
    return code;
}
