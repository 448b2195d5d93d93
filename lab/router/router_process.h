/* What the processes of both kinds of servers have in common. Private to the room. */
#ifndef LAB_ROUTER_ROUTER_PROCESS_H
#define LAB_ROUTER_ROUTER_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/* In the forked process: into the router's namespace, to die with the thread that started it, and
 * away from what the parent has open and how it takes signals. Keeps standard error, and the two
 * descriptors, as 3 and 4. */
bool router_process_detach(int netns_fd, pid_t parent, int third, int fourth);
/* Ends it and waits for it. */
void router_process_end(pid_t pid);

#endif
