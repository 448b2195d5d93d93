/* Network namespaces, held by descriptors alone: when the last one closes, and no socket and no
 * process is left inside, the kernel takes the namespace down with all its devices. */
#ifndef LAB_NET_NETNS_H
#define LAB_NET_NETNS_H

#include "lab/error.h"

/* A descriptor of the namespace that the calling thread is in; -1 with err. */
int netns_here(struct lab_error *err);

/* Makes a new namespace, leaves the thread inside it, and returns its descriptor; -1 with err
 * (then the thread has not moved). */
int netns_new(struct lab_error *err);

/* Moves the calling thread. */
int netns_enter(int fd, struct lab_error *err);

/* Writes a sysctl of the thread's namespace, by its path under /proc/sys ("net/ipv4/ip_forward").
 */
int netns_sysctl(const char *path, const char *value, struct lab_error *err);
/* Reads an integer one; 0 with *out, -1 when there is none. */
int netns_sysctl_get(const char *path, long *out);

#endif
