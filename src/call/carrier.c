#include "call/carrier.h"

#include "call/agent.h"
#include "call/call.h"
#include "call/checks.h"
#include "wire/relay.h"

#include <string.h>

void ph_carrier_init(struct ph_carrier *k, struct ph_call *call)
{
    *k = (struct ph_carrier){.call = call};
}

static void send_by_relay(struct ph_carrier *k, const uint8_t *data, size_t len)
{
    uint8_t frame[PH_RELAY_FRAME_OVERHEAD + PH_QUIC_PACKET_MAX];
    if (len > PH_QUIC_PACKET_MAX)
        return;
    ph_relay_frame_header(frame, k->call->tag);
    memcpy(frame + PH_RELAY_FRAME_OVERHEAD, data, len);
    len += PH_RELAY_FRAME_OVERHEAD;
    struct ph_stage_report *r = &k->call->waterfall.stages[PH_STAGE_RELAY];
    r->packets++;
    r->bytes += len;
    ph_agent_send(k->call->agent, 0, &k->call->relay, 0, frame, len);
}

void ph_carrier_send(struct ph_carrier *k, const uint8_t *data, size_t len)
{
    const struct ph_steering *s = &k->call->steering;
    struct ph_path *p = k->forced ? k->target : s->path;
    if (k->forced)
        k->written_bytes += len;
    if (!p || (!k->forced && s->state == PH_STEERING_BOTH))
        send_by_relay(k, data, len);
    if (!p)
        return;
    p->bytes_out += len;
    ph_agent_send(k->call->agent, p->sock, &p->remote, 0, data, len);
}

static void hold(struct ph_carrier *k, const uint8_t *data, size_t len,
                 const struct ph_source *from)
{
    if (k->held_count == PH_HELD_MAX || len > PH_QUIC_PACKET_MAX)
        return;
    struct ph_held_packet *h = &k->held[k->held_count++];
    h->direct = from != NULL;
    h->from = from ? *from : (struct ph_source){0};
    h->len = len;
    memcpy(h->data, data, len);
}

void ph_carrier_read(struct ph_carrier *k, ph_ns now, const uint8_t *data, size_t len,
                     const struct ph_source *from)
{
    struct ph_call *c = k->call;
    if (!c->quic || c->quic_closed)
        return;
    /* Left to itself QUIC would keep this packet and read it together with a later one, which may
     * have come another way: then nobody could say by which path it came. */
    if (!ph_call_established(c) && ph_quic_is_short_header(data, len)) {
        hold(k, data, len, from);
        return;
    }
    k->reading_direct = from != NULL;
    k->reading_from = from ? *from : (struct ph_source){0};
    ph_quic_read(c->quic, now, data, len);
    k->reading_direct = false;
}

void ph_carrier_release_held(struct ph_carrier *k, ph_ns now)
{
    size_t n = k->held_count;
    k->held_count = 0; /* established by now: nothing is held again */
    for (size_t i = 0; i < n; i++) {
        struct ph_held_packet *h = &k->held[i];
        ph_carrier_read(k, now, h->data, h->len, h->direct ? &h->from : NULL);
    }
}

/* The low byte of a probe's number names the path that it tests: an echo proves no other. */
static uint64_t path_index(const struct ph_carrier *k, const struct ph_path *p)
{
    return (uint64_t)(p - k->call->paths.items);
}

bool ph_carrier_probe(struct ph_carrier *k, ph_ns now, struct ph_path *p)
{
    struct ph_call *c = k->call;
    if (!ph_call_established(c))
        return false;
    struct ph_inband m = {.kind = PH_INBAND_PROBE,
                          .number = ++k->next_probe << 8 | path_index(k, p)};
    int sent = ph_call_send_inband(c, now, &m, PH_INBAND_ECHO_LEN, p);
    if (sent <= 0)
        return false;
    p->probe = m.number;
    p->probe_sent = now;
    p->probes++;
    struct ph_stage_report *r = &c->waterfall.stages[ph_checks_stage_of(c, p)];
    r->packets++;
    r->bytes += (uint64_t)sent;
    return true;
}

void ph_carrier_on_probe(struct ph_carrier *k, ph_ns now, const struct ph_inband *m)
{
    if (!k->reading_direct || m->lane != PH_LANE_DIRECT)
        return;
    struct ph_path *p = ph_path_add_heard(&k->call->paths, &k->reading_from);
    if (!p)
        return;
    /* One echo for one probe, of its size: that amplifies nothing, whoever sent it on. */
    struct ph_inband echo = {
        .kind = PH_INBAND_ECHO, .number = m->number, .seen = k->reading_from.addr};
    p->echoed = true;
    ph_call_send_inband(k->call, now, &echo, 0, p);
    ph_checks_on_sealed(k->call, now, p);
}

void ph_carrier_on_echo(struct ph_carrier *k, ph_ns now, const struct ph_inband *m)
{
    if (!k->reading_direct || m->lane != PH_LANE_DIRECT)
        return;
    struct ph_path *p = ph_path_find(&k->call->paths, &k->reading_from);
    /* An echo of an earlier probe of this path proves it as well: numbers are never used twice, and
     * only the peer could read them. */
    if (!p || p->probe_sent == PH_NEVER || m->number == 0 || m->number > p->probe ||
        (m->number & 0xff) != path_index(k, p))
        return;
    if (!ph_agent_is_own_ip(k->call->agent, &m->seen)) {
        ph_call_trace(k->call, "path", "echo", "seen from an address that is not ours");
        return;
    }
    if (m->number == p->probe)
        p->rtt = now > p->probe_sent ? now - p->probe_sent : 1;
    p->seen = m->seen;
    p->state = PH_PATH_PROVED;
    ph_warm_on_echo(&k->call->warm, now, p);
    ph_checks_on_proved(k->call, now, p);
}
