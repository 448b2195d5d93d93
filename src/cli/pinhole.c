/* pinhole: a table of subcommands. */
#include "cli/cli.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"answer", cmd_answer, "wait for calls and answer them"},
    {"call", cmd_call, "call a peer by its fingerprint"},
    {"relay", cmd_relay, "run a relay: registry, signalling, forwarding, STUN"},
    {"map", cmd_map, "have the router map a port to one of ours"},
    {"netcheck", cmd_netcheck, "look at the network: NAT, port mapping, relays, chances"},
    {"plan", cmd_plan, "show by which moves two peers will try to join"},
    {"stun", cmd_stun, "ask a STUN server which address it sees"},
    {"id", cmd_id, "show an identity's fingerprint"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *to)
{
    fprintf(to, "Usage: pinhole COMMAND [OPTION...]\n\n");
    for (size_t i = 0; i < COMMANDS; i++) {
        fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].help);
    }
    fprintf(to, "\n'pinhole COMMAND --help' says more.\n");
}

int main(int argc, char **argv)
{
    argp_err_exit_status = CLI_USAGE;
    argp_program_version = "pinhole " PINHOLE_VERSION;
    if (argc < 2) {
        usage(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return CLI_GOOD;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts(argp_program_version);
        return CLI_GOOD;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            char name[32];

            snprintf(name, sizeof(name), "pinhole %s", commands[i].name);
            argv[1] = name;
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "pinhole: there is no command '%s'; the commands are:\n\n", argv[1]);
    usage(stderr);
    return CLI_USAGE;
}
