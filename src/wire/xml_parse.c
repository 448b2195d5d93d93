#include "wire/xml.h"

#include "base/err.h"
#include "wire/xml_private.h"

#include <expat.h>
#include <limits.h>
#include <string.h>

struct reader {
    XML_Parser expat;
    const struct ph_xml_sink *sink;
    unsigned depth, depth_max;
    bool in_leaf; /* no element has begun or ended since the last one began */
    bool stopped; /* expat still ends an empty element after it was stopped */
    struct ph_xml_text text;
};

void ph_xml_text_add(struct ph_xml_text *t, const char *p, size_t len)
{
    if (t->cut || len > sizeof(t->p) - t->len) {
        t->cut = true;
        return;
    }
    if (len > 0)
        memcpy(t->p + t->len, p, len);
    t->len += len;
}

void ph_xml_tell_leaf(const struct ph_xml_sink *sink, struct ph_span name,
                      const struct ph_xml_text *t)
{
    if (!t->cut)
        sink->leaf(sink->user, name, ph_span_trim((struct ph_span){t->p, t->len}));
}

struct ph_span ph_xml_local_name(const char *name, size_t len)
{
    const char *colon = memrchr(name, ':', len);

    if (colon == NULL)
        return (struct ph_span){name, len};
    return (struct ph_span){colon + 1, len - (size_t)(colon + 1 - name)};
}

static void stop(struct reader *r)
{
    r->stopped = true;
    XML_StopParser(r->expat, XML_FALSE);
}

static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *r = user;

    (void)attributes;
    if (r->stopped)
        return;
    if (r->depth == r->depth_max) {
        stop(r);
        return;
    }
    r->depth++;
    r->in_leaf = true;
    r->text.len = 0;
    r->text.cut = false;
    r->sink->open(r->sink->user, ph_xml_local_name(name, strlen(name)));
}

static void on_end(void *user, const XML_Char *name)
{
    struct reader *r = user;
    struct ph_span local = ph_xml_local_name(name, strlen(name));

    if (r->stopped)
        return;
    if (r->in_leaf)
        ph_xml_tell_leaf(r->sink, local, &r->text);
    r->in_leaf = false;
    r->depth--;
    r->sink->close(r->sink->user, local);
}

static void on_text(void *user, const XML_Char *text, int len)
{
    struct reader *r = user;

    if (r->in_leaf)
        ph_xml_text_add(&r->text, text, (size_t)len);
}

static void on_doctype(void *user, const XML_Char *name, const XML_Char *system,
                       const XML_Char *public, int has_internal_subset)
{
    (void)name;
    (void)system;
    (void)public;
    (void)has_internal_subset;
    stop(user);
}

int ph_xml_parse(const char *xml, size_t len, unsigned depth_max, const struct ph_xml_sink *sink)
{
    struct reader r = {.sink = sink, .depth_max = depth_max};
    enum XML_Status status;

    if (len > INT_MAX)
        return PH_ERR_FORMAT;
    /* Without expat's namespaces: a prefix that nobody declared is no reason to refuse. */
    r.expat = XML_ParserCreate(NULL);
    if (r.expat == NULL)
        return PH_ERR_NOMEM;
    XML_SetUserData(r.expat, &r);
    XML_SetElementHandler(r.expat, on_start, on_end);
    XML_SetCharacterDataHandler(r.expat, on_text);
    XML_SetStartDoctypeDeclHandler(r.expat, on_doctype);
    status = XML_Parse(r.expat, xml, (int)len, XML_TRUE);
    XML_ParserFree(r.expat);
    return status == XML_STATUS_OK ? PH_OK : PH_ERR_FORMAT;
}
