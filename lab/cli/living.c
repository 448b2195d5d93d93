#include "lab/cli/living.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define SUFFIX           ".sock"
#define REPLY_TIMEOUT_MS 10000

bool living_name_valid(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len < LIVING_NAME_MAX && name[0] != '-' && name[0] != '_' && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == len;
}

/* Others must not be able to put their sockets in our way. */
static int check_folder(const char *path, struct lab_error *err)
{
    struct stat st;

    if (lstat(path, &st) != 0) {
        return lab_fail_errno(err, LAB_CANNOT, "cannot look at %s", path);
    }
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
        return lab_fail(err, LAB_CANNOT,
                        "%s is not a folder that belongs to you alone.\n"
                        "Mend: remove it, or set XDG_RUNTIME_DIR to a folder of your own",
                        path);
    }
    return 0;
}

static int folder(char *out, size_t cap, struct lab_error *err)
{
    const char *base = getenv("XDG_RUNTIME_DIR");
    int n;

    if (base != NULL && base[0] == '/' && access(base, W_OK | X_OK) == 0) {
        n = snprintf(out, cap, "%s/natlab", base);
    } else {
        n = snprintf(out, cap, "/tmp/natlab-%u", (unsigned)geteuid());
    }
    if (n < 0 || (size_t)n >= cap) {
        return lab_fail(err, LAB_CANNOT, "XDG_RUNTIME_DIR is too long for a socket's path");
    }
    if (mkdir(out, 0700) != 0 && errno != EEXIST) {
        return lab_fail_errno(err, LAB_CANNOT, "cannot make %s", out);
    }
    return check_folder(out, err);
}

int living_path(const char *name, char *out, size_t cap, struct lab_error *err)
{
    char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int n;

    if (!living_name_valid(name)) {
        return lab_fail(err, LAB_USAGE,
                        "\"%s\" cannot be a lab's name: at most %d small letters, digits, '-', '_' "
                        "and '.', of which the first is a letter or a digit",
                        name, LIVING_NAME_MAX - 1);
    }
    if (folder(dir, sizeof(dir), err) != 0) {
        return -1;
    }
    n = snprintf(out, cap, "%s/%s" SUFFIX, dir, name);
    if (n < 0 || (size_t)n >= cap) {
        return lab_fail(err, LAB_USAGE, "\"%s\" is too long for a lab's name", name);
    }
    return 0;
}

/* A connected socket; -1 with errno. */
static int connect_to(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd, saved;

    if (strlen(path) >= sizeof(to.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(to.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

int living_list(struct living_list *out, struct lab_error *err)
{
    char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
    const struct dirent *entry;
    DIR *d;

    *out = (struct living_list){0};
    if (folder(dir, sizeof(dir), err) != 0) {
        return -1;
    }
    d = opendir(dir);
    if (d == NULL) {
        return lab_fail_errno(err, LAB_CANNOT, "cannot read %s", dir);
    }
    while ((entry = readdir(d)) != NULL && out->count < LIVING_MAX) {
        const char *end = strrchr(entry->d_name, '.');
        char name[LIVING_NAME_MAX];
        char path[sizeof(dir)];
        int fd;

        if (end == NULL || strcmp(end, SUFFIX) != 0 ||
            (size_t)(end - entry->d_name) >= sizeof(name)) {
            continue;
        }
        (void)snprintf(name, sizeof(name), "%.*s", (int)(end - entry->d_name), entry->d_name);
        if (living_path(name, path, sizeof(path), NULL) != 0) {
            continue;
        }
        fd = connect_to(path);
        if (fd >= 0) {
            close(fd);
            memcpy(out->names[out->count++], name, sizeof(name));
        } else if (errno == ECONNREFUSED && unlink(path) == 0) {
            out->stale++;
        }
    }
    (void)closedir(d);
    qsort(out->names, out->count, sizeof(out->names[0]), by_name);
    return 0;
}

static void join(const struct living_list *list, char *out, size_t cap)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < list->count && len < cap; i++) {
        len += (size_t)snprintf(out + len, cap - len, "%s%s", i == 0 ? "" : ", ", list->names[i]);
    }
}

int living_choose(const char *name, char out[LIVING_NAME_MAX], struct lab_error *err)
{
    struct living_list list;
    char names[512];

    if (name != NULL) {
        if (!living_name_valid(name)) {
            return lab_fail(err, LAB_USAGE, "\"%s\" is no lab's name", name);
        }
        (void)snprintf(out, LIVING_NAME_MAX, "%s", name);
        return 0;
    }
    if (living_list(&list, err) != 0) {
        return -1;
    }
    if (list.count == 1) {
        memcpy(out, list.names[0], LIVING_NAME_MAX);
        return 0;
    }
    if (list.count == 0) {
        return lab_fail(err, LAB_USAGE, "no lab is living (natlab up TOPOLOGY makes one)");
    }
    join(&list, names, sizeof(names));
    return lab_fail(err, LAB_USAGE, "several labs are living, say which: %s", names);
}

static int no_such_lab(const char *name, struct lab_error *err)
{
    struct living_list list;
    char names[512];

    if (living_list(&list, NULL) != 0 || list.count == 0) {
        return lab_fail(err, LAB_USAGE, "no lab named \"%s\" is living, nor any other", name);
    }
    join(&list, names, sizeof(names));
    return lab_fail(err, LAB_USAGE, "no lab named \"%s\" is living; there is %s", name, names);
}

static void take_fds(struct msghdr *msg, int fds[LIVING_FDS])
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
            c->cmsg_len == CMSG_LEN(LIVING_FDS * sizeof(int))) {
            memcpy(fds, CMSG_DATA(c), LIVING_FDS * sizeof(int));
        }
    }
}

static int converse(int fd, const struct living_request *req, struct living_reply *reply,
                    int got[LIVING_FDS], struct lab_error *err)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct iovec iov = {.iov_base = reply, .iov_len = sizeof(*reply)};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(LIVING_FDS * sizeof(int))];
    } space;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = space.bytes,
                         .msg_controllen = sizeof(space.bytes)};
    int ready;

    if (send(fd, req, sizeof(*req), MSG_NOSIGNAL) != (ssize_t)sizeof(*req)) {
        return lab_fail_errno(err, LAB_BROKEN, "the lab's holder does not listen");
    }
    do {
        ready = poll(&p, 1, REPLY_TIMEOUT_MS);
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0 || recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(*reply)) {
        return lab_fail(err, LAB_BROKEN, "the lab's holder does not answer");
    }
    take_fds(&msg, got);
    if (reply->status != 0) {
        return lab_fail(err, (enum lab_exit)reply->code, "%.*s", (int)sizeof(reply->text) - 1,
                        reply->text);
    }
    return 0;
}

int living_ask(const char *name, const struct living_request *req, struct living_reply *reply,
               int *fds, int *pidfd, struct lab_error *err)
{
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int got[LIVING_FDS] = {-1, -1};
    struct ucred cred;
    socklen_t len = sizeof(cred);
    int rc = -1;
    int fd;

    if (living_path(name, path, sizeof(path), err) != 0) {
        return -1;
    }
    fd = connect_to(path);
    if (fd < 0) {
        return no_such_lab(name, err);
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0 || cred.uid != geteuid()) {
        lab_fail(err, LAB_CANNOT, "the lab \"%s\" is not yours", name);
        goto cleanup;
    }
    if (pidfd != NULL) {
        *pidfd = (int)syscall(SYS_pidfd_open, cred.pid, 0);
        if (*pidfd < 0) {
            lab_fail_errno(err, LAB_CANNOT, "cannot watch the holder (process %d)", (int)cred.pid);
            goto cleanup;
        }
    }
    rc = converse(fd, req, reply, got, err);
    if (rc != 0 && pidfd != NULL) {
        close(*pidfd);
    }
cleanup:
    for (int i = 0; i < LIVING_FDS; i++) {
        if (fds != NULL && rc == 0) {
            fds[i] = got[i];
        } else if (got[i] >= 0) {
            close(got[i]);
        }
    }
    close(fd);
    return rc;
}

static bool is_own_user_namespace(int fd)
{
    struct stat own, other;

    return stat("/proc/self/ns/user", &own) == 0 && fstat(fd, &other) == 0 &&
           own.st_ino == other.st_ino && own.st_dev == other.st_dev;
}

int living_enter(const char *lab, const char *node, struct lab_error *err)
{
    struct living_request req = {.op = LIVING_ENTER};
    static struct living_reply reply;
    int fds[LIVING_FDS] = {-1, -1};
    int rc = -1;

    if (strlen(node) >= sizeof(req.node)) {
        return lab_fail(err, LAB_USAGE, "\"%s\" is no node of the lab \"%s\"", node, lab);
    }
    memcpy(req.node, node, strlen(node) + 1);
    if (living_ask(lab, &req, &reply, fds, NULL, err) != 0) {
        return -1;
    }
    if (fds[0] < 0 || fds[1] < 0) {
        lab_fail(err, LAB_BROKEN, "the holder gave no namespaces");
    } else if (!is_own_user_namespace(fds[1]) && setns(fds[1], CLONE_NEWUSER) != 0) {
        lab_fail_errno(err, LAB_BROKEN, "cannot enter the lab's user namespace");
    } else if (setns(fds[0], CLONE_NEWNET) != 0) {
        lab_fail_errno(err, LAB_BROKEN, "cannot enter the namespace of %s", node);
    } else {
        rc = 0;
    }
    for (int i = 0; i < LIVING_FDS; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    return rc;
}

void living_print_nodes(const struct living_reply *r)
{
    for (uint32_t i = 0; i < r->node_count && i < LAYOUT_NODES_MAX; i++) {
        const struct living_node *n = &r->nodes[i];

        printf("  %-12s %-26s %s\n", n->name, n->what, n->addresses);
    }
}
