#include "wire/hardnat.h"

#include "base/err.h"
#include "wire/signal_field.h"

#include <string.h>

/* Numbers of fields on the wire. They never change and are never used again for something else;
 * both messages share them. */
enum field {
    F_CALL_ID = 1,
    F_GENERATION = 2,
    F_FINAL = 3,
    F_PORTS = 4, /* 16 bits each: port_sequence, acceptor_ports */
    F_PROBE_TIME = 5,
    F_ALLOCATION = 6, /* text */
    F_EXTERNAL = 7,
    F_BEHAVIOUR = 8, /* udp, mapping, filtering, gateway: 8 bits each */
    F_RANGE = 9,     /* low, high: 16 bits each; probe: aligned (8); start: stride (16) */
    F_RATE = 10,     /* rate, low, high: 32 bits each */
    F_EVIDENCE = 11, /* confidence, samples: 16 bits each, addresses: 8 */
    F_PRIVILEGED = 12,
    F_BUDGET = 13, /* probes, openers, rate, burst: 16 bits each */
    F_RTTS = 14,   /* relay's, STUN's: 32 bits each */
    F_MOVE = 15,   /* move (8), phase (8), index (16), round (16) */
    F_START_AT = 16,
    F_COUNT = 17,
};

static void call_id_field(struct ph_writer *w, const uint8_t id[PH_CALL_ID_LEN])
{
    ph_field_begin(w, F_CALL_ID, PH_CALL_ID_LEN);
    ph_write_bytes(w, id, PH_CALL_ID_LEN);
}

static void ports_field(struct ph_writer *w, const uint16_t *ports, size_t n)
{
    if (n == 0)
        return;
    ph_field_begin(w, F_PORTS, 2 * n);
    for (size_t i = 0; i < n; i++)
        ph_write_u16(w, ports[i]);
}

static void write_probe(struct ph_writer *w, const struct ph_hard_probe *p)
{
    call_id_field(w, p->call_id);
    ph_field_u32(w, F_GENERATION, p->generation);
    ph_field_u8(w, F_FINAL, p->final);
    ports_field(w, p->port_sequence, p->port_count);
    ph_field_u32(w, F_PROBE_TIME, p->probe_time_ms);
    ph_field_text(w, F_ALLOCATION, p->allocation);
    ph_field_addr(w, F_EXTERNAL, &p->external);
    ph_field_begin(w, F_BEHAVIOUR, 4);
    ph_write_u8(w, p->udp);
    ph_write_u8(w, p->mapping);
    ph_write_u8(w, p->filtering);
    ph_write_u8(w, p->gateway);
    if (p->low || p->high) {
        ph_field_begin(w, F_RANGE, 5);
        ph_write_u16(w, p->low);
        ph_write_u16(w, p->high);
        ph_write_u8(w, p->aligned);
    }
    if (p->rated) {
        ph_field_begin(w, F_RATE, 12);
        ph_write_u32(w, p->rate);
        ph_write_u32(w, p->rate_low);
        ph_write_u32(w, p->rate_high);
    }
    ph_field_begin(w, F_EVIDENCE, 5);
    ph_write_u16(w, p->confidence);
    ph_write_u16(w, p->samples);
    ph_write_u8(w, p->addresses);
    ph_field_u8(w, F_PRIVILEGED, p->privileged);
    ph_field_begin(w, F_BUDGET, 8);
    ph_write_u16(w, p->probes);
    ph_write_u16(w, p->openers);
    ph_write_u16(w, p->packet_rate);
    ph_write_u16(w, p->burst);
    ph_field_begin(w, F_RTTS, 8);
    ph_write_u32(w, p->relay_rtt_ms);
    ph_write_u32(w, p->stun_rtt_ms);
}

static void write_start(struct ph_writer *w, const struct ph_hard_start *s)
{
    call_id_field(w, s->call_id);
    ph_field_begin(w, F_MOVE, 6);
    ph_write_u8(w, s->move);
    ph_write_u8(w, s->phase);
    ph_write_u16(w, s->index);
    ph_write_u16(w, s->round);
    ph_field_u32(w, F_START_AT, s->start_at_ms);
    ph_field_begin(w, F_COUNT, 2);
    ph_write_u16(w, s->acceptor_port_count);
    ports_field(w, s->acceptor_ports, s->port_count);
    if (s->low || s->high) {
        ph_field_begin(w, F_RANGE, 6);
        ph_write_u16(w, s->low);
        ph_write_u16(w, s->high);
        ph_write_u16(w, s->stride);
    }
}

int ph_hard_encode(const struct ph_hard_message *m, uint8_t *out, size_t cap)
{
    struct ph_writer w = ph_writer_init(out, cap < PH_HARD_MESSAGE_MAX ? cap : PH_HARD_MESSAGE_MAX);

    ph_message_begin(&w, m->type);
    switch (m->type) {
    case PH_HARD_NAT_PROBE:
        if (m->probe.port_count > PH_HARD_SEQUENCE_MAX ||
            !memchr(m->probe.allocation, '\0', sizeof(m->probe.allocation)))
            return PH_ERR_INVAL;
        write_probe(&w, &m->probe);
        break;
    case PH_HARD_NAT_BIRTHDAY_START:
        if (m->start.port_count > PH_HARD_PORTS_MAX)
            return PH_ERR_INVAL;
        write_start(&w, &m->start);
        break;
    default:
        return PH_ERR_INVAL;
    }
    return ph_message_end(&w);
}

static size_t read_ports(struct ph_reader *r, uint16_t *out, size_t cap)
{
    size_t n = 0;

    while (n < cap && ph_reader_left(r) >= 2)
        out[n++] = ph_read_u16(r);
    return n;
}

static void read_probe_field(unsigned id, struct ph_reader *r, struct ph_hard_probe *p)
{
    switch (id) {
    case F_CALL_ID:
        ph_read_copy(r, p->call_id, sizeof(p->call_id));
        break;
    case F_GENERATION:
        p->generation = ph_read_u32(r);
        break;
    case F_FINAL:
        p->final = ph_read_u8(r) != 0;
        break;
    case F_PORTS:
        p->port_count = read_ports(r, p->port_sequence, PH_HARD_SEQUENCE_MAX);
        break;
    case F_PROBE_TIME:
        p->probe_time_ms = ph_read_u32(r);
        break;
    case F_ALLOCATION:
        ph_field_read_text(r, ph_reader_left(r), p->allocation, sizeof(p->allocation));
        break;
    case F_EXTERNAL:
        p->external = ph_field_read_addr(r);
        break;
    case F_BEHAVIOUR:
        p->udp = ph_read_u8(r);
        p->mapping = ph_read_u8(r);
        p->filtering = ph_read_u8(r);
        p->gateway = ph_read_u8(r);
        break;
    case F_RANGE:
        p->low = ph_read_u16(r);
        p->high = ph_read_u16(r);
        p->aligned = ph_read_u8(r) != 0;
        break;
    case F_RATE:
        p->rated = true;
        p->rate = ph_read_u32(r);
        p->rate_low = ph_read_u32(r);
        p->rate_high = ph_read_u32(r);
        break;
    case F_EVIDENCE:
        p->confidence = ph_read_u16(r);
        p->samples = ph_read_u16(r);
        p->addresses = ph_read_u8(r);
        break;
    case F_PRIVILEGED:
        p->privileged = ph_read_u8(r) != 0;
        break;
    case F_BUDGET:
        p->probes = ph_read_u16(r);
        p->openers = ph_read_u16(r);
        p->packet_rate = ph_read_u16(r);
        p->burst = ph_read_u16(r);
        break;
    case F_RTTS:
        p->relay_rtt_ms = ph_read_u32(r);
        p->stun_rtt_ms = ph_read_u32(r);
        break;
    default:
        break;
    }
}

static void read_start_field(unsigned id, struct ph_reader *r, struct ph_hard_start *s)
{
    switch (id) {
    case F_CALL_ID:
        ph_read_copy(r, s->call_id, sizeof(s->call_id));
        break;
    case F_MOVE:
        s->move = ph_read_u8(r);
        s->phase = ph_read_u8(r);
        s->index = ph_read_u16(r);
        s->round = ph_read_u16(r);
        if (s->phase > PH_HARD_OVER)
            s->phase = 0;
        break;
    case F_START_AT:
        s->start_at_ms = ph_read_u32(r);
        break;
    case F_COUNT:
        s->acceptor_port_count = ph_read_u16(r);
        break;
    case F_PORTS:
        s->port_count = read_ports(r, s->acceptor_ports, PH_HARD_PORTS_MAX);
        break;
    case F_RANGE:
        s->low = ph_read_u16(r);
        s->high = ph_read_u16(r);
        s->stride = ph_read_u16(r);
        break;
    default:
        break;
    }
}

int ph_hard_decode(const uint8_t *data, size_t len, struct ph_hard_message *out)
{
    struct ph_reader fields, value;
    unsigned type, id;
    int taken = ph_message_read(data, len, PH_HARD_MESSAGE_MAX, &type, &fields);

    memset(out, 0, sizeof(*out));
    if (taken < 0 || (type != PH_HARD_NAT_PROBE && type != PH_HARD_NAT_BIRTHDAY_START))
        return taken;
    out->type = (enum ph_hard_type)type;
    while (ph_field_next(&fields, &id, &value)) {
        if (type == PH_HARD_NAT_PROBE)
            read_probe_field(id, &value, &out->probe);
        else
            read_start_field(id, &value, &out->start);
        fields.bad |= value.bad;
    }
    if (fields.bad) {
        memset(out, 0, sizeof(*out));
        return PH_ERR_FORMAT;
    }
    return taken;
}
