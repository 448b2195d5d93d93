#include "host/netns.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void ph_netns_init(struct ph_netns *ns)
{
    ns->home = -1;
}

void ph_netns_fini(struct ph_netns *ns)
{
    if (ns->home >= 0) {
        close(ns->home);
        ns->home = -1;
    }
}

int ph_netns_enter(struct ph_netns *ns, int fd)
{
    if (fd < 0) {
        return PH_OK;
    }
    if (ns->home < 0) {
        int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

        if (home < 0) {
            return PH_ERR_SYS;
        }
        /* Entering the namespace where we already are shows that we may come back to it. */
        if (setns(home, CLONE_NEWNET) < 0) {
            int saved = errno;

            close(home);
            errno = saved;
            return PH_ERR_SYS;
        }
        ns->home = home;
    }
    return setns(fd, CLONE_NEWNET) < 0 ? PH_ERR_SYS : PH_OK;
}

void ph_netns_leave(struct ph_netns *ns, int fd)
{
    int saved = errno;

    if (fd < 0) {
        return;
    }
    if (setns(ns->home, CLONE_NEWNET) < 0) {
        /* Going on would open the sockets of one world in another. */
        perror("pinhole: cannot return to its own network namespace");
        abort();
    }
    errno = saved;
}
