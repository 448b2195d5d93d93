/* Profiles by path and by name: the files of topologies/nat. */
#include "lab/data.h"
#include "lab/nat/profile.h"
#include "lab/nat/profile_read.h"
#include "lab/yaml.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int load(const char *path, enum profile_source source, struct nat_profile *out,
                struct lab_error *err)
{
    struct yaml_doc *doc = NULL;
    int rc;
    nat_profile_init(out);
    if (yaml_load(path, &doc, err) != 0)
        return -1;
    /* A file without `name` is named after itself. */
    const char *base = strrchr(path, '/');
    base = base == NULL ? path : base + 1;
    size_t len = strcspn(base, ".");
    if (len < sizeof(out->name))
        memcpy(out->name, base, len);
    rc = nat_profile_read_as(yaml_root(doc), source, out, err);
    yaml_free(doc);
    return rc;
}

int nat_profile_load(const char *path, struct nat_profile *out, struct lab_error *err)
{
    return load(path, PROFILE_FILE, out, err);
}

static bool name_is_plain(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && strlen(name) < NAT_NAME_MAX &&
           strchr(name, '/') == NULL;
}

int nat_profile_path(const char *name, char *out, size_t cap)
{
    char relative[NAT_NAME_MAX + 32];
    if (!name_is_plain(name))
        return -1;
    (void)snprintf(relative, sizeof(relative), "topologies/nat/%s.yaml", name);
    (void)lab_data_path(relative, out, cap);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int nat_profile_list(char ***names, size_t *count, struct lab_error *err)
{
    char folder[4096];
    char **list = NULL;
    size_t n = 0;
    int rc = -1;
    (void)lab_data_path("topologies/nat", folder, sizeof(folder));
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return lab_fail_errno(err, LAB_USAGE, "no NAT profiles at %s (set NATLAB_DATA)", folder);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        size_t len = strlen(e->d_name);
        if (len <= 5 || e->d_name[0] == '.' || strcmp(e->d_name + len - 5, ".yaml") != 0)
            continue;
        char **grown = realloc(list, (n + 1) * sizeof(*list));
        if (grown == NULL)
            goto cleanup;
        list = grown;
        list[n] = strndup(e->d_name, len - 5);
        if (list[n] == NULL)
            goto cleanup;
        n++;
    }
    if (n > 0)
        qsort(list, n, sizeof(*list), compare_names);
    *names = list;
    *count = n;
    list = NULL;
    rc = 0;
cleanup:
    if (rc != 0)
        (void)lab_fail(err, LAB_BROKEN, "out of memory");
    for (size_t i = 0; list != NULL && i < n; i++)
        free(list[i]);
    free(list);
    (void)closedir(dir);
    return rc;
}

/* "no such profile", with the nearest name there is. */
static int unknown_profile(const char *name, struct lab_error *err)
{
    char **names = NULL;
    size_t count = 0;
    if (nat_profile_list(&names, &count, err) != 0)
        return -1;
    const char *near = yaml_nearest(name, (const char *const *)names, count);
    if (near != NULL)
        (void)lab_fail(err, LAB_USAGE, "no NAT profile is named \"%s\": did you mean \"%s\"?", name,
                       near);
    else
        (void)lab_fail(err, LAB_USAGE,
                       "no NAT profile is named \"%s\" (natlab nat list shows them)", name);
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return -1;
}

static int find(const char *name, enum profile_source source, struct nat_profile *out,
                struct lab_error *err)
{
    char path[4096];
    if (strchr(name, '/') != NULL)
        return load(name, source, out, err);
    if (nat_profile_path(name, path, sizeof(path)) != 0)
        return unknown_profile(name, err);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return errno == ENOENT ? unknown_profile(name, err)
                               : lab_fail_errno(err, LAB_USAGE, "%s", path);
    (void)fclose(f);
    return load(path, source, out, err);
}

int nat_profile_find(const char *name, struct nat_profile *out, struct lab_error *err)
{
    return find(name, PROFILE_FILE, out, err);
}

int nat_profile_resolve(const char *name, const char *file, char *out, size_t cap)
{
    const char *slash = name[0] == '/' || strchr(name, '/') == NULL ? NULL : strrchr(file, '/');
    int folder = slash == NULL ? 0 : (int)(slash - file) + 1;
    if (folder > 0 && strncmp(name, "./", 2) == 0)
        name += 2;
    int n = snprintf(out, cap, "%.*s%s", folder, file, name);
    return n >= 0 && (size_t)n < cap ? 0 : -1;
}

int nat_profile_named_as(struct yaml_node *node, const char *what, enum profile_source source,
                         char *out, size_t cap, struct nat_profile *profile, struct lab_error *err)
{
    char name[NAT_PATH_MAX];
    struct lab_error why = {.code = LAB_GOOD};
    struct nat_profile unused;
    if (yaml_string(node, what, name, sizeof(name), err) != 0)
        return -1;
    if (nat_profile_resolve(name, node->file, out, cap) != 0)
        return yaml_fail(node, err, "%s: the path is too long", what);
    if (find(out, source, profile != NULL ? profile : &unused, &why) == 0)
        return 0;
    if (strchr(out, '/') != NULL && access(out, R_OK) != 0)
        return yaml_fail(node, err, "%s: %s: %s", what, out, strerror(errno));
    /* A profile that is there, but bad, is bad at a place of its own. */
    if (why.code != LAB_USAGE || yaml_unplaced(why.text) != why.text)
        return lab_fail(err, why.code, "%s", why.text);
    return yaml_fail(node, err, "%s: %s", what, why.text);
}

int nat_profile_named(struct yaml_node *node, const char *what, char *out, size_t cap,
                      struct nat_profile *profile, struct lab_error *err)
{
    return nat_profile_named_as(node, what, PROFILE_FILE, out, cap, profile, err);
}
