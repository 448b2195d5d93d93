#include "lab/router/router.h"

#include "lab/router/miniupnpd.h"

#include <stdlib.h>

struct router {
    struct miniupnpd *real;
};

bool router_wanted(const struct nat_profile *p)
{
    return p->port_mapping.nat_pmp || p->port_mapping.pcp || p->port_mapping.upnp;
}

int router_start(const struct nat_profile *p, const struct router_site *site, struct router **out,
                 struct lab_error *err)
{
    struct router *r = calloc(1, sizeof(*r));
    *out = NULL;
    if (r == NULL)
        return lab_fail(err, LAB_CANNOT, "out of memory");
    if (miniupnpd_start(p, site, &r->real, err) != 0) {
        router_stop(r);
        return -1;
    }
    *out = r;
    return 0;
}

int router_mappings(struct router *r, size_t *count, struct lab_error *err)
{
    return miniupnpd_mappings(r->real, count, err);
}

int router_flush(struct router *r, struct lab_error *err)
{
    return miniupnpd_flush(r->real, err);
}

void router_stop(struct router *r)
{
    if (r == NULL)
        return;
    miniupnpd_stop(r->real);
    free(r);
}
