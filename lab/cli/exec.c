/* natlab exec [LAB] NODE -- COMMAND...: any program, inside a node. The program takes this
 * process's place, so its exit code, its signals and its terminal are its own. */
#include "lab/cli/cli.h"
#include "lab/cli/living.h"

#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    const char *words[2];
    size_t count;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        if (o->count == 2) {
            argp_error(state, "before \"--\" stand at most the lab and the node; what is \"%s\"?",
                       arg);
        }
        o->words[o->count++] = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "in which node?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* A folder of $PATH that may not be looked into makes execvp say EACCES of a program that is in no
 * other folder either; a shell says then that there is none, and so does this. */
static bool in_path(const char *program)
{
    const char *path = getenv("PATH");

    if (strchr(program, '/') != NULL) {
        return access(program, F_OK) == 0;
    }
    while (path != NULL && *path != '\0') {
        int len = (int)strcspn(path, ":");
        char full[4096];

        (void)snprintf(full, sizeof(full), "%.*s/%s", len, path, program);
        if (access(full, F_OK) == 0) {
            return true;
        }
        path += len + (path[len] == ':' ? 1 : 0);
    }
    return false;
}

/* What a shell says of a program that it could not start, by errno of the attempt. */
static int not_run(const char *program)
{
    int error = errno;

    if (error == EACCES && !in_path(program)) {
        error = ENOENT;
    }
    (void)fprintf(stderr, "natlab exec: %s: %s\n", program, strerror(error));
    return error == ENOENT ? 127 : 126;
}

int cmd_exec(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "[LAB] NODE -- COMMAND [ARGUMENT...]",
        .doc = "Runs a program inside a node of a living lab. LAB may be left out where only one "
               "is living.\v"
               "The exit code is the program's; 127 when there is no such program, 126 when it "
               "cannot be run, 2 when there is no such node or lab. $NATLAB_LAB and $NATLAB_NODE "
               "say where it runs.",
    };
    struct options o = {0};
    struct lab_error err = {0};
    char lab[LIVING_NAME_MAX];
    int mine = 1;

    while (mine < argc && strcmp(argv[mine], "--") != 0) {
        mine++;
    }
    if (argp_parse(&argp, mine, argv, 0, NULL, &o) != 0) {
        return LAB_USAGE;
    }
    if (mine + 1 >= argc) {
        (void)fprintf(stderr, "natlab exec: what is to be run? (natlab exec NODE -- COMMAND)\n");
        return LAB_USAGE;
    }
    if (living_choose(o.count == 2 ? o.words[0] : NULL, lab, &err) != 0 ||
        living_enter(lab, o.words[o.count - 1], &err) != 0) {
        (void)fprintf(stderr, "natlab exec: %s\n", err.text);
        return (int)err.code;
    }
    (void)setenv("NATLAB_LAB", lab, 1);
    (void)setenv("NATLAB_NODE", o.words[o.count - 1], 1);
    (void)execvp(argv[mine + 1], argv + mine + 1);
    return not_run(argv[mine + 1]);
}
