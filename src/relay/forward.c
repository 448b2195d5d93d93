/* The data path: no state is made, no memory is asked for, nothing is answered. */
#include "relay/relay.h"

#include "base/err.h"
#include "wire/relay.h"

#include <string.h>

void ph_relay_forward(struct ph_relay *relay, size_t listen, const struct ph_datagram *d)
{
    struct ph_relay_stats *stats = &relay->stats;
    struct ph_client *to;
    const uint8_t *payload;
    size_t payload_len;
    struct ph_leg *leg, *other;
    uint64_t tag;
    uint8_t *out;

    if (ph_relay_frame_parse(d->data, d->len, &tag, &payload, &payload_len)) {
        stats->dropped_unknown_tag++;
        return;
    }
    leg = ph_sessions_leg(&relay->sessions, tag);
    if (!leg) {
        stats->dropped_unknown_tag++;
        return;
    }
    /* A tag that was overheard is of no use from elsewhere. */
    if (leg->client->listen != listen || !ph_addr_eq(&leg->client->addr, &d->peer)) {
        stats->dropped_wrong_source++;
        return;
    }
    if (!ph_bucket_take(&leg->packets, relay->now, relay->config.packets_per_second_max,
                        relay->config.packets_per_second_max)) {
        stats->dropped_rate++;
        return;
    }
    leg->client->came += d->len;
    other = ph_leg_other(leg);
    to = other->client;
    if (!ph_relay_may_send(to, PH_RELAY_FRAME_OVERHEAD + payload_len)) {
        stats->dropped_rate++;
        return;
    }
    out = ph_outbox_add(&relay->outbox, relay->socks[to->listen], &to->addr,
                        PH_RELAY_FRAME_OVERHEAD + payload_len);
    if (!out) {
        return;
    }
    ph_relay_frame_header(out, other->tag);
    memcpy(out + PH_RELAY_FRAME_OVERHEAD, payload, payload_len);
    stats->forwarded_packets++;
    stats->forwarded_bytes += payload_len;
}
