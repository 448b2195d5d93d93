/* What signalling messages are made of, wire/signal.h and wire/hardnat.h alike. Inside the room.
 *
 *   message  | length (16), of what follows | type (16) | fields |
 *   field    | id (16) | length (16) | value |
 *   address  | family (8): 4 or 6 | port (16) | IP |
 */
#ifndef PH_WIRE_SIGNAL_FIELD_H
#define PH_WIRE_SIGNAL_FIELD_H

#include "base/addr.h"
#include "base/buf.h"

void ph_message_begin(struct ph_writer *w, unsigned type);
/* The length of it all, or PH_ERR_SPACE. */
int ph_message_end(struct ph_writer *w);
/* Takes a message of at most `max` bytes off the start of a stream. Returns how many bytes it is;
 * PH_ERR_SHORT; PH_ERR_FORMAT from its first two bytes on, so that nobody collects 64 kB for a
 * message that is none. */
int ph_message_read(const uint8_t *data, size_t len, size_t max, unsigned *type,
                    struct ph_reader *fields);

/* Whole fields; nothing when there is nothing to say: 0, NONE, an empty text. */
void ph_field_u8(struct ph_writer *w, unsigned id, unsigned v);
void ph_field_u32(struct ph_writer *w, unsigned id, uint32_t v);
void ph_field_u64(struct ph_writer *w, unsigned id, uint64_t v);
void ph_field_addr(struct ph_writer *w, unsigned id, const struct ph_addr *a);
void ph_field_text(struct ph_writer *w, unsigned id, const char *text);
/* The next one; false at the end, and when it runs past that (`fields` is bad then). What a value
 * has behind its known part is a newer peer's. */
bool ph_field_next(struct ph_reader *fields, unsigned *id, struct ph_reader *value);

/* Parts of them. */
void ph_field_begin(struct ph_writer *w, unsigned id, size_t len);
void ph_field_write_addr(struct ph_writer *w, const struct ph_addr *a);
size_t ph_field_addr_len(const struct ph_addr *a);
/* Family NONE for a family that this version does not know. */
struct ph_addr ph_field_read_addr(struct ph_reader *r);
/* `len` bytes, of which cap - 1 are kept, with zeros behind. It ends up on terminals, in reports
 * and traces: what is not printable ASCII becomes '?'. */
void ph_field_read_text(struct ph_reader *r, size_t len, char *out, size_t cap);

#endif
