/* SOAP requests to services of hostile types, as a line of the input names them and as a device's
 * description yields them: every one is well-formed, tells both readers of XML what went in and
 * nothing else, and stays within its buffer. */
#include "base/err.h"
#include "wire/igd.h"
#include "wire/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DESCRIPTION_MAX 1000 /* bytes: with more the readers tell no leaf */
#define TOLD_MAX        8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

/* ---- What goes in */

struct input {
    const uint8_t *p;
    size_t left;
};

static void take(struct input *in, void *out, size_t len)
{
    size_t n = len < in->left ? len : in->left;

    memset(out, 0, len);
    if (n > 0)
        memcpy(out, in->p, n);
    in->p += n;
    in->left -= n;
}

/* Up to the end of a line; what does not fit is passed over. */
static void take_line(struct input *in, char *out, size_t cap)
{
    size_t n = 0;

    while (in->left > 0 && *in->p != '\n' && *in->p != '\0') {
        if (n < cap - 1)
            out[n++] = (char)*in->p;
        in->p++;
        in->left--;
    }
    out[n] = '\0';
    if (in->left > 0) {
        in->p++;
        in->left--;
    }
}

struct values {
    struct ph_igd_mapping m;
    uint16_t unique_id;
    uint16_t cap;
    char description[DESCRIPTION_MAX];
};

static void take_values(struct input *in, struct values *v)
{
    static const uint8_t families[] = {PH_AF_NONE, PH_AF_V4, PH_AF_V6};
    uint8_t family;

    take(in, &v->m.external_port, sizeof(v->m.external_port));
    take(in, &v->m.internal_port, sizeof(v->m.internal_port));
    take(in, &v->m.lease_s, sizeof(v->m.lease_s));
    take(in, &v->unique_id, sizeof(v->unique_id));
    take(in, &v->cap, sizeof(v->cap));
    take(in, &family, 1);
    v->m.internal.port = 9; /* of no matter */
    v->m.internal.family = families[family % 3];
    if (v->m.internal.family != PH_AF_NONE)
        take(in, v->m.internal.ip, v->m.internal.family == PH_AF_V4 ? 4 : 16);
    take_line(in, v->description, sizeof(v->description));
    v->m.description = v->description;
}

/* ---- Requests */

enum request {
    EXTERNAL_ADDRESS,
    STATUS,
    ADD,
    ADD_ANY,
    DELETE,
    QUERY,
    ADD_PINHOLE,
    UPDATE_PINHOLE,
    DELETE_PINHOLE,
    REQUESTS,
};

static const char *const names[REQUESTS] = {
    "GetExternalIPAddress", "GetStatusInfo",     "AddPortMapping",
    "AddAnyPortMapping",    "DeletePortMapping", "GetSpecificPortMappingEntry",
    "AddPinhole",           "UpdatePinhole",     "DeletePinhole",
};

static int build(enum request r, const struct ph_igd_service *s, const struct values *v, char *out,
                 size_t cap, char action[PH_IGD_ACTION_MAX])
{
    switch (r) {
    case EXTERNAL_ADDRESS:
        return ph_igd_external_address(s, out, cap, action);
    case STATUS:
        return ph_igd_status(s, out, cap, action);
    case ADD:
    case ADD_ANY:
        return ph_igd_add(s, &v->m, r == ADD_ANY, out, cap, action);
    case DELETE:
        return ph_igd_delete(s, v->m.external_port, out, cap, action);
    case QUERY:
        return ph_igd_query(s, v->m.external_port, out, cap, action);
    case ADD_PINHOLE:
        return ph_igd_add_pinhole(s, &v->m, out, cap, action);
    case UPDATE_PINHOLE:
        return ph_igd_update_pinhole(s, v->unique_id, v->m.lease_s, out, cap, action);
    case DELETE_PINHOLE:
        return ph_igd_delete_pinhole(s, v->unique_id, out, cap, action);
    case REQUESTS:
        break;
    }
    abort();
}

/* A port of 0 is a wildcard, and a mapping leads somewhere. */
static bool is_valid(enum request r, const struct values *v)
{
    bool leads = v->m.internal_port != 0 && ph_addr_is_set(&v->m.internal);

    switch (r) {
    case ADD:
    case ADD_ANY:
        return leads && v->m.external_port != 0;
    case DELETE:
    case QUERY:
        return v->m.external_port != 0;
    case ADD_PINHOLE:
        return leads;
    default:
        return true;
    }
}

/* ---- What comes out of them */

/* Elements and their text, a line each. */
struct told {
    char p[TOLD_MAX];
    size_t len;
};

static void tell(struct told *t, const char *what, struct ph_span name, struct ph_span text)
{
    int n = snprintf(t->p + t->len, sizeof(t->p) - t->len, "%s %.*s=%.*s\n", what, (int)name.len,
                     name.p, (int)text.len, text.p);

    check(n > 0 && (size_t)n < sizeof(t->p) - t->len);
    t->len += (size_t)n;
}

static void on_open(void *user, struct ph_span name)
{
    tell(user, "open", name, (struct ph_span){"", 0});
}

static void on_leaf(void *user, struct ph_span name, struct ph_span text)
{
    tell(user, "leaf", name, text);
}

static void on_close(void *user, struct ph_span name)
{
    tell(user, "close", name, (struct ph_span){"", 0});
}

static struct ph_span span(const char *text)
{
    return (struct ph_span){text, strlen(text)};
}

static void argument(struct told *t, const char *name, const char *value)
{
    on_open(t, span(name));
    on_leaf(t, span(name), ph_span_trim(span(value)));
    on_close(t, span(name));
}

static void number(struct told *t, const char *name, uint32_t value)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", (unsigned)value);
    argument(t, name, text);
}

static void arguments(struct told *t, enum request r, const struct values *v)
{
    char ip[PH_ADDR_STRLEN], description[DESCRIPTION_MAX];

    if (r == ADD || r == ADD_ANY || r == DELETE || r == QUERY) {
        argument(t, "NewRemoteHost", "");
        number(t, "NewExternalPort", v->m.external_port);
        argument(t, "NewProtocol", "UDP");
    }
    if (r == ADD || r == ADD_ANY) {
        memcpy(description, v->description, sizeof(description));
        for (char *c = description; *c != '\0'; c++)
            *c = *c >= ' ' && *c <= '~' ? *c : '?';
        number(t, "NewInternalPort", v->m.internal_port);
        argument(t, "NewInternalClient", ph_addr_format_ip(&v->m.internal, ip));
        argument(t, "NewEnabled", "1");
        argument(t, "NewPortMappingDescription", description);
        number(t, "NewLeaseDuration", v->m.lease_s);
    }
    if (r == ADD_PINHOLE) {
        argument(t, "RemoteHost", "");
        number(t, "RemotePort", 0);
        argument(t, "InternalClient", ph_addr_format_ip(&v->m.internal, ip));
        number(t, "InternalPort", v->m.internal_port);
        number(t, "Protocol", 17);
        number(t, "LeaseTime", v->m.lease_s);
    }
    if (r == UPDATE_PINHOLE || r == DELETE_PINHOLE)
        number(t, "UniqueID", v->unique_id);
    if (r == UPDATE_PINHOLE)
        number(t, "NewLeaseTime", v->m.lease_s);
}

static void expect(struct told *t, enum request r, const struct values *v)
{
    t->len = 0;
    on_open(t, span("Envelope"));
    on_open(t, span("Body"));
    on_open(t, span(names[r]));
    if (r == EXTERNAL_ADDRESS || r == STATUS)
        on_leaf(t, span(names[r]), span(""));
    arguments(t, r, v);
    on_close(t, span(names[r]));
    on_close(t, span("Body"));
    on_close(t, span("Envelope"));
}

static void check_told(const char *body, size_t len, enum request r, const struct values *v)
{
    static struct told expected, parsed, scanned;
    const struct ph_xml_sink parse = {&parsed, on_open, on_leaf, on_close};
    const struct ph_xml_sink scan = {&scanned, on_open, on_leaf, on_close};

    expect(&expected, r, v);
    parsed.len = scanned.len = 0;
    check(ph_xml_parse(body, len, PH_IGD_DEPTH_MAX, &parse) == PH_OK);
    ph_xml_scan(body, len, &scan);
    check(parsed.len == expected.len && memcmp(parsed.p, expected.p, expected.len) == 0);
    check(scanned.len == expected.len && memcmp(scanned.p, expected.p, expected.len) == 0);
}

/* In a block of its own, so that writing past it shows. */
static void check_cap(enum request r, const struct ph_igd_service *s, const struct values *v,
                      size_t cap, int whole)
{
    char action[PH_IGD_ACTION_MAX], *out = malloc(cap);
    int len;

    check(out != NULL || cap == 0);
    len = build(r, s, v, out, cap, action);
    check(len == (cap > (size_t)whole ? whole : PH_ERR_SPACE));
    check(len < 0 || strlen(out) == (size_t)len);
    free(out);
}

static void check_request(enum request r, const struct ph_igd_service *s, const struct values *v)
{
    static char out[4 * PH_IGD_BODY_MAX];
    char action[PH_IGD_ACTION_MAX], expected[2 * PH_IGD_ACTION_MAX];
    int len = build(r, s, v, out, sizeof(out), action);

    if (!is_valid(r, v)) {
        check(len == PH_ERR_INVAL);
        return;
    }
    check(len > 0 && strlen(out) == (size_t)len);
    snprintf(expected, sizeof(expected), "%s#%s", s->type, names[r]);
    check(strcmp(action, expected) == 0);
    check_told(out, (size_t)len, r, v);
    check_cap(r, s, v, v->cap % sizeof(out), len);
    check_cap(r, s, v, (size_t)len, len);
    check_cap(r, s, v, (size_t)len + 1, len);
}

static void check_service(const struct ph_igd_service *s, const struct values *v)
{
    for (enum request r = EXTERNAL_ADDRESS; r < REQUESTS; r++)
        check_request(r, s, v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char location[] = "http://192.168.1.1:5000/a/desc.xml";
    struct input in = {data, size};
    struct values v = {0};
    struct ph_igd_service named = {.kind = PH_IGD_WANIP, .version = 1};
    struct ph_url from;
    struct ph_igd igd;

    take_values(&in, &v);
    take_line(&in, named.type, sizeof(named.type));
    check_service(&named, &v);
    check(ph_url_parse(location, strlen(location), &from) == PH_OK);
    ph_igd_parse_description((const char *)in.p, in.left, &from, &igd);
    for (size_t i = 0; i < igd.count; i++)
        check_service(&igd.services[i], &v);
    return 0;
}
