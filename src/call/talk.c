#include "call/talk.h"

#include "base/err.h"
#include "call/call.h"
#include "wire/framing.h"

#include <string.h>

struct reading {
    struct ph_call *call;
    ph_ns now;
};

static int take_message(void *user, const uint8_t *data, size_t len)
{
    const struct reading *reading = user;
    struct ph_call *c = reading->call;
    struct ph_hard_message hard;
    struct ph_signal m;
    int took = ph_hard_decode(data, len, &hard);
    if (took <= 0)
        return took;
    if (hard.type != 0) {
        ph_hard_on_message(&c->hard, reading->now, &hard);
    } else if (ph_signal_decode(data, (size_t)took, &m) == took &&
               m.type == PH_SIGNAL_CANDIDATE_UPDATE &&
               memcmp(m.call_id, c->id, PH_CALL_ID_LEN) == 0) {
        ph_renewal_on_update(&c->renewal, reading->now, &m);
    }
    return took;
}

void ph_talk_on_stream(struct ph_call *c, ph_ns now, const uint8_t *data, size_t len)
{
    struct reading reading = {.call = c, .now = now};
    (void)ph_framing_feed(c->talk.in, sizeof(c->talk.in), &c->talk.in_len, data, len, take_message,
                          &reading);
}

int ph_talk_say(struct ph_call *c, const struct ph_signal *m)
{
    uint8_t buf[PH_TALK_MAX];
    int len = ph_signal_encode(m, buf, sizeof(buf));
    if (len < 0)
        return len;
    if (!ph_call_established(c))
        return PH_ERR_AGAIN;
    return ph_quic_stream_send(c->quic, buf, (size_t)len);
}
