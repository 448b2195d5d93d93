/* Topologies out of any YAML: what is taken has a layout or a reason why not; what is not is
 * refused with a position. */
#include "lab/topo/layout.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* Debian 12's libfyaml loses a buffer when a long quoted scalar turns out to be no YAML. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml";
}

static void check(bool good)
{
    if (!good) {
        abort();
    }
}

static void check_layout(const struct layout *l)
{
    check(l->node_count <= LAYOUT_NODES_MAX && l->link_count <= LAYOUT_LINKS_MAX);
    for (size_t i = 0; i < l->node_count; i++) {
        const struct layout_node *n = &l->nodes[i];

        check(n->if_count <= LAYOUT_IFS_MAX && layout_find(l, n->name) == i);
        check(n->kind != LAYOUT_NAT || (n->wan_if < n->if_count && n->lan_if < n->if_count));
        check(n->kind != LAYOUT_HOST || layout_nats_above(l, i) <= 2 * TOPO_NATS_MAX);
        check(layout_delay_ns(l, i, i) == 0);
        for (size_t k = 0; k < n->route_count; k++) {
            check(n->routes[k].iface < n->if_count);
        }
    }
    for (size_t i = 0; i < l->link_count; i++) {
        for (size_t side = 0; side < 2; side++) {
            const struct layout_node *n = &l->nodes[l->links[i].node[side]];

            check(n->ifs[l->links[i].iface[side]].link == i);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum nat_mapping mappings[] = {NAT_MAPPING_EIM, NAT_MAPPING_NONE};
    static struct world_spec spec;
    static struct layout layout;
    struct topology t;
    struct lab_error err = {.code = LAB_GOOD};

    if (topology_parse("fuzz", (const char *)data, size, &t, &err) != 0) {
        check(err.code == LAB_CANNOT ||
              (err.code == LAB_USAGE && strncmp(err.text, "fuzz", 4) == 0));
        return 0;
    }
    memset(&spec, 0, sizeof(spec));
    spec.topology = t;
    /* No file is read: the NATs translate or do not, as their names go. */
    for (size_t i = 0; i < t.nat_count; i++) {
        nat_profile_init(&spec.profiles[i]);
        spec.profiles[i].mapping = mappings[(unsigned char)t.nats[i].profile[0] % 2];
    }
    if (layout_compute(&spec, &layout, &err) != 0) {
        check(err.code == LAB_USAGE && err.text[0] != '\0');
        return 0;
    }
    check_layout(&layout);
    return 0;
}
