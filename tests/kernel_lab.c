#include "tests/kernel_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct kernel_lab *lab;
static struct lab_error cannot;

int kernel_lab_setup(void **state)
{
    (void)state;
    if (kernel_privileges(&cannot) != 0 || kernel_lab_open(&lab, &cannot) != 0)
        return cannot.code == LAB_CANNOT ? 0 : -1;
    return 0;
}

int kernel_lab_teardown(void **state)
{
    (void)state;
    kernel_lab_close(lab);
    return 0;
}

struct kernel_lab *kernel_lab_needed(void)
{
    if (lab == NULL) {
        print_message("%s\n", cannot.text);
        skip();
    }
    return lab;
}
