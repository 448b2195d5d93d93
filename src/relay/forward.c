/* The data path: no state is made, no memory is asked for, and nobody is answered but by a notice.
 */
#include "relay/relay.h"

#include "base/err.h"
#include "wire/relay.h"

#include <string.h>

/* Its sender is told, now and then, so that it need not find out by silence: the relay has been
 * restarted, or a NAT has given the sender another port. */
static void notify(struct ph_relay *relay, size_t listen, const struct ph_datagram *d, uint64_t tag)
{
    uint8_t notice[PH_RELAY_NOTICE_LEN];

    if (!ph_relay_may_notify(relay, &d->peer)) {
        return;
    }
    ph_relay_notice_write(notice, tag);
    ph_relay_send(relay, listen, &d->peer, notice, sizeof(notice));
    relay->stats.notices++;
}

static bool may_send(struct ph_leg *to, size_t len)
{
    if (to->client) {
        return ph_relay_may_send(to->client, len);
    }
    if (to->unproved && to->went + len > 3 * to->came) {
        return false;
    }
    to->went += len;
    return true;
}

void ph_relay_forward(struct ph_relay *relay, size_t listen, const struct ph_datagram *d)
{
    struct ph_relay_stats *stats = &relay->stats;
    const uint8_t *payload;
    size_t payload_len;
    struct ph_leg *leg, *to;
    uint64_t tag;
    uint8_t *out;

    if (ph_relay_frame_parse(d->data, d->len, &tag, &payload, &payload_len)) {
        stats->dropped_unknown_tag++;
        return;
    }
    leg = ph_sessions_leg(&relay->sessions, tag);
    if (!leg) {
        stats->dropped_unknown_tag++;
        notify(relay, listen, d, tag);
        return;
    }
    /* A tag that was overheard is of no use from elsewhere. */
    if (leg->listen != listen || !ph_addr_eq(&leg->addr, &d->peer)) {
        stats->dropped_wrong_source++;
        notify(relay, listen, d, tag);
        return;
    }
    if (!ph_bucket_take(&leg->packets, relay->now, relay->config.packets_per_second_max,
                        relay->config.packets_per_second_max)) {
        stats->dropped_rate++;
        return;
    }
    if (relay->config.packets_per_second_all &&
        !ph_bucket_take(&relay->packets_all, relay->now, relay->config.packets_per_second_all,
                        relay->config.packets_per_second_all / 10 + 1)) {
        stats->dropped_rate_all++;
        return;
    }
    if (leg->client) {
        leg->client->came += d->len;
    } else {
        leg->came += d->len;
    }
    to = ph_leg_other(leg);
    if (to->tag == 0) {
        stats->dropped_no_peer++;
        return;
    }
    if (!may_send(to, PH_RELAY_FRAME_OVERHEAD + payload_len)) {
        stats->dropped_unproved++;
        return;
    }
    out = ph_outbox_add(&relay->outbox, relay->socks[to->listen], &to->addr,
                        PH_RELAY_FRAME_OVERHEAD + payload_len);
    if (!out) {
        return;
    }
    ph_relay_frame_header(out, to->tag);
    memcpy(out + PH_RELAY_FRAME_OVERHEAD, payload, payload_len);
    stats->forwarded_packets++;
    stats->forwarded_bytes += payload_len;
}
