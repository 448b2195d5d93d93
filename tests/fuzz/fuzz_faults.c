/* The section `faults` out of any YAML: what is taken has a schedule within its bounds; what is not
 * is refused with a position. */
#include "lab/run/fault_schedule.h"

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

static void check_schedule(const struct fault_plan *plan, uint64_t seed)
{
    struct fault_schedule s;
    check(fault_schedule_make(plan, seed, &s) == 0);
    check(s.fault_count > 0 && s.fault_count <= FAULTS_MAX);
    check(s.event_count >= s.fault_count && s.event_count <= 4 * s.fault_count);
    check(s.over <= fault_plan_over(plan));
    for (size_t i = 0; i < s.event_count; i++) {
        const struct fault_event *e = &s.events[i];
        check(i == 0 || s.events[i - 1].when <= e->when);
        check(e->fault < s.fault_count && e->what.number / 2 == e->fault);
        check(e->what.kind < INCIDENT_KINDS && e->what.side < 2);
        check(!e->what.over || incident_lasts(e->what.kind));
    }
    fault_schedule_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fault_plans plans;
    struct yaml_doc *doc = NULL;
    struct lab_error err = {.code = LAB_GOOD};
    if (yaml_parse("fuzz", (const char *)data, size, &doc, &err) != 0)
        return 0;
    if (fault_plans_read(yaml_root(doc), &plans, &err) != 0) {
        check(err.code == LAB_USAGE && strncmp(err.text, "fuzz:", 5) == 0);
    } else {
        for (size_t i = 0; i < plans.count; i++)
            check_schedule(&plans.items[i], size);
    }
    yaml_free(doc);
    return 0;
}
