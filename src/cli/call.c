#include "base/mac.h"
#include "base/trace.h"
#include "cli/cli.h"
#include "cli/duration.h"
#include "cli/endpoint.h"
#include "cli/pipe.h"
#include "cli/progress.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct options {
    struct endpoint_options endpoint;
    bool has_peer;
    uint8_t peer[PH_FINGERPRINT_LEN];
    ph_ns duration; /* PH_NEVER: until somebody hangs up */
    bool pipe;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->endpoint;
        return 0;
    case 'd':
        o->duration = parse_duration(arg, state);
        return 0;
    case OPT_PIPE:
        o->pipe = true;
        return 0;
    case ARGP_KEY_ARG:
        if (o->has_peer) {
            argp_error(state, "'%s' is a second fingerprint; one call goes to one peer", arg);
        }
        endpoint_parse_fingerprint(arg, o->peer, state);
        o->has_peer = true;
        return 0;
    case ARGP_KEY_END:
        if (!o->has_peer) {
            argp_error(state, "whom to call is not given: write a FINGERPRINT");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct caller {
    struct endpoint endpoint;
    const struct options *options;
    struct screen screen;
    struct ph_call *call;
    struct progress progress;
    struct pipe pipe;
    bool connected;
    bool leaving;
    bool over;  /* told the summary */
    bool piped; /* all of it, both ways */
    ph_ns next_second;
    int code;
};

static void on_closed(void *user)
{
    endpoint_on_closed(&((struct caller *)user)->endpoint);
}

static void leave_soon(struct caller *c)
{
    c->leaving = true;
    endpoint_leave(&c->endpoint);
}

static void hang_up(struct caller *c)
{
    if (c->leaving) {
        return;
    }
    if (c->call) {
        ph_call_hangup(c->call);
    }
    leave_soon(c);
}

static void on_duration(void *user)
{
    hang_up(user);
}

static void on_second(void *user)
{
    struct caller *c = user;
    struct ph_call_report r;
    ph_ns now = ph_loop_now(c->endpoint.loop);

    if (c->over || c->leaving) {
        return;
    }
    ph_call_report(c->call, &r);
    progress_update(&c->progress, &r, now);
    progress_second(&c->progress, &r, now, !c->options->pipe);
    c->next_second += PH_SEC;
    if (ph_loop_at(c->endpoint.loop, c->next_second, on_second, c)) {
        hang_up(c);
    }
}

static void on_connected(struct caller *c)
{
    ph_ns now = ph_loop_now(c->endpoint.loop);

    c->connected = true;
    c->next_second = now + PH_SEC;
    if (ph_loop_at(c->endpoint.loop, c->next_second, on_second, c) ||
        (c->options->duration != PH_NEVER &&
         ph_loop_at(c->endpoint.loop, now + c->options->duration, on_duration, c))) {
        hang_up(c);
    }
}

static void tell_end(struct caller *c, const struct ph_call_report *r)
{
    if (c->over) {
        return;
    }
    c->over = true;
    progress_update(&c->progress, r, ph_loop_now(c->endpoint.loop));
    progress_summary(&c->progress, r, ph_loop_now(c->endpoint.loop));
}

static void on_call(void *user, struct ph_call *call)
{
    struct caller *c = user;
    struct ph_call_report r;

    ph_call_report(call, &r);
    if (call != c->call) {
        /* One that somebody else dialled, and that was refused. */
        if (r.state == PH_CALL_ENDED) {
            ph_call_release(call);
        }
        return;
    }
    progress_update(&c->progress, &r, ph_loop_now(c->endpoint.loop));
    if (r.state == PH_CALL_CONNECTED && !c->connected) {
        on_connected(c);
    }
    if (r.state == PH_CALL_ENDED) {
        tell_end(c, &r);
        /* What has come by the stream is still to be written. */
        if (!c->leaving && (!c->options->pipe || c->pipe.over)) {
            leave_soon(c);
        }
    }
}

static void on_stream(void *user, struct ph_call *call)
{
    struct caller *c = user;

    if (call == c->call) {
        pipe_on_stream(&c->pipe);
    }
}

static void on_pipe_over(void *user, enum pipe_end end)
{
    struct caller *c = user;
    struct ph_call_report r;

    ph_call_report(c->call, &r);
    if (end == PIPE_DONE) {
        c->piped = true;
    } else {
        c->code = c->code ? c->code : endpoint_tell_pipe(end);
    }
    if (r.state == PH_CALL_ENDED) {
        if (!c->leaving) {
            leave_soon(c);
        }
    } else if (end != PIPE_DONE ||
               ph_loop_at(c->endpoint.loop,
                          ph_loop_now(c->endpoint.loop) + endpoint_pipe_linger(&r), on_duration,
                          c)) {
        hang_up(c);
    }
}

static void on_registered(void *user, int err, const struct ph_addr *reflexive)
{
    struct caller *c = user;
    struct ph_call_report r;

    if (c->call || c->leaving) {
        return; /* the relay was lost and found again: the call goes on */
    }
    progress_registered(&c->screen, c->endpoint.fingerprint, err, reflexive, c->endpoint.agent);
    if (!err) {
        err = ph_agent_call(c->endpoint.agent, c->options->peer, &c->call);
        if (err) {
            fprintf(stderr, "pinhole: cannot call: %s\n", ph_strerror(err));
        }
    } else {
        fprintf(stderr,
                "pinhole: no relay answers (%s); check --relay '%s' and that UDP gets out\n",
                ph_strerror(err), c->options->endpoint.relays[0]);
    }
    if (err) {
        leave_soon(c);
        return;
    }
    ph_call_report(c->call, &r);
    progress_begin(&c->progress, &c->screen, &r);
    if (c->options->pipe) {
        pipe_join(&c->pipe, c->call);
    }
}

/* Nobody calls a caller. */
static enum ph_answer_mode on_offer(void *user, const uint8_t peer[PH_FINGERPRINT_LEN])
{
    (void)user;
    (void)peer;
    return PH_ANSWER_REFUSE;
}

static void on_stop(void *user)
{
    struct caller *c = user;

    c->code = CLI_INTERRUPTED;
    hang_up(c);
}

int cmd_call(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"duration", 'd', "SECONDS", 0,
         "Hang up so long after the connection (default: when one side does)", 0},
        {"pipe", OPT_PIPE, NULL, 0,
         "Send the standard input to the peer, and write what it sends to the standard output", 0},
        {0},
    };
    static const struct argp_child children[] = {{&endpoint_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "FINGERPRINT",
        .children = children,
        .doc = "Calls a peer, tells how it is reached, and each second what has come through."};
    struct options o = {.duration = PH_NEVER};
    struct caller c = {.options = &o};
    struct ph_agent_config config = {.callbacks = {.on_registered = on_registered,
                                                   .on_offer = on_offer,
                                                   .on_call = on_call,
                                                   .on_closed = on_closed},
                                     .user = &c};
    int code;

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    endpoint_screen(&c.screen, &o.endpoint, o.pipe);
    if (o.pipe) {
        config.callbacks.on_stream = on_stream;
    }
    code = endpoint_init(&c.endpoint, &o.endpoint, &config, on_stop, &c);
    if (!code) {
        pipe_init(&c.pipe, c.endpoint.loop, STDIN_FILENO, STDOUT_FILENO, on_pipe_over, &c);
        if (ph_loop_run(c.endpoint.loop)) {
            fprintf(stderr, "pinhole: the event loop failed: %s\n", strerror(errno));
            c.code = CLI_CANNOT;
        }
        if (c.call) {
            struct ph_call_report r;

            ph_call_report(c.call, &r);
            tell_end(&c, &r);
        }
        code = c.connected && (!o.pipe || c.piped) ? CLI_GOOD : CLI_FAILED;
        code = c.code ? c.code : code;
        pipe_fini(&c.pipe);
    }
    endpoint_fini(&c.endpoint);
    return code;
}
