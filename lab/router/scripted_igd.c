/* The description of an Internet gateway device, and the forms that it takes in the field. */
#include "lab/router/scripted_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OVER_16K 20000
#define HUGE     1048576

struct document {
    FILE *f;
    const struct scripted *s;
    const char *prefix; /* of every element */
    unsigned version;
};

unsigned scripted_igd_version(const struct scripted *s)
{
    return has(s, F_IGD2_ANY_PORT) || has(s, F_IGD2_TRANSPORT_ERROR) ? 2 : 1;
}

void scripted_igd_service(const struct scripted *s, char out[IGD_TYPE_MAX])
{
    if (has(s, F_PPP_CONNECTION))
        (void)snprintf(out, IGD_TYPE_MAX, "urn:schemas-upnp-org:service:WANPPPConnection:1");
    else
        (void)snprintf(out, IGD_TYPE_MAX, "urn:schemas-upnp-org:service:WANIPConnection:%u",
                       scripted_igd_version(s));
}

static void element(const struct document *d, const char *name, const char *text)
{
    (void)fprintf(d->f, "<%s%s>%s</%s%s>\n", d->prefix, name, text, d->prefix, name);
}

static void open_element(const struct document *d, const char *name)
{
    (void)fprintf(d->f, "<%s%s>\n", d->prefix, name);
}

static void close_element(const struct document *d, const char *name)
{
    (void)fprintf(d->f, "</%s%s>\n", d->prefix, name);
}

static void device_head(const struct document *d, const char *kind, unsigned version,
                        const char *name)
{
    char type[96], udn[64];
    (void)snprintf(type, sizeof(type), "urn:schemas-upnp-org:device:%s:%u", kind, version);
    (void)snprintf(udn, sizeof(udn), "uuid:7363726e-0001-4000-8000-%02x%02x%02x%02x0001",
                   d->s->lan.ip[0], d->s->lan.ip[1], d->s->lan.ip[2], d->s->lan.ip[3]);
    element(d, "deviceType", type);
    element(d, "friendlyName", name);
    element(d, "manufacturer", has(d->s, F_RAW_AMPERSAND) ? "Smith & Sons" : "Smith and Sons");
    element(d, "modelName", "Scripted");
    if (has(d->s, F_MISMATCHED_TAGS))
        (void)fprintf(d->f, "<%smodelNumber>1</%smodelnumber>\n</%sspecVersion>\n", d->prefix,
                      d->prefix, d->prefix);
    if (has(d->s, F_UNDECLARED_PREFIX))
        (void)fprintf(d->f, "<pnpx:X_hardwareId>VEN_0001</pnpx:X_hardwareId>\n");
    element(d, "UDN", udn);
}

static void service(const struct document *d, const char *type, const char *id, const char *control,
                    const char *scpd)
{
    char full[96];
    open_element(d, "service");
    element(d, "serviceType", type);
    (void)snprintf(full, sizeof(full), "urn:upnp-org:serviceId:%s", id);
    element(d, "serviceId", full);
    if (has(d->s, F_WHITE_SPACE_CONTROL_URL))
        (void)snprintf(full, sizeof(full), "\r\n\t  %s \r\n\t", control);
    else
        (void)snprintf(full, sizeof(full), "%s", control);
    element(d, "controlURL", full);
    element(d, "eventSubURL", "/evt");
    element(d, "SCPDURL", scpd);
    close_element(d, "service");
}

static void icons(const struct document *d, size_t bytes)
{
    open_element(d, "iconList");
    for (size_t at = 0; at < bytes;) {
        int n = fprintf(d->f,
                        "<%sicon><%smimetype>image/png</%smimetype><%swidth>48</%swidth>"
                        "<%surl>/icons/of/no/use/%08zu.png</%surl></%sicon>\n",
                        d->prefix, d->prefix, d->prefix, d->prefix, d->prefix, d->prefix, at,
                        d->prefix, d->prefix);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    close_element(d, "iconList");
}

static void gateway(const struct document *d, const char *name, const char *control)
{
    char type[IGD_TYPE_MAX];
    bool ppp = has(d->s, F_PPP_CONNECTION);
    scripted_igd_service(d->s, type);
    device_head(d, "InternetGatewayDevice", d->version, name);
    if (has(d->s, F_OVER_16K) || has(d->s, F_HUGE_ANSWERS))
        icons(d, has(d->s, F_HUGE_ANSWERS) ? HUGE : OVER_16K);
    open_element(d, "deviceList");
    open_element(d, "device");
    device_head(d, "WANDevice", d->version, "WANDevice");
    open_element(d, "serviceList");
    service(d, "urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1", "WANCommonIFC1",
            "/ctl/CmnIfCfg", "/WANCfg.xml");
    close_element(d, "serviceList");
    open_element(d, "deviceList");
    open_element(d, "device");
    device_head(d, "WANConnectionDevice", d->version, "WANConnectionDevice");
    open_element(d, "serviceList");
    service(d, type, ppp ? "WANPPPConn1" : "WANIPConn1", control, "/WANConn.xml");
    close_element(d, "serviceList");
    close_element(d, "device");
    close_element(d, "deviceList");
    close_element(d, "device");
    close_element(d, "deviceList");
    element(d, "presentationURL", "/");
}

char *scripted_igd_description(const struct scripted *s, enum igd_device device, size_t *len)
{
    char *text = NULL;
    struct document d = {
        .s = s, .prefix = has(s, F_NAMESPACES) ? "d:" : "", .version = scripted_igd_version(s)};
    d.f = open_memstream(&text, len);
    if (d.f == NULL)
        return NULL;
    if (has(s, F_STRAY_BYTES))
        (void)fwrite("\r\n\x01\x02", 1, 4, d.f);
    (void)fprintf(d.f,
                  "<?xml version=\"1.0\"?>\n<%sroot xmlns%s=\"urn:schemas-upnp-org:device-1-0\">\n",
                  d.prefix, d.prefix[0] != '\0' ? ":d" : "");
    open_element(&d, "specVersion");
    element(&d, "major", "1");
    element(&d, "minor", "0");
    close_element(&d, "specVersion");
    open_element(&d, "device");
    if (device == IGD_TOY)
        device_head(&d, "Basic", 1, "A lamp");
    else
        gateway(&d, device == IGD_ROUTER ? "Scripted router" : "An access point",
                device == IGD_ROUTER ? "/ctl/conn" : "/ap/conn");
    close_element(&d, "device");
    close_element(&d, "root");
    if (has(s, F_STRAY_BYTES))
        (void)fwrite("\0\0--\xff", 1, 5, d.f);
    if (fclose(d.f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

char *scripted_igd_scpd(size_t *len)
{
    static const char scpd[] = "<?xml version=\"1.0\"?>\n"
                               "<scpd xmlns=\"urn:schemas-upnp-org:service-1-0\"><specVersion>"
                               "<major>1</major><minor>0</minor></specVersion><actionList>"
                               "</actionList><serviceStateTable></serviceStateTable></scpd>\n";
    char *text = strdup(scpd);
    *len = sizeof(scpd) - 1;
    return text;
}
