/* A UPnP Internet gateway device in memory, for the tests: SSDP, description and SOAP as text, on
 * the table that the router's PCP and NAT-PMP have too. What devices in the field do otherwise is
 * switched on by its fields. */
#ifndef TESTS_PORTMAP_FAKE_IGD_H
#define TESTS_PORTMAP_FAKE_IGD_H

#include "fake_router.h"

#define IGD_HTTP_PORT 49152

struct igd {
    struct router router; /* first */
    bool on;
    struct ph_addr ip; /* where it is */
    uint16_t ssdp_port, http_port;
    bool no_multicast, no_unicast;
    ph_ns ssdp_delay, http_delay;
    unsigned version;        /* of InternetGatewayDevice and WANIPConnection */
    const char *description; /* instead of its own */
    const char *status;      /* NewConnectionStatus; NULL: it does not know the action */
    bool firewall6;
    /* What it says to Add; 0: nothing against it. */
    int finite_error, permanent_error;
    int any_error;  /* to AddAnyPortMapping; -1: it does not answer */
    int any_port;   /* what it answers to that; -1: what was asked */
    int add_error;  /* to AddPortMapping, whatever it holds */
    bool silent;    /* it takes requests and never answers */
    uint16_t taken; /* a port that another host has; conflict_error for that one */
    int conflict_error;
    unsigned adds, dels, queries, descriptions, addresses;
    uint32_t last_lease_s; /* asked for */
    char last_client[64];
    unsigned holes, next_hole;
};

static const char igd_description[] =
    "<?xml version=\"1.0\"?>\n"
    "<root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device>"
    "<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:%u</deviceType>"
    "<friendlyName>Fake Router</friendlyName><deviceList><device>"
    "<deviceType>urn:schemas-upnp-org:device:WANDevice:%u</deviceType><deviceList><device>"
    "<deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:%u</deviceType><serviceList>"
    "<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:%u</serviceType>"
    "<controlURL>/ctl/IPConn</controlURL></service>%s"
    "</serviceList></device></deviceList></device></deviceList></device></root>";
static const char igd_firewall[] =
    "<service><serviceType>urn:schemas-upnp-org:service:WANIPv6FirewallControl:1</serviceType>"
    "<controlURL>/ctl/IP6FCtl</controlURL></service>";

static inline void igd_ssdp(struct fake_host *f, const struct fake_sent *s)
{
    struct igd *g = f->router;
    char a[512], ip[PH_ADDR_STRLEN], text[sizeof(s->data) + 1] = {0};
    bool multicast = s->to.family == PH_AF_V4 ? s->to.ip[0] == 239 : s->to.ip[0] == 0xff;
    memcpy(text, s->data, s->len);
    assert_non_null(strstr(text, "M-SEARCH * HTTP/1.1\r\n"));
    assert_non_null(strstr(text, "MAN: \"ssdp:discover\"\r\n"));
    if ((multicast && g->no_multicast) ||
        (!multicast && (g->no_unicast || !ph_addr_ip_eq(&s->to, &g->ip))))
        return;
    char *st = strstr(text, "\nST: ");
    assert_non_null(st);
    st = strtok(st + 5, "\r\n");
    if (strstr(st, "InternetGatewayDevice:2") && g->version < 2)
        return;
    int len = snprintf(a, sizeof(a),
                       "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: %s\r\n"
                       "USN: uuid:1::%s\r\nEXT:\r\nLOCATION: http://%s:%u/rootDesc.xml\r\n\r\n",
                       st, st, ph_addr_format_ip(&g->ip, ip), g->http_port);
    struct ph_addr from = fake_port(g->ip, g->ssdp_port);
    fake_arrives(f, g->ssdp_delay, s->sock, &from, a, (size_t)len);
}

static inline bool igd_text(const struct fake_request *r, const char *name, char *out, size_t cap)
{
    char open[64];
    snprintf(open, sizeof(open), "<%s>", name);
    const char *p = strstr(r->body, open);
    size_t n = 0;
    if (!p)
        return false;
    for (p += strlen(open); *p && *p != '<' && n + 1 < cap; p++)
        out[n++] = *p;
    out[n] = '\0';
    return true;
}

static inline unsigned igd_number(const struct fake_request *r, const char *name)
{
    char text[32];
    assert_true(igd_text(r, name, text, sizeof(text)));
    return (unsigned)strtoul(text, NULL, 10);
}

static inline void igd_says(struct fake_host *f, const struct fake_request *r, int error,
                            const char *inner)
{
    struct igd *g = f->router;
    char body[1024];
    if (error != 0)
        snprintf(body, sizeof(body),
                 "<?xml version=\"1.0\"?><s:Envelope "
                 "xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault>"
                 "<faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>"
                 "<UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>%d</errorCode>"
                 "<errorDescription>no</errorDescription></UPnPError></detail></s:Fault></s:Body>"
                 "</s:Envelope>",
                 error);
    else
        snprintf(body, sizeof(body),
                 "<?xml version=\"1.0\"?><s:Envelope "
                 "xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>"
                 "<u:%sResponse xmlns:u=\"urn:schemas-upnp-org:service:WANIPConnection:1\">%s"
                 "</u:%sResponse></s:Body></s:Envelope>",
                 strchr(r->action, '#') + 1, inner, strchr(r->action, '#') + 1);
    fake_http_answers(f, g->http_delay, r->id, PH_OK, error ? 500 : 200, body);
}

static inline void igd_add(struct fake_host *f, const struct fake_request *r, bool any)
{
    struct igd *g = f->router;
    char inner[96] = "", protocol[8], enabled[8];
    unsigned external = igd_number(r, "NewExternalPort");
    unsigned internal = igd_number(r, "NewInternalPort");
    g->adds++;
    g->last_lease_s = igd_number(r, "NewLeaseDuration");
    assert_true(igd_text(r, "NewInternalClient", g->last_client, sizeof(g->last_client)));
    assert_true(igd_text(r, "NewProtocol", protocol, sizeof(protocol)));
    assert_true(igd_text(r, "NewEnabled", enabled, sizeof(enabled)));
    assert_string_equal(protocol, "UDP"); /* in capitals: tailscale#7377 */
    assert_string_equal(enabled, "1");
    assert_int_not_equal(external, 0); /* a wildcard */
    assert_true(g->last_lease_s <= 604800);
    if (any && g->any_error < 0)
        return;
    int error = any ? g->any_error : g->add_error;
    if (error == 0)
        error = g->last_lease_s > 0 ? g->finite_error : g->permanent_error;
    if (error == 0 && external == g->taken) {
        error = any ? 0 : g->conflict_error;
        external = any ? 50001 : external;
    }
    if (error == 0) {
        struct router_entry *e =
            router_put(&g->router, (uint16_t)internal, (uint16_t)external, g->last_lease_s);
        external = e->external;
        if (any)
            snprintf(inner, sizeof(inner), "<NewReservedPort>%u</NewReservedPort>",
                     g->any_port >= 0 ? (unsigned)g->any_port : external);
    }
    igd_says(f, r, error, inner);
}

static inline struct router_entry *igd_entry(struct igd *g, unsigned external)
{
    for (size_t i = 0; i < ROUTER_TABLE; i++) {
        if (g->router.table[i].used && g->router.table[i].external == external)
            return &g->router.table[i];
    }
    return NULL;
}

static inline void igd_query(struct fake_host *f, const struct fake_request *r)
{
    struct igd *g = f->router;
    char inner[400], local[PH_ADDR_STRLEN];
    unsigned external = igd_number(r, "NewExternalPort");
    struct router_entry *e = igd_entry(g, external);
    g->queries++;
    if (!e && external != g->taken) {
        igd_says(f, r, 714, "");
        return;
    }
    snprintf(inner, sizeof(inner),
             "<NewInternalPort>%u</NewInternalPort><NewInternalClient>%s</NewInternalClient>"
             "<NewEnabled>1</NewEnabled><NewPortMappingDescription>x</NewPortMappingDescription>"
             "<NewLeaseDuration>%u</NewLeaseDuration>",
             e ? e->internal : 9999u,
             e ? ph_addr_format_ip(&f->gateways[0].local, local) : "192.168.1.99",
             e ? e->lifetime_s : 0);
    igd_says(f, r, 0, inner);
}

static inline void igd_hole(struct fake_host *f, const struct fake_request *r, const char *action)
{
    struct igd *g = f->router;
    char inner[64] = "";
    if (strcmp(action, "AddPinhole") == 0) {
        assert_true(igd_text(r, "InternalClient", g->last_client, sizeof(g->last_client)));
        g->last_lease_s = igd_number(r, "LeaseTime");
        assert_true(g->last_lease_s >= 1 && g->last_lease_s <= 86400);
        snprintf(inner, sizeof(inner), "<UniqueID>%u</UniqueID>", ++g->next_hole);
        g->holes++;
        g->adds++;
    } else {
        bool ours = g->holes > 0 && igd_number(r, "UniqueID") == g->next_hole;
        if (!ours) {
            igd_says(f, r, 704, "");
            return;
        }
        if (strcmp(action, "DeletePinhole") == 0)
            g->holes--;
    }
    igd_says(f, r, 0, inner);
}

static inline void igd_soap(struct fake_host *f, const struct fake_request *r)
{
    struct igd *g = f->router;
    char inner[160], ip[PH_ADDR_STRLEN];
    const char *action = strchr(r->action, '#');
    assert_non_null(action);
    action++;
    if (strcmp(action, "GetStatusInfo") == 0) {
        snprintf(inner, sizeof(inner),
                 "<NewConnectionStatus>%s</NewConnectionStatus><NewLastConnectionError>ERROR_NONE"
                 "</NewLastConnectionError><NewUptime>1</NewUptime>",
                 g->status ? g->status : "");
        igd_says(f, r, g->status ? 0 : 401, inner);
    } else if (strcmp(action, "GetExternalIPAddress") == 0) {
        g->addresses++;
        snprintf(inner, sizeof(inner), "<NewExternalIPAddress>%s</NewExternalIPAddress>",
                 ph_addr_format_ip(&g->router.address, ip));
        igd_says(f, r, 0, inner);
    } else if (strcmp(action, "AddPortMapping") == 0) {
        igd_add(f, r, false);
    } else if (strcmp(action, "AddAnyPortMapping") == 0) {
        if (g->version == 2) {
            igd_add(f, r, true);
        } else {
            g->adds++;
            igd_says(f, r, 401, "");
        }
    } else if (strcmp(action, "DeletePortMapping") == 0) {
        struct router_entry *e = igd_entry(g, igd_number(r, "NewExternalPort"));
        g->dels++;
        if (e)
            e->used = false;
        igd_says(f, r, e ? 0 : 714, "");
    } else if (strcmp(action, "GetSpecificPortMappingEntry") == 0) {
        igd_query(f, r);
    } else {
        assert_non_null(strstr(action, "Pinhole"));
        igd_hole(f, r, action);
    }
}

static inline void igd_on_request(struct fake_host *f, const struct fake_request *r)
{
    struct igd *g = f->router;
    char body[4096];
    if (g->silent)
        return;
    if (!ph_addr_ip_eq(&r->server, &g->ip) || r->server.port != g->http_port) {
        fake_http_answers(f, PH_MS, r->id, PH_ERR_REFUSED, 0, "");
        return;
    }
    if (r->post) {
        igd_soap(f, r);
        return;
    }
    g->descriptions++;
    assert_string_equal(r->path, "/rootDesc.xml");
    snprintf(body, sizeof(body), igd_description, g->version, g->version, g->version, g->version,
             g->firewall6 ? igd_firewall : "");
    fake_http_answers(f, g->http_delay, r->id, PH_OK, 200, g->description ? g->description : body);
}

static inline void igd_on_sent(struct fake_host *f, const struct fake_sent *s)
{
    struct igd *g = f->router;
    if (s->to.port == 1900 && g->on)
        igd_ssdp(f, s);
    else
        router_on_sent(f, s);
}

/* A good one, behind which PCP and NAT-PMP are off. */
static inline void igd_init(struct fake_host *f, struct igd *g)
{
    *g = (struct igd){.on = true,
                      .ip = FAKE_GATEWAY,
                      .ssdp_port = 1900,
                      .http_port = IGD_HTTP_PORT,
                      .ssdp_delay = PH_MS,
                      .http_delay = PH_MS,
                      .version = 1,
                      .status = "Connected",
                      .any_port = -1,
                      .conflict_error = 718};
    router_init(f, &g->router);
    f->router = g;
    f->on_sent = igd_on_sent;
    f->on_request = igd_on_request;
}

/* A host behind one, and its mapper. */
static inline struct fake_host *igd_start(struct igd *g, unsigned protocols)
{
    struct fake_host *f = fake_new();
    igd_init(f, g);
    fake_mapper(f, protocols);
    return f;
}

/* Whatever it was, at the end the router's table is empty. */
static inline void igd_finish(struct fake_host *f, struct igd *g)
{
    fake_release(f);
    fake_run(f, 3 * PH_SEC);
    assert_int_equal(router_count(&g->router), 0);
    assert_int_equal(g->holes, 0);
    fake_free(f);
}

#endif
