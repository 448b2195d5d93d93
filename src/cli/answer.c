#include "base/trace.h"
#include "cli/cli.h"
#include "cli/endpoint.h"
#include "cli/pipe.h"
#include "cli/progress.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CALLS_MAX 16

struct options {
    struct endpoint_options endpoint;
    bool privacy;
    bool pipe;
    bool has_from;
    uint8_t from[PH_FINGERPRINT_LEN]; /* who alone is answered */
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
    case OPT_PIPE:
        o->pipe = true;
        return 0;
    case 'F':
        endpoint_parse_fingerprint(arg, o->from, state);
        o->has_from = true;
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
    bool connected;
};

struct answerer {
    struct endpoint endpoint;
    const struct options *options;
    struct screen screen;
    struct answered calls[CALLS_MAX];
    ph_ns next_second; /* PH_NEVER: no call is connected */
    struct pipe pipe;
    bool leaving;
    int code;
};

static void on_registered(void *user, int err, const struct ph_addr *reflexive)
{
    struct answerer *a = user;

    progress_registered(&a->screen, a->endpoint.fingerprint, err, reflexive, a->endpoint.agent);
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
    progress_update(&c->progress, &r, ph_loop_now(a->endpoint.loop));
    progress_summary(&c->progress, &r, ph_loop_now(a->endpoint.loop));
    *c = (struct answered){0};
}

static void leave(struct answerer *a)
{
    if (!a->leaving) {
        a->leaving = true;
        endpoint_leave(&a->endpoint); /* on_call tells the ends */
    }
}

static void on_second(void *user)
{
    struct answerer *a = user;
    ph_ns now = ph_loop_now(a->endpoint.loop);
    bool any = false;

    for (size_t i = 0; i < CALLS_MAX; i++) {
        struct answered *c = &a->calls[i];
        struct ph_call_report r;

        if (!c->call || !c->connected) {
            continue;
        }
        any = true;
        ph_call_report(c->call, &r);
        progress_update(&c->progress, &r, now);
        progress_second(&c->progress, &r, now, false);
    }
    a->next_second = any ? a->next_second + PH_SEC : PH_NEVER;
    (void)ph_loop_at(a->endpoint.loop, a->next_second, on_second, a);
}

static void on_connected(struct answerer *a, struct answered *c)
{
    c->connected = true;
    if (a->next_second == PH_NEVER) {
        a->next_second = ph_loop_now(a->endpoint.loop) + PH_SEC;
        (void)ph_loop_at(a->endpoint.loop, a->next_second, on_second, a);
    }
}

static struct answered *begin_call(struct answerer *a, struct ph_call *call,
                                   const struct ph_call_report *r)
{
    struct answered *c = find(a, NULL);

    if (c) {
        c->call = call;
        progress_begin(&c->progress, &a->screen, r);
        if (a->options->pipe) {
            pipe_join(&a->pipe, call);
        }
    }
    return c;
}

static void on_call(void *user, struct ph_call *call)
{
    struct answerer *a = user;
    struct answered *c = find(a, call);
    bool piped = a->options->pipe && a->pipe.call == call;
    struct ph_call_report r;

    ph_call_report(call, &r);
    if (!c && r.state == PH_CALL_ENDED) {
        if (!piped) {
            ph_call_release(call); /* it was refused, or has ended before */
        }
        return;
    }
    if (!c) {
        c = begin_call(a, call, &r);
    }
    if (c && r.state == PH_CALL_CONNECTED && !c->connected) {
        on_connected(a, c);
    }
    if (r.state != PH_CALL_ENDED) {
        if (c) {
            progress_update(&c->progress, &r, ph_loop_now(a->endpoint.loop));
        }
        return;
    }
    piped = piped && c && c->connected;
    if (c) {
        end_call(a, c);
    }
    if (piped) {
        return; /* what has come is still to be written */
    }
    if (a->pipe.call == call) {
        pipe_join(&a->pipe, NULL); /* the next one may come to something */
    }
    ph_call_release(call);
}

/* With --pipe there is one call. */
static enum ph_answer_mode on_offer(void *user, const uint8_t peer[PH_FINGERPRINT_LEN])
{
    struct answerer *a = user;

    if ((a->options->pipe && a->pipe.call) ||
        (a->options->has_from && memcmp(peer, a->options->from, PH_FINGERPRINT_LEN) != 0)) {
        return PH_ANSWER_REFUSE;
    }
    return a->options->privacy ? PH_ANSWER_PRIVACY : PH_ANSWER_FULL;
}

static void on_stream(void *user, struct ph_call *call)
{
    struct answerer *a = user;

    if (call == a->pipe.call) {
        pipe_on_stream(&a->pipe);
    }
}

static void on_linger(void *user)
{
    leave(user);
}

static void on_pipe_over(void *user, enum pipe_end end)
{
    struct answerer *a = user;
    struct ph_call_report r;

    ph_call_report(a->pipe.call, &r);
    a->code = endpoint_tell_pipe(end);
    if (end != PIPE_DONE || r.state == PH_CALL_ENDED ||
        ph_loop_at(a->endpoint.loop, ph_loop_now(a->endpoint.loop) + endpoint_pipe_linger(&r),
                   on_linger, a)) {
        leave(a);
    }
}

static void on_closed(void *user)
{
    endpoint_on_closed(&((struct answerer *)user)->endpoint);
}

static void on_stop(void *user)
{
    leave(user);
}

static void tell_start(struct answerer *a)
{
    char line[256];

    if (a->screen.json) {
        struct ph_json j = ph_json_begin(line, sizeof(line));

        ph_json_str(&j, "event", "started");
        ph_json_str(&j, "fingerprint", a->endpoint.fingerprint);
        screen_say(&a->screen, "%s", ph_json_end(&j));
    } else {
        screen_say(&a->screen, "fingerprint %s", a->endpoint.fingerprint);
    }
}

int cmd_answer(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"privacy", 'p', NULL, 0, "Give no address away: answer by the relay only", 0},
        {"from", 'F', "FINGERPRINT", 0, "Answer this peer alone", 0},
        {"pipe", OPT_PIPE, NULL, 0,
         "Answer one call; send it the standard input, and write what it sends to the standard "
         "output",
         0},
        {0},
    };
    static const struct argp_child children[] = {{&endpoint_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .children = children,
        .doc = "Registers with a relay and answers every call until it is stopped."};
    struct options o = {0};
    struct answerer a = {.options = &o, .next_second = PH_NEVER};
    struct ph_agent_config config = {.callbacks = {.on_registered = on_registered,
                                                   .on_offer = on_offer,
                                                   .on_call = on_call,
                                                   .on_closed = on_closed},
                                     .user = &a};
    int code;

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    endpoint_screen(&a.screen, &o.endpoint, o.pipe);
    config.answer_mode = o.privacy ? PH_ANSWER_PRIVACY : PH_ANSWER_FULL;
    if (o.pipe) {
        config.callbacks.on_stream = on_stream;
    }
    code = endpoint_init(&a.endpoint, &o.endpoint, &config, on_stop, &a);
    if (!code) {
        pipe_init(&a.pipe, a.endpoint.loop, STDIN_FILENO, STDOUT_FILENO, on_pipe_over, &a);
        tell_start(&a);
        if (ph_loop_run(a.endpoint.loop)) {
            fprintf(stderr, "pinhole: the event loop failed: %s\n", strerror(errno));
            code = CLI_CANNOT;
        } else {
            code = a.endpoint.stop.signal == SIGINT ? CLI_INTERRUPTED : a.code;
        }
        for (size_t i = 0; i < CALLS_MAX; i++) {
            if (a.calls[i].call) {
                end_call(&a, &a.calls[i]);
            }
        }
        pipe_fini(&a.pipe);
    }
    endpoint_fini(&a.endpoint);
    return code;
}
