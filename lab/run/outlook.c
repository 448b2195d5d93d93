#include "lab/run/outlook.h"

#include "lab/run/trial.h"
#include "lab/run/truth.h"

#include <string.h>

/* Some port of a block: which one does not matter to what can be. */
#define BLOCK_LOW 4096

static void set_allocation(const struct truth *t, struct ph_allocation *out)
{
    *out = (struct ph_allocation){.confidence = 1.0, .addresses = 1, .cross_rate = -1.0};
    for (int type = PH_ALLOCATION_BLOCK; type >= 0; type--)
        if ((t->allocations & 1u << type) != 0)
            out->type = (enum ph_allocation_type)type;
    if (t->step != 0) {
        out->type = PH_ALLOCATION_SEQUENTIAL;
        out->step = t->step;
        out->last = 40000;
        out->cross_rate = out->cross_low = out->cross_high = t->background;
    } else if (t->block != 0) {
        out->type = PH_ALLOCATION_BLOCK;
        out->low = BLOCK_LOW;
        out->high = (uint16_t)(BLOCK_LOW + t->block - 1);
        out->aligned = true;
    }
}

/* Where the host's packets come from, as others see it. */
static struct ph_addr outside_of(const struct layout *l, size_t host)
{
    struct ph_addr a = l->nodes[host].addr_count > 0 ? l->nodes[host].addrs[0]
                                                     : (struct ph_addr){.family = PH_AF_NONE};
    for (size_t at = l->nodes[host].upstream; at != SIZE_MAX; at = l->nodes[at].upstream)
        if (l->nodes[at].kind == LAYOUT_NAT && l->nodes[at].profile.mapping != NAT_MAPPING_NONE &&
            l->nodes[at].wan_count > 0)
            a = l->nodes[at].wan[0];
    a.port = 40000;
    return a;
}

/* What its router does with packets to itself no peer can see. */
static void side_of(const struct layout *l, size_t host, struct ph_plan_side *out)
{
    struct truth t;
    truth_of(l, host, &t);
    *out = (struct ph_plan_side){
        .udp = t.udp_blocked ? PH_NO : PH_YES,
        .mapping = t.mapping,
        .filtering = t.filtering,
        .gateway = PH_GATEWAY_UNKNOWN,
        .external = outside_of(l, host),
    };
    set_allocation(&t, &out->allocation);
}

bool outlook_facts(const struct layout *l, struct ph_plan_input *out)
{
    size_t peers[2];
    ph_ns direct, relay;
    memset(out, 0, sizeof(*out));
    if (!layout_find_peers(l, peers))
        return false;
    for (size_t i = 0; i < 2; i++)
        side_of(l, peers[i], &out->side[i]);
    /* Offer and answer, and a round trip of a check on top. */
    trial_floors(l, &direct, &relay);
    if (relay != PH_NEVER) {
        out->signalling = relay / 2;
        out->stun = relay / 2;
    }
    if (direct != PH_NEVER && relay != PH_NEVER)
        out->direct = direct - relay;
    return true;
}

static bool has_mapped_port(const struct layout *l, size_t host)
{
    struct truth t;
    truth_of(l, host, &t);
    return t.maps && t.translations == 1 && !t.udp_blocked;
}

enum outlook outlook_of(const struct layout *l)
{
    struct ph_plan_input in;
    size_t peers[2];
    if (!layout_find_peers(l, peers) || !outlook_facts(l, &in))
        return OUTLOOK_JOINABLE;
    if (in.side[0].udp == PH_NO || in.side[1].udp == PH_NO)
        return OUTLOOK_NO_UDP;
    if (has_mapped_port(l, peers[0]) || has_mapped_port(l, peers[1]))
        return OUTLOOK_JOINABLE;
    return ph_plan_is_hopeless(&in) ? OUTLOOK_HOPELESS : OUTLOOK_JOINABLE;
}
