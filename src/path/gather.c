#include "path/gather.h"

#include "base/buf.h"

#include <string.h>

#define TRIES_MAX 4
/* RFC 8489 recommends an RTO of 500 ms where nothing is known; half of that is still above the
 * round trip of any path that a call is bearable on, and doubles like there. */
#define FIRST_RTO (250 * PH_MS)

void ph_gather_init(struct ph_gather *g, const struct ph_addr *servers, size_t n,
                    const uint8_t *ids, ph_ns now)
{
    *g = (struct ph_gather){0};
    for (size_t i = 0; i < n && g->count < PH_GATHER_MAX; i++) {
        struct ph_gather_server *s = &g->servers[g->count++];
        s->server = servers[i];
        memcpy(s->tid, ids + 8 * i, 8);
        memcpy(s->tid + 8, "gath", 4);
        s->next = now;
    }
}

size_t ph_gather_next(struct ph_gather *g, ph_ns now, struct ph_addr *to, uint8_t *out, size_t cap)
{
    for (size_t i = 0; i < g->count; i++) {
        struct ph_gather_server *s = &g->servers[i];
        if (s->next > now)
            continue;
        if (s->tries == TRIES_MAX) {
            s->next = PH_NEVER;
            continue;
        }
        if (s->tries == 0)
            s->first_sent = now;
        s->next = now + (FIRST_RTO << s->tries);
        s->tries++;
        struct ph_writer w = ph_writer_init(out, cap);
        ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, s->tid);
        int len = ph_stun_end(&w, true);
        if (len <= 0)
            return 0;
        *to = s->server;
        return (size_t)len;
    }
    return 0;
}

bool ph_gather_on_response(struct ph_gather *g, const struct ph_stun *msg,
                           const struct ph_addr *from, ph_ns now)
{
    for (size_t i = 0; i < g->count; i++) {
        struct ph_gather_server *s = &g->servers[i];
        if (memcmp(s->tid, msg->tid, PH_STUN_TID_LEN) != 0 || !ph_addr_eq(&s->server, from))
            continue;
        if (s->reflexive.family != PH_AF_NONE || s->tries == 0)
            return true; /* a duplicate */
        s->next = PH_NEVER;
        if (msg->type == PH_STUN_BINDING_SUCCESS && ph_addr_is_set(&msg->mapped)) {
            s->reflexive = msg->mapped;
            s->other = msg->other;
            if (s->tries == 1)
                s->rtt = now > s->first_sent ? now - s->first_sent : 1;
        }
        return true;
    }
    return false;
}

ph_ns ph_gather_deadline(const struct ph_gather *g)
{
    ph_ns t = PH_NEVER;
    for (size_t i = 0; i < g->count; i++)
        t = ph_min_ns(t, g->servers[i].next);
    return t;
}

bool ph_gather_done(const struct ph_gather *g)
{
    return ph_gather_deadline(g) == PH_NEVER;
}

ph_ns ph_gather_rtt(const struct ph_gather *g)
{
    ph_ns best = 0;
    for (size_t i = 0; i < g->count; i++) {
        ph_ns rtt = g->servers[i].rtt;
        if (rtt && (!best || rtt < best))
            best = rtt;
    }
    return best;
}
