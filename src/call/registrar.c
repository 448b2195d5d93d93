#include "call/registrar.h"

#include "base/err.h"
#include "call/agent.h"
#include "wire/framing.h"

#include <string.h>

#define HANDSHAKE_TIMEOUT (5 * PH_SEC)
#define ACK_TIMEOUT       (5 * PH_SEC)
/* A relay that dies says nothing. At the latest a keep-alive after its last packet one of ours goes
 * out, and that starts the idle time anew (RFC 9000 section 10.1): after their sum, 15 s, the loss
 * is known. Within the idle time an unanswered packet is sent again half a dozen times. The
 * keep-alive is well below the shortest UDP timeout that is common, 30 s. */
#define KEEP_ALIVE   (5 * PH_SEC)
#define IDLE_TIMEOUT (10 * PH_SEC)
/* The relay's silence after a question: enough for the question to be sent three times. */
#define ASK_TIMEOUT PH_SEC
#define ASK_RTTS    4
#define ASK_EVERY   (200 * PH_MS)

static void set_state(struct ph_registrar *r, enum ph_registrar_state state)
{
    static const char *const names[] = {"idle", "connecting", "waiting", "registered"};
    if (r->state == state)
        return;
    ph_agent_trace(r->agent, "registrar", names[r->state], names[state]);
    r->state = state;
}

void ph_registrar_init(struct ph_registrar *r, struct ph_agent *agent)
{
    *r = (struct ph_registrar){.agent = agent, .give_up_at = PH_NEVER, .unused_since = PH_NEVER};
}

static void on_packet(void *user, const uint8_t *data, size_t len)
{
    struct ph_registrar *r = user;
    ph_agent_send(r->agent, 0, &r->relay, 0, data, len);
}

static void say_who_we_are(struct ph_registrar *r)
{
    struct ph_signal m = {.type = PH_SIGNAL_REGISTER_PRESENCE};
    memcpy(m.fingerprint, ph_agent_fingerprint(r->agent), PH_FINGERPRINT_LEN);
    uint8_t buf[256];
    int len = ph_signal_encode(&m, buf, sizeof(buf));
    if (len > 0)
        ph_quic_stream_send(r->conn, buf, (size_t)len);
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
    /* Whom we ask for is not known there, and a second registration would end the first. */
    if (ph_presence_is_there_already(&r->agent->presence, r)) {
        r->closed = true;
        return;
    }
    say_who_we_are(r);
    r->give_up_at = ph_host_now(r->agent->host) + ACK_TIMEOUT;
    set_state(r, PH_REGISTRAR_WAITING);
}

static void on_message(struct ph_registrar *r, const struct ph_signal *m)
{
    if (m->type == PH_SIGNAL_REGISTER_PRESENCE_ACK) {
        if (r->state != PH_REGISTRAR_WAITING && !r->asking)
            return;
        r->observed = m->observed;
        r->give_up_at = PH_NEVER;
        r->asking = false;
        set_state(r, PH_REGISTRAR_REGISTERED);
        ph_presence_on_ack(&r->agent->presence, r, m);
        return;
    }
    if (m->type == PH_SIGNAL_DRAIN) {
        ph_presence_on_drain(&r->agent->presence, ph_host_now(r->agent->host), r, m);
        if (r->state == PH_REGISTRAR_WAITING) {
            r->closed = true; /* it takes nobody in any more */
            r->error = PH_ERR_REFUSED;
        }
        return;
    }
    if (r->state == PH_REGISTRAR_REGISTERED && m->type != 0)
        ph_agent_on_signal(r->agent, r, m);
}

static int take_message(void *user, const uint8_t *data, size_t len)
{
    struct ph_registrar *r = user;
    struct ph_signal m;
    int took = ph_signal_decode(data, len, &m);
    if (took > 0)
        on_message(r, &m);
    return took;
}

static void on_stream(void *user, const uint8_t *data, size_t len)
{
    struct ph_registrar *r = user;
    if (ph_framing_feed(r->in, sizeof(r->in), &r->in_len, data, len, take_message, r) != PH_OK) {
        r->closed = true; /* what comes after broken framing means nothing */
        r->error = PH_ERR_PROTO;
    }
}

static void on_datagram(void *user, const uint8_t *data, size_t len)
{
    (void)user;
    (void)data;
    (void)len;
}

int ph_registrar_start(struct ph_registrar *r, ph_ns now, const struct ph_addr *relay)
{
    struct ph_quic_conn_config c = {
        .alpn = "pinhole-signal/1",
        .callbacks = {.on_packet = on_packet,
                      .on_state = on_state,
                      .on_stream = on_stream,
                      .on_datagram = on_datagram},
        .user = r,
        .idle_timeout = IDLE_TIMEOUT,
        .keep_alive = KEEP_ALIVE,
        .handshake_timeout = HANDSHAKE_TIMEOUT,
    };
    ph_registrar_init(r, r->agent);
    r->relay = *relay;
    r->started = now;
    int err = ph_quic_connect(r->agent->quic, now, &c, &r->conn);
    if (err != PH_OK) {
        r->conn = NULL;
        return err;
    }
    set_state(r, PH_REGISTRAR_CONNECTING);
    ph_quic_flush(r->conn, now);
    return PH_OK;
}

/* The address stays: packets of its calls may still come from there. */
static void reset(struct ph_registrar *r)
{
    r->conn = NULL;
    r->closed = false;
    r->asking = false;
    r->give_up_at = PH_NEVER;
    set_state(r, PH_REGISTRAR_IDLE);
}

void ph_registrar_stop(struct ph_registrar *r, ph_ns now)
{
    if (r->conn)
        ph_quic_conn_close(r->conn, now);
    reset(r);
}

void ph_registrar_ask(struct ph_registrar *r, ph_ns now)
{
    if (r->state != PH_REGISTRAR_REGISTERED || r->closed || now < r->asked_at + ASK_EVERY)
        return;
    /* Once more where the first question has no answer yet: QUIC repeats that ever more rarely. */
    if (!r->asking)
        r->give_up_at = now + ASK_TIMEOUT + ASK_RTTS * ph_registrar_rtt(r);
    r->asking = true;
    r->asked_at = now;
    say_who_we_are(r);
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

int ph_registrar_pump(struct ph_registrar *r, ph_ns now)
{
    if (r->conn && now >= r->give_up_at) {
        r->closed = true;
        r->error = PH_ERR_TIMEOUT;
    }
    if (r->closed) {
        int error = r->error;
        if (ph_quic_conn_error(r->conn) != PH_OK)
            error = ph_quic_conn_error(r->conn);
        ph_quic_conn_free(r->conn);
        reset(r);
        return error != PH_OK ? error : PH_ERR_CLOSED;
    }
    if (r->conn)
        ph_quic_flush(r->conn, now);
    return PH_OK;
}

ph_ns ph_registrar_deadline(const struct ph_registrar *r)
{
    return r->closed ? 0 : r->give_up_at;
}
