/* NAT profiles out of any YAML: what is taken is in range and becomes rules; what is not is refused
 * with a position. */
#include "lab/nat/profile.h"
#include "lab/nat/rules.h"
#include "lab/yaml.h"

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
    if (!good)
        abort();
}

static void check_rules(const struct nat_profile *p)
{
    struct nat_site site = {.wan_if = "wan", .lan_if = "lan", .lan_prefix = 24};
    struct lab_error err = {.code = LAB_GOOD};
    char *text = NULL;
    site.wan_count = NAT_POOL_MAX;
    for (size_t i = 0; i < site.wan_count; i++)
        site.wan[i] = ph_addr_v4(198, 51, 100, (uint8_t)(1 + i), 0);
    site.lan = ph_addr_v4(192, 168, 1, 1, 0);
    site.subscribers[0] = ph_addr_v4(192, 168, 1, 2, 0);
    site.subscriber_count = 1;
    check(nat_rules(p, &site, &text, &err) == 0);
    check(strncmp(text, "table ip pinhole {\n", 19) == 0);
    check(strlen(text) < 262144);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml_doc *doc = NULL;
    struct nat_profile p;
    struct lab_error err = {.code = LAB_GOOD};
    nat_profile_init(&p);
    if (yaml_parse("fuzz", (const char *)data, size, &doc, &err) != 0) {
        check(err.code != LAB_GOOD);
        return 0;
    }
    if (nat_profile_read(yaml_root(doc), &p, &err) != 0) {
        /* Or at a place in a file that this one names. */
        check(err.code == LAB_USAGE &&
              (strncmp(err.text, "fuzz:", 5) == 0 || strchr(err.text, '/') != NULL));
    } else {
        check(nat_profile_validate(&p, &err) == 0);
        check(memchr(p.name, '\0', sizeof(p.name)) != NULL);
        check(p.mapping == NAT_MAPPING_NONE || p.allocation.range_lo >= 1024);
        check_rules(&p);
    }
    yaml_free(doc);
    return 0;
}
