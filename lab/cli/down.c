/* natlab down [LAB...]: ends living labs. */
#include "lab/cli/cli.h"
#include "lab/cli/living.h"

#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define END_TIMEOUT_MS 10000

struct options {
    const char *labs[LIVING_MAX];
    size_t count;
    bool all;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case 'a':
        o->all = true;
        return 0;
    case ARGP_KEY_ARG:
        if (o->count == LIVING_MAX) {
            argp_error(state, "more than %d labs", LIVING_MAX);
        }
        o->labs[o->count++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->all && o->count > 0) {
            argp_error(state, "--all, or labs by their names");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool gone(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int n;

    do {
        n = poll(&p, 1, END_TIMEOUT_MS);
    } while (n < 0 && errno == EINTR);
    return n == 1;
}

/* Asks the holder to end, and waits until it is gone: its namespaces go with it. */
static int end(const char *name, struct lab_error *err)
{
    struct living_request req = {.op = LIVING_DOWN};
    static struct living_reply reply;
    int pidfd, rc = 0;

    if (living_ask(name, &req, &reply, NULL, &pidfd, err) != 0) {
        return -1;
    }
    if (!gone(pidfd)) {
        (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        if (!gone(pidfd)) {
            rc = lab_fail(err, LAB_BROKEN, "the holder of \"%s\" does not end", name);
        }
    }
    close(pidfd);
    if (rc == 0) {
        printf("%s is down.\n", name);
    }
    return rc;
}

int cmd_down(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"all", 'a', NULL, 0, "All that are living; none is good too", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[LAB...]",
        .doc = "Ends living labs. LAB may be left out where only one is living.",
    };
    struct options o = {0};
    struct lab_error err = {0};
    struct living_list list;
    char only[LIVING_NAME_MAX];

    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) {
        return LAB_USAGE;
    }
    if (o.all) {
        if (living_list(&list, &err) != 0) {
            goto fail;
        }
        for (size_t i = 0; i < list.count; i++) {
            o.labs[o.count++] = list.names[i];
        }
    } else if (o.count == 0) {
        if (living_choose(NULL, only, &err) != 0) {
            goto fail;
        }
        o.labs[o.count++] = only;
    }
    for (size_t i = 0; i < o.count; i++) {
        if (end(o.labs[i], &err) != 0) {
            goto fail;
        }
    }
    return LAB_GOOD;
fail:
    (void)fprintf(stderr, "natlab down: %s\n", err.text);
    return (int)err.code;
}
