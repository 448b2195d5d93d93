/* What an agent knows of the network before it, beside the relay: the routers that might map a
 * port. The mapping belongs to the one socket, so all calls share it: it is made when the first
 * call wants it, kept for a while after the last one, and given back. */
#ifndef PH_CALL_NETWORK_H
#define PH_CALL_NETWORK_H

#include "host/host.h"
#include "portmap/portmap.h"

struct ph_agent;

struct ph_network {
    struct ph_agent *agent;
    struct ph_mapper *mapper; /* NULL: the stage is off */
    ph_ns unused_since;       /* when the last call ended; PH_NEVER: there is one, or no mapping */
    bool closing;
};

/* The agent's socket is open. PH_ERR_NOMEM, PH_ERR_INVAL. */
int ph_network_init(struct ph_network *n, struct ph_agent *agent);
/* Asks who is there, unless this agent answers privately: then nobody is to hear of it, and a
 * router hears of it when it makes a call itself. */
void ph_network_start(struct ph_network *n, ph_ns now);
void ph_network_fini(struct ph_network *n);
/* True: it was for this. */
bool ph_network_on_datagram(struct ph_network *n, ph_ns now, ph_sock sock,
                            const struct ph_datagram *in);
void ph_network_on_http(struct ph_network *n, ph_ns now, ph_http id,
                        const struct ph_http_answer *answer);
void ph_network_on_change(struct ph_network *n, ph_ns now);
/* calls: how many there are now. */
void ph_network_pump(struct ph_network *n, ph_ns now, size_t calls);
ph_ns ph_network_deadline(const struct ph_network *n);
/* Gives back what routers hold; then nothing is asked for any more. */
void ph_network_close(struct ph_network *n, ph_ns now);
bool ph_network_closed(const struct ph_network *n);

#endif
