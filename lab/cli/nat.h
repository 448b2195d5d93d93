/* The parts of `natlab nat`. */
#ifndef LAB_CLI_NAT_H
#define LAB_CLI_NAT_H

#include "lab/nat/profile.h"

#include <stdio.h>

#define NAT_PROFILES_MAX 64
#define NAT_EDITS_MAX    16

struct nat_options {
    const char *names[NAT_PROFILES_MAX];
    size_t name_count;
    const char *gateway;              /* NULL: the profile's own */
    const char *edits[NAT_EDITS_MAX]; /* "field=value" */
    size_t edit_count;
    bool timeout;
    bool json;
};

/* A profile by its name or its file's path, with the options' changes. */
int nat_profile_chosen(const char *name, const struct nat_options *o, struct nat_profile *out,
                       struct lab_error *err);

/* Proves each of them in a world of its own and prints what was seen; the exit code. */
enum lab_exit nat_check_all(const struct nat_options *o, FILE *out);

#endif
