/* Finding the Internet gateway device: SSDP on each link that has a gateway, by multicast and to
 * the gateway itself, for each kind of device; then each one's description; then whether it is
 * connected, and by which address. The best is taken: several things in a house may claim to be a
 * gateway. Nothing is made. */
#ifndef PH_PORTMAP_UPNP_DISCOVERY_H
#define PH_PORTMAP_UPNP_DISCOVERY_H

#include "portmap/retry.h"
#include "portmap/upnp_call.h"
#include "wire/ssdp.h"

#define PH_UPNP_DEVICES_MAX  8
#define PH_UPNP_SERVICES_MAX 3
#define PH_UPNP_FETCHES_MAX  4 /* at once */
/* How long after the first device others are waited for. */
#define PH_UPNP_COLLECT (50 * PH_MS)
/* When all is given up. */
#define PH_UPNP_DISCOVERY_MAX (1800 * PH_MS)

enum ph_upnp_device_state {
    PH_UPNP_DEVICE_FOUND, /* waits for its description to be fetched */
    PH_UPNP_DEVICE_FETCHING,
    PH_UPNP_DEVICE_ASKING_STATUS,
    PH_UPNP_DEVICE_ASKING_ADDRESS,
    PH_UPNP_DEVICE_KNOWN,
    PH_UPNP_DEVICE_BROKEN,      /* no answer, or one that cannot be understood */
    PH_UPNP_DEVICE_UNSUPPORTED, /* no gateway's service in it */
};

struct ph_upnp_device {
    enum ph_upnp_device_state state;
    struct ph_url location;
    struct ph_addr local; /* ours, on the link where it answered; of the link's family */
    bool is_gateway;      /* it is on a default gateway's address */
    size_t gateway;       /* ... on this one's; otherwise 0 */
    char name[PH_IGD_NAME_MAX];
    struct ph_igd_service services[PH_UPNP_SERVICES_MAX]; /* the best first */
    size_t service_count;
    size_t service; /* the one in use */
    bool has_status, connected;
    struct ph_addr external; /* port 0; family NONE: not known */
    ph_ns external_at;
    int code; /* UPnP error or HTTP status that broke it */
    ph_ns rtt;
    struct ph_upnp_call call;
};

enum ph_upnp_discovery_state {
    PH_UPNP_DISCOVERY_IDLE,
    PH_UPNP_DISCOVERY_SEARCHING,
    PH_UPNP_DISCOVERY_DONE,
};

struct ph_upnp_link {
    ph_sock sock;
    size_t gateway;
};

struct ph_upnp_discovery {
    struct ph_outlet *outlet;
    const struct ph_gateway *gateways; /* the owner's */
    size_t gateway_count;
    struct ph_addr bound; /* the mapped socket's address; its family says which service */
    enum ph_upnp_discovery_state state;
    struct ph_upnp_link links[PH_GATEWAYS_MAX];
    size_t link_count;
    struct ph_retry retry;
    ph_ns started;
    ph_ns settled; /* the last event's time */
    ph_ns first;   /* device; PH_NEVER: none yet */
    struct ph_upnp_device devices[PH_UPNP_DEVICES_MAX];
    size_t device_count;
};

void ph_upnp_discovery_init(struct ph_upnp_discovery *d, struct ph_outlet *outlet,
                            const struct ph_gateway *gateways, size_t gateway_count,
                            const struct ph_addr *bound);
void ph_upnp_discovery_start(struct ph_upnp_discovery *d, ph_ns now);
/* Ends it where it is, without a result; closes what is open. */
void ph_upnp_discovery_stop(struct ph_upnp_discovery *d);

/* True: the socket is one of its own. */
bool ph_upnp_discovery_on_datagram(struct ph_upnp_discovery *d, ph_ns now, ph_sock sock,
                                   const struct ph_datagram *in);
bool ph_upnp_discovery_on_http(struct ph_upnp_discovery *d, ph_ns now, ph_http id,
                               const struct ph_http_answer *a);
void ph_upnp_discovery_on_timer(struct ph_upnp_discovery *d, ph_ns now);
ph_ns ph_upnp_discovery_deadline(const struct ph_upnp_discovery *d);

/* Of DONE: the device to use, NULL: there is none. */
const struct ph_upnp_device *ph_upnp_discovery_best(const struct ph_upnp_discovery *d);
/* The higher, the better: connected, public, the default gateway, version 2. */
unsigned ph_upnp_device_score(const struct ph_upnp_device *v);
/* Nothing better need be waited for. */
bool ph_upnp_device_is_good(const struct ph_upnp_discovery *d, const struct ph_upnp_device *v);

#endif
