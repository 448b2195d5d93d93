/* Bounds-checked cursors over bytes. Integers are big-endian on the wire and host order in the API.
 *
 * Both cursors are sticky: after the first read or write that does not fit, `bad` is set, nothing
 * moves any more, reads give zero, and the caller checks once at the end. */
#ifndef PH_BASE_BUF_H
#define PH_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ph_reader {
    const uint8_t *p;
    const uint8_t *end;
    bool bad;
};

struct ph_reader ph_reader_init(const void *data, size_t len);
size_t ph_reader_left(const struct ph_reader *r);
uint8_t ph_read_u8(struct ph_reader *r);
uint16_t ph_read_u16(struct ph_reader *r);
uint32_t ph_read_u32(struct ph_reader *r);
uint64_t ph_read_u64(struct ph_reader *r);
/* A pointer to len bytes inside the input, or NULL when they are not there. */
const uint8_t *ph_read_bytes(struct ph_reader *r, size_t len);
void ph_read_copy(struct ph_reader *r, void *out, size_t len);
void ph_read_skip(struct ph_reader *r, size_t len);

struct ph_writer {
    uint8_t *start;
    uint8_t *p;
    uint8_t *end;
    bool bad;
};

struct ph_writer ph_writer_init(void *data, size_t cap);
size_t ph_writer_len(const struct ph_writer *w);
void ph_write_u8(struct ph_writer *w, uint8_t v);
void ph_write_u16(struct ph_writer *w, uint16_t v);
void ph_write_u32(struct ph_writer *w, uint32_t v);
void ph_write_u64(struct ph_writer *w, uint64_t v);
void ph_write_bytes(struct ph_writer *w, const void *data, size_t len);
/* Overwrites two bytes at an offset already written (a length that is known only afterwards). */
void ph_write_patch_u16(struct ph_writer *w, size_t offset, uint16_t v);

#endif
