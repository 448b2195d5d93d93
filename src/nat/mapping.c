/* Which mapping behaviour the samples of one socket show. Where they all agree there is nothing to
 * weigh. Where they do not, three stories are weighed against each other by how likely each makes
 * the ports that were seen: one port and a server that lies, one port for each server IP, one for
 * each server endpoint. Equal ports may be chance, in a small block above all, and then no story is
 * likely enough to be told. */
#include "nat/behaviour.h"
#include "nat/hypotheses.h"
#include "nat/sums.h"

#include <string.h>

/* How often each is met among NATs, roughly; what is asked for below outweighs it. */
#define EIM_SHARE  0.8
#define ADM_SHARE  0.03
#define APDM_SHARE 0.17
/* A server lies once in a thousand; and then about the port alone, or about the address too. */
#define LIE        0.001
#define LIE_NEAR   0.2 /* by a port close to the true one */
#define NEAR       64
#define LIE_PORT   0.3 /* about the port alone */
#define ANY_PORT   65536.0
#define OWN_PORT   0.6  /* of endpoint-independent NATs keep the socket's own */
#define POOL       0.05 /* of NATs give out mappings of one socket on several addresses */
#define POOL_EACH  0.25
#define OTHERS_MIN 3u /* that agree, against one that lies */

/* How likely the other stories together may be. To take a NAT for address-dependent by a chance
 * agreement would send the peer's probes into the void. */
#define DOUBT_EIM  0.01
#define DOUBT_ADM  0.0003
#define DOUBT_APDM 0.001
/* ... and those in which somebody lies who cannot be told from who does not. */
#define DOUBT_LIES 0.01

struct evidence {
    const struct ph_nat_sample *samples[PH_NAT_SAMPLES_MAX]; /* that were answered */
    size_t n;
    size_t group[PH_NAT_SAMPLES_MAX]; /* of each: the number of its server's IP */
    size_t groups;
    const struct ph_nat_sample *lost[PH_NAT_SAMPLES_MAX]; /* that were not */
    size_t lost_count;
    uint16_t local_port;
};

static bool is_local(const struct ph_nat_sample *s, const struct ph_addr *local, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ph_addr_eq(&s->mapped, &local[i]))
            return true;
    }
    return false;
}

static void add_sample(struct evidence *e, const struct ph_nat_sample *s)
{
    size_t i = 0;
    if (!ph_addr_is_set(&s->mapped)) {
        e->lost[e->lost_count++] = s;
        return;
    }
    while (i < e->n && !ph_addr_ip_eq(&e->samples[i]->server, &s->server))
        i++;
    e->group[e->n] = i < e->n ? e->group[i] : e->groups++;
    e->samples[e->n++] = s;
}

/* Do all but those of the group `liar` have one port? */
static bool one_port(const struct evidence *e, size_t liar)
{
    const struct ph_nat_sample *first = NULL;
    for (size_t i = 0; i < e->n; i++) {
        if (e->group[i] == liar)
            continue;
        if (first && first->mapped.port != e->samples[i]->mapped.port)
            return false;
        first = e->samples[i];
    }
    return true;
}

/* What the ports of one server IP do, when it has several. */
struct pairs {
    size_t agree, differ;
};

static struct pairs count_pairs(const struct evidence *e, size_t liar)
{
    struct pairs p = {0, 0};
    for (size_t i = 0; i < e->n; i++) {
        if (e->group[i] == liar)
            continue;
        size_t j = i;
        while (j-- > 0) { /* against the group's newest before it */
            const struct ph_nat_sample *a = e->samples[i], *b = e->samples[j];
            if (e->group[i] != e->group[j] || a->server.port == b->server.port)
                continue;
            p.agree += a->mapped.port == b->mapped.port;
            p.differ += a->mapped.port != b->mapped.port;
            break;
        }
    }
    return p;
}

static bool all_differ(const struct evidence *e)
{
    for (size_t i = 0; i < e->n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (e->samples[i]->mapped.port == e->samples[j]->mapped.port)
                return false;
        }
    }
    return true;
}

/* ln of the chance of the lies of one server, where an honest one would have said `truth` (0: not
 * known) and `address`. */
static double lies_ln(const struct evidence *e, size_t liar, uint16_t truth,
                      const struct ph_addr *address)
{
    double ln = log(LIE);
    for (size_t i = 0; i < e->n; i++) {
        if (e->group[i] != liar)
            continue;
        int off = (int)e->samples[i]->mapped.port - (int)truth;
        bool near = truth != 0 && off >= -NEAR && off <= NEAR;
        ln += log((near ? LIE_NEAR / (2 * NEAR) : 0) + (1 - LIE_NEAR) / ANY_PORT);
        ln += log(ph_addr_ip_eq(&e->samples[i]->mapped, address) ? LIE_PORT : 1 - LIE_PORT);
    }
    return ln;
}

/* ln of the chance that so many draws came on so many addresses of the NAT. */
static double addresses_ln(size_t draws, size_t addresses)
{
    return addresses <= 1 ? log(1 - POOL) : log(POOL) + (double)draws * log(POOL_EACH);
}

/* All samples but those of a group; the answered ones stand first. */
static size_t without(const struct evidence *e, size_t liar,
                      struct ph_nat_sample out[PH_NAT_SAMPLES_MAX])
{
    const struct ph_nat_sample *lying = NULL;
    size_t n = 0;
    for (size_t i = 0; i < e->n; i++) {
        if (e->group[i] == liar)
            lying = e->samples[i];
        else
            out[n++] = *e->samples[i];
    }
    for (size_t i = 0; i < e->lost_count; i++) {
        if (!lying || !ph_addr_ip_eq(&e->lost[i]->server, &lying->server))
            out[n++] = *e->lost[i];
    }
    return n;
}

/* ln of a mapping, with what honest servers saw. */
static double honest_ln(const struct evidence *e, enum ph_mapping_behaviour mapping,
                        const struct ph_nat_sample *honest, size_t n)
{
    struct ph_nat_draws d;
    struct ph_hypotheses h;
    ph_nat_draws(honest, n, mapping, &d);
    if (mapping == PH_MAPPING_EIM)
        return log(EIM_SHARE) + addresses_ln(n, d.addresses) +
               log(honest[0].mapped.port == e->local_port ? OWN_PORT : (1 - OWN_PORT) / ANY_PORT);
    ph_hypotheses(&d, e->local_port, &h);
    return log(mapping == PH_MAPPING_ADM ? ADM_SHARE : APDM_SHARE) +
           addresses_ln(d.known, d.addresses) + h.total;
}

/* ln of one story: a mapping, and the group that lies (`groups`: none). */
static double story_ln(const struct evidence *e, enum ph_mapping_behaviour mapping, size_t liar)
{
    struct ph_nat_sample honest[PH_NAT_SAMPLES_MAX] = {0};
    size_t n = without(e, liar, honest);
    const struct ph_addr *seen = &honest[0].mapped;
    double ln = honest_ln(e, mapping, honest, n);
    if (liar < e->groups)
        ln += lies_ln(e, liar, mapping == PH_MAPPING_EIM ? seen->port : 0, seen);
    return ln;
}

/* The port that most samples saw, of a group or (`groups`) of all; of equals the
 * socket's own, or the first. */
static uint16_t usual_port(const struct evidence *e, size_t group, size_t *times)
{
    uint16_t best = 0;
    *times = 0;
    for (size_t i = 0; i < e->n; i++) {
        size_t n = 0;
        for (size_t j = 0; j < e->n; j++)
            n += (group == e->groups || e->group[j] == group) &&
                 e->samples[j]->mapped.port == e->samples[i]->mapped.port;
        uint16_t port = e->samples[i]->mapped.port;
        if ((group == e->groups || e->group[i] == group) &&
            (n > *times || (n == *times && port == e->local_port))) {
            *times = n;
            best = port;
        }
    }
    return best;
}

/* Whether a server has told that port before, or (`wrong`) any port that is not the truth. */
static bool told_before(const struct evidence *e, size_t i, uint16_t truth, bool same)
{
    for (size_t j = 0; j < i; j++) {
        uint16_t port = e->samples[j]->mapped.port;
        if (e->group[j] == e->group[i] && port != truth &&
            (!same || port == e->samples[i]->mapped.port))
            return true;
    }
    return false;
}

/* ln of a story in which all that does not fit is a lie, be it of one endpoint alone: no such story
 * is ever told, for who lies and who does not cannot be told apart there, but another one must be
 * likelier. What a server says twice is one lie. */
static double doubt_ln(const struct evidence *e, enum ph_mapping_behaviour mapping)
{
    struct ph_nat_sample honest[PH_NAT_SAMPLES_MAX] = {0};
    size_t n = 0, times;
    double ln = 0;
    uint16_t truth = usual_port(e, e->groups, &times);
    if (mapping == PH_MAPPING_EIM && times < 2)
        return -INFINITY;
    for (size_t i = 0; i < e->n; i++) {
        if (mapping == PH_MAPPING_ADM)
            truth = usual_port(e, e->group[i], &times);
        int off = (int)e->samples[i]->mapped.port - (int)truth;
        if (off == 0) {
            honest[n++] = *e->samples[i];
            continue;
        }
        if (!told_before(e, i, truth, false))
            ln += log(LIE);
        if (!told_before(e, i, truth, true))
            ln += log(LIE_PORT * ((off >= -NEAR && off <= NEAR ? LIE_NEAR / (2 * NEAR) : 0) +
                                  (1 - LIE_NEAR) / ANY_PORT));
    }
    return n == e->n ? -INFINITY : ln + honest_ln(e, mapping, honest, n);
}

/* All stories, summed by mapping; `doubt_eim` and `doubt_adm` are those that are not told. */
struct stories {
    double eim, adm, apdm, total;
    double doubt_eim, doubt_adm;
};

static void weigh(const struct evidence *e, struct stories *s)
{
    *s = (struct stories){.eim = -INFINITY, .adm = -INFINITY};
    s->apdm = story_ln(e, PH_MAPPING_APDM, e->groups);
    /* Where no server disagrees with itself, a lie explains nothing for the second story. */
    bool clean = count_pairs(e, e->groups).differ == 0;
    for (size_t liar = 0; liar <= e->groups; liar++) {
        bool lies = liar < e->groups;
        if (lies && e->groups - 1 >= OTHERS_MIN && one_port(e, liar))
            s->eim = ph_add_ln(s->eim, story_ln(e, PH_MAPPING_EIM, liar));
        if (clean == !lies && e->groups - lies >= 2 && count_pairs(e, liar).differ == 0 &&
            !one_port(e, liar))
            s->adm = ph_add_ln(s->adm, story_ln(e, PH_MAPPING_ADM, liar));
    }
    s->total = ph_add_ln(ph_add_ln(s->eim, s->adm), s->apdm);
    s->doubt_eim = s->eim == -INFINITY ? doubt_ln(e, PH_MAPPING_EIM) : s->eim;
    s->doubt_adm = doubt_ln(e, PH_MAPPING_ADM);
}

static bool sure(double ln, double total, double doubt)
{
    return exp(ln - total) >= 1 - doubt;
}

/* By far likelier than that somebody lies and something else is true. */
static bool outweighs(double ln, double lies)
{
    return exp(lies - ln) <= DOUBT_LIES;
}

/* All but one endpoint saw one port. That may be a NAT that could not keep the socket's own port
 * once, or one endpoint that lies. */
static bool one_stands_out(const struct evidence *e)
{
    size_t times;
    (void)usual_port(e, e->groups, &times);
    return times + 1 == e->n && times >= OTHERS_MIN;
}

static enum ph_mapping_behaviour decide(const struct evidence *e, bool *guessed)
{
    struct pairs p = count_pairs(e, e->groups);
    struct stories s;
    if (e->groups < 2 && p.differ == 0)
        return PH_MAPPING_UNKNOWN;
    weigh(e, &s);
    if (sure(s.eim, s.total, DOUBT_EIM))
        return PH_MAPPING_EIM;
    if (p.agree + p.differ == 0) {
        *guessed = all_differ(e);
        return *guessed ? PH_MAPPING_APDM : PH_MAPPING_UNKNOWN;
    }
    if (one_stands_out(e))
        return PH_MAPPING_UNKNOWN;
    if (p.differ > 0 && sure(s.apdm, s.total, DOUBT_APDM) && outweighs(s.apdm, s.doubt_eim) &&
        outweighs(s.apdm, s.doubt_adm))
        return PH_MAPPING_APDM;
    if (p.agree > 0 && sure(s.adm, s.total, DOUBT_ADM) && outweighs(s.adm, s.doubt_eim))
        return PH_MAPPING_ADM;
    return PH_MAPPING_UNKNOWN;
}

/* What the socket's own addresses tell before anything is weighed. */
enum translation {
    TRANSLATED,
    UNTRANSLATED,
    SOME_INSIDE, /* some servers stand on this side of the NAT */
    TRANSLATION_UNCLEAR,
};

static enum translation translation_of(const struct evidence *e, const struct ph_addr *local,
                                       size_t local_count)
{
    size_t inside = 0, private = 0;
    size_t other = e->groups; /* the server IP that saw another address */
    bool others = false;
    for (size_t i = 0; i < e->n; i++) {
        if (is_local(e->samples[i], local, local_count)) {
            inside++;
            private += ph_addr_is_private(&e->samples[i]->mapped);
        } else {
            others |= other != e->groups && other != e->group[i];
            other = e->group[i];
        }
    }
    if (inside == 0)
        return TRANSLATED;
    if (inside == e->n) /* a lone server that sees a private address may stand inside */
        return e->groups >= 2 || private == 0 ? UNTRANSLATED : TRANSLATION_UNCLEAR;
    if (private == inside)
        return SOME_INSIDE;
    return !others && e->groups - 1 >= OTHERS_MIN ? UNTRANSLATED : TRANSLATION_UNCLEAR;
}

enum ph_mapping_behaviour ph_nat_mapping(const struct ph_nat_sample *samples, size_t n,
                                         const struct ph_addr *local, size_t local_count,
                                         bool *guessed)
{
    const uint16_t local_port = local_count > 0 ? local[0].port : 0;
    struct evidence e = {.local_port = local_port};
    *guessed = false;
    if (n > PH_NAT_SAMPLES_MAX)
        n = PH_NAT_SAMPLES_MAX;
    for (size_t i = 0; i < n; i++)
        add_sample(&e, &samples[i]);
    if (e.n == 0)
        return PH_MAPPING_UNKNOWN;
    switch (translation_of(&e, local, local_count)) {
    case TRANSLATED:
        break;
    case UNTRANSLATED:
        return PH_MAPPING_NONE;
    case TRANSLATION_UNCLEAR:
        return PH_MAPPING_UNKNOWN;
    case SOME_INSIDE:
        e = (struct evidence){.local_port = local_port};
        for (size_t i = 0; i < n; i++) {
            if (!is_local(&samples[i], local, local_count))
                add_sample(&e, &samples[i]);
        }
        break;
    }
    if (one_port(&e, e.groups))
        return e.groups >= 2 ? PH_MAPPING_EIM : PH_MAPPING_UNKNOWN;
    return decide(&e, guessed);
}
