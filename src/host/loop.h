/* The real host: one epoll loop, many ph_hosts on it, each with its own sockets and timer.
 *
 * A host can be given a network namespace: its sockets are then made inside it (a socket stays in
 * the namespace in which it was made), so that one process holds every peer of every lab world. */
#ifndef PH_HOST_LOOP_H
#define PH_HOST_LOOP_H

#include "host/host.h"

struct ph_loop;

struct ph_loop_host_config {
    int netns_fd; /* namespace for this host's sockets, or -1: the process's own. Borrowed: it
                   * must stay open as long as the host */
    void (*trace)(void *user, const char *line); /* or NULL */
    void *trace_user;
    /* The answer of local_addrs, where it is known beforehand: asking the kernel takes its one lock
     * for all network configuration, which other processes may hold for tenths of a second. NULL:
     * ask. */
    const struct ph_addr *addrs; /* borrowed, as long as the host */
    size_t addr_count;
    /* The answer of gateways, likewise: known whenever addrs is not NULL. */
    const struct ph_gateway *gateways; /* borrowed, as long as the host; NULL: none */
    size_t gateway_count;
    struct ph_nat64 nat64; /* the answer of nat64; bits 0: none */
    size_t rcvbuf_bytes;   /* SO_RCVBUF of each socket; 0 is the system's default */
    /* While datagrams come fast (several within this time), they are left to gather for so long
     * before they are read together: waking up costs more than a datagram. That is the most that it
     * adds to the delay of one, and to the lateness of all else on the loop. 0: never. */
    ph_ns gather;
    /* Datagrams of one length to one peer, one behind the other, go to the kernel as one
     * (UDP_SEGMENT) where it can: it then looks for the way but once. */
    bool join;
};

int ph_loop_new(struct ph_loop **out);
void ph_loop_free(struct ph_loop *loop);

/* CLOCK_MONOTONIC. */
ph_ns ph_loop_now(const struct ph_loop *loop);

int ph_loop_host_new(struct ph_loop *loop, const struct ph_loop_host_config *config,
                     struct ph_host **out);
/* Closes the host's sockets too. May be called from inside one of its endpoint's callbacks. */
void ph_loop_host_free(struct ph_host *host);

/* Other descriptors of the program (a control socket, a signalfd). on_ready gets EPOLL* bits. */
int ph_loop_watch(struct ph_loop *loop, int fd, uint32_t epoll_events,
                  void (*on_ready)(void *user, uint32_t events), void *user);
void ph_loop_unwatch(struct ph_loop *loop, int fd);

/* Calls fn once at `when` (PH_NEVER: never again). One slot for each (fn, user). */
int ph_loop_at(struct ph_loop *loop, ph_ns when, void (*fn)(void *user), void *user);

/* Runs until ph_loop_stop or an error of epoll (PH_ERR_SYS). */
int ph_loop_run(struct ph_loop *loop);
/* Waits for at most `timeout` and handles what is due; 0 polls. */
int ph_loop_step(struct ph_loop *loop, ph_ns timeout);
void ph_loop_stop(struct ph_loop *loop);

/* The worst lateness of a timer (fired minus wanted) since the last call, then zero again. */
ph_ns ph_loop_take_lateness(struct ph_loop *loop);

#endif
