/* How an inside endpoint gets its outside port: the chain `translate` and what it has to remember.
 *
 * The kinds, by what they remember:
 *   nothing   preserving (masquerade keeps the port while it is free), random and block of a
 *             symmetric NAT: the connection itself is the mapping
 *   @m        learned: each mapping is looked up before a new one is made; or contended: ports are
 *             kept, and only who finds its port taken gets one of @m
 *   @used @owner  with @m: which public ports are taken, and by whom. Netfilter itself gives one
 * port to several inside endpoints as long as their destinations differ
 *   @busy     drawn (sequential, hash): an index into @ports is drawn until it is free, and kept in
 *             the connection's mark
 */
#include "lab/nat/ports.h"
#include "lab/nat/ruleset.h"

/* "1.2.3.4": the outside address of the n-th of the pool. */
static const char *wan_text(const struct ruleset *rs, size_t n, char buf[PH_ADDR_STRLEN])
{
    return ph_addr_format_ip(&rs->site->wan[n % rs->site->wan_count], buf);
}

/* The fields that make two flows one mapping. */
static const char *mapping_key(const struct ruleset *rs)
{
    switch (rs->p->mapping) {
    case NAT_MAPPING_ADM:
        return "ip saddr . udp sport . ip daddr";
    case NAT_MAPPING_APDM:
        return "ip saddr . udp sport . ip daddr . udp dport";
    default:
        return "ip saddr . udp sport";
    }
}

static uint32_t seed32(const struct ruleset *rs, unsigned n)
{
    uint64_t h = (rs->site->seed + n + 1) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32);
}

/* `masquerade`, or `snat to` one of the pool: of the subscriber (paired) or of the mapping. */
static void target(const struct ruleset *rs, const char *port, const char *flags)
{
    FILE *f = rs->f;
    char ip[PH_ADDR_STRLEN];
    size_t pool = rs->site->wan_count;
    if (pool == 1) {
        (void)fprintf(f, "masquerade%s%s%s\n", port[0] != '\0' ? " to :" : "", port, flags);
        return;
    }
    if (rs->p->allocation.type == NAT_ALLOC_BLOCK) {
        (void)fprintf(f, "snat to ip saddr map {");
        for (size_t i = 0; i < rs->site->subscriber_count; i++) {
            char sub[PH_ADDR_STRLEN];
            (void)fprintf(f, "%s %s : %s", i > 0 ? "," : "",
                          ph_addr_format_ip(&rs->site->subscribers[i], sub), wan_text(rs, i, ip));
        }
    } else {
        (void)fprintf(f, "snat to jhash %s mod %zu seed 0x%x map {",
                      rs->p->pool.arbitrary ? mapping_key(rs) : "ip saddr", pool, seed32(rs, 100));
        for (size_t i = 0; i < pool; i++)
            (void)fprintf(f, "%s %zu : %s", i > 0 ? "," : "", i, wan_text(rs, i, ip));
    }
    (void)fprintf(f, " }%s%s%s\n", port[0] != '\0' ? " : " : "", port, flags);
}

/* A new mapping in the profile's range of ports. */
static void target_in_range(const struct ruleset *rs, const char *flags)
{
    char range[32] = "";
    if (!nat_whole_range(rs->p))
        (void)snprintf(range, sizeof(range), "%u-%u", rs->p->allocation.range_lo,
                       rs->p->allocation.range_hi);
    target(rs, range, flags);
}

static void translate_preserving(const struct ruleset *rs)
{
    FILE *f = rs->f;
    if (rs->keeps.contended) {
        (void)fprintf(f, "\t\tip saddr . udp sport @m ct mark set 1 ");
        target(rs, "ip saddr . udp sport map @m", "");
        (void)fprintf(
            f, "\t\tudp sport @used udp sport . ip saddr . udp sport != @owner ct mark set 1 ");
        target_in_range(rs, " fully-random");
    }
    (void)fprintf(f, "\t\tmeta l4proto udp ");
    target_in_range(rs, "");
}

static void translate_block(const struct ruleset *rs)
{
    FILE *f = rs->f;
    const struct nat_site *site = rs->site;
    const char *flags = rs->p->mapping == NAT_MAPPING_EIM ? "" : " random";
    unsigned last = rs->p->allocation.block - 1u;
    char sub[PH_ADDR_STRLEN];
    char ip[PH_ADDR_STRLEN];
    unsigned lo;
    if (site->subscriber_count > 0) {
        (void)fprintf(f, "\t\tmeta l4proto udp snat ip addr . port to ip saddr map {");
        for (size_t i = 0; i < site->subscriber_count; i++) {
            lo = nat_block_first(rs->p, rs->site->seed, i);
            (void)fprintf(f, "%s %s : %s . %u-%u", i > 0 ? "," : "",
                          ph_addr_format_ip(&site->subscribers[i], sub), wan_text(rs, i, ip), lo,
                          lo + last);
        }
        (void)fprintf(f, " }%s\n", flags);
    }
    /* Whoever is no known subscriber shares one more block. */
    lo = nat_block_first(rs->p, site->seed, site->subscriber_count);
    (void)fprintf(f, "\t\tmeta l4proto udp snat to %s : %u-%u%s\n", wan_text(rs, 0, ip), lo,
                  lo + last, flags);
}

static void translate_drawn(const struct ruleset *rs)
{
    FILE *f = rs->f;
    if (rs->p->allocation.type == NAT_ALLOC_SEQUENTIAL) {
        (void)fprintf(f, "\t\tjump draw\n");
        for (unsigned i = 0; i < NAT_SEQUENCE_SKIPS; i++)
            (void)fprintf(f, "\t\tct mark @busy jump draw\n");
    } else {
        for (unsigned i = 0; i < NAT_HASH_DRAWS; i++)
            (void)fprintf(f, "\t\t%sct mark set jhash %s mod %u seed 0x%x\n",
                          i > 0 ? "ct mark @busy " : "", mapping_key(rs), rs->ports, seed32(rs, i));
    }
    (void)fprintf(f, "\t\tmeta l4proto udp ");
    target(rs, "ct mark map @ports", "");
}

void mapping_translate(const struct ruleset *rs)
{
    FILE *f = rs->f;
    char port[96];
    (void)fprintf(f, "\tchain translate {\n");
    if (rs->keeps.learned && rs->keeps.drawn) {
        (void)fprintf(f, "\t\t%s @m ct mark set %s map @m ", mapping_key(rs), mapping_key(rs));
        target(rs, "ct mark map @ports", "");
    } else if (rs->keeps.learned) {
        (void)snprintf(port, sizeof(port), "%s map @m", mapping_key(rs));
        (void)fprintf(f, "\t\t%s @m ", mapping_key(rs));
        target(rs, port, "");
    }
    switch (rs->p->allocation.type) {
    case NAT_ALLOC_PRESERVING:
        translate_preserving(rs);
        break;
    case NAT_ALLOC_RANDOM:
        (void)fprintf(f, "\t\tmeta l4proto udp ");
        target_in_range(rs, " fully-random");
        break;
    case NAT_ALLOC_BLOCK:
        translate_block(rs);
        break;
    case NAT_ALLOC_SEQUENTIAL:
    case NAT_ALLOC_HASH:
        translate_drawn(rs);
        break;
    }
    (void)fprintf(f, "\t}\n");
}

void mapping_hairpin(const struct ruleset *rs)
{
    FILE *f = rs->f;
    char ip[PH_ADDR_STRLEN];
    (void)wan_text(rs, 0, ip);
    /* The outside address and port of who sends, so that the answer comes back this way. */
    (void)fprintf(f, "\tchain hairpin {\n");
    bool known = rs->p->mapping == NAT_MAPPING_EIM && (rs->keeps.learned || rs->keeps.contended);
    if (known && rs->keeps.drawn)
        (void)fprintf(f, "\t\t%s @m ct mark set %s map @m snat to %s : ct mark map @ports\n",
                      mapping_key(rs), mapping_key(rs), ip);
    else if (known)
        (void)fprintf(f, "\t\tip saddr . udp sport @m snat to %s : ip saddr . udp sport map @m\n",
                      ip);
    (void)fprintf(f, "\t\tsnat to %s\n\t}\n", ip);
}

static void declare_set(const struct ruleset *rs, const char *kind, const char *name,
                        const char *type)
{
    (void)fprintf(rs->f, "\t%s %s {\n\t\ttype %s\n\t\tsize %u\n\t\tflags dynamic,timeout\n\t}\n",
                  kind, name, type, rs->size);
}

void mapping_declare(const struct ruleset *rs)
{
    FILE *f = rs->f;
    bool adm = rs->p->mapping == NAT_MAPPING_ADM;
    if (rs->keeps.learned || rs->keeps.contended) {
        char type[96];
        (void)snprintf(type, sizeof(type), "ipv4_addr . inet_service%s : %s",
                       adm ? " . ipv4_addr" : "", rs->keeps.drawn ? "mark" : "inet_service");
        declare_set(rs, "map", "m", type);
    }
    if (rs->keeps.owned) {
        declare_set(rs, "set", "used", adm ? "inet_service . ipv4_addr" : "inet_service");
        declare_set(rs, "set", "owner",
                    adm ? "inet_service . ipv4_addr . inet_service . ipv4_addr"
                        : "inet_service . ipv4_addr . inet_service");
    }
    if (!rs->keeps.drawn)
        return;
    declare_set(rs, "set", "busy", "mark");
    (void)fprintf(f, "\tmap ports {\n\t\ttype mark : inet_service\n\t\telements = {");
    for (unsigned i = 0; i < rs->ports; i++)
        (void)fprintf(f, "%s%s%u : %u", i > 0 ? "," : "", i % 8 == 0 ? "\n\t\t\t" : " ", i,
                      nat_drawn_port(rs->p, i));
    (void)fprintf(f, "\n\t\t}\n\t}\n");
    if (rs->p->allocation.type == NAT_ALLOC_SEQUENTIAL)
        /* One rule, since the counter is the rule's own. */
        (void)fprintf(f, "\tchain draw {\n\t\tct mark set numgen inc mod %u\n\t}\n", rs->ports);
}

bool mapping_learns(const struct ruleset *rs)
{
    return rs->keeps.learned || rs->keeps.contended || rs->keeps.drawn;
}

/* Keys of what is learnt, out of a packet that has just been translated. */
#define INSIDE_ORIGINAL "ct original ip saddr . ct original proto-src"
#define INSIDE_REPLY    "ct reply ip saddr . ct reply proto-src"

static void learn_owned(const struct ruleset *rs, const char *match, const char *inside,
                        const char *remote)
{
    char key[128];
    (void)snprintf(key, sizeof(key), "udp sport . %s%s", inside, remote);
    ruleset_learn(rs, match, "owner", key, NULL);
}

void mapping_learn(const struct ruleset *rs)
{
    const char *remote = rs->p->mapping == NAT_MAPPING_ADM ? " . ip daddr" : "";
    char key[128];
    if (rs->keeps.owned) {
        /* Drawn by chance, and another's: this packet is lost, its retransmission draws again. */
        (void)fprintf(rs->f,
                      "\t\toifname \"%s\" meta l4proto udp ct direction original ct state new "
                      "udp sport%s @used udp sport . " INSIDE_ORIGINAL "%s != @owner drop\n",
                      rs->site->wan_if, remote, remote);
        (void)snprintf(key, sizeof(key), "udp sport%s", remote);
        ruleset_learn(rs, "", "used", key, NULL);
        learn_owned(rs, "ct direction original", INSIDE_ORIGINAL, remote);
        /* Answers alone keep a mapping alive where strangers may open a flow. */
        if (rs->keeps.forwards)
            learn_owned(rs, "ct direction reply", INSIDE_REPLY, remote);
    }
    (void)snprintf(key, sizeof(key), INSIDE_ORIGINAL "%s", remote);
    if (rs->keeps.contended)
        ruleset_learn(rs, "ct direction original ct mark 1", "m", key, "udp sport");
    if (rs->keeps.learned)
        ruleset_learn(rs, "ct direction original", "m", key,
                      rs->keeps.drawn ? "ct mark" : "udp sport");
    if (rs->keeps.learned && !rs->keeps.drawn && rs->keeps.forwards) {
        (void)snprintf(key, sizeof(key), INSIDE_REPLY "%s", remote);
        ruleset_learn(rs, "ct direction reply", "m", key, "udp sport");
    }
    if (rs->keeps.drawn)
        ruleset_learn(rs, "ct direction original", "busy", "ct mark", NULL);
}
