/* Adaptive quality: each second this peer measures what came of the other's media, says so
 * (MediaPathReport, QualityReport), hears what the other says, and asks for a profile that fits the
 * worse of both directions (call/quality.h), on which the two agree (call/agreement.h).
 *
 * All of it goes in datagrams of the end-to-end connection, by the path that media takes. A report
 * may be lost: the next one says more. Proposals and answers are repeated instead of going on the
 * stream: when the path is bad a datagram every 60 ms is through before a stream's retransmissions,
 * which back off, are. To a peer that reports nothing, an older one, nothing is proposed. */
#ifndef PH_CALL_ADAPT_H
#define PH_CALL_ADAPT_H

#include "call/agreement.h"
#include "call/media.h"
#include "call/quality.h"

struct ph_call;

struct ph_adapt {
    struct ph_call *call;
    struct ph_quality quality;
    struct ph_agreement agreement;
    ph_ns next;             /* end of this second; PH_NEVER: not measuring */
    unsigned first_seconds; /* with media, that were left out */
    struct ph_quality_numbers in, out;
    enum ph_profile wanted; /* by the own numbers */
    uint64_t said;          /* datagrams */
    /* Of the peer's last report. */
    uint64_t heard;
    ph_ns heard_at; /* PH_NEVER: none yet */
    struct ph_media_path_report peer_path;
    struct ph_quality_report peer;
};

void ph_adapt_init(struct ph_adapt *a, struct ph_call *call);
void ph_adapt_start(struct ph_adapt *a, ph_ns now);
void ph_adapt_stop(struct ph_adapt *a);
/* An in-band datagram of this kind. */
void ph_adapt_on_datagram(struct ph_adapt *a, ph_ns now, const struct ph_inband *m);
/* The frame of this number is about to be sent: how many bytes it has. */
size_t ph_adapt_frame_bytes(struct ph_adapt *a, ph_ns now, uint64_t number);
/* Its part of the call's report. */
void ph_adapt_report(const struct ph_adapt *a, ph_ns now, struct ph_call_report *out);
void ph_adapt_pump(struct ph_adapt *a, ph_ns now);
ph_ns ph_adapt_deadline(const struct ph_adapt *a);

#endif
