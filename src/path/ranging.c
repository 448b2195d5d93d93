#include "path/ranging.h"

#include "base/buf.h"

#include <string.h>

/* Far enough from each other that one burst of loss does not take all. */
#define SPACING (100 * PH_MS)
#define ENOUGH  2u /* answers */

void ph_ranging_start(struct ph_ranging *g, const struct ph_addr *servers, size_t n,
                      const uint8_t *ids, ph_ns now)
{
    *g = (struct ph_ranging){.end = now + PH_RANGING_TIME};
    for (size_t i = 0; i < n && g->count < PH_RANGING_MAX; i++) {
        struct ph_ranging_server *s = &g->servers[g->count++];
        s->addr = servers[i];
        s->next = now;
        memcpy(s->id, ids + sizeof(s->id) * i, sizeof(s->id));
    }
}

static void transaction(const struct ph_ranging_server *s, unsigned nth,
                        uint8_t tid[PH_STUN_TID_LEN])
{
    static const uint8_t mark[3] = {'r', 'n', 'g'};
    memcpy(tid, s->id, sizeof(s->id));
    memcpy(tid + 8, mark, sizeof(mark));
    tid[11] = (uint8_t)nth;
}

size_t ph_ranging_next(struct ph_ranging *g, ph_ns now, struct ph_addr *to, uint8_t *out,
                       size_t cap)
{
    for (size_t i = 0; i < g->count; i++) {
        struct ph_ranging_server *s = &g->servers[i];
        if (s->next > now)
            continue;
        uint8_t tid[PH_STUN_TID_LEN];
        struct ph_writer w = ph_writer_init(out, cap);
        transaction(s, s->sent, tid);
        s->sent_at[s->sent++] = now;
        s->next = s->sent < PH_RANGING_REQUESTS ? now + SPACING : PH_NEVER;
        ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
        ph_stun_put_voucher(&w, 0);
        int len = ph_stun_end(&w, true);
        if (len <= 0)
            return 0;
        *to = s->addr;
        return (size_t)len;
    }
    return 0;
}

static bool enough(const struct ph_ranging_server *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < PH_RANGING_REQUESTS; i++)
        n += s->answers >> i & 1u;
    return n >= ENOUGH;
}

bool ph_ranging_on_response(struct ph_ranging *g, const struct ph_stun *msg,
                            const struct ph_addr *from, ph_ns now)
{
    for (size_t i = 0; i < g->count; i++) {
        struct ph_ranging_server *s = &g->servers[i];
        for (unsigned nth = 0; nth < s->sent; nth++) {
            uint8_t tid[PH_STUN_TID_LEN];
            transaction(s, nth, tid);
            if (memcmp(tid, msg->tid, PH_STUN_TID_LEN) != 0 || !ph_addr_eq(&s->addr, from))
                continue;
            if (msg->type != PH_STUN_BINDING_SUCCESS || s->answers >> nth & 1u || now > g->end)
                return true;
            ph_ns rtt = now > s->sent_at[nth] ? now - s->sent_at[nth] : 1;
            s->answers |= 1u << nth;
            s->least = s->least ? ph_min_ns(s->least, rtt) : rtt;
            if (enough(s))
                s->next = PH_NEVER;
            return true;
        }
    }
    return false;
}

bool ph_ranging_over(const struct ph_ranging *g, ph_ns now)
{
    if (now >= g->end)
        return true;
    for (size_t i = 0; i < g->count; i++) {
        if (!enough(&g->servers[i]))
            return false;
    }
    return true;
}

ph_ns ph_ranging_deadline(const struct ph_ranging *g)
{
    ph_ns t = PH_NEVER;
    bool waits = false;
    for (size_t i = 0; i < g->count; i++) {
        t = ph_min_ns(t, g->servers[i].next);
        waits = waits || !enough(&g->servers[i]);
    }
    return waits ? ph_min_ns(t, g->end) : PH_NEVER;
}
