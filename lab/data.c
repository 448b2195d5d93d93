#include "lab/data.h"

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char data_root[PATH_MAX];
static pthread_once_t found = PTHREAD_ONCE_INIT;

/* A folder is the right one when the NAT profiles are in it. */
static bool holds_data(const char *dir)
{
    char path[PATH_MAX + 32];
    int n = snprintf(path, sizeof(path), "%s/topologies/nat", dir);
    return n > 0 && (size_t)n < sizeof(path) && access(path, R_OK | X_OK) == 0;
}

static bool try_root(const char *dir, const char *suffix)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s%s", dir, suffix);
    if (n <= 0 || (size_t)n >= sizeof(path) || !holds_data(path))
        return false;
    memcpy(data_root, path, (size_t)n + 1);
    return true;
}

/* Climbs from the folder of the running binary: build/, build/asan/tests/... stand in the tree;
 * PREFIX/bin has its data in PREFIX/share/natlab. */
static bool near_binary(void)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    if (n <= 0)
        return false;
    exe[n] = '\0';
    for (int up = 0; up < 6; up++) {
        char *slash = strrchr(exe, '/');
        if (slash == NULL)
            return false;
        *slash = '\0';
        if (try_root(exe, "") || try_root(exe, "/share/natlab"))
            return true;
    }
    return false;
}

static void find_root(void)
{
    const char *env = getenv("NATLAB_DATA");
    if (env != NULL && env[0] != '\0') {
        /* What the user names is taken as it is, so that a wrong one is complained about by name.
         */
        if (snprintf(data_root, sizeof(data_root), "%s", env) < 0)
            data_root[0] = '\0';
        return;
    }
    if (near_binary())
        return;
#ifdef LAB_SOURCE_TREE
    if (try_root(LAB_SOURCE_TREE, ""))
        return;
#endif
    if (!try_root("/usr/local", "/share/natlab") && !try_root("/usr", "/share/natlab"))
        memcpy(data_root, ".", 2);
}

const char *lab_data_path(const char *relative, char *out, size_t cap)
{
    (void)pthread_once(&found, find_root);
    if (cap == 0)
        return out;
    int n = snprintf(out, cap, "%s/%s", data_root, relative);
    if (n < 0 || (size_t)n >= cap)
        out[0] = '\0';
    return out;
}
