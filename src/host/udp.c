#include "host/udp.h"

#include "base/err.h"
#include "host/sockaddr.h"

#include <errno.h>
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

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
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
        io->out[i].msg_hdr.msg_iov = &io->out_iov[i];
        io->out[i].msg_hdr.msg_iovlen = 1;
        io->out[i].msg_hdr.msg_name = &io->out_name[i];
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

static void put_ttl(struct msghdr *msg, union control *control, uint8_t family, uint8_t ttl)
{
    struct cmsghdr *cmsg;
    int value = ttl;

    if (ttl == 0) {
        msg->msg_control = NULL;
        msg->msg_controllen = 0;
        return;
    }
    msg->msg_control = control;
    msg->msg_controllen = sizeof(control->bytes);
    cmsg = CMSG_FIRSTHDR(msg);
    cmsg->cmsg_level = family == PH_AF_V6 ? IPPROTO_IPV6 : IPPROTO_IP;
    cmsg->cmsg_type = family == PH_AF_V6 ? IPV6_HOPLIMIT : IP_TTL;
    cmsg->cmsg_len = CMSG_LEN(sizeof(value));
    memcpy(CMSG_DATA(cmsg), &value, sizeof(value));
}

static void send_batch(struct ph_udp_io *io, int fd, unsigned count)
{
    unsigned sent = 0;
    bool again = false;

    while (sent < count) {
        int r = sendmmsg(fd, io->out + sent, count - sent, MSG_DONTWAIT);

        if (r > 0) {
            sent += (unsigned)r;
            again = false;
        } else if (errno == EINTR) {
            continue;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            return; /* full: lost, as on any network */
        } else if (!again) {
            /* An error that some earlier packet earned comes out of the next call and is spent by
             * it: this datagram was not sent and may well go. */
            again = true;
        } else {
            sent++;
            again = false;
        }
    }
}

void ph_udp_send(struct ph_udp_io *io, int fd, uint8_t family, const struct ph_datagram *out,
                 size_t n)
{
    unsigned count = 0;

    for (size_t i = 0; i < n; i++) {
        struct msghdr *msg = &io->out[count].msg_hdr;

        if (out[i].peer.family != family || out[i].len > PH_DATAGRAM_MAX) {
            continue;
        }
        msg->msg_namelen = ph_sockaddr_from(&out[i].peer, &io->out_name[count]);
        if (family == PH_AF_V6) {
            /* The kernel looks at it for link-local destinations alone. */
            io->out_name[count].in6.sin6_scope_id = out[i].scope;
        }
        io->out_iov[count].iov_base = (void *)(uintptr_t)out[i].data;
        io->out_iov[count].iov_len = out[i].len;
        put_ttl(msg, &io->out_control[count], family, out[i].ttl);
        if (++count == PH_UDP_BATCH) {
            send_batch(io, fd, count);
            count = 0;
        }
    }
    if (count) {
        send_batch(io, fd, count);
    }
}
