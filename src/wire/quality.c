#include "wire/quality.h"

#include "base/err.h"
#include "wire/signal_field.h"

#include <string.h>

/* Numbers of fields on the wire. They never change and are never used again for something else; all
 * four messages share them. */
enum field {
    F_PATH = 1,     /* direct (8), stage (8) */
    F_FRAMES = 2,   /* sent, received, duplicates: 32 bits each */
    F_NUMBERS = 3,  /* rtt, loss, jitter: 32 bits each */
    F_MEASURED = 4, /* 8 */
    F_PROFILE = 5,  /* 8 */
    F_WANTED = 6,   /* 8 */
    F_NUMBER = 7,   /* 32 */
    F_FRAME = 8,    /* 64 */
};

static void numbers_field(struct ph_writer *w, uint32_t rtt_us, uint32_t loss, uint32_t jitter_us)
{
    if (rtt_us == 0 && loss == 0 && jitter_us == 0)
        return;
    ph_field_begin(w, F_NUMBERS, 12);
    ph_write_u32(w, rtt_us);
    ph_write_u32(w, loss);
    ph_write_u32(w, jitter_us);
}

static void write_path(struct ph_writer *w, const struct ph_media_path_report *p)
{
    ph_field_begin(w, F_PATH, 2);
    ph_write_u8(w, p->direct);
    ph_write_u8(w, p->stage);
    ph_field_begin(w, F_FRAMES, 12);
    ph_write_u32(w, p->sent);
    ph_write_u32(w, p->received);
    ph_write_u32(w, p->duplicates);
    numbers_field(w, p->rtt_us, p->loss, p->jitter_us);
}

static void write_report(struct ph_writer *w, const struct ph_quality_report *r)
{
    ph_field_u8(w, F_MEASURED, r->measured);
    numbers_field(w, r->rtt_us, r->loss, r->jitter_us);
    ph_field_u8(w, F_PROFILE, r->profile);
    ph_field_u8(w, F_WANTED, r->wanted);
}

static void write_change(struct ph_writer *w, uint32_t number, uint8_t profile, uint64_t frame)
{
    ph_field_u32(w, F_NUMBER, number);
    ph_field_u8(w, F_PROFILE, profile);
    ph_field_u64(w, F_FRAME, frame);
}

int ph_quality_encode(const struct ph_quality_message *m, uint8_t *out, size_t cap)
{
    struct ph_writer w =
        ph_writer_init(out, cap < PH_QUALITY_MESSAGE_MAX ? cap : PH_QUALITY_MESSAGE_MAX);

    ph_message_begin(&w, m->type);
    switch (m->type) {
    case PH_MEDIA_PATH_REPORT:
        write_path(&w, &m->path);
        break;
    case PH_QUALITY_REPORT:
        write_report(&w, &m->report);
        break;
    case PH_QUALITY_PROPOSE:
        write_change(&w, m->propose.number, m->propose.profile, m->propose.frame);
        break;
    case PH_QUALITY_ACK:
        write_change(&w, m->ack.number, m->ack.profile, m->ack.frame);
        break;
    default:
        return PH_ERR_INVAL;
    }
    return ph_message_end(&w);
}

static void read_numbers(struct ph_reader *r, uint32_t *rtt_us, uint32_t *loss, uint32_t *jitter_us)
{
    *rtt_us = ph_read_u32(r);
    *loss = ph_read_u32(r);
    *jitter_us = ph_read_u32(r);
}

static void read_path_field(unsigned id, struct ph_reader *r, struct ph_media_path_report *p)
{
    switch (id) {
    case F_PATH:
        p->direct = ph_read_u8(r) != 0;
        p->stage = ph_read_u8(r);
        break;
    case F_FRAMES:
        p->sent = ph_read_u32(r);
        p->received = ph_read_u32(r);
        p->duplicates = ph_read_u32(r);
        break;
    case F_NUMBERS:
        read_numbers(r, &p->rtt_us, &p->loss, &p->jitter_us);
        break;
    default:
        break;
    }
}

static void read_report_field(unsigned id, struct ph_reader *r, struct ph_quality_report *q)
{
    switch (id) {
    case F_MEASURED:
        q->measured = ph_read_u8(r) != 0;
        break;
    case F_NUMBERS:
        read_numbers(r, &q->rtt_us, &q->loss, &q->jitter_us);
        break;
    case F_PROFILE:
        q->profile = ph_read_u8(r);
        break;
    case F_WANTED:
        q->wanted = ph_read_u8(r);
        break;
    default:
        break;
    }
}

static void read_change_field(unsigned id, struct ph_reader *r, uint32_t *number, uint8_t *profile,
                              uint64_t *frame)
{
    switch (id) {
    case F_NUMBER:
        *number = ph_read_u32(r);
        break;
    case F_PROFILE:
        *profile = ph_read_u8(r);
        break;
    case F_FRAME:
        *frame = ph_read_u64(r);
        break;
    default:
        break;
    }
}

int ph_quality_decode(const uint8_t *data, size_t len, struct ph_quality_message *out)
{
    struct ph_reader fields, value;
    unsigned type, id;
    int taken = ph_message_read(data, len, PH_QUALITY_MESSAGE_MAX, &type, &fields);

    memset(out, 0, sizeof(*out));
    if (taken < 0)
        return taken;
    while (ph_field_next(&fields, &id, &value)) {
        if (type == PH_MEDIA_PATH_REPORT)
            read_path_field(id, &value, &out->path);
        else if (type == PH_QUALITY_REPORT)
            read_report_field(id, &value, &out->report);
        else if (type == PH_QUALITY_PROPOSE)
            read_change_field(id, &value, &out->propose.number, &out->propose.profile,
                              &out->propose.frame);
        else if (type == PH_QUALITY_ACK)
            read_change_field(id, &value, &out->ack.number, &out->ack.profile, &out->ack.frame);
        else
            return taken;
        fields.bad |= value.bad;
    }
    if (fields.bad) {
        memset(out, 0, sizeof(*out));
        return PH_ERR_FORMAT;
    }
    if (type == PH_MEDIA_PATH_REPORT || type == PH_QUALITY_REPORT || type == PH_QUALITY_PROPOSE ||
        type == PH_QUALITY_ACK)
        out->type = (enum ph_quality_type)type;
    return taken;
}
