/* The actions of WANIPConnection 1 and 2, and the few of WANCommonInterfaceConfig that clients ask
 * for before they trust a gateway. */
#include "lab/router/scripted_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VALUE_MAX   128
#define LEASE_MAX   604800u /* WANIPConnection:2 section 2.3.16 */
#define LEFT_OVER_S 3600u   /* entry-is-ours: of the earlier run's entry */
#define OTHER_HOST  246     /* in the last byte: whose entry-is-foreign's entry is */

struct call {
    struct scripted *s;
    ph_ns now;
    struct ph_addr client;
    const char *body;
    const char *service, *action;
    int error;
    const char *error_text;
    bool hang_up;
    char *reply; /* what stands inside the response; malloc'ed */
};

static void fail(struct call *c, int code, const char *text)
{
    c->error = code;
    c->error_text = text;
}

__attribute__((format(printf, 2, 3))) static void reply(struct call *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&c->reply, fmt, ap) < 0)
        c->reply = NULL;
    va_end(ap);
}

/* The text of an argument; false: there is none. */
static bool argument(const struct call *c, const char *name, char out[VALUE_MAX])
{
    char tag[64];
    const char *start, *end;
    int n = snprintf(tag, sizeof(tag), "<%s>", name);
    out[0] = '\0';
    if (n < 0 || (size_t)n >= sizeof(tag) || (start = strstr(c->body, tag)) == NULL)
        return false;
    start += n;
    end = strchr(start, '<');
    if (end == NULL || (size_t)(end - start) >= VALUE_MAX)
        return false;
    memcpy(out, start, (size_t)(end - start));
    out[end - start] = '\0';
    return true;
}

static bool number(const struct call *c, const char *name, unsigned long most, unsigned long *out)
{
    char text[VALUE_MAX], *end;
    if (!argument(c, name, text) || text[0] < '0' || text[0] > '9')
        return false;
    *out = strtoul(text, &end, 10);
    return *end == '\0' && *out <= most;
}

static bool protocol(const struct call *c, bool *tcp)
{
    char text[VALUE_MAX];
    if (!argument(c, "NewProtocol", text))
        return false;
    if (has(c->s, F_LOWER_CASE_REFUSED)
            ? strcmp(text, "UDP") != 0 && strcmp(text, "TCP") != 0
            : strcasecmp(text, "UDP") != 0 && strcasecmp(text, "TCP") != 0)
        return false;
    *tcp = strcasecmp(text, "TCP") == 0;
    return true;
}

struct wish {
    bool tcp;
    uint16_t external;
    struct ph_addr inside;
    unsigned long lease;
    char description[DESCRIPTION_MAX];
};

static bool lease_fits(struct call *c, unsigned long lease)
{
    const struct scripted *s = c->s;
    if (has(s, F_ONLY_PERMANENT) && lease != 0)
        fail(c, 725, "OnlyPermanentLeasesSupported");
    else if ((has(s, F_INVALID_ARGS_ON_LEASE) && lease != 0) ||
             (has(s, F_REFUSES_PERMANENT) && (lease == 0 || lease > LEASE_MAX)))
        fail(c, 402, "Invalid Args");
    return c->error == 0;
}

static bool read_wish(struct call *c, struct wish *w)
{
    char client[VALUE_MAX], description[VALUE_MAX];
    unsigned long external, internal;
    if (!protocol(c, &w->tcp) || !number(c, "NewExternalPort", 65535, &external) ||
        !number(c, "NewInternalPort", 65535, &internal) || internal == 0 ||
        !number(c, "NewLeaseDuration", UINT32_MAX, &w->lease) ||
        !argument(c, "NewInternalClient", client) || ph_addr_parse(client, &w->inside) != 0) {
        fail(c, 402, "Invalid Args");
        return false;
    }
    (void)argument(c, "NewPortMappingDescription", description);
    (void)snprintf(w->description, sizeof(w->description), "%.*s", DESCRIPTION_MAX - 1,
                   description);
    w->external = (uint16_t)external;
    if (!ph_addr_ip_eq(&w->inside, &c->client)) {
        fail(c, 606, "Action not authorized");
        return false;
    }
    w->inside.port = (uint16_t)internal;
    if (has(c->s, F_NOT_AUTHORIZED))
        fail(c, 606, "Action not authorized");
    else if (has(c->s, F_REFUSES_ALL))
        fail(c, 501, "Action Failed");
    else if (w->external == 0 && !has(c->s, F_PORT_ZERO_WILDCARD))
        fail(c, 716, "WildCardNotPermittedInExtPort");
    return c->error == 0 && lease_fits(c, w->lease);
}

static void keep(struct call *c, const struct wish *w, uint16_t external)
{
    struct entry *e = scripted_by_external(c->s, w->tcp, external);
    if (e != NULL && !ph_addr_eq(&e->inside, &w->inside)) {
        scripted_remove(c->s, e);
        e = NULL;
    }
    if (e == NULL)
        e = scripted_add(c->s, c->now, w->tcp, external, &w->inside);
    if (e == NULL) {
        fail(c, 501, "Action Failed");
        return;
    }
    e->expires = w->lease == 0 ? PH_NEVER : c->now + w->lease * PH_SEC;
    if (e->owner == OWNER_UPNP)
        (void)snprintf(e->description, sizeof(e->description), "%s", w->description);
}

/* The faults that hold on to the port that was wished first. */
static bool wish_is_taken(struct call *c, const struct wish *w)
{
    struct scripted *s = c->s;
    bool first = !s->wished_set;
    struct entry *e = NULL;
    if (!has(s, F_CONFLICT) && !has(s, F_CONFLICT_MECHANISM) && !has(s, F_ENTRY_IS_FOREIGN) &&
        !has(s, F_ENTRY_IS_OURS))
        return false;
    if (first) {
        s->wished_set = true;
        s->wished = w->external;
        s->wished_tcp = w->tcp;
        if (has(s, F_ENTRY_IS_OURS))
            e = scripted_add(s, c->now, w->tcp, w->external, &w->inside);
        if (has(s, F_ENTRY_IS_FOREIGN)) {
            struct ph_addr other = s->lan;
            other.ip[3] = OTHER_HOST;
            other.port = w->external;
            e = scripted_add_foreign(s, w->tcp, w->external, &other);
        }
        if (e != NULL) {
            e->expires = c->now + LEFT_OVER_S * PH_SEC;
            (void)snprintf(e->description, sizeof(e->description), "%s",
                           e->foreign ? "console" : w->description);
        }
    }
    if (w->external != s->wished || w->tcp != s->wished_tcp)
        return false;
    if (has(s, F_CONFLICT_MECHANISM))
        fail(c, 729, "ConflictWithOtherMechanisms");
    else
        fail(c, 718, "ConflictInMappingEntry");
    return true;
}

static void add(struct call *c)
{
    struct wish w = {.tcp = false};
    const struct entry *e;
    if (!read_wish(c, &w) || wish_is_taken(c, &w))
        return;
    e = scripted_by_external(c->s, w.tcp, w.external);
    if (has(c->s, F_IGD2_ANY_PORT) || (e != NULL && !ph_addr_ip_eq(&e->inside, &w.inside)) ||
        (e != NULL && has(c->s, F_RENEWAL_REFUSED)))
        fail(c, 718, "ConflictInMappingEntry");
    else
        keep(c, &w, w.external);
}

static void add_any(struct call *c)
{
    struct wish w = {.tcp = false};
    struct entry *e;
    uint16_t port;
    if (has(c->s, F_IGD2_TRANSPORT_ERROR)) {
        c->hang_up = true;
        return;
    }
    if (!read_wish(c, &w))
        return;
    e = scripted_by_inside(c->s, w.tcp, &w.inside);
    port = e != NULL ? e->external
                     : scripted_free_port(c->s, w.tcp, has(c->s, F_IGD2_ANY_PORT) ? 0 : w.external);
    if (port == 0) {
        fail(c, 728, "NoPortMapsAvailable");
        return;
    }
    keep(c, &w, port);
    reply(c, "<NewReservedPort>%u</NewReservedPort>", port);
}

static struct entry *named(struct call *c)
{
    struct entry *e = NULL;
    unsigned long external;
    bool tcp;
    if (!protocol(c, &tcp) || !number(c, "NewExternalPort", 65535, &external)) {
        fail(c, 402, "Invalid Args");
        return NULL;
    }
    e = scripted_by_external(c->s, tcp, (uint16_t)external);
    if (e == NULL)
        fail(c, 714, "NoSuchEntryInArray");
    return e;
}

static void delete (struct call *c)
{
    struct entry *e = named(c);
    if (e == NULL)
        return;
    if (!ph_addr_ip_eq(&e->inside, &c->client))
        fail(c, 606, "Action not authorized");
    else if (e->wildcard)
        fail(c, 501, "Action Failed");
    else
        scripted_remove(c->s, e);
}

static unsigned long lease_left(const struct call *c, const struct entry *e)
{
    if (e->expires == PH_NEVER)
        return 0;
    return e->expires > c->now ? (unsigned long)((e->expires - c->now + PH_SEC - 1) / PH_SEC) : 1;
}

static void show(struct call *c, const struct entry *e, bool whole)
{
    char ip[PH_ADDR_STRLEN], key[160] = "";
    if (whole)
        (void)snprintf(key, sizeof(key),
                       "<NewRemoteHost></NewRemoteHost><NewExternalPort>%u</NewExternalPort>"
                       "<NewProtocol>%s</NewProtocol>",
                       e->external, e->tcp ? "TCP" : "UDP");
    reply(c,
          "%s<NewInternalPort>%u</NewInternalPort><NewInternalClient>%s</NewInternalClient>"
          "<NewEnabled>1</NewEnabled><NewPortMappingDescription>%s</NewPortMappingDescription>"
          "<NewLeaseDuration>%lu</NewLeaseDuration>",
          key, e->inside.port, ph_addr_format_ip(&e->inside, ip), e->description, lease_left(c, e));
}

static void query(struct call *c)
{
    const struct entry *e = named(c);
    if (e != NULL)
        show(c, e, false);
}

static void list(struct call *c)
{
    unsigned long index;
    if (!number(c, "NewPortMappingIndex", 65535, &index)) {
        fail(c, 402, "Invalid Args");
        return;
    }
    for (size_t i = 0; i < ENTRIES_MAX; i++)
        if (c->s->entries[i].used && index-- == 0) {
            show(c, &c->s->entries[i], true);
            return;
        }
    fail(c, 713, "SpecifiedArrayIndexInvalid");
}

static void external_address(struct call *c)
{
    struct ph_addr a = scripted_external(c->s);
    char ip[PH_ADDR_STRLEN];
    reply(c, "<NewExternalIPAddress>%s</NewExternalIPAddress>", ph_addr_format_ip(&a, ip));
}

static void status(struct call *c)
{
    reply(c,
          "<NewConnectionStatus>Connected</NewConnectionStatus>"
          "<NewLastConnectionError>ERROR_NONE</NewLastConnectionError><NewUptime>%llu</NewUptime>",
          (unsigned long long)((c->now - c->s->boot) / PH_SEC));
}

static void connection_type(struct call *c)
{
    reply(c, "<NewConnectionType>IP_Routed</NewConnectionType>"
             "<NewPossibleConnectionTypes>IP_Routed</NewPossibleConnectionTypes>");
}

static void nat_status(struct call *c)
{
    reply(c, "<NewRSIPAvailable>0</NewRSIPAvailable><NewNATEnabled>1</NewNATEnabled>");
}

static void link_properties(struct call *c)
{
    reply(c, "<NewWANAccessType>Ethernet</NewWANAccessType>"
             "<NewLayer1UpstreamMaxBitRate>100000000</NewLayer1UpstreamMaxBitRate>"
             "<NewLayer1DownstreamMaxBitRate>100000000</NewLayer1DownstreamMaxBitRate>"
             "<NewPhysicalLinkStatus>Up</NewPhysicalLinkStatus>");
}

static const struct {
    const char *name;
    void (*run)(struct call *c);
    bool v2;     /* WANIPConnection:2 alone has it */
    bool common; /* of WANCommonInterfaceConfig */
} actions[] = {
    {"AddPortMapping", add, false, false},
    {"AddAnyPortMapping", add_any, true, false},
    {"DeletePortMapping", delete, false, false},
    {"GetSpecificPortMappingEntry", query, false, false},
    {"GetGenericPortMappingEntry", list, false, false},
    {"GetExternalIPAddress", external_address, false, false},
    {"GetStatusInfo", status, false, false},
    {"GetConnectionTypeInfo", connection_type, false, false},
    {"GetNATRSIPStatus", nat_status, false, false},
    {"GetCommonLinkProperties", link_properties, false, true},
};

#define ENVELOPE                                                                                   \
    "<?xml version=\"1.0\"?>\r\n<s:Envelope "                                                      \
    "xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "                                       \
    "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>"
#define ENVELOPE_END "</s:Body></s:Envelope>\r\n"

char *scripted_soap_error(int code, const char *text)
{
    char *out = NULL;
    if (asprintf(
            &out,
            ENVELOPE
            "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError"
            "</faultstring><detail><UPnPError "
            "xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>%d</errorCode>"
            "<errorDescription>%s</errorDescription></UPnPError></detail></s:Fault>" ENVELOPE_END,
            code, text) < 0)
        return NULL;
    return out;
}

/* An access point that claims to be a gateway: it knows that it is not connected, and no more. */
static void on_access_point(struct call *c)
{
    if (strcmp(c->action, "GetStatusInfo") == 0)
        reply(c, "<NewConnectionStatus>Disconnected</NewConnectionStatus>"
                 "<NewLastConnectionError>ERROR_NONE</NewLastConnectionError>"
                 "<NewUptime>0</NewUptime>");
    else if (strcmp(c->action, "GetExternalIPAddress") == 0)
        reply(c, "<NewExternalIPAddress>0.0.0.0</NewExternalIPAddress>");
    else
        fail(c, 501, "Action Failed");
}

static void run(struct call *c)
{
    char service[IGD_TYPE_MAX];
    scripted_igd_service(c->s, service);
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(c->action, actions[i].name) != 0 ||
            (actions[i].v2 && scripted_igd_version(c->s) < 2))
            continue;
        if (strcmp(c->service, actions[i].common
                                   ? "urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1"
                                   : service) != 0)
            continue;
        actions[i].run(c);
        return;
    }
    fail(c, 401, "Invalid Action");
}

char *scripted_soap(struct scripted *s, ph_ns now, const struct ph_addr *client, bool access_point,
                    const char *service, const char *action, const char *body, int *status_out,
                    bool *hang_up)
{
    struct call c = {
        .s = s, .now = now, .client = *client, .body = body, .service = service, .action = action};
    char *out = NULL;
    if (access_point)
        on_access_point(&c);
    else
        run(&c);
    *hang_up = c.hang_up;
    *status_out = c.error == 0 ? 200 : 500;
    if (c.error != 0)
        out = scripted_soap_error(c.error, c.error_text);
    else if (asprintf(&out, ENVELOPE "<u:%sResponse xmlns:u=\"%s\">%s</u:%sResponse>" ENVELOPE_END,
                      action, service, c.reply != NULL ? c.reply : "", action) < 0)
        out = NULL;
    free(c.reply);
    return out;
}
