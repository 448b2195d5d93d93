/* Authenticated connectivity checks: STUN Binding requests with short-term credentials (RFC 8445
 * section 7, RFC 8489 section 9.1). 96 bytes a request, 64 to 76 a response.
 *
 * USERNAME is the receiver's ufrag, a colon, and the sender's. A request is keyed with the
 * receiver's password, and so is its response. The last 32 bits of a request's transaction id are a
 * counter of the sender's: a receiver takes each value once, so a recorded check is worth nothing.
 */
#ifndef PH_PATH_CHECK_H
#define PH_PATH_CHECK_H

#include "base/addr.h"
#include "wire/signal.h"
#include "wire/stun.h"

#define PH_CHECK_MAX 128

/* How far behind the highest a check's number may be: more than the guesses of a call. */
#define PH_CHECK_WINDOW 4096u

/* One call's checks, at one peer. */
struct ph_checker {
    struct ph_check_credentials own;
    struct ph_check_credentials peer;
    bool peer_known;
    bool controlling; /* the caller */
    uint64_t tie_breaker;
    uint32_t next_counter;
    /* Counters of the peer's that were taken: the highest, and which of those below it. */
    uint32_t seen_highest;
    bool seen_any;
    uint64_t seen[PH_CHECK_WINDOW / 64]; /* bit i of the window: seen_highest - i */
};

/* random: unpredictable bytes for the credentials and the tie-breaker, at least 32. */
void ph_checker_init(struct ph_checker *k, bool controlling, const uint8_t random[32]);
void ph_checker_set_peer(struct ph_checker *k, const struct ph_check_credentials *peer);

/* Writes a request (PH_ERR_AGAIN while the peer's credentials are not known) with the given 8
 * random bytes in its transaction id, which tid then holds whole. Returns its length. */
int ph_check_request(struct ph_checker *k, const uint8_t random[8], uint32_t priority, uint8_t *out,
                     size_t cap, uint8_t tid[PH_STUN_TID_LEN]);

/* The same for many that are told apart by their numbers: reserves n counters, of which the first
 * is returned, and writes the request that has one of them. */
uint32_t ph_check_reserve(struct ph_checker *k, uint32_t n);
int ph_check_request_at(struct ph_checker *k, const uint8_t random[8], uint32_t counter,
                        uint32_t priority, uint8_t *out, size_t cap);

/* True when USERNAME is addressed to these credentials (before any digest is computed). */
bool ph_check_is_for(const struct ph_checker *k, const struct ph_stun *msg);

/* Verifies a request: PH_OK, PH_ERR_AUTH (forged, or for another call), PH_ERR_PROTO (a counter
 * that was taken before: a replay). */
int ph_check_accept(struct ph_checker *k, const uint8_t *data, size_t len,
                    const struct ph_stun *msg);

/* Writes the response to a request that was accepted from `from`. Returns its length. */
int ph_check_response(const struct ph_checker *k, const struct ph_stun *request,
                      const struct ph_addr *from, uint8_t *out, size_t cap);

/* Verifies a success response's integrity: PH_OK or PH_ERR_AUTH. Whether its transaction id is one
 * that is outstanding is the path table's business. */
int ph_check_verify_response(const struct ph_checker *k, const uint8_t *data, size_t len,
                             const struct ph_stun *msg);

#endif
