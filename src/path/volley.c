#include "path/volley.h"

#include <stdlib.h>

/* Once the first burst is out, packets leave this many at a time: few enough to stop soon after a
 * hit, many enough not to wake up for each. */
#define CLUSTER 4u

void ph_volley_init(struct ph_volley *v)
{
    *v = (struct ph_volley){0};
}

void ph_volley_fini(struct ph_volley *v)
{
    free(v->config.ports);
    *v = (struct ph_volley){.bucket = v->bucket};
}

static uint64_t per_pass(const struct ph_volley *v)
{
    return (uint64_t)v->config.sockets * v->config.port_count;
}

void ph_volley_begin(struct ph_volley *v, ph_ns now, const struct ph_volley_config *config)
{
    ph_volley_fini(v);
    v->config = *config;
    v->total = per_pass(v) * config->passes;
    v->until = config->waves ? config->burst : v->total;
    v->pass_start = now;
}

struct ph_volley_shot ph_volley_shot_at(const struct ph_volley *v, uint64_t number)
{
    uint64_t pass = number / per_pass(v), place = number % per_pass(v);
    unsigned ttl = v->config.ttl + (unsigned)pass * v->config.ttl_up;
    return (struct ph_volley_shot){
        .socket = (uint32_t)(place / v->config.port_count),
        .port = v->config.ports[place % v->config.port_count],
        .ttl = (uint8_t)(ttl > 64 ? 64 : ttl),
        .number = number,
        .first_pass = pass == 0,
    };
}

/* When the next packet may leave. */
static ph_ns due(const struct ph_volley *v, ph_ns now)
{
    const struct ph_volley_config *c = &v->config;
    ph_ns t = ph_bucket_next(&v->bucket, now, c->rate, c->burst);
    bool new_pass = v->next > 0 && v->next % per_pass(v) == 0;
    if (new_pass)
        t = ph_max_ns(t, v->pass_start + c->pass_every);
    return ph_max_ns(t, v->paused_until);
}

bool ph_volley_next(struct ph_volley *v, ph_ns now, struct ph_volley_shot *out)
{
    const struct ph_volley_config *c = &v->config;
    if (ph_volley_done(v) || ph_volley_waits(v) || due(v, now) > now ||
        !ph_bucket_take(&v->bucket, now, c->rate, c->burst))
        return false;
    *out = ph_volley_shot_at(v, v->next);
    if (v->next % per_pass(v) == 0)
        v->pass_start = now;
    v->next++;
    return true;
}

bool ph_volley_done(const struct ph_volley *v)
{
    return v->next >= v->total;
}

bool ph_volley_waits(const struct ph_volley *v)
{
    return !ph_volley_done(v) && v->next >= v->until;
}

void ph_volley_go_on(struct ph_volley *v)
{
    v->until = v->next + v->config.burst;
}

void ph_volley_pause(struct ph_volley *v, ph_ns until)
{
    v->paused_until = until;
}

ph_ns ph_volley_deadline(const struct ph_volley *v, ph_ns now)
{
    if (ph_volley_done(v) || ph_volley_waits(v))
        return PH_NEVER;
    ph_ns t = due(v, now);
    uint64_t left = v->total - v->next;
    /* Not for each packet: for a few. */
    unsigned few = left < CLUSTER ? (unsigned)left : CLUSTER;
    if (t > now && v->config.burst >= CLUSTER)
        t += (few - 1) * (PH_SEC / v->config.rate);
    return t;
}
