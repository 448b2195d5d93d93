/* Notes by the kernel that links, addresses or routes change (rtnetlink's groups). */
#ifndef PH_HOST_WATCH_H
#define PH_HOST_WATCH_H

#include "host/loop.h"
#include "host/netns.h"

/* What comes within this time after the first note is one change: an interface that comes up is
 * told by a dozen of them. */
#define PH_WATCH_BURST (50 * PH_MS)

struct ph_watch;

struct ph_watch_config {
    struct ph_loop *loop;
    struct ph_netns *netns;
    int netns_fd; /* as in ph_loop_host_config */
    /* Routers and the kernel repeat themselves (each IPv6 router advertisement is one note): a
     * burst is told only when the network is another than before. False: the kernel is not asked,
     * and every burst is told. */
    bool compare;
    /* From the loop. May free the watch. */
    void (*on_change)(void *user);
    void *user;
};

/* PH_ERR_NOMEM, PH_ERR_SYS. */
int ph_watch_new(const struct ph_watch_config *config, struct ph_watch **out);
void ph_watch_free(struct ph_watch *w);

#endif
