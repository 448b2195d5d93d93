#include "call/registrar.h"

#include "base/err.h"
#include "call/agent.h"

#include <string.h>

#define BACKOFF_FIRST PH_SEC
#define BACKOFF_MAX   (30 * PH_SEC)
#define ACK_TIMEOUT   (5 * PH_SEC)

static void set_state(struct ph_registrar *r, enum ph_registrar_state state)
{
    static const char *const names[] = {"idle", "connecting", "waiting", "registered", "backoff"};
    if (r->state == state)
        return;
    ph_agent_trace(r->agent, "registrar", names[r->state], names[state]);
    r->state = state;
}

void ph_registrar_init(struct ph_registrar *r, struct ph_agent *agent)
{
    *r = (struct ph_registrar){.agent = agent, .retry_at = PH_NEVER};
}

void ph_registrar_fini(struct ph_registrar *r)
{
    if (r->conn)
        ph_quic_conn_close(r->conn, ph_host_now(r->agent->host));
    r->conn = NULL;
}

const struct ph_addr *ph_registrar_relay(const struct ph_registrar *r)
{
    return &r->agent->config.relays[r->relay];
}

static void on_packet(void *user, const uint8_t *data, size_t len)
{
    struct ph_registrar *r = user;
    ph_agent_send(r->agent, ph_registrar_relay(r), 0, data, len);
}

static void on_state(void *user, enum ph_quic_state state)
{
    struct ph_registrar *r = user;
    if (state == PH_QUIC_CLOSED) {
        r->closed = true;
        return;
    }
    if (state != PH_QUIC_ESTABLISHED || r->state != PH_REGISTRAR_CONNECTING)
        return;
    struct ph_signal m = {.type = PH_SIGNAL_REGISTER_PRESENCE};
    memcpy(m.fingerprint, ph_agent_fingerprint(r->agent), PH_FINGERPRINT_LEN);
    uint8_t buf[256];
    int len = ph_signal_encode(&m, buf, sizeof(buf));
    if (len > 0)
        ph_quic_stream_send(r->conn, buf, (size_t)len);
    r->retry_at = ph_host_now(r->agent->host) + ACK_TIMEOUT;
    set_state(r, PH_REGISTRAR_WAITING);
}

static void on_message(struct ph_registrar *r, const struct ph_signal *m)
{
    if (m->type == PH_SIGNAL_REGISTER_PRESENCE_ACK) {
        if (r->state != PH_REGISTRAR_WAITING)
            return;
        r->observed = m->observed;
        r->failures = 0;
        r->retry_at = PH_NEVER;
        set_state(r, PH_REGISTRAR_REGISTERED);
        return;
    }
    if (r->state == PH_REGISTRAR_REGISTERED && m->type != 0)
        ph_agent_on_signal(r->agent, m);
}

static void on_stream(void *user, const uint8_t *data, size_t len)
{
    struct ph_registrar *r = user;
    while (len > 0) {
        size_t n = sizeof(r->in) - r->in_len;
        if (n > len)
            n = len;
        memcpy(r->in + r->in_len, data, n);
        r->in_len += n;
        data += n;
        len -= n;
        for (;;) {
            struct ph_signal m;
            int used = ph_signal_decode(r->in, r->in_len, &m);
            if (used == PH_ERR_SHORT && r->in_len < sizeof(r->in))
                break;
            if (used <= 0) {
                r->closed = true; /* what comes after broken framing means nothing */
                r->error = PH_ERR_PROTO;
                return;
            }
            memmove(r->in, r->in + used, r->in_len - (size_t)used);
            r->in_len -= (size_t)used;
            on_message(r, &m);
        }
    }
}

static void on_datagram(void *user, const uint8_t *data, size_t len)
{
    (void)user;
    (void)data;
    (void)len;
}

static void fail(struct ph_registrar *r, ph_ns now, int error)
{
    bool was_registered = r->state == PH_REGISTRAR_REGISTERED;
    r->error = error;
    r->failures++;
    r->relay = (r->relay + 1) % r->agent->config.relay_count;
    ph_ns wait = 0;
    if (r->failures >= r->agent->config.relay_count) {
        unsigned doublings = r->failures - (unsigned)r->agent->config.relay_count;
        wait = doublings < 6 ? BACKOFF_FIRST << doublings : BACKOFF_MAX;
    }
    r->retry_at = now + ph_min_ns(wait, BACKOFF_MAX);
    set_state(r, PH_REGISTRAR_BACKOFF);
    if (was_registered || wait > 0)
        ph_agent_on_unregistered(r->agent, error);
}

void ph_registrar_start(struct ph_registrar *r, ph_ns now)
{
    struct ph_quic_conn_config c = {
        .alpn = "pinhole-signal/1",
        .callbacks = {on_packet, on_state, on_stream, on_datagram},
        .user = r,
        .idle_timeout = 60 * PH_SEC,
        .keep_alive = 15 * PH_SEC, /* half of the shortest UDP timeout that is common */
        .handshake_timeout = 5 * PH_SEC,
    };
    r->in_len = 0;
    r->closed = false;
    r->retry_at = PH_NEVER;
    int err = ph_quic_connect(r->agent->quic, now, &c, &r->conn);
    if (err != PH_OK) {
        r->conn = NULL;
        fail(r, now, err);
        return;
    }
    set_state(r, PH_REGISTRAR_CONNECTING);
    ph_quic_flush(r->conn, now);
}

int ph_registrar_send(struct ph_registrar *r, const struct ph_signal *m)
{
    uint8_t buf[PH_SIGNAL_MAX];
    if (r->state != PH_REGISTRAR_REGISTERED || !r->conn)
        return PH_ERR_AGAIN;
    int len = ph_signal_encode(m, buf, sizeof(buf));
    if (len < 0)
        return len;
    return ph_quic_stream_send(r->conn, buf, (size_t)len);
}

ph_ns ph_registrar_rtt(const struct ph_registrar *r)
{
    return r->conn ? ph_quic_conn_rtt(r->conn) : 0;
}

void ph_registrar_pump(struct ph_registrar *r, ph_ns now)
{
    if (r->state == PH_REGISTRAR_WAITING && now >= r->retry_at) {
        r->closed = true;
        r->error = PH_ERR_TIMEOUT;
    }
    if (r->closed) {
        int error = r->error;
        if (r->conn && ph_quic_conn_error(r->conn) != PH_OK)
            error = ph_quic_conn_error(r->conn);
        if (r->conn)
            ph_quic_conn_free(r->conn);
        r->conn = NULL;
        r->closed = false;
        fail(r, now, error != PH_OK ? error : PH_ERR_CLOSED);
    }
    if (r->state == PH_REGISTRAR_BACKOFF && now >= r->retry_at)
        ph_registrar_start(r, now);
    if (r->conn)
        ph_quic_flush(r->conn, now);
}

ph_ns ph_registrar_deadline(const struct ph_registrar *r)
{
    return r->closed ? 0 : r->retry_at;
}
