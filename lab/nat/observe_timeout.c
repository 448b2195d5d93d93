/* How long a mapping lives. Each moment has its own socket, since looking at a mapping keeps it
 * alive. */
#include "lab/nat/observe.h"
#include "lab/nat/probe.h"

#define MARGIN_S 1u /* a moment before, a moment after */
/* Conntrack takes a flow for a stream when it goes both ways and is older than two seconds. Until
 * then it has the short timeout, which may be shorter than that. */
#define STREAM_ROUNDS   5
#define STREAM_INTERVAL (500 * PH_MS)

enum {
    ONCE_BEFORE,
    ONCE_AFTER,
    STREAM_BEFORE,
    STREAM_AFTER,
    FRESH, /* one for each moment, to settle with */
    SOCKETS = FRESH + 4,
};

struct moment {
    ph_ns at;
    int socket;
    enum seen *alive;
};

struct timing {
    struct probe *x;
    int outside;
    int first;
    struct ph_addr mapped[SOCKETS];
};

static int out_and_back(struct timing *t, int socket, bool back)
{
    int tag;
    struct ph_addr to = t->x->sockets[t->outside].addr;
    if (!probe_ask(t->x, t->first + socket, &to, &tag))
        return -1;
    t->mapped[socket] = t->x->tags[tag].from;
    if (back && !probe_ask(t->x, t->outside, &t->mapped[socket], &tag))
        return -1;
    return 0;
}

/* The outside end sends to a socket that was silent since; a fresh flow behind it says when the
 * answer is no. */
static int look(struct timing *t, const struct moment *m, int fresh)
{
    int tag = probe_send(t->x, t->outside, &t->mapped[m->socket]);
    if (tag < 0 || out_and_back(t, fresh, true) != 0 || out_and_back(t, fresh, true) != 0)
        return -1;
    probe_rest(t->x, probe_now() + PH_MS);
    *m->alive = t->x->tags[tag].heard ? SEEN_YES : SEEN_NO;
    return 0;
}

static enum seen inverse(enum seen s)
{
    return s == SEEN_YES ? SEEN_NO : SEEN_YES;
}

int nat_observe_timeouts(struct probe *x, const struct nat_profile *declared, int outside,
                         const struct nat_check_site *site, struct observation *o)
{
    struct timing t = {.x = x, .outside = outside};
    struct ph_addr at = site->inside;
    ph_ns once = declared->timeout.udp_s * PH_SEC;
    ph_ns stream = declared->timeout.udp_stream_s * PH_SEC;
    enum seen once_after = SEEN_UNKNOWN;
    enum seen stream_after = SEEN_UNKNOWN;
    int fresh = FRESH;
    if (o->mapping == NAT_MAPPING_NONE && o->filtering == NAT_FILTERING_EIF)
        return 0;
    at.port = 0;
    t.first = probe_open(x, site->inside_fd, &at, SOCKETS);
    if (t.first < 0)
        return -1;
    for (int round = 0; round < STREAM_ROUNDS; round++) {
        for (int i = STREAM_BEFORE; i <= STREAM_AFTER; i++)
            if (out_and_back(&t, i, true) != 0)
                goto silent;
        probe_rest(x, probe_now() + STREAM_INTERVAL);
    }
    for (int i = ONCE_BEFORE; i <= STREAM_AFTER; i++)
        if (out_and_back(&t, i, i >= STREAM_BEFORE) != 0)
            goto silent;
    ph_ns start = probe_now();
    struct moment moments[4] = {
        {start + once - MARGIN_S * PH_SEC, ONCE_BEFORE, &o->holds},
        {start + once + MARGIN_S * PH_SEC, ONCE_AFTER, &once_after},
        {start + stream - MARGIN_S * PH_SEC, STREAM_BEFORE, &o->stream_holds},
        {start + stream + MARGIN_S * PH_SEC, STREAM_AFTER, &stream_after},
    };
    /* In the order of their times: the two kinds may overlap. */
    for (int done = 0; done < 4; done++) {
        struct moment *next = NULL;
        for (int i = 0; i < 4; i++)
            if (*moments[i].alive == SEEN_UNKNOWN && (next == NULL || moments[i].at < next->at))
                next = &moments[i];
        probe_rest(x, next->at);
        if (look(&t, next, fresh++) != 0)
            goto silent;
    }
    o->expires = inverse(once_after);
    o->stream_expires = inverse(stream_after);
    return 0;
silent:
    return lab_fail(x->err, LAB_BROKEN, "a fresh socket got no datagram through or back");
}
