/* natlab: a table of subcommands, one file each. */
#include "lab/cli/cli.h"
#include "lab/error.h"
#include "lab/yaml.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    const char *help;
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
    {"run", "run the trials of a scenario and draw the grid", cmd_run},
    {"bench", "measured curves over theory, strategies side by side", cmd_bench},
    {"nat", "list, show and check NAT profiles", cmd_nat},
    {"up", "build a lab that lives in the background", cmd_up},
    {"ls", "list the living labs, or the nodes of one", cmd_ls},
    {"exec", "run a program inside a node of a living lab", cmd_exec},
    {"shell", "open a shell inside a node of a living lab", cmd_shell},
    {"down", "end living labs", cmd_down},
    {"gc", "remove what killed labs left", cmd_gc},
    {"doctor", "what this machine can and cannot do, and the mend", cmd_doctor},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *out)
{
    (void)fputs("Usage: natlab COMMAND [ARGUMENT...]\n"
                "A lab of real kernel NATs, and calls through every pair of them.\n\n",
                out);
    for (size_t i = 0; i < COMMANDS; i++) {
        (void)fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
    }
    (void)fputs(
        "\n`natlab COMMAND --help` says more. Exit codes: 0 good, 1 an expectation failed,\n"
        "2 usage or a bad file, 3 this machine cannot, 4 skipped, 5 the lab failed,\n"
        "130 interrupted.\n",
        out);
}

static int unknown(const char *word)
{
    const char *names[COMMANDS];
    const char *near;

    for (size_t i = 0; i < COMMANDS; i++) {
        names[i] = commands[i].name;
    }
    near = yaml_nearest(word, names, COMMANDS);
    (void)fprintf(stderr, "natlab: \"%s\" is not a command%s%s%s\n", word,
                  near != NULL ? "; did you mean " : " (natlab --help lists them)",
                  near != NULL ? near : "", near != NULL ? "?" : "");
    return LAB_USAGE;
}

int main(int argc, char **argv)
{
    static char name[64];

    argp_err_exit_status = LAB_USAGE;
    if (argc < 2) {
        help(stderr);
        return LAB_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help(stdout);
        return LAB_GOOD;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            (void)snprintf(name, sizeof(name), "natlab %s", commands[i].name);
            argv[1] = name;
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    return unknown(argv[1]);
}
