/* The carrier: the layer beneath the end-to-end connection, which sees one constant path while the
 * carrier sends each packet by the relay, by a direct path, or by both, as the steering says
 * (call/steering.h).
 *
 * A direct path is used once it is PROVED: a probe sealed with the end-to-end keys went out by it
 * and its echo came back by it. Credentials of checks pass through the relay and so prove nothing
 * against the relay; these keys do. */
#ifndef PH_CALL_CARRIER_H
#define PH_CALL_CARRIER_H

#include "call/held.h"
#include "path/table.h"
#include "quic/quic.h"
#include "wire/inband.h"

#define PH_LATEST_MAX 4
/* A sealed probe or echo at its largest: the in-band header, an acknowledgement, QUIC around it. */
#define PH_PROBE_PACKET_BYTES 80

struct ph_call;

/* A packet that went out, for when nothing comes back: the connection fills its window within a
 * second or two, sends no more, and asks ever more rarely, so that after ten seconds of darkness it
 * may stay blind for ten more. A copy of a packet that was lost is as good as the packet: it is
 * acknowledged at once, by whichever way is there again, and opens the window. */
struct ph_latest_packet {
    size_t len;
    uint8_t data[PH_QUIC_PACKET_MAX];
};

struct ph_carrier {
    struct ph_call *call;
    bool forced;            /* packets written now go to `target`, whatever the steering says */
    struct ph_path *target; /* NULL: the relay */
    uint64_t written_bytes; /* by the last forced write */
    /* Where the packet that is being read came from. */
    bool reading_direct;
    struct ph_source reading_from;
    uint64_t next_probe;
    struct ph_held held;
    struct ph_latest_packet latest[PH_LATEST_MAX];
    unsigned next_latest; /* place of the next one to be kept */
    unsigned next_copy;   /* and to be sent again */
    ph_ns copy_at;        /* the next one, while the window is full; PH_NEVER: it is not */
};

void ph_carrier_init(struct ph_carrier *k, struct ph_call *call);
/* Where the connection's packets go out: on_packet of its callbacks. */
void ph_carrier_send(struct ph_carrier *k, const uint8_t *data, size_t len);
/* Where they come in. from NULL: by the relay. */
void ph_carrier_read(struct ph_carrier *k, ph_ns now, const uint8_t *data, size_t len,
                     const struct ph_source *from);
/* Reads what was held, once the keys are there. */
void ph_carrier_release_held(struct ph_carrier *k, ph_ns now);

/* Whether the connection took what was to be sent, or its window is full: then copies go out. */
void ph_carrier_note_window(struct ph_carrier *k, ph_ns now, bool full);
void ph_carrier_pump(struct ph_carrier *k, ph_ns now);
ph_ns ph_carrier_deadline(const struct ph_carrier *k);

/* Sends a sealed probe by a path, when keys are there and the path may be sent to. True when it
 * went out. */
bool ph_carrier_probe(struct ph_carrier *k, ph_ns now, struct ph_path *p);
/* In-band probe and echo that have come in. */
void ph_carrier_on_probe(struct ph_carrier *k, ph_ns now, const struct ph_inband *m);
void ph_carrier_on_echo(struct ph_carrier *k, ph_ns now, const struct ph_inband *m);

#endif
