#include "portmap/epoch.h"

static bool note(struct ph_epoch *e, ph_ns now, uint32_t epoch_s, bool good)
{
    *e = (struct ph_epoch){.known = true, .server_s = epoch_s, .at = now};
    return good;
}

bool ph_epoch_check_pcp(struct ph_epoch *e, ph_ns now, uint32_t epoch_s)
{
    if (!e->known || now < e->at)
        return note(e, now, epoch_s, true);
    uint64_t before = e->server_s, after = epoch_s;
    /* One second back is what answers that overtake each other may show. */
    if (after + 1 < before)
        return note(e, now, epoch_s, false);
    uint64_t server = after > before ? after - before : 0;
    uint64_t client = (now - e->at) / PH_SEC;
    bool good = client + 2 >= server - server / 16 && server + 2 >= client - client / 16;
    return note(e, now, epoch_s, good);
}

bool ph_epoch_check_natpmp(struct ph_epoch *e, ph_ns now, uint32_t epoch_s)
{
    if (!e->known || now < e->at)
        return note(e, now, epoch_s, true);
    /* The gateway's clock may be slower than ours by an eighth, no more. */
    uint64_t elapsed = (now - e->at) / PH_SEC;
    uint64_t least = e->server_s + elapsed - elapsed / 8;
    return note(e, now, epoch_s, (uint64_t)epoch_s + 2 >= least);
}
