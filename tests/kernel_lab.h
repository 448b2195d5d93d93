/* One kernel lab for a test program: made before its tests, closed after them. */
#ifndef TESTS_KERNEL_LAB_H
#define TESTS_KERNEL_LAB_H

#include "lab/world/kernel.h"

/* The setup and teardown of a group. Where the machine cannot, setup is good and there is no lab;
 * any other error fails the group. */
int kernel_lab_setup(void **state);
int kernel_lab_teardown(void **state);

/* The lab; skips the test, and says why, where there is none. */
struct kernel_lab *kernel_lab_needed(void);

/* Whether the kernel has nftables at a device's ingress, which a blackout takes; says so where not.
 */
bool kernel_lab_has_ingress(void);

#endif
