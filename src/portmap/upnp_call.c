#include "portmap/upnp_call.h"

#include "base/err.h"

static int start(struct ph_upnp_call *c, struct ph_outlet *o, ph_ns now, const struct ph_url *url,
                 const struct ph_addr *local, struct ph_http_request *request)
{
    request->server = url->addr;
    request->host = url->host;
    request->path = url->path;
    request->timeout = PH_UPNP_CALL_TIMEOUT;
    if (local->family == url->addr.family)
        request->local = *local;
    c->started = now;
    int err = ph_outlet_http(o, request, &c->id);
    if (err != PH_OK)
        c->id = 0;
    return err;
}

int ph_upnp_call_fetch(struct ph_upnp_call *c, struct ph_outlet *o, ph_ns now,
                       const struct ph_url *url, const struct ph_addr *local)
{
    struct ph_http_request request = {.answer_max = PH_IGD_XML_MAX};
    return start(c, o, now, url, local, &request);
}

int ph_upnp_call_soap(struct ph_upnp_call *c, struct ph_outlet *o, ph_ns now,
                      const struct ph_url *url, const struct ph_addr *local, const char *action,
                      const char *body, int len)
{
    if (len < 0)
        return len;
    struct ph_http_request request = {
        .soap_action = action,
        .body = body,
        .body_len = (size_t)len,
        .answer_max = PH_UPNP_ANSWER_MAX,
    };
    return start(c, o, now, url, local, &request);
}

void ph_upnp_call_cancel(struct ph_upnp_call *c, struct ph_outlet *o)
{
    if (c->id != 0)
        o->host->ops->http_cancel(o->host, c->id);
    c->id = 0;
}

bool ph_upnp_call_is(struct ph_upnp_call *c, ph_http id)
{
    if (c->id == 0 || c->id != id)
        return false;
    c->id = 0;
    return true;
}

void ph_upnp_call_read(const struct ph_upnp_call *c, ph_ns now, const struct ph_http_answer *a,
                       struct ph_upnp_result *out)
{
    *out = (struct ph_upnp_result){.code = a->status, .took = now - c->started};
    if (a->status == 0) {
        out->outcome = PH_UPNP_LOST;
    } else if (a->len == 0 ||
               ph_igd_parse_answer((const char *)a->body, a->len, &out->answer) != PH_OK) {
        out->outcome = a->error == PH_OK ? PH_UPNP_BROKEN : PH_UPNP_LOST;
    } else if (out->answer.error != 0) {
        out->outcome = PH_UPNP_FAULT;
        out->code = out->answer.error;
    } else if (a->status != 200) {
        out->outcome = PH_UPNP_BROKEN;
    } else {
        out->outcome = PH_UPNP_DONE;
        out->code = 0;
    }
}
