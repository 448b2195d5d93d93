/* A relay that lies: it brings every offer to whoever else is there, whatever fingerprint was
 * dialled, and tells the callee any fingerprint it likes. For tests of what peers owe nobody's word
 * for. */
#ifndef TESTS_HOSTILE_RELAY_H
#define TESTS_HOSTILE_RELAY_H

#include "host/host.h"
#include "quic/quic.h"
#include "wire/signal.h"

struct hostile_relay;

struct hostile_relay_config {
    struct ph_host *host;
    struct ph_addr listen;
    bool mute;
    bool swap_caller; /* the callee is told `caller` instead of the truth */
    uint8_t caller[PH_FINGERPRINT_LEN];
    bool add_candidate; /* `candidate` is put into both sides' terms */
    struct ph_addr candidate;
};

struct hostile_relay *hostile_relay_new(const struct hostile_relay_config *config);
void hostile_relay_free(struct hostile_relay *r);

#endif
