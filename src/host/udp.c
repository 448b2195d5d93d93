#include "host/udp.h"

#include "base/err.h"
#include "host/sockaddr.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One byte more than the core takes, so that a longer datagram shows. */
#define SLOT_BYTES (PH_DATAGRAM_MAX + 1)
/* Room for bursts of a spray or of a relay; the system's maximum caps it. */
#define SNDBUF_BYTES (1 << 20)
/* UPnP Device Architecture 2.0, section 1.3.2: the TTL of a search "should default to 2". Where a
 * socket is bound to an interface's address, Linux sends multicast by that interface. */
#define MULTICAST_TTL 2

/* Of joined datagrams: the kernel takes at most 64 kB, headers included. */
#define JOIN_BYTES 60000

union control {
    char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t))];
    struct cmsghdr align;
};

struct ph_udp_io {
    struct mmsghdr in[PH_UDP_BATCH];
    struct iovec in_iov[PH_UDP_BATCH];
    union ph_sockaddr in_name[PH_UDP_BATCH];
    struct ph_datagram in_dgram[PH_UDP_BATCH];
    uint8_t in_bytes[PH_UDP_BATCH][SLOT_BYTES];

    struct mmsghdr out[PH_UDP_BATCH];
    struct iovec out_iov[PH_UDP_BATCH];
    union ph_sockaddr out_name[PH_UDP_BATCH];
    union control out_control[PH_UDP_BATCH];
    bool joined;   /* something of `out` is more than one datagram */
    bool no_joins; /* this kernel, or a device, refuses them */
};

int ph_udp_io_new(struct ph_udp_io **out)
{
    struct ph_udp_io *io = calloc(1, sizeof(*io));

    if (!io) {
        return PH_ERR_NOMEM;
    }
    for (size_t i = 0; i < PH_UDP_BATCH; i++) {
        io->in_iov[i].iov_base = io->in_bytes[i];
        io->in_iov[i].iov_len = SLOT_BYTES;
        io->in[i].msg_hdr.msg_iov = &io->in_iov[i];
        io->in[i].msg_hdr.msg_iovlen = 1;
        io->in[i].msg_hdr.msg_name = &io->in_name[i];
    }
    *out = io;
    return PH_OK;
}

void ph_udp_io_free(struct ph_udp_io *io)
{
    free(io);
}

int ph_udp_open(const struct ph_addr *local, size_t rcvbuf_bytes, int *fd_out,
                struct ph_addr *bound)
{
    union ph_sockaddr sa;
    socklen_t len = ph_sockaddr_from(local, &sa);
    int on = 1;
    int fd;

    if (len == 0) {
        return PH_ERR_INVAL;
    }
    fd = socket(sa.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return PH_ERR_SYS;
    }
    /* Fragmentation off, and ICMP's word about the path's MTU ignored: a forged one would make
     * sends fail, and no datagram of the core is longer than every path carries (RFC 9000
     * section 14). */
    if (local->family == PH_AF_V6) {
        int probe = IPV6_PMTUDISC_PROBE;

        if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) {
            goto fail;
        }
        setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe, sizeof(probe));
    } else {
        int probe = IP_PMTUDISC_PROBE;
        int ttl = MULTICAST_TTL;

        setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof(probe));
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl));
    }
    if (rcvbuf_bytes) {
        int bytes = rcvbuf_bytes > INT32_MAX ? INT32_MAX : (int)rcvbuf_bytes;

        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    }
    {
        int bytes = SNDBUF_BYTES;

        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    }
    if (bind(fd, &sa.sa, len) < 0) {
        goto fail;
    }
    len = sizeof(sa);
    if (getsockname(fd, &sa.sa, &len) < 0 || !ph_sockaddr_to(&sa.sa, bound)) {
        goto fail;
    }
    *fd_out = fd;
    return PH_OK;

fail : {
    int saved = errno;

    close(fd);
    errno = saved;
    return PH_ERR_SYS;
}
}

size_t ph_udp_receive(struct ph_udp_io *io, int fd, const struct ph_datagram **out)
{
    size_t n = 0;
    int got;

    for (size_t i = 0; i < PH_UDP_BATCH; i++) {
        io->in[i].msg_hdr.msg_namelen = sizeof(io->in_name[i]);
        io->in[i].msg_hdr.msg_flags = 0;
    }
    got = recvmmsg(fd, io->in, PH_UDP_BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < got; i++) {
        struct ph_datagram *d = &io->in_dgram[n];

        if (io->in[i].msg_len > PH_DATAGRAM_MAX || !ph_sockaddr_to(&io->in_name[i].sa, &d->peer)) {
            continue;
        }
        d->data = io->in_bytes[i];
        d->len = io->in[i].msg_len;
        d->ttl = 0;
        d->scope = ph_sockaddr_scope(&io->in_name[i]);
        n++;
    }
    *out = io->in_dgram;
    return n;
}

static struct cmsghdr *add_control(struct msghdr *msg, union control *control, int level, int type,
                                   const void *value, size_t len)
{
    struct cmsghdr *cmsg;

    msg->msg_control = control;
    cmsg = (struct cmsghdr *)(void *)(control->bytes + msg->msg_controllen);
    msg->msg_controllen += CMSG_SPACE(len);
    cmsg->cmsg_level = level;
    cmsg->cmsg_type = type;
    cmsg->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(cmsg), value, len);
    return cmsg;
}

/* One message of `pieces` datagrams, all of them as long as the first, but for a shorter last one.
 */
static void fill(struct ph_udp_io *io, unsigned at, unsigned iov, unsigned pieces, uint8_t family,
                 const struct ph_datagram *d)
{
    struct msghdr *msg = &io->out[at].msg_hdr;
    union control *control = &io->out_control[at];

    *msg = (struct msghdr){
        .msg_name = &io->out_name[at], .msg_iov = &io->out_iov[iov], .msg_iovlen = pieces};
    msg->msg_namelen = ph_sockaddr_from(&d->peer, &io->out_name[at]);
    if (family == PH_AF_V6) {
        /* The kernel looks at it for link-local destinations alone. */
        io->out_name[at].in6.sin6_scope_id = d->scope;
    }
    if (d->ttl != 0) {
        int ttl = d->ttl;

        add_control(msg, control, family == PH_AF_V6 ? IPPROTO_IPV6 : IPPROTO_IP,
                    family == PH_AF_V6 ? IPV6_HOPLIMIT : IP_TTL, &ttl, sizeof(ttl));
    }
    if (pieces > 1) {
        uint16_t len = (uint16_t)d->len;

        add_control(msg, control, SOL_UDP, UDP_SEGMENT, &len, sizeof(len));
        io->joined = true;
    }
}

/* False: joined datagrams are refused, and from `*sent` on nothing was sent. */
static bool send_batch(struct ph_udp_io *io, int fd, unsigned count, unsigned *sent)
{
    bool again = false;

    while (*sent < count) {
        int r = sendmmsg(fd, io->out + *sent, count - *sent, MSG_DONTWAIT);

        if (r > 0) {
            *sent += (unsigned)r;
            again = false;
        } else if (errno == EINTR) {
            continue;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            return true; /* full: lost, as on any network */
        } else if (!again) {
            /* An error that some earlier packet earned comes out of the next call and is spent by
             * it: this datagram was not sent and may well go. */
            again = true;
        } else if (io->out[*sent].msg_hdr.msg_iovlen > 1) {
            /* A device that computes no checksums (EIO), or a kernel before 4.18 (EINVAL). */
            io->no_joins = true;
            return false;
        } else {
            (*sent)++;
            again = false;
        }
    }
    return true;
}

static bool goes(const struct ph_datagram *d, uint8_t family)
{
    return d->peer.family == family && d->len <= PH_DATAGRAM_MAX;
}

/* How many from the first on can be one message. */
static unsigned run_of(const struct ph_datagram *d, size_t n)
{
    size_t bytes = d->len;
    unsigned k = 1;

    while (k < n && k < PH_UDP_BATCH && d[k - 1].len == d->len && d[k].len <= d->len &&
           d[k].len > 0 && bytes + d[k].len <= JOIN_BYTES && d[k].ttl == d->ttl &&
           d[k].scope == d->scope && ph_addr_eq(&d[k].peer, &d->peer)) {
        bytes += d[k].len;
        k++;
    }
    return k;
}

/* Sends the first of them that fit into one batch; returns how many of them are done with. */
static size_t send_some(struct ph_udp_io *io, int fd, uint8_t family, bool join,
                        const struct ph_datagram *out, size_t n)
{
    unsigned messages = 0, pieces = 0, sent = 0;
    size_t first[PH_UDP_BATCH];
    size_t i = 0;

    io->joined = false;
    while (i < n && messages < PH_UDP_BATCH && pieces < PH_UDP_BATCH) {
        size_t left = n - i < PH_UDP_BATCH - pieces ? n - i : PH_UDP_BATCH - pieces;
        unsigned k = join && !io->no_joins ? run_of(&out[i], left) : 1;

        if (!goes(&out[i], family)) {
            i++;
            continue;
        }
        for (unsigned p = 0; p < k; p++) {
            io->out_iov[pieces + p].iov_base = (void *)(uintptr_t)out[i + p].data;
            io->out_iov[pieces + p].iov_len = out[i + p].len;
        }
        fill(io, messages, pieces, k, family, &out[i]);
        first[messages++] = i;
        pieces += k;
        i += k;
    }
    if (messages > 0 && !send_batch(io, fd, messages, &sent)) {
        return first[sent]; /* from here on once more, one by one */
    }
    return i;
}

void ph_udp_send(struct ph_udp_io *io, int fd, uint8_t family, bool join,
                 const struct ph_datagram *out, size_t n)
{
    for (size_t i = 0; i < n;) {
        i += send_some(io, fd, family, join, out + i, n - i);
    }
}
