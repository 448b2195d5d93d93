/* The carrier: the layer beneath the end-to-end connection, which sees one constant path while the
 * carrier sends each packet by the relay, by a direct path, or by both, as the steering says
 * (call/steering.h).
 *
 * A direct path is used once it is PROVED: a probe sealed with the end-to-end keys went out by it
 * and its echo came back by it. Credentials of checks pass through the relay and so prove nothing
 * against the relay; these keys do. */
#ifndef PH_CALL_CARRIER_H
#define PH_CALL_CARRIER_H

#include "path/table.h"
#include "quic/quic.h"
#include "wire/inband.h"

#define PH_HELD_MAX 8
/* A sealed probe or echo at its largest: the in-band header, an acknowledgement, QUIC around it. */
#define PH_PROBE_PACKET_BYTES 80

struct ph_call;

/* A packet that needs keys which are not there yet (it has overtaken the end of the handshake,
 * which took the other way). It is read later as what it is: with the address that it came from. */
struct ph_held_packet {
    bool direct;
    struct ph_source from;
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
    struct ph_held_packet held[PH_HELD_MAX];
    size_t held_count;
};

void ph_carrier_init(struct ph_carrier *k, struct ph_call *call);
/* Where the connection's packets go out: on_packet of its callbacks. */
void ph_carrier_send(struct ph_carrier *k, const uint8_t *data, size_t len);
/* Where they come in. from NULL: by the relay. */
void ph_carrier_read(struct ph_carrier *k, ph_ns now, const uint8_t *data, size_t len,
                     const struct ph_source *from);
/* Reads what was held, once the keys are there. */
void ph_carrier_release_held(struct ph_carrier *k, ph_ns now);

/* Sends a sealed probe by a path, when keys are there and the path may be sent to. True when it
 * went out. */
bool ph_carrier_probe(struct ph_carrier *k, ph_ns now, struct ph_path *p);
/* In-band probe and echo that have come in. */
void ph_carrier_on_probe(struct ph_carrier *k, ph_ns now, const struct ph_inband *m);
void ph_carrier_on_echo(struct ph_carrier *k, ph_ns now, const struct ph_inband *m);

#endif
