/* A client of UPnP's Internet gateway devices: of those that discovery finds it takes the best one,
 * and asks that for a port mapping (IPv4), or for a hole in its firewall (IPv6). One call at a
 * time; `step` says which. */
#ifndef PH_PORTMAP_UPNP_CLIENT_H
#define PH_PORTMAP_UPNP_CLIENT_H

#include "portmap/client.h"
#include "portmap/upnp_discovery.h"

enum ph_upnp_step {
    PH_UPNP_IDLE,
    PH_UPNP_LOOKING,  /* for a device */
    PH_UPNP_ADDING,   /* a mapping, or renewing it */
    PH_UPNP_CHECKING, /* whose the entry is that stands at the port we want */
    PH_UPNP_ASKING_ADDRESS,
    PH_UPNP_WATCHING,   /* whether our entry is still there */
    PH_UPNP_CONFIRMING, /* that it is ours, before it is deleted */
    PH_UPNP_DELETING,
};

/* Ports that are tried. */
#define PH_UPNP_TRIES 5

struct ph_upnp_client {
    struct ph_client base; /* first */
    struct ph_upnp_discovery discovery;
    struct ph_upnp_device device; /* in use */
    bool has_device;
    enum ph_upnp_step step;
    enum ph_upnp_step resume; /* after LOOKING, where the device was lost */
    struct ph_upnp_call call;
    uint16_t port; /* external, being asked for or held */
    uint32_t lease_s;
    unsigned tries; /* ports */
    bool any;       /* the last one was AddAnyPortMapping */
    int error;      /* why CHECKING */
    bool fresh;     /* ADDING has just succeeded; the address is asked for */
    /* What the device has taught us. */
    bool no_any;       /* AddAnyPortMapping does not work with it */
    bool permanent;    /* it knows permanent leases only */
    bool looked_again; /* since the last success */
    unsigned missed;   /* watches in a row */
    bool has_hole;     /* IPv6: an open one, by this id */
    uint16_t hole;
    struct ph_upnp_call farewell; /* a last deletion whose answer nobody reads */
};

void ph_upnp_client_init(struct ph_upnp_client *u, struct ph_outlet *outlet);
/* The gateways are others, or our address is. Everything was forgotten before. */
void ph_upnp_client_set_gateways(struct ph_upnp_client *u, const struct ph_gateway *gateways,
                                 size_t count, const struct ph_addr *bound);
/* Ends all that is under way. */
void ph_upnp_client_fini(struct ph_upnp_client *u);
/* True: it was this client's. */
bool ph_upnp_client_on_datagram(struct ph_upnp_client *u, ph_ns now, ph_sock sock,
                                const struct ph_datagram *in);
bool ph_upnp_client_on_http(struct ph_upnp_client *u, ph_ns now, ph_http id,
                            const struct ph_http_answer *a);

#endif
