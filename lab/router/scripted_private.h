/* What the parts of the scripted router share. */
#ifndef LAB_ROUTER_SCRIPTED_PRIVATE_H
#define LAB_ROUTER_SCRIPTED_PRIVATE_H

#include "lab/router/fault.h"
#include "lab/router/scripted.h"

#define ENTRIES_MAX     256
#define DESCRIPTION_MAX 64
#define NONCE_LEN       12
#define REBOOT_AFTER    (300 * PH_MS) /* the first mapping */
#define LIFETIME_MAX_S  86400u

/* In the order of fault_list: the place in it is the bit. */
enum scripted_fault {
    F_ADDRESS_MISMATCH,
    F_CHUNKED,
    F_CONFLICT,
    F_CONFLICT_MECHANISM,
    F_CONTENT_LENGTH_BARE,
    F_DNAT_WITHOUT_SNAT,
    F_ENTRY_IS_FOREIGN,
    F_ENTRY_IS_OURS,
    F_EPOCH_RESET,
    F_EPOCH_STUCK,
    F_FIRST_LOST,
    F_FOREIGN_ANSWERS,
    F_HOST_WITHOUT_PORT_REFUSED,
    F_HUGE_ANSWERS,
    F_IGD2_ANY_PORT,
    F_IGD2_TRANSPORT_ERROR,
    F_INVALID_ARGS_ON_LEASE,
    F_LOCATION_ELSEWHERE,
    F_LOWER_CASE_REFUSED,
    F_MISMATCHED_TAGS,
    F_MULTICAST_ONLY,
    F_NAMESPACES,
    F_NEVER_ENDING,
    F_NOT_AUTHORIZED,
    F_ODD_SOURCE_PORT,
    F_ONLY_PERMANENT,
    F_OTHER_PORT,
    F_OVER_16K,
    F_PADDED_ANSWERS,
    F_PCP_SILENT,
    F_PCP_VERSION_0,
    F_PORT_ZERO_WILDCARD,
    F_PPP_CONNECTION,
    F_PRETTY_PRINTED_REFUSED,
    F_PRIVATE_EXTERNAL,
    F_RAW_AMPERSAND,
    F_REBOOT_NEW_HTTP_PORT,
    F_REFUSES_ALL,
    F_REFUSES_PERMANENT,
    F_RENEWAL_REFUSED,
    F_SCPD_HANGS,
    F_SEVERAL_IGDS,
    F_SHARED_EXTERNAL,
    F_SHORT_LIFETIME,
    F_SLOW_DRIP,
    F_SSDP_ALL_FIRST_ONLY,
    F_STALE_ANSWERS,
    F_STRAY_BYTES,
    F_TRUNCATED_ANSWERS,
    F_UNDECLARED_PREFIX,
    F_UNICAST_ONLY,
    F_UNQUOTED_SOAPACTION_REFUSED,
    F_WHITE_SPACE_CONTROL_URL,
    F_WRONG_NONCE,
    F_ZERO_EXTERNAL,
    F_COUNT,
};

/* By which protocol an entry was made or renewed last. As with miniupnpd (2.3.1): NAT-PMP and PCP
 * take over what another protocol made, and delete only what is theirs; UPnP deletes anything of
 * its client, and what it renews stays whose it was. */
enum entry_owner {
    OWNER_UPNP,
    OWNER_NAT_PMP,
    OWNER_PCP, /* who knows the nonce */
};

struct entry {
    bool used;
    bool tcp;
    bool wildcard;
    bool foreign; /* of another host of the LAN, made up */
    uint16_t external;
    struct ph_addr inside;
    ph_ns expires; /* PH_NEVER: permanent */
    enum entry_owner owner;
    uint8_t nonce[NONCE_LEN]; /* of OWNER_PCP */
    char description[DESCRIPTION_MAX];
};

struct scripted {
    struct ph_addr lan, wan;
    uint16_t http_ports[2];
    unsigned protocols; /* enum fault_protocol */
    uint64_t faults;    /* 1 << enum scripted_fault */
    const struct scripted_ops *ops;
    void *user;
    struct entry entries[ENTRIES_MAX];
    ph_ns boot;
    uint32_t epoch_at_boot;
    uint16_t next_port; /* for mappings that cannot have the port that they wish */
    ph_ns reboot_at;
    bool rebooted;
    unsigned heard; /* first-lost: kinds of requests, a bit each */
    bool wished_set;
    bool wished_tcp;
    uint16_t wished; /* the external port that was asked for first */
};

static inline bool has(const struct scripted *s, enum scripted_fault f)
{
    return (s->faults >> f & 1u) != 0;
}

/* scripted.c */
struct entry *scripted_by_inside(struct scripted *s, bool tcp, const struct ph_addr *inside);
struct entry *scripted_by_external(struct scripted *s, bool tcp, uint16_t external);
/* A new entry of a client, working from now on; NULL: the table is full. */
struct entry *scripted_add(struct scripted *s, ph_ns now, bool tcp, uint16_t external,
                           const struct ph_addr *inside);
/* One of a host that is not there: it holds its port, and nothing comes in by it. */
struct entry *scripted_add_foreign(struct scripted *s, bool tcp, uint16_t external,
                                   const struct ph_addr *inside);
void scripted_remove(struct scripted *s, struct entry *e);
/* This external port where it is free, another otherwise; 0: none is left. */
uint16_t scripted_free_port(struct scripted *s, bool tcp, uint16_t wish);
struct ph_addr scripted_external(const struct scripted *s);
void scripted_send(struct scripted *s, ph_ns at, const struct ph_addr *from,
                   const struct ph_addr *to, const void *data, size_t len);

/* scripted_pcp.c: what came to port 5351. */
void scripted_pcp_take(struct scripted *s, ph_ns now, const struct ph_addr *from,
                       const uint8_t *data, size_t len);
uint32_t scripted_epoch(const struct scripted *s, ph_ns now);

/* scripted_ssdp.c: what came to port 1900. */
void scripted_ssdp_take(struct scripted *s, ph_ns now, const struct ph_addr *from,
                        const struct ph_addr *to, const char *text, size_t len);
/* The value of a field of an HTTP head in any case, cut at both ends; false: there is none. */
bool scripted_field(const char *text, size_t len, const char *name, char *out, size_t cap);

/* scripted_igd.c: the documents, malloc'ed; NULL: no memory. */
#define IGD_TYPE_MAX 64
enum igd_device {
    IGD_ROUTER,
    IGD_ACCESS_POINT,
    IGD_TOY,
};
unsigned scripted_igd_version(const struct scripted *s);
/* "urn:schemas-upnp-org:service:WANIPConnection:1" */
void scripted_igd_service(const struct scripted *s, char out[IGD_TYPE_MAX]);
char *scripted_igd_description(const struct scripted *s, enum igd_device device, size_t *len);
char *scripted_igd_scpd(size_t *len);

/* scripted_soap.c: the answer to an action; malloc'ed, NULL where there is no memory. *hang_up: the
 * connection is closed without an answer. */
char *scripted_soap(struct scripted *s, ph_ns now, const struct ph_addr *client, bool access_point,
                    const char *service, const char *action, const char *body, int *status,
                    bool *hang_up);
/* The fault with a UPnP error. */
char *scripted_soap_error(int code, const char *text);

#endif
