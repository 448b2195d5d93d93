/* natlab gc: removes what killed labs left: their sockets, nothing else survives them. */
#include "lab/cli/cli.h"
#include "lab/cli/living.h"

#include <argp.h>
#include <stdio.h>

int cmd_gc(int argc, char **argv)
{
    static const struct argp argp = {
        .doc = "Removes the sockets of labs whose holder was killed. Their namespaces, devices and "
               "rules went with them.",
    };
    struct living_list list;
    struct lab_error err = {0};

    if (argp_parse(&argp, argc, argv, 0, NULL, NULL) != 0) {
        return LAB_USAGE;
    }
    if (living_list(&list, &err) != 0) {
        (void)fprintf(stderr, "natlab gc: %s\n", err.text);
        return (int)err.code;
    }
    printf("%zu removed, %zu living\n", list.stale, list.count);
    return LAB_GOOD;
}
