/* A report as a NAT profile that natlab reads (topologies/nat). What is not known is said in a
 * comment, and is then as natlab's default has it. */
#include "cli/netcheck.h"

#include <math.h>

/* What natlab can emulate. */
#define STEP_MAX  256
#define BLOCK_MIN 64
#define BLOCK_MAX 8064
#define FLOWS_MAX 1000
/* Other people's flows show, not how many they are. */
#define BACKGROUND_HOSTS 4

static int clamp(int v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

static void write_block(FILE *to, const struct ph_allocation *a)
{
    int size = a->high - a->low + 1;
    int block = clamp(size, BLOCK_MIN, BLOCK_MAX);

    fprintf(to, "allocation: {type: block, block: %d, aligned: %s}", block,
            a->aligned ? "true" : "false");
    fprintf(to, "  # seen in %u-%u%s\n", a->low, a->high,
            block != size ? "; natlab's nearest size" : "");
}

static void write_allocation(FILE *to, const struct ph_nat_facts *f)
{
    const struct ph_allocation *a = &f->allocation;

    switch (a->type) {
    case PH_ALLOCATION_NONE:
        return;
    case PH_ALLOCATION_UNKNOWN:
        fprintf(to, "# allocation: not known\n");
        return;
    case PH_ALLOCATION_PRESERVING:
        if (ph_nat_is_easy(f) || f->mapping == PH_MAPPING_UNKNOWN) {
            fprintf(to, "allocation: {type: preserving}\n");
        } else {
            fprintf(to, "# allocation: mostly the socket's own port, which natlab cannot have with "
                        "this mapping\n");
            fprintf(to, "allocation: {type: random}\n");
        }
        return;
    case PH_ALLOCATION_ONE_PORT:
        fprintf(to, "# allocation: one port, not the socket's own; how the next socket's is chosen "
                    "cannot be seen\n");
        fprintf(to, "allocation: {type: random}\n");
        return;
    case PH_ALLOCATION_SEQUENTIAL:
        fprintf(to, "allocation: {type: sequential, step: %d}",
                clamp(a->step, -STEP_MAX, STEP_MAX));
        fputc('\n', to);
        if (a->cross_rate >= 0.5) {
            fprintf(to, "background: {hosts: %d, flows_per_second: %d}  # 95%%: %.1f to %.1f\n",
                    BACKGROUND_HOSTS, clamp((int)lround(a->cross_rate), 1, FLOWS_MAX), a->cross_low,
                    a->cross_high);
        }
        return;
    case PH_ALLOCATION_RANDOM:
        fprintf(to, "allocation: {type: random}\n");
        return;
    case PH_ALLOCATION_BLOCK:
        write_block(to, a);
        return;
    }
}

static void write_timeout(FILE *to, const struct ph_lifetime *l)
{
    unsigned low = (unsigned)(l->at_least / PH_SEC);
    unsigned high = l->less_than == PH_NEVER ? 0 : (unsigned)(l->less_than / PH_SEC);
    unsigned s = high == 0 ? low : (low + high) / 2;

    if (s == 0) {
        fprintf(to, "# timeout: not measured (--lifetime does)\n");
        return;
    }
    fprintf(to, "timeout: {udp: %us, udp_stream: %us}  # ", s, s);
    if (high != 0) {
        fprintf(to, "an idle mapping lived for %u s, and not for %u s\n", low, high);
    } else {
        fprintf(to, "an idle mapping lived for %u s, and longer was not tried\n", low);
    }
}

static bool speaks(const struct netcheck_view *v, enum ph_portmap_protocol p)
{
    enum ph_portmap_said said = v->report.portmap[p].said;

    return said == PH_PORTMAP_ANSWERS || said == PH_PORTMAP_MAPPED || said == PH_PORTMAP_RELEASED;
}

static void write_port_mapping(FILE *to, const struct netcheck_view *v)
{
    bool pcp = speaks(v, PH_PORTMAP_PCP);
    bool natpmp = speaks(v, PH_PORTMAP_NATPMP);
    bool upnp = speaks(v, PH_PORTMAP_UPNP);

    if (!v->asked_portmap) {
        fprintf(to, "# port_mapping: not asked for\n");
    } else if (v->report.double_nat == PH_YES) {
        /* Here the profile's own server would stand on the outer one, and do what the real one
         * cannot. */
        fprintf(to, "# port_mapping: what speaks it stands behind the second NAT, of no use\n");
    } else if (!pcp && !natpmp && !upnp) {
        fprintf(to, "# port_mapping: nobody maps\n");
    } else {
        fprintf(to, "port_mapping: {nat_pmp: %s, pcp: %s, upnp: %s}\n", natpmp ? "true" : "false",
                pcp ? "true" : "false", upnp ? "true" : "false");
    }
}

static void write_hairpin(FILE *to, const struct ph_nat_facts *f)
{
    if (f->mapping == PH_MAPPING_NONE) {
        return;
    }
    if (f->hairpin == PH_ANSWER_UNKNOWN) {
        fprintf(to, "# hairpin: not known\n");
    } else {
        fprintf(to, "hairpin: %s\n", f->hairpin == PH_YES ? "true" : "false");
    }
}

void netcheck_profile(FILE *to, const struct netcheck_view *v)
{
    const struct ph_nat_facts *f = &v->report.v4;

    fprintf(to,
            "# A NAT as pinhole netcheck saw it from inside. What is a comment is not known, and "
            "is then\n# natlab's default.\nname: measured\n");
    if (f->udp != PH_YES) {
        fprintf(to, f->udp == PH_NO
                        ? "udp: block\n"
                        : "# udp: not known: no server was asked by IPv4, whose NATs natlab has\n");
        return;
    }
    if (f->mapping == PH_MAPPING_UNKNOWN) {
        fprintf(to, "# mapping: not known\n");
    } else {
        fprintf(to, "mapping: %s%s\n", ph_mapping_behaviour_name(f->mapping),
                f->mapping_guessed ? "  # the likelier of two" : "");
    }
    if (f->filtering == PH_FILTERING_UNKNOWN) {
        fprintf(to, "# filtering: not known (it takes a server with a second address and port)\n");
    } else {
        fprintf(to, "filtering: %s\n", ph_filtering_behaviour_name(f->filtering));
    }
    write_allocation(to, f);
    write_hairpin(to, f);
    write_timeout(to, &f->lifetime);
    write_port_mapping(to, v);
    if (v->report.double_nat == PH_YES) {
        fprintf(to,
                "inside: port-preserving  # two NATs, seen as one; of what kind the inner one is "
                "does not show\n");
    }
}
