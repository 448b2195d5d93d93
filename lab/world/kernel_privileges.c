/* What it takes to build namespaces, as root or as an ordinary user, and what to do where the
 * machine does not give it. */
#include "lab/net/netns.h"
#include "lab/world/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int write_file(const char *path, const char *text)
{
    size_t len = strlen(text);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0) {
        return -1;
    }
    n = write(fd, text, len);
    close(fd);
    return n == (ssize_t)len ? 0 : -1;
}

/* Distributions close user namespaces in ways of their own; the one in force has its own mend. */
static int forbidden(const char *what, int error, struct lab_error *err)
{
    static const struct {
        const char *path;
        long blocks; /* the value that forbids */
        const char *mend;
    } gates[] = {
        {"kernel/unprivileged_userns_clone", 0,
         "sudo sysctl -w kernel.unprivileged_userns_clone=1"},
        {"kernel/apparmor_restrict_unprivileged_userns", 1,
         "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
        {"user/max_user_namespaces", 0, "sudo sysctl -w user.max_user_namespaces=16384"},
        {"user/max_net_namespaces", 0, "sudo sysctl -w user.max_net_namespaces=16384"},
    };

    for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
        long value;

        if (netns_sysctl_get(gates[i].path, &value) == 0 && value == gates[i].blocks) {
            return lab_fail(err, LAB_CANNOT,
                            "this machine does not let an ordinary user make namespaces (%s: %s).\n"
                            "Mend: %s, or run as root",
                            what, strerror(error), gates[i].mend);
        }
    }
    return lab_fail(err, LAB_CANNOT,
                    "this machine does not let this process make namespaces (%s: %s).\n"
                    "Mend: run as root; in a container, start it with --privileged or with a "
                    "seccomp and AppArmor profile that allows unshare",
                    what, strerror(error));
}

/* The user is root inside, and nobody else is anybody. */
static int map_ids(uid_t uid, gid_t gid)
{
    char uids[32], gids[32];

    snprintf(uids, sizeof(uids), "0 %u 1", (unsigned)uid);
    snprintf(gids, sizeof(gids), "0 %u 1", (unsigned)gid);
    if (write_file("/proc/self/uid_map", uids) != 0) {
        return -1;
    }
    /* Kernels before 3.19 have no setgroups file. */
    if (write_file("/proc/self/setgroups", "deny") != 0 && errno != ENOENT) {
        return -1;
    }
    return write_file("/proc/self/gid_map", gids);
}

static int rootless(struct lab_error *err)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();

    if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) != 0) {
        return forbidden("unshare", errno, err);
    }
    if (map_ids(uid, gid) != 0) {
        return forbidden("uid_map", errno, err);
    }
    /* AppArmor lets the namespace be made and takes its capabilities away. */
    if (unshare(CLONE_NEWNET) != 0) {
        return forbidden("unshare inside the user namespace", errno, err);
    }
    return 0;
}

static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int no_nftables(int error, struct lab_error *err)
{
    return lab_fail(err, LAB_CANNOT,
                    "this kernel has no nftables (%s).\n"
                    "Mend: sudo modprobe nf_tables; a kernel built without CONFIG_NF_TABLES cannot "
                    "run the lab",
                    strerror(error));
}

/* Asks for the generation of the ruleset, which every nftables answers. */
static int find_nftables(struct lab_error *err)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg g;
    } ask = {.h = {.nlmsg_len = sizeof(ask),
                   .nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN,
                   .nlmsg_flags = NLM_F_REQUEST}};
    _Alignas(NLMSG_ALIGNTO) unsigned char in[4096];
    struct nlmsghdr h;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    int rc = 0;
    ssize_t n;

    if (fd < 0) {
        return no_nftables(errno, err);
    }
    /* The answer is there when send returns: netlink works in the sender's time. */
    if (send(fd, &ask, sizeof(ask), 0) < 0 ||
        (n = recv(fd, in, sizeof(in), MSG_DONTWAIT)) < (ssize_t)sizeof(h)) {
        rc = no_nftables(errno, err);
        goto cleanup;
    }
    memcpy(&h, in, sizeof(h));
    if (h.nlmsg_type == NLMSG_ERROR && n >= (ssize_t)(sizeof(h) + sizeof(int))) {
        int error;

        memcpy(&error, in + sizeof(h), sizeof(error));
        rc = error != 0 ? no_nftables(-error, err) : 0;
    }
cleanup:
    close(fd);
    return rc;
}

int kernel_privileges(struct lab_error *err)
{
    raise_descriptors();
    /* Root of a container may lack the capability, and have user namespaces all the same. */
    if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) {
        if (rootless(err) != 0) {
            return -1;
        }
    }
    /* Nothing that happens to mounts in here shows outside. Where / is no mount point (EINVAL: a
     * chroot) there is nothing to cut loose; what lies outside of it cannot be reached. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 && errno != EINVAL) {
        return forbidden("mount", errno, err);
    }
    return find_nftables(err);
}
