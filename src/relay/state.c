#include "relay/state.h"

#include "base/err.h"
#include "base/mac.h"

#include <string.h>

#define MAGIC     "PHRELAY"
#define MAGIC_LEN 7
#define VERSION   1

#define ADDR_MAX (1 + 2 + 16)
#define HEAD_MAX (MAGIC_LEN + 1 + 8 + PH_FINGERPRINT_LEN + 1 + PH_RELAY_LISTENS * ADDR_MAX + 4)
#define LEG_MAX  (PH_FINGERPRINT_LEN + 8 + 1 + 1 + ADDR_MAX)
#define CALL_MAX (PH_CALL_ID_LEN + 1 + 2 * LEG_MAX)

size_t ph_state_size(uint32_t calls)
{
    return HEAD_MAX + (size_t)calls * CALL_MAX + PH_STATE_MAC_LEN;
}

static size_t ip_len(unsigned family)
{
    return family == PH_AF_V6 ? 16 : 4;
}

static void write_addr(struct ph_writer *w, const struct ph_addr *a)
{
    ph_write_u8(w, a->family);
    ph_write_u16(w, a->port);
    ph_write_bytes(w, a->ip, ip_len(a->family));
}

static struct ph_addr read_addr(struct ph_reader *r)
{
    struct ph_addr a = {.family = ph_read_u8(r), .port = ph_read_u16(r)};

    if (a.family != PH_AF_V4 && a.family != PH_AF_V6) {
        r->bad = true;
    }
    ph_read_copy(r, a.ip, ip_len(a.family));
    return a;
}

void ph_state_write_head(struct ph_writer *w, const struct ph_state_head *head)
{
    ph_write_bytes(w, MAGIC, MAGIC_LEN);
    ph_write_u8(w, VERSION);
    ph_write_u64(w, head->written_s);
    ph_write_bytes(w, head->relay, sizeof(head->relay));
    ph_write_u8(w, (uint8_t)head->listen_count);
    for (size_t i = 0; i < head->listen_count; i++) {
        write_addr(w, &head->listen[i]);
    }
    ph_write_u32(w, head->calls);
}

void ph_state_write_call(struct ph_writer *w, const struct ph_session_facts *call)
{
    ph_write_bytes(w, call->call_id, sizeof(call->call_id));
    ph_write_u8(w, (uint8_t)call->mode);
    for (int i = 0; i < 2; i++) {
        ph_write_bytes(w, call->leg[i].owner, sizeof(call->leg[i].owner));
        ph_write_u64(w, call->leg[i].tag);
        ph_write_u8(w, (uint8_t)call->leg[i].listen);
        ph_write_u8(w, call->leg[i].unproved);
        write_addr(w, &call->leg[i].addr);
    }
}

void ph_state_mac(const struct ph_identity *relay, const uint8_t *data, size_t len,
                  uint8_t out[PH_STATE_MAC_LEN])
{
    uint8_t key[PH_DERIVED_LEN];

    ph_identity_derive(relay, "pinhole relay: state", key);
    ph_hmac_sha256(key, sizeof(key), data, len, NULL, 0, out);
    memset(key, 0, sizeof(key));
}

int ph_state_read_head(struct ph_reader *r, struct ph_state_head *head)
{
    const uint8_t *magic = ph_read_bytes(r, MAGIC_LEN);

    *head = (struct ph_state_head){0};
    if (!magic || memcmp(magic, MAGIC, MAGIC_LEN) != 0 || ph_read_u8(r) != VERSION) {
        return PH_ERR_FORMAT;
    }
    head->written_s = ph_read_u64(r);
    ph_read_copy(r, head->relay, sizeof(head->relay));
    head->listen_count = ph_read_u8(r);
    if (head->listen_count == 0 || head->listen_count > PH_RELAY_LISTENS) {
        return PH_ERR_FORMAT;
    }
    for (size_t i = 0; i < head->listen_count; i++) {
        head->listen[i] = read_addr(r);
    }
    head->calls = ph_read_u32(r);
    return r->bad ? PH_ERR_FORMAT : PH_OK;
}

int ph_state_read_call(struct ph_reader *r, const struct ph_state_head *head,
                       struct ph_session_facts *call)
{
    unsigned mode, unproved;

    *call = (struct ph_session_facts){0};
    ph_read_copy(r, call->call_id, sizeof(call->call_id));
    mode = ph_read_u8(r);
    for (int i = 0; i < 2; i++) {
        ph_read_copy(r, call->leg[i].owner, sizeof(call->leg[i].owner));
        call->leg[i].tag = ph_read_u64(r);
        call->leg[i].listen = ph_read_u8(r);
        unproved = ph_read_u8(r);
        call->leg[i].unproved = unproved == 1;
        call->leg[i].addr = read_addr(r);
        if (r->bad || unproved > 1 || call->leg[i].tag == 0 ||
            call->leg[i].listen >= head->listen_count || ph_addr_is_unusable(&call->leg[i].addr) ||
            call->leg[i].addr.family != head->listen[call->leg[i].listen].family) {
            return PH_ERR_FORMAT;
        }
    }
    if (mode > PH_ANSWER_PRIVACY) {
        return PH_ERR_FORMAT;
    }
    call->mode = (enum ph_answer_mode)mode;
    return PH_OK;
}
