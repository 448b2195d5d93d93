/* What a relay leaves to the process that takes its place: its running calls, as bytes.
 *
 *   | "PHRELAY" | version (8): 1 | written at (64), seconds of the wall clock | relay's fingerprint
 * | | addresses (8) | address ... |        where it listens, in order | calls (32) | call ... | |
 * HMAC-SHA256 (32 bytes) of all before it, by a key of the relay's identity |
 *
 *   call     | id (16 bytes) | answer mode (8) | leg of the caller | leg of the callee |
 *   leg      | owner's fingerprint | tag (64) | which of the relay's addresses (8) | 0, 1: the
 * address is not proved (8) | address | address  | family (8): 4 or 6 | port (16) | IP |
 *
 * No secret of a peer is in it, but the addresses and tags of calls are: nobody else should read
 * it. Pure: bytes in, bytes out. */
#ifndef PH_RELAY_STATE_H
#define PH_RELAY_STATE_H

#include "base/buf.h"
#include "pinhole.h"
#include "relay/session.h"

#define PH_STATE_MAC_LEN 32

struct ph_state_head {
    uint64_t written_s;
    uint8_t relay[PH_FINGERPRINT_LEN];
    struct ph_addr listen[PH_RELAY_LISTENS];
    size_t listen_count;
    uint32_t calls;
};

/* The bytes that `calls` of them take at most, with their head and MAC. */
size_t ph_state_size(uint32_t calls);
void ph_state_write_head(struct ph_writer *w, const struct ph_state_head *head);
void ph_state_write_call(struct ph_writer *w, const struct ph_session_facts *call);

/* The MAC of what was written so far. */
void ph_state_mac(const struct ph_identity *relay, const uint8_t *data, size_t len,
                  uint8_t out[PH_STATE_MAC_LEN]);

/* Reads what stands before the MAC. PH_ERR_FORMAT: it is none, or of another version. */
int ph_state_read_head(struct ph_reader *r, struct ph_state_head *head);
/* The next call, PH_ERR_FORMAT: it is cut, or none that a relay of this head could have had. */
int ph_state_read_call(struct ph_reader *r, const struct ph_state_head *head,
                       struct ph_session_facts *call);

#endif
