#include "wire/signal.h"

#include "base/buf.h"
#include "base/err.h"
#include "wire/signal_field.h"

#include <string.h>

/* Numbers of fields on the wire. They never change and are never used again for something else. */
enum field {
    F_CALL_ID = 1,
    F_FINGERPRINT = 2,
    F_OBSERVED = 3,
    F_REGION = 4,
    F_RELAY = 5,     /* repeated; address, length (8) of the region, region */
    F_CANDIDATE = 6, /* repeated */
    F_CREDENTIALS = 7,
    F_MAPPED_ADDR = 8,
    F_MODE = 9,
    F_RELAY_RTT = 10,
    F_RELAY_TOKEN = 11,
    F_GENERATION = 12,
    F_REASON = 13,
    F_ANSWERS = 14,
};

#define BIT(field)  (1u << (field))
#define TERMS       (BIT(F_CANDIDATE) | BIT(F_CREDENTIALS) | BIT(F_MAPPED_ADDR))
#define TYPES_COUNT (PH_SIGNAL_DRAIN + 1)

/* Which fields a message carries; type 0 and the gaps carry none and have no name. */
static const struct {
    const char *name;
    unsigned fields;
} types[TYPES_COUNT] = {
    [PH_SIGNAL_REGISTER_PRESENCE] = {"RegisterPresence", BIT(F_FINGERPRINT)},
    [PH_SIGNAL_REGISTER_PRESENCE_ACK] = {"RegisterPresenceAck", BIT(F_FINGERPRINT) |
                                                                    BIT(F_OBSERVED) |
                                                                    BIT(F_REGION) | BIT(F_RELAY)},
    [PH_SIGNAL_DIRECT_CALL_OFFER] = {"DirectCallOffer", BIT(F_CALL_ID) | BIT(F_FINGERPRINT) |
                                                            TERMS | BIT(F_RELAY_RTT) |
                                                            BIT(F_RELAY_TOKEN) | BIT(F_OBSERVED)},
    [PH_SIGNAL_DIRECT_CALL_ANSWER] = {"DirectCallAnswer", BIT(F_CALL_ID) | BIT(F_FINGERPRINT) |
                                                              TERMS | BIT(F_MODE) |
                                                              BIT(F_RELAY_RTT) | BIT(F_OBSERVED)},
    [PH_SIGNAL_CALL_SETUP] = {"CallSetup", BIT(F_CALL_ID) | BIT(F_FINGERPRINT) | TERMS |
                                               BIT(F_MODE) | BIT(F_RELAY_RTT) | BIT(F_RELAY_TOKEN) |
                                               BIT(F_OBSERVED)},
    [PH_SIGNAL_ICE_CANDIDATE] = {"IceCandidate", BIT(F_CALL_ID) | BIT(F_FINGERPRINT) | TERMS},
    [PH_SIGNAL_CANDIDATE_UPDATE] = {"CandidateUpdate", BIT(F_CALL_ID) | BIT(F_FINGERPRINT) | TERMS |
                                                           BIT(F_GENERATION) | BIT(F_ANSWERS)},
    [PH_SIGNAL_HANGUP] = {"Hangup", BIT(F_CALL_ID) | BIT(F_FINGERPRINT) | BIT(F_REASON)},
    [PH_SIGNAL_CALL_RESUME] = {"CallResume",
                               BIT(F_CALL_ID) | BIT(F_FINGERPRINT) | BIT(F_RELAY_TOKEN)},
    [PH_SIGNAL_DRAIN] = {"Drain", BIT(F_RELAY)},
};

static bool known_type(unsigned type)
{
    return type < TYPES_COUNT && types[type].name != NULL;
}

const char *ph_signal_name(enum ph_signal_type type)
{
    return known_type((unsigned)type) ? types[type].name : "unknown";
}

static void bytes_field(struct ph_writer *w, enum field id, const void *data, size_t len)
{
    static const uint8_t zeros[PH_FINGERPRINT_LEN];

    if (len <= sizeof(zeros) && memcmp(data, zeros, len) == 0)
        return;
    ph_field_begin(w, id, len);
    ph_write_bytes(w, data, len);
}

/* A relay without a region is its address alone, as it was before relays had regions. */
static void relay_field(struct ph_writer *w, const struct ph_addr *a, const char *region)
{
    size_t len = strlen(region);

    ph_field_begin(w, F_RELAY, ph_field_addr_len(a) + (len > 0 ? 1 + len : 0));
    ph_field_write_addr(w, a);
    if (len > 0) {
        ph_write_u8(w, (uint8_t)len);
        ph_write_bytes(w, region, len);
    }
}

static void candidate_field(struct ph_writer *w, const struct ph_candidate *c)
{
    ph_field_begin(w, F_CANDIDATE, 5 + ph_field_addr_len(&c->addr));
    ph_write_u8(w, (uint8_t)c->type);
    ph_write_u32(w, c->priority);
    ph_field_write_addr(w, &c->addr);
}

static void credentials_field(struct ph_writer *w, const struct ph_check_credentials *c)
{
    uint8_t both[PH_UFRAG_LEN + PH_PWD_LEN];

    memcpy(both, c->ufrag, PH_UFRAG_LEN);
    memcpy(both + PH_UFRAG_LEN, c->pwd, PH_PWD_LEN);
    bytes_field(w, F_CREDENTIALS, both, sizeof(both));
}

static bool valid_candidate_type(unsigned type)
{
    return type >= PH_CANDIDATE_HOST && type <= PH_CANDIDATE_RELAY;
}

static bool can_encode(const struct ph_signal *m)
{
    if (!known_type((unsigned)m->type) || m->candidate_count > PH_SIGNAL_CANDIDATES_MAX ||
        m->relay_count > PH_SIGNAL_RELAYS_MAX || (unsigned)m->mode > PH_ANSWER_REFUSE ||
        (unsigned)m->reason > PH_HANGUP_LOST || memchr(m->region, '\0', sizeof(m->region)) == NULL)
        return false;
    for (size_t i = 0; i < m->candidate_count; i++) {
        if (!ph_addr_is_set(&m->candidates[i].addr) ||
            !valid_candidate_type((unsigned)m->candidates[i].type))
            return false;
    }
    for (size_t i = 0; i < m->relay_count; i++) {
        if (!ph_addr_is_set(&m->relays[i]) ||
            memchr(m->relay_regions[i], '\0', PH_SIGNAL_REGION_MAX) == NULL)
            return false;
    }
    return true;
}

int ph_signal_encode(const struct ph_signal *m, uint8_t *out, size_t cap)
{
    struct ph_writer w = ph_writer_init(out, cap < PH_SIGNAL_MAX ? cap : PH_SIGNAL_MAX);
    unsigned fields;

    if (!can_encode(m))
        return PH_ERR_INVAL;
    fields = types[m->type].fields;
    ph_message_begin(&w, m->type);
    if ((fields & BIT(F_CALL_ID)) != 0)
        bytes_field(&w, F_CALL_ID, m->call_id, sizeof(m->call_id));
    if ((fields & BIT(F_FINGERPRINT)) != 0)
        bytes_field(&w, F_FINGERPRINT, m->fingerprint, sizeof(m->fingerprint));
    if ((fields & BIT(F_OBSERVED)) != 0)
        ph_field_addr(&w, F_OBSERVED, &m->observed);
    if ((fields & BIT(F_REGION)) != 0)
        ph_field_text(&w, F_REGION, m->region);
    for (size_t i = 0; (fields & BIT(F_RELAY)) != 0 && i < m->relay_count; i++)
        relay_field(&w, &m->relays[i], m->relay_regions[i]);
    for (size_t i = 0; (fields & BIT(F_CANDIDATE)) != 0 && i < m->candidate_count; i++)
        candidate_field(&w, &m->candidates[i]);
    if ((fields & BIT(F_CREDENTIALS)) != 0)
        credentials_field(&w, &m->credentials);
    if ((fields & BIT(F_MAPPED_ADDR)) != 0)
        ph_field_addr(&w, F_MAPPED_ADDR, &m->mapped_addr);
    if ((fields & BIT(F_MODE)) != 0)
        ph_field_u8(&w, F_MODE, (unsigned)m->mode);
    if ((fields & BIT(F_RELAY_RTT)) != 0)
        ph_field_u32(&w, F_RELAY_RTT, m->relay_rtt_ms);
    if ((fields & BIT(F_RELAY_TOKEN)) != 0)
        ph_field_u64(&w, F_RELAY_TOKEN, m->relay_token);
    if ((fields & BIT(F_GENERATION)) != 0)
        ph_field_u32(&w, F_GENERATION, m->generation);
    if ((fields & BIT(F_ANSWERS)) != 0)
        ph_field_u32(&w, F_ANSWERS, m->answers);
    if ((fields & BIT(F_REASON)) != 0)
        ph_field_u8(&w, F_REASON, (unsigned)m->reason);
    return ph_message_end(&w);
}

/* The readers of values leave `r` bad when the value is too short; what stands behind the known
 * part of a value is a newer peer's and is not looked at. */

static void read_candidate(struct ph_reader *r, struct ph_signal *out)
{
    unsigned type = ph_read_u8(r);
    uint32_t priority = ph_read_u32(r);
    struct ph_addr addr = ph_field_read_addr(r);

    if (r->bad || !valid_candidate_type(type) || !ph_addr_is_set(&addr) ||
        out->candidate_count == PH_SIGNAL_CANDIDATES_MAX)
        return;
    out->candidates[out->candidate_count++] =
        (struct ph_candidate){.type = type, .priority = priority, .addr = addr};
}

static void read_relay(struct ph_reader *r, struct ph_signal *out)
{
    struct ph_addr addr = ph_field_read_addr(r);
    char region[PH_SIGNAL_REGION_MAX] = {0};

    if (!ph_addr_is_set(&addr))
        return;
    /* Older relays end here. */
    if (ph_reader_left(r) > 0) {
        size_t len = ph_read_u8(r);
        ph_field_read_text(r, len, region, sizeof(region));
    }
    if (r->bad || out->relay_count == PH_SIGNAL_RELAYS_MAX)
        return;
    memcpy(out->relay_regions[out->relay_count], region, sizeof(region));
    out->relays[out->relay_count++] = addr;
}

/* A mode that only a newer peer knows: relay only, which any two peers can do. */
static enum ph_answer_mode read_mode(struct ph_reader *r)
{
    unsigned mode = ph_read_u8(r);

    return mode <= PH_ANSWER_REFUSE ? (enum ph_answer_mode)mode : PH_ANSWER_PRIVACY;
}

static enum ph_hangup_reason read_reason(struct ph_reader *r)
{
    unsigned reason = ph_read_u8(r);

    return reason <= PH_HANGUP_LOST ? (enum ph_hangup_reason)reason : PH_HANGUP_NORMAL;
}

static bool read_field(unsigned id, struct ph_reader *r, struct ph_signal *out)
{
    switch (id) {
    case F_CALL_ID:
        ph_read_copy(r, out->call_id, sizeof(out->call_id));
        break;
    case F_FINGERPRINT:
        ph_read_copy(r, out->fingerprint, sizeof(out->fingerprint));
        break;
    case F_OBSERVED:
        out->observed = ph_field_read_addr(r);
        break;
    case F_REGION:
        ph_field_read_text(r, ph_reader_left(r), out->region, sizeof(out->region));
        break;
    case F_RELAY:
        read_relay(r, out);
        break;
    case F_CANDIDATE:
        read_candidate(r, out);
        break;
    case F_CREDENTIALS:
        ph_read_copy(r, out->credentials.ufrag, PH_UFRAG_LEN);
        ph_read_copy(r, out->credentials.pwd, PH_PWD_LEN);
        break;
    case F_MAPPED_ADDR:
        out->mapped_addr = ph_field_read_addr(r);
        break;
    case F_MODE:
        out->mode = read_mode(r);
        break;
    case F_RELAY_RTT:
        out->relay_rtt_ms = ph_read_u32(r);
        break;
    case F_RELAY_TOKEN:
        out->relay_token = ph_read_u64(r);
        break;
    case F_GENERATION:
        out->generation = ph_read_u32(r);
        break;
    case F_ANSWERS:
        out->answers = ph_read_u32(r);
        break;
    case F_REASON:
        out->reason = read_reason(r);
        break;
    default:
        break;
    }
    return !r->bad;
}

static bool read_fields(struct ph_reader *fields, struct ph_signal *out)
{
    unsigned carried = types[out->type].fields, id;
    struct ph_reader value;

    while (ph_field_next(fields, &id, &value)) {
        if (id < 32 && (carried & BIT(id)) != 0 && !read_field(id, &value, out))
            return false;
    }
    return !fields->bad;
}

int ph_signal_decode(const uint8_t *data, size_t len, struct ph_signal *out)
{
    struct ph_reader fields;
    unsigned type;
    int taken = ph_message_read(data, len, PH_SIGNAL_MAX, &type, &fields);

    *out = (struct ph_signal){0};
    if (taken < 0 || !known_type(type))
        return taken;
    out->type = (enum ph_signal_type)type;
    if (!read_fields(&fields, out)) {
        *out = (struct ph_signal){0};
        return PH_ERR_FORMAT;
    }
    return taken;
}
