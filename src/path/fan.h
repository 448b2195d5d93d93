/* Fresh sockets, many at once, each to get a mapping of its own from a hard NAT. The few that may
 * come to carry the call are taken out of it; the others are closed. */
#ifndef PH_PATH_FAN_H
#define PH_PATH_FAN_H

#include "host/host.h"

#define PH_FAN_MAX 1024

struct ph_fan {
    struct ph_host *host;
    struct ph_fan_socket {
        ph_sock sock;  /* 0: closed, or taken */
        uint16_t port; /* its own */
    } * items;
    size_t count; /* of items, whatever became of them */
    size_t open;
    uint16_t *index; /* hash of socket -> item + 1; `mask` + 1 of them */
    size_t mask;
};

void ph_fan_init(struct ph_fan *f, struct ph_host *host);
/* Closes all. */
void ph_fan_fini(struct ph_fan *f);
/* Opens n, in place of what was open; bound to `local`, port ignored, or to ports of [low, high],
 * from a random one on, where they are given and the system lets it. Returns how many there are:
 * fewer than n when the system has no more. */
size_t ph_fan_open(struct ph_fan *f, const struct ph_addr *local, size_t n, uint16_t low,
                   uint16_t high);
/* Its place, SIZE_MAX: none of these. Constant time. */
size_t ph_fan_find(const struct ph_fan *f, ph_sock sock);
/* From now on the socket is the caller's. False: it is none of these. */
bool ph_fan_take(struct ph_fan *f, ph_sock sock);
void ph_fan_close(struct ph_fan *f);

#endif
