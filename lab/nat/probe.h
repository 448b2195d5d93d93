/* Datagrams for the check of a NAT: sockets in several namespaces, all held by one process, so that
 * what one end sends the other end's socket tells at once. Private to lab/nat; knows no rules. */
#ifndef LAB_NAT_PROBE_H
#define LAB_NAT_PROBE_H

#include "base/addr.h"
#include "base/time.h"
#include "lab/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_SOCKETS_MAX 40
#define PROBE_TAGS_MAX    256
#define PROBE_TRIES       6

/* One datagram under way. */
struct probe_tag {
    int socket; /* index of the sender */
    struct ph_addr to;
    bool heard;
    int on; /* index of the socket that heard it */
    struct ph_addr from;
};

struct probe {
    uint32_t nonce;
    unsigned round_trip_ms;
    /* Beyond the round trip, before a datagram is sent again: a quarter of it the first time, then
     * doubled each time, about two seconds in all. A busy machine must not look like a NAT that
     * loses packets. */
    unsigned wait_ms;
    struct {
        int fd;
        struct ph_addr addr;
        bool refused; /* an ICMP port unreachable came (connected sockets alone) */
    } sockets[PROBE_SOCKETS_MAX];
    size_t socket_count;
    struct probe_tag tags[PROBE_TAGS_MAX];
    size_t tag_count;
    struct lab_error *err;
};

void probe_init(struct probe *x, unsigned round_trip_ms, struct lab_error *err);
void probe_fini(struct probe *x);
ph_ns probe_now(void);

/* Opens `count` UDP sockets in a namespace, all bound to addr (its port 0: any); the index of the
 * first, or -1. */
int probe_open(struct probe *x, int netns_fd, const struct ph_addr *addr, size_t count);
/* Opens one whose port lies in a range and is random there. */
int probe_open_in(struct probe *x, int netns_fd, const struct ph_addr *addr, uint16_t lo,
                  uint16_t hi);
int probe_connect(struct probe *x, int socket, const struct ph_addr *to);

/* Sends one datagram; its tag, or -1. */
int probe_send(struct probe *x, int socket, const struct ph_addr *to);
/* Waits until all the datagrams from tag `first` on are heard, sending again what is not; false
 * when some never were. */
bool probe_wait(struct probe *x, int first);
/* Both: true when it was heard (then the tag says by whom and from where). */
bool probe_ask(struct probe *x, int socket, const struct ph_addr *to, int *tag);
/* Receives until `deadline`. */
void probe_rest(struct probe *x, ph_ns deadline);

/* Whether a TCP connection from one namespace to an address in another comes about: 1 or 0, -1 when
 * it could not be tried. */
int probe_tcp(struct probe *x, int from_fd, int to_fd, const struct ph_addr *to);

#endif
