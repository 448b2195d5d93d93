#include "wire/igd.h"

#include "base/buf.h"
#include "base/err.h"

#include <stdio.h>
#include <string.h>

#define UDP_NUMBER 17 /* IANA's, which WANIPv6FirewallControl:1 has for its Protocol */

static void put_text(struct ph_writer *w, const char *text)
{
    ph_write_bytes(w, text, strlen(text));
}

/* Text of any bytes as the text of an element. */
static void put_escaped(struct ph_writer *w, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            put_text(w, "&amp;");
            break;
        case '<':
            put_text(w, "&lt;");
            break;
        case '>':
            put_text(w, "&gt;");
            break;
        case '"':
            put_text(w, "&quot;");
            break;
        case '\'':
            put_text(w, "&apos;");
            break;
        default:
            ph_write_bytes(w, *text >= ' ' && *text < 0x7f ? text : "?", 1);
        }
    }
}

static void put_argument(struct ph_writer *w, const char *name, const char *value)
{
    put_text(w, "<");
    put_text(w, name);
    put_text(w, ">");
    put_escaped(w, value);
    put_text(w, "</");
    put_text(w, name);
    put_text(w, ">");
}

static void put_number(struct ph_writer *w, const char *name, uint32_t value)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", (unsigned)value);
    put_argument(w, name, text);
}

static void put_ip(struct ph_writer *w, const char *name, const struct ph_addr *a)
{
    char text[PH_ADDR_STRLEN];

    put_argument(w, name, ph_addr_format_ip(a, text));
}

/* UPnP Device Architecture 1.1 section 3.1.1, on one line: some routers read no other. */
static struct ph_writer begin(const struct ph_igd_service *s, const char *name, char *out,
                              size_t cap, char action[PH_IGD_ACTION_MAX])
{
    struct ph_writer w = ph_writer_init(out, cap);

    snprintf(action, PH_IGD_ACTION_MAX, "%s#%s", s->type, name);
    put_text(&w, "<?xml version=\"1.0\"?>"
                 "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\""
                 " s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\">"
                 "<s:Body><u:");
    put_text(&w, name);
    put_text(&w, " xmlns:u=\"");
    put_escaped(&w, s->type);
    put_text(&w, "\">");
    return w;
}

/* The NUL behind the body is for who prints it. */
static int end(struct ph_writer *w, const char *name)
{
    put_text(w, "</u:");
    put_text(w, name);
    put_text(w, "></s:Body></s:Envelope>");
    ph_write_u8(w, '\0');
    return w->bad ? PH_ERR_SPACE : (int)ph_writer_len(w) - 1;
}

static int without_arguments(const struct ph_igd_service *s, const char *name, char *out,
                             size_t cap, char action[PH_IGD_ACTION_MAX])
{
    struct ph_writer w = begin(s, name, out, cap, action);

    return end(&w, name);
}

int ph_igd_external_address(const struct ph_igd_service *s, char *out, size_t cap,
                            char action[PH_IGD_ACTION_MAX])
{
    return without_arguments(s, "GetExternalIPAddress", out, cap, action);
}

int ph_igd_status(const struct ph_igd_service *s, char *out, size_t cap,
                  char action[PH_IGD_ACTION_MAX])
{
    return without_arguments(s, "GetStatusInfo", out, cap, action);
}

/* What names a mapping: WANIPConnection:1 section 2.4.16. */
static void put_key(struct ph_writer *w, uint16_t external_port)
{
    put_argument(w, "NewRemoteHost", "");
    put_number(w, "NewExternalPort", external_port);
    put_argument(w, "NewProtocol", "UDP");
}

int ph_igd_add(const struct ph_igd_service *s, const struct ph_igd_mapping *m, bool any, char *out,
               size_t cap, char action[PH_IGD_ACTION_MAX])
{
    const char *name = any ? "AddAnyPortMapping" : "AddPortMapping";
    struct ph_writer w;

    if (m->external_port == 0 || m->internal_port == 0 || !ph_addr_is_set(&m->internal))
        return PH_ERR_INVAL;
    w = begin(s, name, out, cap, action);
    put_key(&w, m->external_port);
    put_number(&w, "NewInternalPort", m->internal_port);
    put_ip(&w, "NewInternalClient", &m->internal);
    put_argument(&w, "NewEnabled", "1");
    put_argument(&w, "NewPortMappingDescription", m->description);
    put_number(&w, "NewLeaseDuration", m->lease_s);
    return end(&w, name);
}

static int by_key(const struct ph_igd_service *s, const char *name, uint16_t external_port,
                  char *out, size_t cap, char action[PH_IGD_ACTION_MAX])
{
    struct ph_writer w;

    if (external_port == 0)
        return PH_ERR_INVAL;
    w = begin(s, name, out, cap, action);
    put_key(&w, external_port);
    return end(&w, name);
}

int ph_igd_delete(const struct ph_igd_service *s, uint16_t external_port, char *out, size_t cap,
                  char action[PH_IGD_ACTION_MAX])
{
    return by_key(s, "DeletePortMapping", external_port, out, cap, action);
}

int ph_igd_query(const struct ph_igd_service *s, uint16_t external_port, char *out, size_t cap,
                 char action[PH_IGD_ACTION_MAX])
{
    return by_key(s, "GetSpecificPortMappingEntry", external_port, out, cap, action);
}

int ph_igd_add_pinhole(const struct ph_igd_service *s, const struct ph_igd_mapping *m, char *out,
                       size_t cap, char action[PH_IGD_ACTION_MAX])
{
    static const char name[] = "AddPinhole";
    struct ph_writer w;

    if (m->internal_port == 0 || !ph_addr_is_set(&m->internal))
        return PH_ERR_INVAL;
    w = begin(s, name, out, cap, action);
    put_argument(&w, "RemoteHost", ""); /* anybody, and below from any port */
    put_number(&w, "RemotePort", 0);
    put_ip(&w, "InternalClient", &m->internal);
    put_number(&w, "InternalPort", m->internal_port);
    put_number(&w, "Protocol", UDP_NUMBER);
    put_number(&w, "LeaseTime", m->lease_s);
    return end(&w, name);
}

int ph_igd_update_pinhole(const struct ph_igd_service *s, uint16_t unique_id, uint32_t lease_s,
                          char *out, size_t cap, char action[PH_IGD_ACTION_MAX])
{
    static const char name[] = "UpdatePinhole";
    struct ph_writer w = begin(s, name, out, cap, action);

    put_number(&w, "UniqueID", unique_id);
    put_number(&w, "NewLeaseTime", lease_s);
    return end(&w, name);
}

int ph_igd_delete_pinhole(const struct ph_igd_service *s, uint16_t unique_id, char *out, size_t cap,
                          char action[PH_IGD_ACTION_MAX])
{
    static const char name[] = "DeletePinhole";
    struct ph_writer w = begin(s, name, out, cap, action);

    put_number(&w, "UniqueID", unique_id);
    return end(&w, name);
}
