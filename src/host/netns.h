/* Steps into another network namespace for a moment. */
#ifndef PH_HOST_NETNS_H
#define PH_HOST_NETNS_H

struct ph_netns {
    int home; /* the thread's own namespace, -1 until first needed */
};

void ph_netns_init(struct ph_netns *ns);
void ph_netns_fini(struct ph_netns *ns);
/* fd -1 stays at home. PH_ERR_SYS, with errno; then the thread has not moved. */
int ph_netns_enter(struct ph_netns *ns, int fd);
/* The way back from a successful enter with the same fd; errno is kept. */
void ph_netns_leave(struct ph_netns *ns, int fd);

#endif
