#include "cli/stop.h"

#include "base/err.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void on_ready(void *user, uint32_t events)
{
    struct cli_stop *s = user;
    struct signalfd_siginfo info;
    bool second = s->signal != 0;

    (void)events;
    if (read(s->fd, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
        return;
    }
    if (info.ssi_signo == SIGUSR1) {
        s->on_drain(s->user);
        return;
    }
    s->signal = (int)info.ssi_signo;
    if (second) {
        ph_loop_stop(s->loop);
    } else {
        s->on_stop(s->user);
    }
}

int cli_stop_init(struct cli_stop *s, struct ph_loop *loop, void (*on_stop)(void *user), void *user)
{
    struct sigaction hangup;
    sigset_t set;
    int err;

    *s = (struct cli_stop){.loop = loop, .fd = -1, .on_stop = on_stop, .user = user};
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    /* A terminal that is closed: what a router gave is given back then too. Not under nohup. */
    if (sigaction(SIGHUP, NULL, &hangup) < 0) {
        return PH_ERR_SYS;
    }
    if (hangup.sa_handler != SIG_IGN) {
        sigaddset(&set, SIGHUP);
    }
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
        return PH_ERR_SYS;
    }
    s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->fd < 0) {
        return PH_ERR_SYS;
    }
    err = ph_loop_watch(loop, s->fd, EPOLLIN, on_ready, s);
    if (err) {
        close(s->fd);
        s->fd = -1;
    }
    return err;
}

int cli_stop_on_drain(struct cli_stop *s, void (*on_drain)(void *user))
{
    sigset_t set;

    /* What is blocked already is what the others are. */
    if (sigprocmask(SIG_BLOCK, NULL, &set) < 0) {
        return PH_ERR_SYS;
    }
    sigaddset(&set, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signalfd(s->fd, &set, 0) < 0) {
        return PH_ERR_SYS;
    }
    s->on_drain = on_drain;
    return PH_OK;
}

void cli_stop_fini(struct cli_stop *s)
{
    if (s->loop && s->fd >= 0) {
        ph_loop_unwatch(s->loop, s->fd);
        close(s->fd);
        s->fd = -1;
    }
}
