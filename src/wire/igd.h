/* UPnP Internet Gateway Device (WANIPConnection 1 and 2, WANPPPConnection 1,
 * WANIPv6FirewallControl 1): the device's description, and SOAP calls to it.
 *
 * Both are read by expat, within bounds; where expat refuses (mismatched tags, stray bytes, an
 * undeclared prefix, an unescaped '&'), by a bounded scan for the few elements that matter. */
#ifndef PH_WIRE_IGD_H
#define PH_WIRE_IGD_H

#include "wire/http_head.h"

#include <stdint.h>

#define PH_IGD_XML_MAX      65536 /* bytes of a document; what is behind is not read */
#define PH_IGD_DEPTH_MAX    32
#define PH_IGD_SERVICES_MAX 8
#define PH_IGD_NAME_MAX     64
#define PH_IGD_BODY_MAX     2048 /* of a SOAP request */

enum ph_igd_kind {
    PH_IGD_WANIP = 1, /* WANIPConnection */
    PH_IGD_WANPPP,    /* WANPPPConnection */
    PH_IGD_FIREWALL6, /* WANIPv6FirewallControl */
};

struct ph_igd_service {
    enum ph_igd_kind kind;
    unsigned version;      /* 1 or 2: the number that ends its type */
    char type[96];         /* serviceType as the device writes it, white space cut */
    struct ph_url control; /* of the address that the description came from: others are dropped */
};

struct ph_igd {
    char name[PH_IGD_NAME_MAX]; /* friendlyName, or modelName; printable ASCII, cut where longer */
    struct ph_igd_service services[PH_IGD_SERVICES_MAX]; /* in the order of the document */
    size_t count;
    bool scanned; /* expat refused the document */
};

/* A description that came from `from`. PH_ERR_FORMAT: no gateway service in it. */
int ph_igd_parse_description(const char *xml, size_t len, const struct ph_url *from,
                             struct ph_igd *out);

/* SOAP requests: each writes the body, and the action's name with its service (the SOAPAction field
 * without its quotes) to `action`. Returns the body's length, without the NUL behind it, or
 * PH_ERR_SPACE; PH_ERR_INVAL: a port of 0, or no internal address. */
#define PH_IGD_ACTION_MAX 160
struct ph_igd_mapping {
    uint16_t external_port; /* never 0, which is a wildcard */
    uint16_t internal_port;
    struct ph_addr internal; /* port ignored */
    uint32_t lease_s;        /* 0: until it is deleted */
    const char *description; /* plain ASCII; escaped here */
};
int ph_igd_external_address(const struct ph_igd_service *s, char *out, size_t cap,
                            char action[PH_IGD_ACTION_MAX]);
int ph_igd_status(const struct ph_igd_service *s, char *out, size_t cap,
                  char action[PH_IGD_ACTION_MAX]);
/* AddPortMapping; `any`: AddAnyPortMapping, which WANIPConnection:2 alone has. The protocol is
 * "UDP", in capitals. */
int ph_igd_add(const struct ph_igd_service *s, const struct ph_igd_mapping *m, bool any, char *out,
               size_t cap, char action[PH_IGD_ACTION_MAX]);
int ph_igd_delete(const struct ph_igd_service *s, uint16_t external_port, char *out, size_t cap,
                  char action[PH_IGD_ACTION_MAX]);
/* GetSpecificPortMappingEntry. */
int ph_igd_query(const struct ph_igd_service *s, uint16_t external_port, char *out, size_t cap,
                 char action[PH_IGD_ACTION_MAX]);
/* WANIPv6FirewallControl: a hole in the firewall towards internal:internal_port, from anybody. */
int ph_igd_add_pinhole(const struct ph_igd_service *s, const struct ph_igd_mapping *m, char *out,
                       size_t cap, char action[PH_IGD_ACTION_MAX]);
int ph_igd_update_pinhole(const struct ph_igd_service *s, uint16_t unique_id, uint32_t lease_s,
                          char *out, size_t cap, char action[PH_IGD_ACTION_MAX]);
int ph_igd_delete_pinhole(const struct ph_igd_service *s, uint16_t unique_id, char *out, size_t cap,
                          char action[PH_IGD_ACTION_MAX]);

/* UPnP error codes that decide something (WANIPConnection:2 section 2.5.16 and others). */
enum ph_igd_error {
    PH_IGD_INVALID_ARGS = 402,
    PH_IGD_ACTION_FAILED = 501,
    PH_IGD_NOT_AUTHORIZED = 606,
    PH_IGD_PINHOLE_SPACE_EXHAUSTED = 701,
    PH_IGD_NO_SUCH_ENTRY = 714,
    PH_IGD_CONFLICT = 718,
    PH_IGD_ONLY_PERMANENT = 725,
    PH_IGD_CONFLICT_MECHANISM = 729,
};

/* The answer to any of them: what it holds. */
struct ph_igd_answer {
    int error; /* UPnP errorCode of a fault, ACTION_FAILED where it has none; 0: no fault */
    struct ph_addr external; /* NewExternalIPAddress, port 0; family NONE: none, or no address */
    uint16_t port;           /* NewReservedPort, NewExternalPort; 0: none */
    struct ph_addr internal; /* NewInternalClient : NewInternalPort */
    bool connected;          /* NewConnectionStatus is Connected (or Up, as some say) */
    bool has_status;
    uint32_t lease_s; /* NewLeaseDuration */
    bool has_lease;
    uint16_t unique_id; /* UniqueID of a pinhole */
    bool has_unique_id;
};

/* PH_ERR_FORMAT: neither a response nor a fault. */
int ph_igd_parse_answer(const char *xml, size_t len, struct ph_igd_answer *out);

const char *ph_igd_error_text(int code);

#endif
