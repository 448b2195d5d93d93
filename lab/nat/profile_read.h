/* Reading a profile out of a document, by what the document is. */
#ifndef LAB_NAT_PROFILE_READ_H
#define LAB_NAT_PROFILE_READ_H

#include "lab/nat/profile.h"

enum profile_source {
    PROFILE_FILE, /* a profile of its own */
    PROFILE_HOME, /* one that stands inside another: what it names as `inside` is not looked for */
    PROFILE_EDIT, /* a few fields on top of a profile that is there */
};

int nat_profile_read_as(struct yaml_node *root, enum profile_source source, struct nat_profile *p,
                        struct lab_error *err);
/* nat_profile_named, of a profile of this kind. */
int nat_profile_named_as(struct yaml_node *node, const char *what, enum profile_source source,
                         char *out, size_t cap, struct nat_profile *profile, struct lab_error *err);

#endif
