/* What the subcommands of pinhole share. */
#ifndef PH_CLI_CLI_H
#define PH_CLI_CLI_H

#define PINHOLE_VERSION "0.1"

enum cli_exit {
    CLI_GOOD = 0,
    CLI_FAILED = 1, /* not connected, no answer, no mapping */
    CLI_USAGE = 2,  /* a wrong option or a bad file */
    CLI_CANNOT = 3, /* this machine refuses */
    CLI_INTERRUPTED = 130,
};

/* Each takes argv from its own name on and returns the exit code. */
int cmd_relay(int argc, char **argv);
int cmd_answer(int argc, char **argv);
int cmd_call(int argc, char **argv);
int cmd_map(int argc, char **argv);
int cmd_stun(int argc, char **argv);
int cmd_netcheck(int argc, char **argv);
int cmd_id(int argc, char **argv);
int cmd_plan(int argc, char **argv);

#endif
