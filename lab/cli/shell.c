/* natlab shell [LAB] NODE: $SHELL inside a node, with a prompt that says where. */
#include "lab/cli/cli.h"
#include "lab/cli/living.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
            argp_error(state, "a lab and a node are enough; what is \"%s\"?", arg);
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

/* bash sets its prompt from its own files, so the place is put in front after they were read. The
 * file is one without a name; -1: none. */
static int bash_file(const char *place)
{
    int fd = memfd_create("natlab", 0);

    if (fd >= 0 && dprintf(fd,
                           "[ -f /etc/bash.bashrc ] && . /etc/bash.bashrc\n"
                           "[ -f ~/.bashrc ] && . ~/.bashrc\n"
                           "PS1=\"[%s] $PS1\"\n"
                           "exec %d<&-\n",
                           place, fd) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int run_shell(const char *lab, const char *node)
{
    const char *shell = getenv("SHELL");
    char place[2 * TOPO_NAME_MAX], prompt[2 * TOPO_NAME_MAX + 8], file[32];
    const char *base;
    int fd, code;

    if (shell == NULL || shell[0] == '\0') {
        shell = "/bin/sh";
    }
    base = strrchr(shell, '/') != NULL ? strrchr(shell, '/') + 1 : shell;
    (void)snprintf(place, sizeof(place), "%s:%s", lab, node);
    (void)snprintf(prompt, sizeof(prompt), "[%s] $ ", place);
    (void)setenv("NATLAB_LAB", lab, 1);
    (void)setenv("NATLAB_NODE", node, 1);
    (void)setenv("PS1", prompt, 1);
    if (strcmp(base, "bash") == 0 && (fd = bash_file(place)) >= 0) {
        (void)snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
        (void)execlp(shell, base, "--rcfile", file, (char *)NULL);
    } else {
        (void)execlp(shell, base, (char *)NULL);
    }
    code = errno == ENOENT ? 127 : 126;
    (void)fprintf(stderr, "natlab shell: %s: %s\n", shell, strerror(errno));
    return code;
}

int cmd_shell(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "[LAB] NODE",
        .doc = "Opens $SHELL inside a node of a living lab, with a prompt that says where.",
    };
    struct options o = {0};
    struct lab_error err = {0};
    char lab[LIVING_NAME_MAX];

    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0) {
        return LAB_USAGE;
    }
    if (living_choose(o.count == 2 ? o.words[0] : NULL, lab, &err) != 0 ||
        living_enter(lab, o.words[o.count - 1], &err) != 0) {
        (void)fprintf(stderr, "natlab shell: %s\n", err.text);
        return (int)err.code;
    }
    return run_shell(lab, o.words[o.count - 1]);
}
