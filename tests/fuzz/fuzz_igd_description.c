/* Descriptions of gateway devices: whatever they say, what comes of them stays on the device that
 * sent them, can stand in a request, and gives well-formed SOAP. */
#include "base/err.h"
#include "wire/igd.h"
#include "wire/xml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static void no_tag(void *user, struct ph_span name)
{
    (void)user;
    (void)name;
}

static void no_leaf(void *user, struct ph_span name, struct ph_span text)
{
    (void)user;
    (void)name;
    (void)text;
}

static bool printable(const char *text, size_t cap, char least)
{
    size_t len = strnlen(text, cap);

    for (size_t i = 0; i < len; i++) {
        if (text[i] < least || text[i] >= 0x7f)
            return false;
    }
    return len < cap;
}

static void check_service(const struct ph_igd_service *s, const struct ph_url *from)
{
    const struct ph_xml_sink sink = {NULL, no_tag, no_leaf, no_tag};
    const struct ph_igd_mapping m = {1, 2, ph_addr_v4(192, 168, 1, 2, 0), 3, "<&>"};
    char out[PH_IGD_BODY_MAX], action[PH_IGD_ACTION_MAX];
    int len;

    check(s->kind >= PH_IGD_WANIP && s->kind <= PH_IGD_FIREWALL6 && s->version > 0);
    check(ph_addr_ip_eq(&s->control.addr, &from->addr) && s->control.addr.port != 0);
    check(s->control.path[0] == '/' && printable(s->control.path, sizeof(s->control.path), '!'));
    check(printable(s->control.host, sizeof(s->control.host), '!'));
    check(printable(s->type, sizeof(s->type), '!') && strpbrk(s->type, "\"<>&") == NULL);
    len = ph_igd_add(s, &m, true, out, sizeof(out), action);
    check(len > 0 && strlen(action) < PH_IGD_ACTION_MAX - 1);
    check(ph_xml_parse(out, (size_t)len, PH_IGD_DEPTH_MAX, &sink) == PH_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char location[] = "http://192.168.1.1:5000/a/desc.xml";
    struct ph_url from;
    struct ph_igd igd;
    int err;

    check(ph_url_parse(location, strlen(location), &from) == PH_OK);
    err = ph_igd_parse_description((const char *)data, size, &from, &igd);
    check(err == (igd.count > 0 ? PH_OK : PH_ERR_FORMAT));
    check(igd.count <= PH_IGD_SERVICES_MAX && printable(igd.name, sizeof(igd.name), ' '));
    for (size_t i = 0; i < igd.count; i++)
        check_service(&igd.services[i], &from);
    return 0;
}
