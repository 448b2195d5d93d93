/* SSDP (UPnP Device Architecture 1.1, section 1): finding an Internet gateway device. */
#ifndef PH_WIRE_SSDP_H
#define PH_WIRE_SSDP_H

#include "wire/http_head.h"

#define PH_SSDP_PORT        1900
#define PH_SSDP_REQUEST_MAX 256
#define PH_SSDP_TARGET_MAX  128

/* 239.255.255.250:1900. */
struct ph_addr ph_ssdp_multicast(void);

/* What to search for. Devices answer to their own kind and to all; some to one of these alone, and
 * to ssdp:all some with their first device alone, so it is no substitute. */
enum ph_ssdp_target {
    PH_SSDP_IGD1, /* urn:schemas-upnp-org:device:InternetGatewayDevice:1 */
    PH_SSDP_IGD2,
    PH_SSDP_ROOT, /* upnp:rootdevice */
    PH_SSDP_TARGETS,
};

/* M-SEARCH toward `to`, which becomes the Host field (the multicast address, or a router's own for
 * those that answer unicast alone). mx_s: 1 to 5, the seconds over which devices may spread their
 * answers; 0: none is written, as section 1.3.2 has it for unicast. Returns the length, or
 * PH_ERR_SPACE. */
int ph_ssdp_search(char *out, size_t cap, const struct ph_addr *to, enum ph_ssdp_target target,
                   unsigned mx_s);

struct ph_ssdp_response {
    struct ph_url location;
    char target[PH_SSDP_TARGET_MAX]; /* ST, cut where it is longer; empty: none */
    bool igd;                        /* ST or USN is an Internet gateway's, or a part of one */
};

/* A response to M-SEARCH. PH_ERR_FORMAT: anything else, a NOTIFY among them, or a LOCATION that no
 * request can go to. */
int ph_ssdp_parse(const char *data, size_t len, struct ph_ssdp_response *out);

#endif
