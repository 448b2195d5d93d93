#include "wire/igd.h"

#include "base/err.h"
#include "wire/xml.h"

struct answer {
    struct ph_igd_answer *out;
    bool response, fault;
    bool has_port, has_internal_port;
    uint16_t internal_port;
};

static bool ends_with(struct ph_span s, const char *text, size_t len)
{
    struct ph_span tail;

    if (s.len < len)
        return false;
    tail = (struct ph_span){s.p + s.len - len, len};
    return ph_span_is(&tail, text);
}

static void on_open(void *user, struct ph_span name)
{
    static const char response[] = "Response";
    struct answer *a = user;

    if (ph_span_is(&name, "Fault") || ph_span_is(&name, "UPnPError"))
        a->fault = true;
    else if (ends_with(name, response, sizeof(response) - 1))
        a->response = true;
}

static void on_close(void *user, struct ph_span name)
{
    (void)user;
    (void)name;
}

/* A bare address of either family. */
static void read_ip(struct ph_span text, struct ph_addr *out)
{
    char copy[PH_ADDR_STRLEN];
    struct ph_addr a;

    if (ph_addr_is_set(out) || text.len >= sizeof(copy))
        return;
    ph_span_copy(&text, copy, sizeof(copy));
    if (ph_addr_parse(copy, &a) == PH_OK && a.port == 0)
        *out = a;
}

static void read_u16(struct ph_span text, uint16_t *out, bool *has)
{
    uint64_t v;

    if (*has || !ph_span_number(&text, UINT16_MAX, &v))
        return;
    *out = (uint16_t)v;
    *has = true;
}

static void read_lease(struct ph_span text, struct ph_igd_answer *out)
{
    uint64_t v;

    if (out->has_lease || !ph_span_number(&text, UINT32_MAX, &v))
        return;
    out->lease_s = (uint32_t)v;
    out->has_lease = true;
}

static void read_status(struct ph_span text, struct ph_igd_answer *out)
{
    if (out->has_status)
        return;
    out->connected = ph_span_is(&text, "Connected") || ph_span_is(&text, "Up");
    out->has_status = true;
}

static void read_error(struct ph_span text, struct ph_igd_answer *out)
{
    uint64_t v;

    if (out->error == 0 && ph_span_number(&text, 99999, &v))
        out->error = (int)v;
}

/* Wherever it stands, and of two the first. */
static void on_leaf(void *user, struct ph_span name, struct ph_span text)
{
    struct answer *a = user;
    struct ph_igd_answer *out = a->out;

    if (ph_span_is(&name, "errorCode"))
        read_error(text, out);
    else if (ph_span_is(&name, "NewExternalIPAddress"))
        read_ip(text, &out->external);
    else if (ph_span_is(&name, "NewReservedPort") || ph_span_is(&name, "NewExternalPort"))
        read_u16(text, &out->port, &a->has_port);
    else if (ph_span_is(&name, "NewInternalClient"))
        read_ip(text, &out->internal);
    else if (ph_span_is(&name, "NewInternalPort"))
        read_u16(text, &a->internal_port, &a->has_internal_port);
    else if (ph_span_is(&name, "NewConnectionStatus"))
        read_status(text, out);
    else if (ph_span_is(&name, "NewLeaseDuration"))
        read_lease(text, out);
    else if (ph_span_is(&name, "UniqueID"))
        read_u16(text, &out->unique_id, &out->has_unique_id);
}

static void begin(void *user)
{
    struct answer *a = user;
    struct ph_igd_answer *out = a->out;

    *out = (struct ph_igd_answer){0};
    *a = (struct answer){.out = out};
}

int ph_igd_parse_answer(const char *xml, size_t len, struct ph_igd_answer *out)
{
    struct answer a = {.out = out};
    const struct ph_xml_sink sink = {&a, on_open, on_leaf, on_close};

    begin(&a);
    ph_xml_read(xml, len < PH_IGD_XML_MAX ? len : PH_IGD_XML_MAX, PH_IGD_DEPTH_MAX, &sink, begin);
    if (ph_addr_is_set(&out->internal))
        out->internal.port = a.internal_port;
    if (!a.fault)
        out->error = 0;
    else if (out->error == 0) /* a fault without UPnP's code in it */
        out->error = PH_IGD_ACTION_FAILED;
    if (a.fault || a.response)
        return PH_OK;
    *out = (struct ph_igd_answer){0};
    return PH_ERR_FORMAT;
}

const char *ph_igd_error_text(int code)
{
    switch (code) {
    case 0:
        return "success";
    case 401:
        return "invalid action";
    case PH_IGD_INVALID_ARGS:
        return "invalid arguments";
    case PH_IGD_ACTION_FAILED:
        return "action failed";
    case PH_IGD_NOT_AUTHORIZED:
        return "not authorized";
    case PH_IGD_PINHOLE_SPACE_EXHAUSTED:
        return "no space for another pinhole";
    case 702:
        return "the firewall is switched off";
    case 703:
        return "pinholes are not allowed";
    case 704:
        return "no such pinhole";
    case 705:
        return "this protocol is not supported";
    case PH_IGD_NO_SUCH_ENTRY:
        return "no such mapping";
    case 708: /* of a firewall */
    case 715:
        return "a remote host has to be named";
    case 716:
        return "the external port cannot be a wildcard";
    case PH_IGD_CONFLICT:
        return "the port is mapped to another client";
    case 724:
        return "the external and the internal port have to be the same";
    case PH_IGD_ONLY_PERMANENT:
        return "only permanent leases are supported";
    case 726:
        return "the remote host has to be a wildcard";
    case 727:
        return "the external port has to be a wildcard";
    case 728:
        return "no port is left";
    case PH_IGD_CONFLICT_MECHANISM:
        return "the port is taken by another mechanism of the router";
    case 732:
        return "the internal port cannot be a wildcard";
    default:
        return "unknown error code";
    }
}
