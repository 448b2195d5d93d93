/* Facts out of any bytes, as a text or as JSON: what is taken is in range, and two such sides have
 * a plan; what is not is refused with a text. */
#include "cli/facts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static void check_side(const struct ph_plan_side *s)
{
    const struct ph_allocation *a = &s->allocation;

    check((unsigned)s->udp <= PH_YES && (unsigned)s->mapping <= PH_MAPPING_APDM);
    check((unsigned)s->filtering <= PH_FILTERING_APDF && (unsigned)s->gateway <= PH_GATEWAY_DROP);
    check((unsigned)a->type <= PH_ALLOCATION_BLOCK);
    check(a->low <= a->high);
    check(a->type != PH_ALLOCATION_BLOCK || a->low > 0);
    check(a->type != PH_ALLOCATION_SEQUENTIAL || a->step != 0);
}

static void check_plan(const struct facts *x, const struct facts *y)
{
    struct ph_plan_input in = {.side = {x->side, y->side}, .signalling = 40 * PH_MS};
    struct ph_plan p;

    ph_plan_make(&in, 1, &p);
    check(p.count <= PH_PLAN_MOVES_MAX && p.why[0] != '\0');
    check(p.success >= 0 && p.success <= 1);
    for (size_t i = 0; i < p.count; i++) {
        struct ph_port_walk w = {.order = &p.moves[i].order};
        uint16_t port;

        check(p.moves[i].success >= 0 && p.moves[i].success <= 1);
        for (int k = 0; k < 8 && ph_port_walk_next(&w, &port); k++)
            check(port != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* The first line is one side's, the rest the other's. */
    const char *text = (const char *)data;
    const char *lf = size > 0 ? memchr(text, '\n', size) : NULL;
    size_t first = lf != NULL ? (size_t)(lf - text) : size;
    struct facts x, y;
    char error[FACTS_ERROR] = "";

    if (!facts_parse(text, first, &x, error)) {
        check(error[0] != '\0' && strnlen(error, sizeof(error)) < sizeof(error));
        return 0;
    }
    check_side(&x.side);
    check_plan(&x, &x);
    if (lf != NULL && facts_parse(lf + 1, size - first - 1, &y, error)) {
        check_side(&y.side);
        check_plan(&x, &y);
    }
    return 0;
}
