#include "lab/run/children.h"

#include "lab/run/builder.h"
#include "lab/run/worker.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUILDER_NICE 5

/* Ahead of everything but the shaper, where the system lets us: what others do on this machine is
 * not the subject's lateness. Without the right to it the measurement tells what it suffers. */
static void hurry(void)
{
    struct sched_param param = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) != 0)
        (void)setpriority(PRIO_PROCESS, 0, -5);
}

static _Noreturn void child_main(const struct child_task *task, pid_t parent, int sock)
{
    int rc = LAB_BROKEN;
    sigset_t none;
    /* The parent's ends of other children's sockets, its result files, its namespaces: a copy here
     * would keep them open beyond the parent's end. */
    if (sock > 3)
        (void)close_range(3, (unsigned)sock - 1, 0);
    (void)close_range((unsigned)sock + 1, ~0u, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(LAB_BROKEN); /* it died before the line above */
    /* The terminal's interrupt goes to all; the parent alone decides. */
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGTERM, SIG_DFL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    switch (task->kind) {
    case CHILD_BUILDER:
        /* Its work can wait; a packet's deadline cannot. */
        (void)setpriority(PRIO_PROCESS, 0, BUILDER_NICE);
        rc = builder_main(task->run, task->slots, sock);
        break;
    case CHILD_WORKER:
        hurry();
        rc = worker_kernel_main(task->run, task->slots, sock);
        break;
    case CHILD_SIM_WORKER:
        rc = worker_sim_main(task->run, sock);
        break;
    }
    /* Not exit(): the parent's buffers and handlers are not this process's to flush. */
    _exit(rc);
}

int child_start(const struct child_task *task, struct child *out, struct lab_error *err)
{
    int pair[2];
    pid_t parent = getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return lab_fail_errno(err, LAB_CANNOT, "socketpair");
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        lab_fail_errno(err, LAB_CANNOT, "fork");
        close(pair[0]);
        close(pair[1]);
        return -1;
    }
    if (pid == 0) {
        close(pair[0]);
        child_main(task, parent, pair[1]);
    }
    close(pair[1]);
    out->pid = pid;
    out->sock = pair[0];
    return 0;
}

void child_end(struct child *c, char *how, size_t cap)
{
    int status = 0;
    if (c->sock >= 0)
        close(c->sock);
    c->sock = -1;
    if (c->pid <= 0)
        return;
    /* One that has died by itself keeps its own status. */
    if (waitpid(c->pid, &status, WNOHANG) != c->pid) {
        (void)kill(c->pid, SIGKILL);
        while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
            continue;
    }
    c->pid = 0;
    if (how == NULL)
        return;
    int n;
    if (WIFSIGNALED(status))
        n = snprintf(how, cap, "a process that ran trials was killed by signal %d",
                     WTERMSIG(status));
    else
        n = snprintf(how, cap, "a process that ran trials ended with status %d",
                     WEXITSTATUS(status));
    if (n < 0)
        how[0] = '\0';
}
