#include "wire/igd.h"

#include "base/err.h"
#include "wire/xml.h"

#include <string.h>

/* Longer than any URL that ph_url can hold. */
#define CONTROL_MAX (PH_URL_PATH_MAX + PH_URL_HOST_MAX + 8)

/* What the elements have said so far. A control URL is resolved at the end, when it is known
 * whether there is a base. */
struct description {
    struct ph_igd *igd;
    char control[PH_IGD_SERVICES_MAX][CONTROL_MAX];
    char
        type[sizeof(((struct ph_igd_service *)0)->type)]; /* of the service at hand; "": none yet */
    char url[CONTROL_MAX];
    char url_base[CONTROL_MAX];
    bool has_friendly_name;
};

/* urn:schemas-upnp-org:service:NAME:NUMBER. Vendors' own namespaces hold services of the same names
 * that want a login first. */
static bool parse_type(const char *type, struct ph_igd_service *out)
{
    static const struct {
        const char *prefix;
        enum ph_igd_kind kind;
    } kinds[] = {
        {"urn:schemas-upnp-org:service:WANIPConnection:", PH_IGD_WANIP},
        {"urn:schemas-upnp-org:service:WANPPPConnection:", PH_IGD_WANPPP},
        {"urn:schemas-upnp-org:service:WANIPv6FirewallControl:", PH_IGD_FIREWALL6},
    };
    struct ph_span s = {type, strlen(type)};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t len = strlen(kinds[i].prefix);
        struct ph_span number = {s.p + len, s.len - len};
        uint64_t version;

        if (!ph_span_begins_with(&s, kinds[i].prefix))
            continue;
        if (!ph_span_number(&number, 99, &version) || version == 0)
            return false;
        out->kind = kinds[i].kind;
        out->version = (unsigned)version;
        ph_span_copy(&s, out->type, sizeof(out->type));
        return true;
    }
    return false;
}

/* The service at hand is complete, or will never be. */
static void end_service(struct description *d)
{
    struct ph_igd *igd = d->igd;

    if (d->type[0] != '\0' && d->url[0] != '\0' && igd->count < PH_IGD_SERVICES_MAX &&
        parse_type(d->type, &igd->services[igd->count])) {
        memcpy(d->control[igd->count], d->url, sizeof(d->url));
        igd->count++;
    }
    d->type[0] = '\0';
    d->url[0] = '\0';
}

/* Between two services stands one of these, or in the worst of documents the next serviceType. */
static bool parts_services(struct ph_span name)
{
    return ph_span_is(&name, "service") || ph_span_is(&name, "serviceList") ||
           ph_span_is(&name, "device") || ph_span_is(&name, "deviceList");
}

static void on_boundary(void *user, struct ph_span name)
{
    if (parts_services(name))
        end_service(user);
}

/* Nothing where it does not fit: a part of it would be something else. */
static void keep(struct ph_span text, char *out, size_t cap)
{
    if (text.len < cap && memchr(text.p, '\0', text.len) == NULL)
        ph_span_copy(&text, out, cap);
}

/* Printable ASCII; what is not becomes one '?' for each character of UTF-8. */
static void keep_name(struct ph_span text, char out[PH_IGD_NAME_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < text.len && n < PH_IGD_NAME_MAX - 1; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if ((c & 0xc0) != 0x80) /* what goes on with a character has been told already */
            out[n++] = c >= ' ' && c < 0x7f ? (char)c : '?';
    }
    out[n] = '\0';
}

/* The first names are those of the root device, which stands around all others. */
static void on_leaf(void *user, struct ph_span name, struct ph_span text)
{
    struct description *d = user;

    if (ph_span_is(&name, "serviceType")) {
        if (d->type[0] != '\0')
            end_service(d);
        keep(text, d->type, sizeof(d->type));
    } else if (ph_span_is(&name, "controlURL")) {
        if (d->url[0] == '\0')
            keep(text, d->url, sizeof(d->url));
    } else if (ph_span_is(&name, "URLBase")) {
        if (d->url_base[0] == '\0')
            keep(text, d->url_base, sizeof(d->url_base));
    } else if (ph_span_is(&name, "friendlyName")) {
        if (!d->has_friendly_name && text.len > 0) {
            keep_name(text, d->igd->name);
            d->has_friendly_name = true;
        }
    } else if (ph_span_is(&name, "modelName")) {
        if (d->igd->name[0] == '\0')
            keep_name(text, d->igd->name);
    }
}

/* URLBase is UPnP 1.0's. Devices forget to change it with their address, and one that leads
 * elsewhere would have us send requests there: it counts where it is the device itself. */
static struct ph_url base_of(const struct description *d, const struct ph_url *from)
{
    struct ph_url base;

    if (ph_url_parse(d->url_base, strlen(d->url_base), &base) == PH_OK &&
        ph_addr_ip_eq(&base.addr, &from->addr))
        return base;
    return *from;
}

/* Resolves the control URLs and drops the services that have none on this device. */
static void resolve(struct description *d, const struct ph_url *from)
{
    struct ph_url base = base_of(d, from);
    struct ph_igd *igd = d->igd;
    size_t kept = 0;

    for (size_t i = 0; i < igd->count; i++) {
        struct ph_igd_service *s = &igd->services[i];

        if (ph_url_resolve(&base, d->control[i], strlen(d->control[i]), &s->control) == PH_OK &&
            ph_addr_ip_eq(&s->control.addr, &from->addr))
            igd->services[kept++] = *s;
    }
    memset(&igd->services[kept], 0, (igd->count - kept) * sizeof(igd->services[0]));
    igd->count = kept;
}

static void begin(void *user)
{
    struct description *d = user;
    struct ph_igd *igd = d->igd;

    *igd = (struct ph_igd){0};
    *d = (struct description){.igd = igd};
}

int ph_igd_parse_description(const char *xml, size_t len, const struct ph_url *from,
                             struct ph_igd *out)
{
    struct description d = {.igd = out};
    const struct ph_xml_sink sink = {&d, on_boundary, on_leaf, on_boundary};

    begin(&d);
    if (len > PH_IGD_XML_MAX)
        len = PH_IGD_XML_MAX;
    out->scanned = ph_xml_read(xml, len, PH_IGD_DEPTH_MAX, &sink, begin);
    if (out->scanned)
        end_service(&d);
    resolve(&d, from);
    return out->count > 0 ? PH_OK : PH_ERR_FORMAT;
}
