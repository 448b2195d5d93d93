/* The calls of an agent, and which one something is for. */
#ifndef PH_CALL_CALLS_H
#define PH_CALL_CALLS_H

#include "base/addr.h"
#include "wire/signal.h"

#include <stdbool.h>
#include <stdint.h>

struct ph_agent;
struct ph_call;
struct ph_quic_conn;

/* NULL: none. Relays choose the tags of those who are called: a tag means nothing but at its relay.
 */
struct ph_call *ph_calls_by_tag(struct ph_agent *a, const struct ph_addr *relay, uint64_t tag);
struct ph_call *ph_calls_by_id(struct ph_agent *a, const uint8_t id[PH_CALL_ID_LEN]);
struct ph_call *ph_calls_by_conn(struct ph_agent *a, const struct ph_quic_conn *conn);
/* Where one more goes; NULL: there are too many. */
struct ph_call **ph_calls_free_slot(struct ph_agent *a);
/* Whether there is one that has not ended; of those that this relay carries, or of all (NULL). */
bool ph_calls_any(const struct ph_agent *a, const struct ph_addr *relay);

#endif
