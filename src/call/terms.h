/* A call's terms: what the caller offers and the callee answers (candidates, credentials, mode),
 * and what either end does on them. */
#ifndef PH_CALL_TERMS_H
#define PH_CALL_TERMS_H

#include "call/call.h"

/* How long a caller waits for the answer, since a person may have to pick it up; and how long the
 * end-to-end handshake may take, which starts before. */
#define PH_CALL_ANSWER_TIMEOUT (30 * PH_SEC)

/* Callee: the answer, once nothing of it is waited for any more. PH_ERR_AGAIN: not registered. */
int ph_call_answer(struct ph_call *c, ph_ns now);
/* Where this side is to be reached: the candidates of an offer, an answer or an update, and the
 * call's id. */
void ph_terms_candidates(struct ph_call *c, struct ph_signal *m);
/* The peer's candidates are of use: to punch, or since a router may have mapped one of them. */
bool ph_terms_punches(const struct ph_call *c);
/* Caller: the answer is there, or the relay's setup, which has the same terms. */
void ph_call_on_answer(struct ph_call *c, ph_ns now, const struct ph_signal *m);

#endif
