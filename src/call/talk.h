/* What the two peers of a call say to each other on the stream of their own connection: what their
 * NATs do (call/hard.h), and where they are to be reached from now on (call/renewal.h). No relay
 * can make or change a word of it. */
#ifndef PH_CALL_TALK_H
#define PH_CALL_TALK_H

#include "base/time.h"
#include "wire/hardnat.h"

struct ph_call;

/* Of one message: a CandidateUpdate with all the candidates that it may have is as long as a
 * HardNatProbe may be. */
#define PH_TALK_MAX PH_HARD_MESSAGE_MAX

/* All zero is empty. */
struct ph_talk {
    uint8_t in[PH_TALK_MAX]; /* what a message has so far */
    size_t in_len;
};

/* Bytes of the stream. What is no message that is known here, nor of any newer peer, is forgotten.
 */
void ph_talk_on_stream(struct ph_call *c, ph_ns now, const uint8_t *data, size_t len);
/* PH_ERR_AGAIN while the connection is not up, PH_ERR_SPACE. */
int ph_talk_say(struct ph_call *c, const struct ph_signal *m);

#endif
