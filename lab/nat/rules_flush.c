/* Forgetting: conntrack by ctnetlink, dynamic sets by nf_tables' own netlink, in a few messages and
 * without libnftables, since this is done between any two trials. */
#include "base/time.h"
#include "lab/nat/rules.h"
#include "lab/net/netns.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SETS_MAX      16
#define SET_NAME_MAX  64
#define REPLY_WAIT_MS 5000
/* Closing a socket of nf_tables waits until what was deleted in its namespace is free: 4 to 20 ms
 * of RCU. So a socket is closed when a later flush comes by, and by then there is nothing to wait
 * for.
 */
#define LINGER_MAX 16
#define LINGER_NS  (100 * PH_MS)

static const char table_name[] = "pinhole";

static struct {
    int fd;
    ph_ns since;
} lingering[LINGER_MAX];
static size_t lingering_count;

struct flush {
    int fd;
    uint32_t seq;
    char sets[SETS_MAX][SET_NAME_MAX];
    size_t set_count;
    struct lab_error *err;
};

struct message {
    unsigned char bytes[4096];
    size_t len;
    size_t start; /* of the message being written */
};

static void put(struct message *m, const void *data, size_t len)
{
    size_t padded = NLMSG_ALIGN(len);
    if (m->len + padded > sizeof(m->bytes))
        return; /* SETS_MAX messages of 120 bytes fit */
    memset(m->bytes + m->len, 0, padded);
    memcpy(m->bytes + m->len, data, len);
    m->len += padded;
}

static void put_header(struct message *m, uint16_t type, uint16_t flags, uint32_t seq,
                       uint8_t family, uint16_t resource)
{
    struct nlmsghdr h = {.nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = seq};
    struct nfgenmsg g = {.nfgen_family = family, .version = NFNETLINK_V0};
    g.res_id = (uint16_t)((resource >> 8) | (resource << 8));
    m->start = m->len;
    put(m, &h, sizeof(h));
    put(m, &g, sizeof(g));
}

static void put_text(struct message *m, uint16_t type, const char *text)
{
    struct nlattr a = {.nla_type = type,
                       .nla_len = (uint16_t)(sizeof(struct nlattr) + strlen(text) + 1)};
    unsigned char both[sizeof(a) + SET_NAME_MAX + 1];
    memcpy(both, &a, sizeof(a));
    memcpy(both + sizeof(a), text, strlen(text) + 1);
    put(m, both, a.nla_len);
}

static void finish(struct message *m)
{
    uint32_t len = (uint32_t)(m->len - m->start);
    memcpy(m->bytes + m->start, &len, sizeof(len));
}

static int send_message(struct flush *x, const struct message *m)
{
    struct sockaddr_nl to = {.nl_family = AF_NETLINK};
    if (sendto(x->fd, m->bytes, m->len, 0, (struct sockaddr *)&to, sizeof(to)) != (ssize_t)m->len)
        return lab_fail_errno(x->err, LAB_CANNOT, "netlink refuses to flush");
    return 0;
}

/* Remembers a set that learns: its name, when it is dynamic. */
static void note_set(struct flush *x, const unsigned char *at, size_t len)
{
    const char *name = NULL;
    size_t name_len = 0;
    uint32_t flags = 0;
    while (len >= sizeof(struct nlattr)) {
        struct nlattr a;
        memcpy(&a, at, sizeof(a));
        if (a.nla_len < sizeof(a) || a.nla_len > len)
            return;
        size_t n = a.nla_len - sizeof(a);
        if ((a.nla_type & NLA_TYPE_MASK) == NFTA_SET_NAME) {
            name = (const char *)at + sizeof(a);
            name_len = n;
        } else if ((a.nla_type & NLA_TYPE_MASK) == NFTA_SET_FLAGS && n == 4) {
            const unsigned char *b = at + sizeof(a);
            flags = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
        }
        size_t step = NLA_ALIGN(a.nla_len);
        if (step >= len)
            break;
        at += step;
        len -= step;
    }
    if (name == NULL || name_len == 0 || name_len > SET_NAME_MAX || name[name_len - 1] != '\0' ||
        (flags & NFT_SET_EVAL) == 0 || x->set_count == SETS_MAX)
        return;
    memcpy(x->sets[x->set_count++], name, name_len);
}

/* Reads answers until the one to `seq` that ends it: an acknowledgement, or the end of a dump. */
static int read_answers(struct flush *x, uint32_t seq, int *error)
{
    static const uint16_t new_set = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWSET;
    unsigned char buf[16384];
    for (;;) {
        struct pollfd p = {.fd = x->fd, .events = POLLIN};
        int ready = poll(&p, 1, REPLY_WAIT_MS);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return lab_fail(x->err, LAB_BROKEN, "netlink does not answer");
        ssize_t got = recv(x->fd, buf, sizeof(buf), 0);
        if (got < 0)
            return lab_fail_errno(x->err, LAB_BROKEN, "netlink");
        size_t len = (size_t)got;
        const unsigned char *at = buf;
        while (len >= sizeof(struct nlmsghdr)) {
            struct nlmsghdr h;
            memcpy(&h, at, sizeof(h));
            if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > len)
                break;
            size_t body = h.nlmsg_len - sizeof(h);
            if (h.nlmsg_type == NLMSG_ERROR && body >= sizeof(int)) {
                int e;
                memcpy(&e, at + sizeof(h), sizeof(e));
                if (h.nlmsg_seq == seq || e != 0) {
                    *error = -e;
                    return 0;
                }
            } else if (h.nlmsg_type == NLMSG_DONE && h.nlmsg_seq == seq) {
                *error = 0;
                return 0;
            } else if (h.nlmsg_type == new_set && body >= sizeof(struct nfgenmsg)) {
                note_set(x, at + sizeof(h) + sizeof(struct nfgenmsg),
                         body - sizeof(struct nfgenmsg));
            }
            size_t step = NLMSG_ALIGN(h.nlmsg_len);
            if (step >= len)
                break;
            at += step;
            len -= step;
        }
    }
}

static int find_sets(struct flush *x)
{
    struct message m = {.len = 0};
    int error = 0;
    uint32_t seq = ++x->seq;
    put_header(&m, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETSET, NLM_F_REQUEST | NLM_F_DUMP, seq,
               NFPROTO_IPV4, 0);
    put_text(&m, NFTA_SET_TABLE, table_name);
    finish(&m);
    if (send_message(x, &m) != 0 || read_answers(x, seq, &error) != 0)
        return -1;
    if (error != 0 && error != ENOENT && error != EOPNOTSUPP) {
        errno = error;
        return lab_fail_errno(x->err, LAB_CANNOT, "cannot list the NAT's sets");
    }
    return 0;
}

/* One transaction that empties them all. */
static int flush_sets(struct flush *x)
{
    struct message m = {.len = 0};
    int error = 0;
    uint32_t last = 0;
    if (x->set_count == 0)
        return 0;
    put_header(&m, NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, ++x->seq, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    finish(&m);
    for (size_t i = 0; i < x->set_count; i++) {
        bool is_last = i + 1 == x->set_count;
        last = ++x->seq;
        put_header(&m, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELSETELEM,
                   is_last ? NLM_F_REQUEST | NLM_F_ACK : NLM_F_REQUEST, last, NFPROTO_IPV4, 0);
        put_text(&m, NFTA_SET_ELEM_LIST_TABLE, table_name);
        put_text(&m, NFTA_SET_ELEM_LIST_SET, x->sets[i]);
        finish(&m);
    }
    put_header(&m, NFNL_MSG_BATCH_END, NLM_F_REQUEST, ++x->seq, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    finish(&m);
    if (send_message(x, &m) != 0 || read_answers(x, last, &error) != 0)
        return -1;
    if (error != 0) {
        errno = error;
        return lab_fail_errno(x->err, LAB_BROKEN, "cannot empty the NAT's sets");
    }
    return 0;
}

static int flush_conntrack(struct flush *x)
{
    struct message m = {.len = 0};
    int error = 0;
    uint32_t seq = ++x->seq;
    put_header(&m, (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST | NLM_F_ACK,
               seq, AF_UNSPEC, 0);
    finish(&m);
    if (send_message(x, &m) != 0 || read_answers(x, seq, &error) != 0)
        return -1;
    if (error != 0) {
        errno = error;
        return lab_fail_errno(x->err, LAB_CANNOT,
                              "cannot flush conntrack (sudo modprobe nf_conntrack_netlink)");
    }
    return 0;
}

/* A socket stays in the namespace where it was made. */
static int open_inside(int netns_fd, struct lab_error *err)
{
    int home = netns_here(err);
    int fd = -1;
    if (home < 0)
        return -1;
    if (netns_enter(netns_fd, err) != 0)
        goto cleanup;
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0)
        (void)lab_fail_errno(err, LAB_CANNOT, "netlink (sudo modprobe nfnetlink)");
    if (netns_enter(home, err) != 0 && fd >= 0) {
        (void)close(fd);
        fd = -1;
    }
cleanup:
    (void)close(home);
    return fd;
}

static ph_ns clock_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (ph_ns)t.tv_sec * PH_SEC + (ph_ns)t.tv_nsec;
}

static void close_later(int fd)
{
    ph_ns now = clock_now();
    size_t gone = 0;
    while (gone < lingering_count &&
           (lingering_count == LINGER_MAX || now - lingering[gone].since >= LINGER_NS)) {
        (void)close(lingering[gone].fd);
        gone++;
        if (lingering_count == LINGER_MAX)
            break;
    }
    lingering_count -= gone;
    memmove(lingering, lingering + gone, lingering_count * sizeof(lingering[0]));
    lingering[lingering_count].fd = fd;
    lingering[lingering_count++].since = now;
}

int nat_flush(int netns_fd, const struct nat_profile *p, struct lab_error *err)
{
    struct flush x = {.err = err};
    int rc = -1;
    if (p->mapping == NAT_MAPPING_NONE && !p->firewall && !p->udp_blocked &&
        p->limits.mappings == 0 && p->limits.new_per_second == 0 &&
        nat_profile_ipv6(p) != NAT_IPV6_FIREWALL)
        return 0; /* it tracks nothing */
    x.fd = open_inside(netns_fd, err);
    if (x.fd < 0)
        return -1;
    if (find_sets(&x) == 0 && flush_sets(&x) == 0 && flush_conntrack(&x) == 0)
        rc = 0;
    if (x.set_count > 0)
        close_later(x.fd);
    else
        (void)close(x.fd);
    return rc;
}
