/* The subcommands of natlab. Each returns the exit code (enum lab_exit, or that of the program that
 * it ran); argv[0] is "natlab NAME". */
#ifndef LAB_CLI_CLI_H
#define LAB_CLI_CLI_H

int cmd_run(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_nat(int argc, char **argv);
int cmd_up(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_exec(int argc, char **argv);
int cmd_shell(int argc, char **argv);
int cmd_down(int argc, char **argv);
int cmd_gc(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

#endif
