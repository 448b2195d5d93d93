#include "relay/overload.h"

void ph_overload_init(struct ph_overload *o)
{
    *o = (struct ph_overload){.full_since = PH_NEVER};
}

void ph_overload_on_batch(struct ph_overload *o, ph_ns now, bool full)
{
    if (!full) {
        o->full_since = PH_NEVER;
    } else if (o->full_since == PH_NEVER) {
        o->full_since = now;
    } else if (now - o->full_since >= PH_OVERLOAD_AFTER) {
        o->until = now + PH_OVERLOAD_HOLD;
    }
}

void ph_overload_on_timer(struct ph_overload *o, ph_ns now, ph_ns wanted)
{
    if (wanted != PH_NEVER && now > wanted && now - wanted >= PH_OVERLOAD_LATE) {
        o->until = now + PH_OVERLOAD_HOLD;
    }
}

bool ph_overloaded(const struct ph_overload *o, ph_ns now)
{
    return now < o->until;
}
