#include "lab/router/router.h"

#include "lab/router/miniupnpd.h"
#include "lab/router/scripted_child.h"
#include "lab/router/scripted_process.h"

#include <stdlib.h>
#include <string.h>

/* One of the two. */
struct router {
    struct miniupnpd *real;
    struct scripted_process *scripted;
};

bool router_wanted(const struct nat_profile *p)
{
    return nat_profile_protocols(p) != 0;
}

static bool is_scripted(const struct nat_profile *p, const struct router_site *site)
{
    return p->port_mapping.fault_count > 0 || !miniupnpd_serves(site);
}

const char *router_kind(const struct nat_profile *p, const struct router_site *site)
{
    return is_scripted(p, site) ? "scripted" : "miniupnpd";
}

static bool has_fault(const struct nat_profile *p, const char *name)
{
    for (size_t i = 0; i < p->port_mapping.fault_count; i++)
        if (strcmp(p->port_mapping.faults[i], name) == 0)
            return true;
    return false;
}

int router_rules(const struct nat_profile *p, const struct router_site *site, char **out,
                 struct lab_error *err)
{
    *out = NULL;
    if (!is_scripted(p, site))
        return miniupnpd_rules(p, site, out, err);
    *out = scripted_rules(site, !has_fault(p, "dnat-without-snat"));
    return *out != NULL ? 0 : lab_fail(err, LAB_CANNOT, "out of memory");
}

int router_start(const struct nat_profile *p, const struct router_site *site, struct router **out,
                 struct lab_error *err)
{
    struct router *r = calloc(1, sizeof(*r));
    int rc;
    *out = NULL;
    if (r == NULL)
        return lab_fail(err, LAB_CANNOT, "out of memory");
    if (is_scripted(p, site))
        rc = scripted_process_start(p, site, &r->scripted, err);
    else
        rc = miniupnpd_start(p, site, &r->real, err);
    if (rc != 0) {
        router_stop(r);
        return -1;
    }
    *out = r;
    return 0;
}

int router_mappings(struct router *r, size_t *count, struct lab_error *err)
{
    return r->real != NULL ? miniupnpd_mappings(r->real, count, err)
                           : scripted_process_mappings(r->scripted, count, err);
}

int router_flush(struct router *r, struct lab_error *err)
{
    return r->real != NULL ? miniupnpd_flush(r->real, err)
                           : scripted_process_flush(r->scripted, err);
}

void router_stop(struct router *r)
{
    if (r == NULL)
        return;
    miniupnpd_stop(r->real);
    scripted_process_stop(r->scripted);
    free(r);
}
