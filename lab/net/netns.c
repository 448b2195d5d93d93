#include "lab/net/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int netns_here(struct lab_error *err)
{
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return lab_fail_errno(err, LAB_CANNOT, "cannot open /proc/thread-self/ns/net");
    }
    return fd;
}

int netns_new(struct lab_error *err)
{
    int before = netns_here(err);
    int fd;

    if (before < 0) {
        return -1;
    }
    if (unshare(CLONE_NEWNET) != 0) {
        lab_fail_errno(err, LAB_CANNOT, "cannot make a network namespace%s",
                       errno == ENOSPC ? " (raise the sysctl user.max_net_namespaces)" : "");
        close(before);
        return -1;
    }
    fd = netns_here(err);
    if (fd < 0) {
        (void)setns(before, CLONE_NEWNET);
    }
    close(before);
    return fd;
}

int netns_enter(int fd, struct lab_error *err)
{
    if (setns(fd, CLONE_NEWNET) != 0) {
        return lab_fail_errno(err, LAB_BROKEN, "cannot enter a network namespace");
    }
    return 0;
}

int netns_sysctl(const char *path, const char *value, struct lab_error *err)
{
    char full[128];
    size_t len = strlen(value);
    int fd;

    snprintf(full, sizeof(full), "/proc/sys/%s", path);
    fd = open(full, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        /* A container without privileges mounts /proc/sys read-only. */
        return lab_fail_errno(err, errno == EROFS ? LAB_CANNOT : LAB_BROKEN, "cannot open %s%s",
                              full,
                              errno == EROFS ? " (run the container with --privileged, or with a "
                                               "writable /proc/sys)"
                                             : "");
    }
    if (write(fd, value, len) != (ssize_t)len) {
        lab_fail_errno(err, LAB_BROKEN, "cannot write \"%s\" to %s", value, full);
        close(fd);
        return -1;
    }
    close(fd);
    return 0;
}

int netns_sysctl_get(const char *path, long *out)
{
    char full[128], text[32], *end;
    ssize_t n;
    int fd;

    snprintf(full, sizeof(full), "/proc/sys/%s", path);
    fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0) {
        return -1;
    }
    text[n] = '\0';
    *out = strtol(text, &end, 10);
    return end == text ? -1 : 0;
}
