#include "portmap/outlet.h"

#include "base/err.h"
#include "base/trace.h"

void ph_outlet_send(struct ph_outlet *o, ph_sock sock, const struct ph_addr *peer, uint32_t scope,
                    const void *data, size_t len)
{
    struct ph_datagram d = {.peer = *peer, .data = data, .len = len, .scope = scope};
    o->packets++;
    o->bytes += len;
    o->host->ops->udp_send(o->host, sock, &d, 1);
}

int ph_outlet_http(struct ph_outlet *o, const struct ph_http_request *request, ph_http *id)
{
    if (!o->host->ops->http_start)
        return PH_ERR_SYS;
    int err = o->host->ops->http_start(o->host, request, id);
    if (err == PH_OK) {
        o->packets++;
        o->bytes += request->body_len;
    }
    return err;
}

void ph_outlet_trace(struct ph_outlet *o, const char *who, const struct ph_addr *server,
                     const char *from, const char *to)
{
    if (!o->host->ops->trace)
        return;
    char line[PH_TRACE_LINE];
    struct ph_json j = ph_json_begin(line, sizeof(line));
    ph_json_ns_ms(&j, "t_ms", ph_host_now(o->host));
    ph_json_str(&j, "who", who);
    if (server && ph_addr_is_set(server))
        ph_json_addr(&j, "server", server);
    ph_json_str(&j, "from", from);
    ph_json_str(&j, "to", to);
    o->host->ops->trace(o->host, ph_json_end(&j));
}
