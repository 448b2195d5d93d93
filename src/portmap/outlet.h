/* The way out that all clients of one mapper share: its host, the socket that is to be mapped, and
 * the count of what was sent. */
#ifndef PH_PORTMAP_OUTLET_H
#define PH_PORTMAP_OUTLET_H

#include "host/host.h"

struct ph_outlet {
    struct ph_host *host;
    ph_sock sock;
    uint64_t packets, bytes;
};

void ph_outlet_send(struct ph_outlet *o, ph_sock sock, const struct ph_addr *peer, uint32_t scope,
                    const void *data, size_t len);
/* As http_start; PH_ERR_SYS where the host has none. */
int ph_outlet_http(struct ph_outlet *o, const struct ph_http_request *request, ph_http *id);
/* server may be NULL. */
void ph_outlet_trace(struct ph_outlet *o, const char *who, const struct ph_addr *server,
                     const char *from, const char *to);

#endif
