#include "portmap/retry.h"

void ph_retry_stop(struct ph_retry *r)
{
    r->next = PH_NEVER;
}

void ph_retry_start(struct ph_retry *r, ph_ns now)
{
    *r = (struct ph_retry){.started = now, .sent = now, .wait = PH_RETRY_FIRST, .next = now};
}

bool ph_retry_over(const struct ph_retry *r, ph_ns now)
{
    return r->next != PH_NEVER && now >= r->started + PH_RETRY_MAX;
}

bool ph_retry_take(struct ph_retry *r, ph_ns now)
{
    if (r->next == PH_NEVER || now < r->next || ph_retry_over(r, now))
        return false;
    r->sent = now;
    r->next = now + r->wait;
    r->wait *= 2;
    return true;
}

ph_ns ph_retry_deadline(const struct ph_retry *r)
{
    return r->next == PH_NEVER ? PH_NEVER : ph_min_ns(r->next, r->started + PH_RETRY_MAX);
}
