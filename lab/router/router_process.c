#include "lab/router/router_process.h"

#include "lab/net/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Above every descriptor that has its place. */
#define APART 16

static void default_signals(void)
{
    struct sigaction act = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int sig = 1; sig < NSIG; sig++)
        (void)sigaction(sig, &act, NULL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

bool router_process_detach(int netns_fd, pid_t parent, int third, int fourth)
{
    int null;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || netns_enter(netns_fd, NULL) != 0)
        return false;
    /* An interrupt from the terminal is the lab's to handle. */
    (void)setpgid(0, 0);
    default_signals();
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    third = fcntl(third, F_DUPFD_CLOEXEC, APART);
    fourth = fcntl(fourth, F_DUPFD_CLOEXEC, APART);
    if (null < 0 || third < 0 || fourth < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(null, STDOUT_FILENO) < 0 || dup2(third, 3) < 0 || dup2(fourth, 4) < 0)
        return false;
    (void)close_range(5, ~0u, 0);
    return true;
}

void router_process_end(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}
