/* The fields of signalling messages: | id (16) | length (16) | value |, and addresses in them:
 * | family (8): 4 or 6 | port (16) | IP |. Inside the room. */
#ifndef PH_WIRE_SIGNAL_FIELD_H
#define PH_WIRE_SIGNAL_FIELD_H

#include "base/addr.h"
#include "base/buf.h"

#define PH_FIELD_LENGTH_LEN 2
#define PH_FIELD_TYPE_LEN   2

void ph_field_begin(struct ph_writer *w, unsigned id, size_t len);
void ph_field_write_addr(struct ph_writer *w, const struct ph_addr *a);
size_t ph_field_addr_len(const struct ph_addr *a);
/* Family NONE for a family that this version does not know. */
struct ph_addr ph_field_read_addr(struct ph_reader *r);

#endif
