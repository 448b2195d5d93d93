/* What a side can hope for against an easy and a hard peer: traversal's table, as seen by one of
 * the two. */
#include "nat/outlook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Short names, so that the table below is one. */
enum {
    MU = PH_MAPPING_UNKNOWN,
    MN = PH_MAPPING_NONE,
    ME = PH_MAPPING_EIM,
    MA = PH_MAPPING_ADM,
    MP = PH_MAPPING_APDM
};
enum {
    FU = PH_FILTERING_UNKNOWN,
    FE = PH_FILTERING_EIF,
    FA = PH_FILTERING_ADF,
    FP = PH_FILTERING_APDF
};
enum {
    AU = PH_ALLOCATION_UNKNOWN,
    AN = PH_ALLOCATION_NONE,
    AP = PH_ALLOCATION_PRESERVING,
    AO = PH_ALLOCATION_ONE_PORT,
    AS = PH_ALLOCATION_SEQUENTIAL,
    AR = PH_ALLOCATION_RANDOM,
    AB = PH_ALLOCATION_BLOCK
};
/* Chances: unknown, none, some, good. */
enum {
    U,
    N,
    S,
    G
};

static const struct row {
    int mapping, filtering, allocation;
    int easy[3], hard[3]; /* punch, predict, birthday */
} rows[] = {
    /* A public address. A firewall filters as a NAT does. */
    {MN, FE, AN, {G, N, N}, {G, N, N}},
    {MN, FA, AN, {G, N, N}, {G, N, N}},
    {MN, FP, AN, {G, N, N}, {N, N, S}},
    {MN, FU, AN, {G, N, N}, {U, N, S}},
    /* Endpoint-independent mapping: whatever the ports, the filter decides. */
    {ME, FE, AP, {G, N, N}, {G, N, N}},
    {ME, FA, AP, {G, N, N}, {G, N, N}},
    {ME, FP, AP, {G, N, N}, {N, N, S}},
    {ME, FU, AP, {G, N, N}, {U, N, S}},
    {ME, FE, AO, {G, N, N}, {G, N, N}},
    {ME, FA, AO, {G, N, N}, {G, N, N}},
    {ME, FP, AO, {G, N, N}, {N, N, S}},
    {ME, FU, AU, {G, N, N}, {U, N, S}},
    /* The own port, unless it is taken. */
    {MP, FE, AP, {S, N, S}, {S, N, N}},
    {MP, FA, AP, {S, N, S}, {S, N, N}},
    {MP, FP, AP, {S, N, S}, {N, N, S}},
    {MP, FU, AP, {S, N, S}, {U, N, S}},
    {MU, FP, AP, {S, N, S}, {N, N, S}},
    /* A counter. With one port for the peer's address, that one can be predicted, and the hard peer
     * aimed there; with one for each probe it cannot. */
    {MP, FP, AS, {N, S, S}, {N, N, N}},
    {MP, FE, AS, {N, S, S}, {N, N, N}},
    {MA, FP, AS, {N, S, S}, {N, S, N}},
    {MU, FP, AS, {N, S, S}, {N, U, N}},
    /* Drawn at random: two such sides have the relay. */
    {MP, FP, AR, {N, N, S}, {N, N, N}},
    {MP, FE, AR, {N, N, S}, {N, N, N}},
    {MA, FP, AR, {N, N, S}, {N, N, N}},
    {MU, FU, AR, {N, N, S}, {N, N, N}},
    {MP, FP, AB, {N, N, S}, {N, N, N}},
    {MA, FP, AB, {N, N, S}, {N, N, N}},
    {MU, FU, AB, {N, N, S}, {N, N, N}},
    /* It changes, and not known how. */
    {MP, FP, AU, {N, U, S}, {N, N, N}},
    {MA, FP, AU, {N, U, S}, {N, U, N}},
    /* Nothing is known. */
    {MU, FU, AU, {U, U, U}, {U, U, U}},
    {MU, FE, AU, {U, U, U}, {U, U, U}},
};

static void expect(size_t row, const char *peer, struct ph_outlook o, int portmap,
                   const int want[3])
{
    if ((int)o.portmap != portmap || (int)o.punch != want[0] || (int)o.predict != want[1] ||
        (int)o.birthday != want[2])
        fail_msg("row %zu, %s peer: portmap %s, punch %s, predict %s, birthday %s", row, peer,
                 ph_chance_name(o.portmap), ph_chance_name(o.punch), ph_chance_name(o.predict),
                 ph_chance_name(o.birthday));
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ph_nat_facts f = {.udp = PH_YES,
                                 .mapping = (enum ph_mapping_behaviour)rows[i].mapping,
                                 .filtering = (enum ph_filtering_behaviour)rows[i].filtering,
                                 .allocation.type = (enum ph_allocation_type)rows[i].allocation};
        for (int mapped = 0; mapped < 2; mapped++) {
            expect(i, "easy", ph_outlook_easy(&f, mapped), mapped ? G : N, rows[i].easy);
            expect(i, "hard", ph_outlook_hard(&f, mapped), mapped ? G : N, rows[i].hard);
        }
    }
}

/* Where no UDP passes, nothing works, whatever else is believed; where that is not known, what a
 * router did is. */
static void test_udp(void **state)
{
    (void)state;
    static const int none[3] = {N, N, N}, unknown[3] = {U, U, U};
    struct ph_nat_facts f = {
        .udp = PH_NO, .mapping = PH_MAPPING_EIM, .filtering = PH_FILTERING_EIF};
    expect(0, "easy", ph_outlook_easy(&f, true), N, none);
    expect(0, "hard", ph_outlook_hard(&f, true), N, none);
    f.udp = PH_ANSWER_UNKNOWN;
    expect(1, "easy", ph_outlook_easy(&f, false), N, unknown);
    expect(1, "hard", ph_outlook_hard(&f, true), G, unknown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_udp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
