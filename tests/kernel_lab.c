#include "tests/kernel_lab.h"

#include "lab/net/netns.h"
#include "lab/net/nft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

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

bool kernel_lab_has_ingress(void)
{
    int home = netns_here(NULL), fd = netns_new(NULL);
    bool has;

    assert_true(home >= 0 && fd >= 0);
    assert_int_equal(netns_enter(home, NULL), 0);
    has = nft_run(fd,
                  "table netdev t {\nchain c {\ntype filter hook ingress device \"lo\" priority "
                  "0\n}\n}\n",
                  NULL, NULL) == 0;
    close(fd);
    close(home);
    if (!has) {
        print_message("this kernel has no nftables at ingress: no blackout is tried\n");
    }
    return has;
}
