/* Where a NAT that counts will be some time after a sample. Its own side's openers are known to it;
 * what other people open in between is not: negative-binomial, with the rate that was seen and the
 * bunching that is usual (nat/drift.h). */
#ifndef PH_NAT_PREDICT_H
#define PH_NAT_PREDICT_H

#include "nat/allocation.h"
#include "nat/ports.h"

/* Other people's flows in a time: mean and variance. A rate that is not known counts as a few a
 * second; its own uncertainty is part of the variance. */
struct ph_drift {
    double mean, variance;
};
struct ph_drift ph_predict_drift(const struct ph_allocation *a, ph_ns time);

/* The chance that the number of other people's flows lies in [from, to]. */
double ph_predict_between(const struct ph_drift *d, uint32_t from, uint32_t to);
/* The smallest number of flows that is not exceeded with this chance. */
uint32_t ph_predict_quantile(const struct ph_drift *d, double chance);

/* The port that is `moves` of the counter after `port`, with its step, inside its range and past
 * its end (which is 1024-65535 where no wrap was seen). */
uint16_t ph_predict_port(const struct ph_allocation *a, uint16_t port, int32_t moves);
/* How many moves lead from one port to another; -1: none does. The least, forwards. */
int32_t ph_predict_moves(const struct ph_allocation *a, uint16_t from, uint16_t to);

/* Adds to an order the ports that lie first, first + stride ... moves after `port`, `count` of
 * them, in this order. False when there is no room for all. */
bool ph_predict_order(const struct ph_allocation *a, uint16_t port, uint32_t first, uint32_t count,
                      uint32_t stride, struct ph_port_order *out);

/* The chance that `sockets` openers in a row cover the port that lies `ahead` moves after the
 * sample, when other people's flows in between are `d`. */
double ph_predict_covers(const struct ph_drift *d, uint32_t sockets, uint32_t ahead);
/* The chance that a window of `probes` ports, `stride` moves apart and beginning `first` moves
 * after the sample, meets one of `sockets` openers in a row. */
double ph_predict_window(const struct ph_drift *d, uint32_t sockets, uint32_t first,
                         uint32_t probes, uint32_t stride);

#endif
