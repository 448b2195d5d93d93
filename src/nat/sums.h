/* Sums of chances that are kept as logarithms. Inside the room. */
#ifndef PH_NAT_SUMS_H
#define PH_NAT_SUMS_H

#include <math.h>

/* ln(exp(a) + exp(b)); -INFINITY is the chance 0. */
static inline double ph_add_ln(double a, double b)
{
    double top = a > b ? a : b;
    return top == -INFINITY ? top : top + log(exp(a - top) + exp(b - top));
}

#endif
