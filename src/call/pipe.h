/* The application's stream in one call: what has come of it and was not consumed yet, and what is
 * to be told. The bytes wait here, at most PH_QUIC_PIPE_WINDOW of them, because the peer may send
 * no more before some are consumed. It lies on the end-to-end connection, so that a change of path
 * does not touch it. */
#ifndef PH_CALL_PIPE_H
#define PH_CALL_PIPE_H

#include "pinhole.h"
#include "quic/quic.h"

struct ph_call;

struct ph_pipe {
    struct ph_call *call;
    uint8_t *bytes; /* a ring of PH_QUIC_PIPE_WINDOW; NULL: nothing has come yet */
    size_t start, waiting;
    bool owed;  /* on_stream is */
    bool ended; /* this side's direction */
    struct ph_stream_report report;
};

void ph_pipe_init(struct ph_pipe *p, struct ph_call *call);
void ph_pipe_fini(struct ph_pipe *p);
/* From the connection. */
void ph_pipe_on_bytes(struct ph_pipe *p, const uint8_t *data, size_t len);
void ph_pipe_on_event(struct ph_pipe *p, enum ph_quic_pipe_event event);
/* Keeps it to what the way in use carries. */
void ph_pipe_pump(struct ph_pipe *p);
/* The call has ended: nothing more comes or goes. */
void ph_pipe_on_end(struct ph_pipe *p);

#endif
