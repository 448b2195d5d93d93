#include "host/watch.h"

#include "base/err.h"
#include "host/gateway.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Reads at one event, so that a storm of notes does not hold the loop up. What they say is not
 * looked at, so they may be cut short. */
#define READS_MAX 64

struct ph_watch {
    struct ph_watch_config config;
    int fd;
    bool burst; /* told when it is over */
    uint64_t digest;
};

/* In the namespace. */
static int open_socket(int *out)
{
    struct sockaddr_nl nl = {.nl_family = AF_NETLINK,
                             .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE |
                                          RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0) {
        return PH_ERR_SYS;
    }
    if (bind(fd, (struct sockaddr *)&nl, sizeof(nl)) < 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        return PH_ERR_SYS;
    }
    *out = fd;
    return PH_OK;
}

/* False: the kernel did not say. */
static bool ask_digest(struct ph_watch *w, uint64_t *out)
{
    struct ph_network *net = malloc(sizeof(*net));
    int err = net ? ph_netns_enter(w->config.netns, w->config.netns_fd) : PH_ERR_NOMEM;

    if (!err) {
        err = ph_network_ask(net);
        ph_netns_leave(w->config.netns, w->config.netns_fd);
        *out = net->digest;
    }
    free(net);
    return err == PH_OK;
}

static void burst_is_over(void *user)
{
    struct ph_watch *w = user;
    uint64_t digest;

    w->burst = false;
    if (w->config.compare && ask_digest(w, &digest)) {
        if (digest == w->digest) {
            return;
        }
        w->digest = digest;
    }
    w->config.on_change(w->config.user);
}

static void on_ready(void *user, uint32_t events)
{
    struct ph_watch *w = user;
    char note[256];
    bool any = false;

    (void)events;
    for (int i = 0; i < READS_MAX; i++) {
        ssize_t n = recv(w->fd, note, sizeof(note), MSG_DONTWAIT);

        if (n < 0 && errno != ENOBUFS && errno != EINTR) {
            break;
        }
        any = true; /* notes that found no room count too */
    }
    if (any && !w->burst) {
        w->burst = ph_loop_at(w->config.loop, ph_loop_now(w->config.loop) + PH_WATCH_BURST,
                              burst_is_over, w) == PH_OK;
    }
}

int ph_watch_new(const struct ph_watch_config *config, struct ph_watch **out)
{
    struct ph_watch *w = calloc(1, sizeof(*w));
    int err;

    if (!w) {
        return PH_ERR_NOMEM;
    }
    w->config = *config;
    w->fd = -1;
    err = ph_netns_enter(config->netns, config->netns_fd);
    if (!err) {
        err = open_socket(&w->fd);
        ph_netns_leave(config->netns, config->netns_fd);
    }
    if (!err) {
        err = ph_loop_watch(config->loop, w->fd, EPOLLIN, on_ready, w);
    }
    if (err) {
        if (w->fd >= 0) {
            close(w->fd);
        }
        free(w);
        return err;
    }
    /* After the socket is there: a change in between is seen twice rather than not at all. */
    if (config->compare && !ask_digest(w, &w->digest)) {
        w->config.compare = false;
    }
    *out = w;
    return PH_OK;
}

void ph_watch_free(struct ph_watch *w)
{
    if (!w) {
        return;
    }
    ph_loop_at(w->config.loop, PH_NEVER, burst_is_over, w);
    ph_loop_unwatch(w->config.loop, w->fd);
    close(w->fd);
    free(w);
}
