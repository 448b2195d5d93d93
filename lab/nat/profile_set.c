/* One field of a profile, by its name and its text: for the axes of a matrix and --set. */
#include "lab/nat/profile_read.h"
#include "lab/yaml.h"

#include <stdio.h>
#include <string.h>

/* The document is made here: a place in it would tell nobody anything. */
static int refuse(const char *field, const struct lab_error *why, struct lab_error *err)
{
    size_t len = strlen(field);
    bool ours = strncmp(why->text, field, len) == 0 && why->text[len] == ':';
    return lab_fail(err, why->code, "%s", ours ? yaml_unplaced(why->text) : why->text);
}

int nat_profile_set(struct nat_profile *p, const char *field, const char *value,
                    struct lab_error *err)
{
    char text[512];
    struct yaml_doc *doc = NULL;
    struct lab_error why = {.code = LAB_GOOD};
    struct nat_profile changed = *p;
    size_t depth = 0;
    size_t at = 0;
    int rc;
    if (strlen(field) + strlen(value) + 32 > sizeof(text) || strpbrk(field, "{}[],:# \n") != NULL ||
        strchr(value, '\n') != NULL)
        return lab_fail(err, LAB_USAGE,
                        "\"%.64s\" is no field of a NAT profile (gateway, allocation.step, ...)",
                        field);
    /* "a.b" and "v" become "{a: {b: v}}", so that an axis and a file are read by the same code. */
    for (const char *c = field;;) {
        size_t n = strcspn(c, ".");
        at += (size_t)snprintf(text + at, sizeof(text) - at, "{%.*s: ", (int)n, c);
        depth++;
        if (c[n] == '\0')
            break;
        c += n + 1;
        if (depth == 4)
            return lab_fail(err, LAB_USAGE, "\"%.64s\" is no field of a NAT profile", field);
    }
    at += (size_t)snprintf(text + at, sizeof(text) - at, "%s", value);
    for (; depth > 0; depth--)
        text[at++] = '}';
    if (yaml_parse(field, text, at, &doc, &why) != 0)
        return refuse(field, &why, err);
    rc = nat_profile_read_as(yaml_root(doc), PROFILE_EDIT, &changed, &why);
    yaml_free(doc);
    if (rc != 0)
        return refuse(field, &why, err);
    *p = changed;
    return 0;
}
