/* Answers STUN Binding requests (RFC 8489), with the attributes of RFC 5780 where the server has
 * more than one address. No state but a table of fixed size that limits each source.
 *
 * The other address of (A1, P1) is the next in the list that differs in IP and port, or else in IP:
 * of a list with every IP at one port, and then every IP at another, each address has an other one
 * that no other address has.
 *
 * What a source can make it send: at most PH_STUN_ANSWER_MAX bytes for a request of 20 or more, and
 * at most PH_STUN_RATE of them a second, after a burst; never to another IP than its own. */
#ifndef PH_RELAY_STUN_RESPONDER_H
#define PH_RELAY_STUN_RESPONDER_H

#include "relay/source_limit.h"

#define PH_STUN_ADDRESSES_MAX 32
#define PH_STUN_ANSWER_MAX    92
#define PH_STUN_RATE          200 /* answers a second to one source IP */
#define PH_STUN_BURST         400

struct ph_stun_responder {
    struct ph_addr addrs[PH_STUN_ADDRESSES_MAX];
    size_t count;
    uint64_t requests; /* that were answered */
    struct ph_source_limit limit;
    uint64_t secret; /* of vouchers */
};

void ph_stun_responder_init(struct ph_stun_responder *r, const struct ph_addr *addrs, size_t count,
                            uint64_t secret);
/* A datagram came to the i-th address. Returns the answer's length, in *from the index of the
 * address to answer from, and in *to where to: the source, at another port where it asked for one
 * by RESPONSE-PORT. 0: no answer. */
size_t ph_stun_answer(struct ph_stun_responder *r, ph_ns now, size_t i,
                      const struct ph_addr *source, const uint8_t *data, size_t len,
                      uint8_t out[PH_STUN_ANSWER_MAX], size_t *from, struct ph_addr *to);

/* Whether a voucher that this responder gave to an address's IP, in the last ten minutes or
 * somewhat longer, is this one. */
bool ph_stun_vouches(const struct ph_stun_responder *r, ph_ns now, const struct ph_addr *addr,
                     uint64_t voucher);

#endif
