/* Any bytes as YAML: a tree in which everything has its place in the file, or a complaint that has
 * one. What is a scenario, too, becomes one or is refused. */
#include "lab/run/scenario.h"
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

static void read_scalar(struct yaml_node *n)
{
    static const char *const names[] = {"accept", "drop", "reject"};
    char word[32];
    int64_t i = 0;
    uint64_t u = 0;
    double d = 0;
    bool b = false;
    int index = 0;
    struct lab_error err;
    if (yaml_string(n, "word", word, sizeof(word), &err) == 0)
        check(strcmp(word, n->scalar) == 0);
    if (yaml_int(n, "int", -5, 70000, &i, &err) == 0)
        check(i >= -5 && i <= 70000);
    if (yaml_number(n, "number", -1, 2, &d, &err) == 0)
        check(d >= -1 && d <= 2);
    if (yaml_percent(n, "percent", &d, &err) == 0)
        check(d >= 0 && d <= 1);
    if (yaml_duration(n, "duration", &u, &err) == 0)
        check(u <= 604800000000000u);
    if (yaml_rate(n, "rate", &u, &err) == 0)
        check(u <= 1000000000000u);
    (void)yaml_bool(n, "bool", &b, &err);
    if (yaml_enum(n, "enum", names, 3, &index, &err) == 0)
        check(index >= 0 && index < 3);
}

static void walk(struct yaml_node *n, unsigned depth)
{
    check(n->line >= 1 && n->column >= 1 && depth <= 33);
    check(strcmp(n->file, "fuzz") == 0);
    if (n->type == YAML_SCALAR)
        read_scalar(n);
    for (size_t i = 0; n->type == YAML_SEQUENCE && i < n->count; i++)
        walk(n->items[i], depth + 1);
    for (size_t i = 0; n->type == YAML_MAPPING && i < n->count; i++) {
        check(n->pairs[i].line >= 1 && n->pairs[i].key[0] != '\0');
        check(yaml_get(n, n->pairs[i].key) == n->pairs[i].value);
        walk(n->pairs[i].value, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml_doc *doc = NULL;
    struct scenario *s = NULL;
    struct lab_error err = {.code = LAB_GOOD};
    if (yaml_parse("fuzz", (const char *)data, size, &doc, &err) != 0) {
        check(err.code == LAB_USAGE && strncmp(err.text, "fuzz:", 5) == 0);
        return 0;
    }
    walk(yaml_root(doc), 0);
    yaml_free(doc);
    if (scenario_parse("fuzz", (const char *)data, size, &s, &err) != 0)
        check(err.code == LAB_USAGE && strncmp(err.text, "fuzz:", 5) == 0);
    scenario_free(s);
    return 0;
}
