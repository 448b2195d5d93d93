/* A relay's going and coming: it drains, and leaves its running calls to the next process. */
#include "base/err.h"
#include "base/mac.h"
#include "relay/relay.h"
#include "relay/state.h"

#include <stdlib.h>
#include <string.h>

void ph_relay_drain(struct ph_relay *relay)
{
    if (relay->draining) {
        return;
    }
    relay->draining = true;
    relay->now = ph_host_now(relay->host);
    for (struct ph_client *c = relay->registry.first; c; c = c->next) {
        if (c->registered) {
            ph_relay_tell_drain(c);
        }
    }
    ph_relay_settle(relay);
}

void ph_relay_farewell(struct ph_relay *relay)
{
    relay->now = ph_host_now(relay->host);
    for (struct ph_client *c = relay->registry.first; c; c = c->next) {
        ph_relay_drop(c);
    }
    ph_relay_settle(relay);
}

/* One that is answered, and of which both ends have been heard. */
static bool lasts(const struct ph_session *session)
{
    return !session->offer && session->leg[0].tag && session->leg[1].tag;
}

static void describe(const struct ph_session *session, struct ph_session_facts *out)
{
    *out = (struct ph_session_facts){.mode = session->mode};
    memcpy(out->call_id, session->call_id, sizeof(out->call_id));
    for (int i = 0; i < 2; i++) {
        const struct ph_leg *leg = &session->leg[i];

        memcpy(out->leg[i].owner, leg->owner, sizeof(out->leg[i].owner));
        out->leg[i].tag = leg->tag;
        out->leg[i].addr = leg->addr;
        out->leg[i].listen = leg->listen;
        out->leg[i].unproved = leg->client ? leg->client->moved : leg->unproved;
    }
}

int ph_relay_export(const struct ph_relay *relay, uint64_t wall_s, uint8_t **out, size_t *len)
{
    struct ph_state_head head = {.written_s = wall_s, .listen_count = relay->listen_count};
    size_t size = ph_state_size(relay->sessions.count);
    uint8_t *bytes = malloc(size);
    struct ph_writer w = ph_writer_init(bytes, size);

    if (!bytes) {
        return PH_ERR_NOMEM;
    }
    memcpy(head.relay, ph_identity_fingerprint(relay->identity), sizeof(head.relay));
    memcpy(head.listen, relay->addrs, sizeof(head.listen));
    for (const struct ph_session *s = relay->sessions.first; s; s = s->next) {
        head.calls += lasts(s);
    }
    ph_state_write_head(&w, &head);
    for (const struct ph_session *s = relay->sessions.first; s; s = s->next) {
        struct ph_session_facts facts;

        if (lasts(s)) {
            describe(s, &facts);
            ph_state_write_call(&w, &facts);
        }
    }
    *len = ph_writer_len(&w);
    ph_state_mac(relay->identity, bytes, *len, bytes + *len);
    *len += PH_STATE_MAC_LEN;
    *out = bytes;
    return PH_OK;
}

static bool same_addresses(const struct ph_relay *relay, const struct ph_state_head *head)
{
    if (head->listen_count != relay->listen_count) {
        return false;
    }
    for (size_t i = 0; i < head->listen_count; i++) {
        if (!ph_addr_eq(&head->listen[i], &relay->addrs[i])) {
            return false;
        }
    }
    return true;
}

int ph_relay_import(struct ph_relay *relay, uint64_t wall_s, const uint8_t *data, size_t len)
{
    struct ph_reader r = ph_reader_init(data, len > PH_STATE_MAC_LEN ? len - PH_STATE_MAC_LEN : 0);
    struct ph_state_head head;
    struct ph_session_facts facts;
    uint8_t mac[PH_STATE_MAC_LEN];
    struct ph_reader calls;
    int count = 0;

    if (ph_state_read_head(&r, &head)) {
        return PH_ERR_FORMAT;
    }
    if (memcmp(head.relay, ph_identity_fingerprint(relay->identity), sizeof(head.relay)) != 0 ||
        !same_addresses(relay, &head)) {
        return PH_ERR_AUTH;
    }
    ph_state_mac(relay->identity, data, len - PH_STATE_MAC_LEN, mac);
    if (!ph_equal_ct(mac, data + len - PH_STATE_MAC_LEN, sizeof(mac))) {
        return PH_ERR_FORMAT;
    }
    if (head.written_s > wall_s || wall_s - head.written_s > PH_RELAY_STATE_AGE_S) {
        return PH_ERR_TIMEOUT;
    }
    /* All of it is read before any of it is taken. */
    calls = r;
    for (uint32_t i = 0; i < head.calls; i++) {
        if (ph_state_read_call(&r, &head, &facts)) {
            return PH_ERR_FORMAT;
        }
    }
    relay->now = ph_host_now(relay->host);
    for (uint32_t i = 0; i < head.calls; i++) {
        struct ph_session *session;

        (void)ph_state_read_call(&calls, &head, &facts);
        count += ph_sessions_restore(&relay->sessions, relay->now, &facts, &session) == PH_OK;
    }
    ph_relay_settle(relay);
    return count;
}
