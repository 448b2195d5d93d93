#include "nat/outlook.h"

const char *ph_chance_name(enum ph_chance c)
{
    static const char *const names[] = {"unknown", "none", "some", "good"};
    return (unsigned)c < sizeof(names) / sizeof(names[0]) ? names[c] : "?";
}

/* How a peer that has our reflexive address can aim. */
enum aim {
    AIM_UNKNOWN, /* not known whether our port changes with the destination */
    AIM_SURE,    /* endpoint-independent */
    AIM_MOSTLY,  /* it may change, and mostly stays the socket's own */
    AIM_COUNTED, /* it changes by a counter */
    AIM_DRAWN,   /* it changes at random */
    AIM_CHANGING /* it changes, and not known how */
};

static enum aim aim_of(const struct ph_nat_facts *f)
{
    if (ph_nat_is_easy(f))
        return AIM_SURE;
    switch (f->allocation.type) {
    case PH_ALLOCATION_PRESERVING:
        return AIM_MOSTLY;
    case PH_ALLOCATION_SEQUENTIAL:
        return AIM_COUNTED;
    case PH_ALLOCATION_RANDOM:
    case PH_ALLOCATION_BLOCK:
        return AIM_DRAWN;
    default:
        return f->mapping == PH_MAPPING_UNKNOWN ? AIM_UNKNOWN : AIM_CHANGING;
    }
}

/* What holds against every peer. False: the rest need not be asked. */
static bool begin(const struct ph_nat_facts *f, bool mapped, struct ph_outlook *o)
{
    enum ph_chance rest = f->udp == PH_NO ? PH_CHANCE_NONE : PH_CHANCE_UNKNOWN;
    o->portmap = mapped && f->udp != PH_NO ? PH_CHANCE_GOOD : PH_CHANCE_NONE;
    o->punch = o->predict = o->birthday = rest;
    return f->udp == PH_YES;
}

struct ph_outlook ph_outlook_easy(const struct ph_nat_facts *f, bool mapped)
{
    struct ph_outlook o;
    if (!begin(f, mapped, &o))
        return o;
    switch (aim_of(f)) {
    case AIM_SURE: /* simultaneous open */
        o.punch = PH_CHANCE_GOOD;
        o.predict = o.birthday = PH_CHANCE_NONE;
        break;
    case AIM_MOSTLY:
        o.punch = PH_CHANCE_SOME;
        o.predict = PH_CHANCE_NONE;
        o.birthday = PH_CHANCE_SOME;
        break;
    case AIM_COUNTED: /* fan-in into a predicted window; into all ports it would do as well */
        o.punch = PH_CHANCE_NONE;
        o.predict = o.birthday = PH_CHANCE_SOME;
        break;
    case AIM_DRAWN: /* fan-in birthday */
        o.punch = o.predict = PH_CHANCE_NONE;
        o.birthday = PH_CHANCE_SOME;
        break;
    case AIM_CHANGING:
        /* The peer's filter lets only that port in which it sent to: no plain punch. Many sockets
         * of ours have many ports, however they come about. */
        o.punch = PH_CHANCE_NONE;
        o.predict = PH_CHANCE_UNKNOWN;
        o.birthday = PH_CHANCE_SOME;
        break;
    case AIM_UNKNOWN:
        break;
    }
    return o;
}

/* The peer sends from a port that nobody knows: what our filter makes of it. */
static void reach_drawn(const struct ph_nat_facts *f, enum ph_chance best, struct ph_outlook *o)
{
    o->predict = PH_CHANCE_NONE; /* of the peer's random ports */
    switch (f->filtering) {
    case PH_FILTERING_EIF:
    case PH_FILTERING_ADF: /* after one packet of ours to any port of the peer's address */
        o->punch = best;
        o->birthday = PH_CHANCE_NONE;
        break;
    case PH_FILTERING_APDF: /* the peer opens many sockets, all to one of ours */
        o->punch = PH_CHANCE_NONE;
        o->birthday = PH_CHANCE_SOME;
        break;
    case PH_FILTERING_UNKNOWN: /* at worst the same */
        o->punch = PH_CHANCE_UNKNOWN;
        o->birthday = PH_CHANCE_SOME;
        break;
    }
}

struct ph_outlook ph_outlook_hard(const struct ph_nat_facts *f, bool mapped)
{
    struct ph_outlook o;
    if (!begin(f, mapped, &o))
        return o;
    switch (aim_of(f)) {
    case AIM_SURE:
        reach_drawn(f, PH_CHANCE_GOOD, &o);
        break;
    case AIM_MOSTLY:
        reach_drawn(f, PH_CHANCE_SOME, &o);
        break;
    case AIM_COUNTED:
        /* With one port for all of the peer's address, and that one predicted, we are as an
         * endpoint-independent side. With a new port for each probe there is nothing to aim at. */
        o.punch = o.birthday = PH_CHANCE_NONE;
        o.predict = f->mapping == PH_MAPPING_ADM       ? PH_CHANCE_SOME
                    : f->mapping == PH_MAPPING_UNKNOWN ? PH_CHANCE_UNKNOWN
                                                       : PH_CHANCE_NONE;
        break;
    case AIM_DRAWN: /* two unknown ports: the relay, at once */
        o.punch = o.predict = o.birthday = PH_CHANCE_NONE;
        break;
    case AIM_CHANGING: /* one of the two above */
        o.punch = o.birthday = PH_CHANCE_NONE;
        o.predict = f->mapping == PH_MAPPING_ADM ? PH_CHANCE_UNKNOWN : PH_CHANCE_NONE;
        break;
    case AIM_UNKNOWN:
        break;
    }
    return o;
}
