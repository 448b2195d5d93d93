/* What loop.c (waiting, timers, watched descriptors) and loop_host.c (the hosts that live on it)
 * share. */
#ifndef PH_HOST_LOOP_PRIVATE_H
#define PH_HOST_LOOP_PRIVATE_H

#include "base/heap.h"
#include "host/loop.h"
#include "host/netns.h"
#include "host/slots.h"
#include "host/udp.h"

/* An event's 64 bits: which table in the upper half, the name in it in the lower. */
#define PH_LOOP_KIND_WATCH ((uint64_t)1 << 32)
#define PH_LOOP_KIND_SOCK  ((uint64_t)2 << 32)

enum ph_loop_timer_kind {
    PH_LOOP_TIMER_HOST,
    PH_LOOP_TIMER_CALL,
};

struct ph_loop_timer {
    struct ph_heap_node node; /* first: the heap knows only this */
    enum ph_loop_timer_kind kind;
};

struct ph_http_client;
struct ph_loop_host;
struct ph_watch;

struct ph_loop_sock {
    struct ph_loop_host *host;
    struct ph_loop_sock *prev, *next; /* of the same host */
    int fd;
    uint32_t name;
    struct ph_addr local;
};

struct ph_loop_host {
    struct ph_host base;        /* first */
    struct ph_loop_timer timer; /* wake_at */
    struct ph_loop *loop;
    struct ph_loop_host *prev, *next;
    struct ph_loop_host_config config;
    struct ph_loop_sock *socks;
    struct ph_http_client *http; /* NULL until first asked for */
    struct ph_watch *watch;      /* the same */
    ph_ns counting_since;        /* datagrams, for config.gather: how many came since then ... */
    uint64_t counted;
    bool fast; /* ... and whether they were many enough the last time */
    bool dead; /* freed from inside a callback; its memory goes when the step ends */
};

struct ph_loop_watch;
struct ph_loop_call;

#define PH_LOOP_CALL_BUCKETS 256

struct ph_loop {
    int epfd;
    bool no_pwait2; /* the kernel lacks epoll_pwait2 (before 5.11) */
    bool stop;
    bool dispatching;
    struct ph_heap timers;
    struct ph_slots socks;
    struct ph_slots watches;
    struct ph_loop_watch *watch_list;
    struct ph_loop_call *calls[PH_LOOP_CALL_BUCKETS];
    struct ph_loop_host *hosts;
    struct ph_loop_host *graveyard;
    struct ph_udp_io *io;
    struct ph_netns netns;
    ph_ns lateness;
    ph_ns gather_until; /* nothing is read before; 0: at once */
    ph_ns floor;        /* while timers fire: no new one may be due before the next step */
};

void ph_loop_host_readable(struct ph_loop *loop, uint32_t name);
void ph_loop_host_fire(struct ph_loop_timer *timer, ph_ns now);
void ph_loop_bury(struct ph_loop *loop);

#endif
