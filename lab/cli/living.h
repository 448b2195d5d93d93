/* Living labs: each is held by a process in the background, which is found by its socket in a
 * folder of the user's own: $XDG_RUNTIME_DIR/natlab, or /tmp/natlab-UID. A socket that nobody
 * listens at is what a killed holder left, and is removed when it is met. */
#ifndef LAB_CLI_LIVING_H
#define LAB_CLI_LIVING_H

#include "lab/topo/layout.h"

#include <stdbool.h>
#include <sys/types.h>

#define LIVING_NAME_MAX 32
#define LIVING_MAX      64
#define LIVING_FDS      2 /* of LIVING_ENTER: the node's network namespace, the holder's user one */

enum living_op {
    LIVING_INFO,
    LIVING_ENTER, /* `node` is where to */
    LIVING_DOWN,
};

struct living_request {
    uint32_t op; /* enum living_op */
    char node[TOPO_NAME_MAX];
};

struct living_node {
    char name[TOPO_NAME_MAX];
    char what[80]; /* "peer", "NAT full-cone", "router" */
    char addresses[400];
};

struct living_reply {
    int32_t status;
    int32_t code;   /* enum lab_exit, when status is not 0 */
    char text[512]; /* and why */
    char name[LIVING_NAME_MAX], topology[TOPO_NAME_MAX];
    int64_t since; /* seconds of the wall clock */
    uint32_t node_count;
    struct living_node nodes[LAYOUT_NODES_MAX];
};

struct living_list {
    char names[LIVING_MAX][LIVING_NAME_MAX]; /* sorted */
    size_t count;
    size_t stale; /* sockets that were removed */
};

/* Small letters, digits, '-', '_' and '.', of which the first is a letter or a digit. */
bool living_name_valid(const char *name);

/* The path of a lab's socket; makes the folder, and refuses one that is not the user's alone. */
int living_path(const char *name, char *out, size_t cap, struct lab_error *err);

int living_list(struct living_list *out, struct lab_error *err);

/* The lab that is meant: `name`, or the only living one when it is NULL. */
int living_choose(const char *name, char out[LIVING_NAME_MAX], struct lab_error *err);

/* Asks a lab's holder. LAB_USAGE when there is no such lab. fds (may be NULL): LIVING_FDS
 * descriptors, -1 where none came; the caller closes them. pidfd (may be NULL): of the holder. */
int living_ask(const char *name, const struct living_request *req, struct living_reply *reply,
               int *fds, int *pidfd, struct lab_error *err);

/* Moves the process into a node; when it returns 0 all that it opens and runs is there. */
int living_enter(const char *lab, const char *node, struct lab_error *err);

/* A table of the nodes. */
void living_print_nodes(const struct living_reply *r);

#endif
