#include "cli/progress.h"

#include "base/mac.h"
#include "base/trace.h"

#include <stdio.h>

#define LINE 1024

static struct ph_json begin(char line[LINE], const char *event)
{
    struct ph_json j = ph_json_begin(line, LINE);

    ph_json_str(&j, "event", event);
    return j;
}

static void end(struct ph_json *j)
{
    puts(ph_json_end(j));
}

static ph_ns since(const struct ph_call_report *r, ph_ns at)
{
    return at == PH_NEVER ? PH_NEVER : at - r->started;
}

/* The relay that the agent is registered with; all zero when it is with none. */
static struct ph_relay_report home(const struct ph_agent *agent)
{
    struct ph_relay_report r[PH_RELAY_REPORTS_MAX];
    size_t n = ph_agent_relays(agent, r, PH_RELAY_REPORTS_MAX);

    for (size_t i = 0; i < n && i < PH_RELAY_REPORTS_MAX; i++) {
        if (r[i].in_use) {
            return r[i];
        }
    }
    return (struct ph_relay_report){0};
}

void progress_registered(bool json, const char *fingerprint, int err,
                         const struct ph_addr *reflexive, const struct ph_agent *agent)
{
    struct ph_relay_report relay = home(agent);
    char line[LINE], addr[PH_ADDR_STRLEN];

    if (json) {
        struct ph_json j = begin(line, err ? "registration-failed" : "registered");

        ph_json_str(&j, "fingerprint", fingerprint);
        if (err) {
            ph_json_str(&j, "error", ph_strerror(err));
        } else {
            ph_json_addr(&j, "reflexive", reflexive);
            ph_json_addr(&j, "relay", &relay.addr);
            ph_json_str(&j, "region", relay.region[0] ? relay.region : NULL);
            ph_json_ns_ms(&j, "rtt_ms", relay.rtt ? relay.rtt : PH_NEVER);
        }
        end(&j);
    } else if (err) {
        printf("not registered: %s\n", ph_strerror(err));
    } else {
        printf("registered; the relay sees %s\n", ph_addr_format(reflexive, addr));
        printf("  relay %s%s%s, %.1f ms\n", ph_addr_format(&relay.addr, addr),
               relay.region[0] ? ", region " : "", relay.region, ph_ns_to_ms(relay.rtt));
    }
}

void progress_init(struct progress *p, bool json, const struct ph_call_report *r)
{
    char line[LINE], peer[2 * PH_FINGERPRINT_LEN + 1];

    *p = (struct progress){.json = json};
    ph_hex(r->peer, PH_FINGERPRINT_LEN, peer);
    if (json) {
        struct ph_json j = begin(line, r->caller ? "calling" : "called");

        ph_json_str(&j, "peer", peer);
        end(&j);
    } else {
        printf("%s %s\n", r->caller ? "calling" : "a call from", peer);
    }
}

static void tell_relay(const struct progress *p, const struct ph_call_report *r)
{
    char line[LINE], addr[PH_ADDR_STRLEN];

    if (p->json) {
        struct ph_json j = begin(line, "connected");

        ph_json_str(&j, "path", "relay");
        ph_json_addr(&j, "relay", &r->relay);
        ph_json_ns_ms(&j, "after_ms", since(r, r->relay_at));
        end(&j);
    } else {
        printf("connected by the relay %s after %.1f ms\n", ph_addr_format(&r->relay, addr),
               ph_ns_to_ms(since(r, r->relay_at)));
    }
}

static void tell_path(const struct progress *p, const struct ph_call_report *r)
{
    char line[LINE], addr[PH_ADDR_STRLEN];

    if (p->json) {
        struct ph_json j = begin(line, r->direct ? "direct" : "relayed");

        if (r->direct) {
            ph_json_addr(&j, "remote", &r->remote);
            ph_json_str(&j, "stage", ph_stage_name(r->stage));
            ph_json_ns_ms(&j, "after_ms", since(r, r->direct_at));
        }
        end(&j);
    } else if (r->direct) {
        printf("direct with %s (%s) after %.1f ms\n", ph_addr_format(&r->remote, addr),
               ph_stage_name(r->stage), ph_ns_to_ms(since(r, r->direct_at)));
    } else {
        printf("back on the relay\n");
    }
}

/* A stage that ended without giving the path: why there is none. */
static void tell_stages(struct progress *p, const struct ph_call_report *r)
{
    char line[LINE];

    for (unsigned i = 0; i < PH_STAGE_RELAY; i++) {
        const struct ph_stage_report *s = &r->stages[i];

        if (p->stages & (1u << i) || s->state != PH_STAGE_LOST) {
            continue;
        }
        p->stages |= 1u << i;
        if (p->json) {
            struct ph_json j = begin(line, "stage");

            ph_json_str(&j, "stage", ph_stage_name((enum ph_stage)i));
            ph_json_str(&j, "state", ph_stage_state_name(s->state));
            ph_json_str(&j, "reason", s->reason);
            ph_json_u64(&j, "packets", s->packets);
            end(&j);
        } else {
            printf("%s found no path%s%s\n", ph_stage_name((enum ph_stage)i),
                   s->reason[0] ? ": " : "", s->reason);
        }
    }
}

void progress_update(struct progress *p, const struct ph_call_report *r)
{
    if (!p->told_relay && r->relay_at != PH_NEVER) {
        p->told_relay = true;
        tell_relay(p, r);
    }
    if (r->state == PH_CALL_ENDED) {
        return;
    }
    if ((r->direct && r->direct_at != PH_NEVER) != p->was_direct) {
        p->was_direct = !p->was_direct;
        tell_path(p, r);
    }
    tell_stages(p, r);
}

static void media_fields(struct ph_json *j, const struct ph_call_report *r)
{
    ph_json_str(j, "path", r->direct ? "direct" : "relay");
    ph_json_u64(j, "sent", r->media.sent);
    ph_json_u64(j, "received", r->media.received);
    ph_json_u64(j, "duplicates", r->media.duplicates);
    ph_json_ns_ms(j, "max_gap_ms", r->media.max_gap);
    ph_json_ns_ms(j, "jitter_ms", r->media.jitter);
}

void progress_media(const struct progress *p, const struct ph_call_report *r, ph_ns now)
{
    char line[LINE];

    if (p->json) {
        struct ph_json j = begin(line, "media");

        ph_json_ns_ms(&j, "t_ms", since(r, now));
        media_fields(&j, r);
        end(&j);
    } else {
        printf("%6.1f s  %-6s  sent %llu, received %llu, longest gap %.1f ms, jitter %.1f ms\n",
               ph_ns_to_ms(since(r, now)) / 1000, r->direct ? "direct" : "relay",
               (unsigned long long)r->media.sent, (unsigned long long)r->media.received,
               ph_ns_to_ms(r->media.max_gap), ph_ns_to_ms(r->media.jitter));
    }
}

static const char *reason(const struct ph_call_report *r)
{
    switch (r->error) {
    case PH_OK:
        return "hung up";
    case PH_ERR_CLOSED:
        return "the other side ended it";
    case PH_ERR_NOENT:
        return "nobody of this fingerprint is registered with a relay that is known here";
    case PH_ERR_REFUSED:
        return "refused";
    case PH_ERR_SPACE:
        return "busy";
    case PH_ERR_AUTH:
        return "the peer's key is not the one that was called";
    default:
        return ph_strerror(r->error);
    }
}

void progress_summary(const struct progress *p, const struct ph_call_report *r, ph_ns now)
{
    bool connected = r->relay_at != PH_NEVER || r->direct_at != PH_NEVER;
    char line[LINE], peer[2 * PH_FINGERPRINT_LEN + 1];

    ph_hex(r->peer, PH_FINGERPRINT_LEN, peer);
    if (p->json) {
        struct ph_json j = begin(line, "ended");

        ph_json_str(&j, "peer", peer);
        ph_json_bool(&j, "connected", connected);
        ph_json_str(&j, "reason", reason(r));
        ph_json_str(&j, "stage", r->stage == PH_STAGE_NONE ? NULL : ph_stage_name(r->stage));
        ph_json_ns_ms(&j, "relay_ms", since(r, r->relay_at));
        ph_json_ns_ms(&j, "direct_ms", since(r, r->direct_at));
        ph_json_ns_ms(&j, "media_ms", since(r, r->media_at));
        ph_json_ns_ms(&j, "lasted_ms", since(r, now));
        media_fields(&j, r);
        end(&j);
        return;
    }
    printf("ended after %.1f s: %s\n", ph_ns_to_ms(since(r, now)) / 1000, reason(r));
    if (connected) {
        printf(
            "  path %s, sent %llu frames, received %llu, %llu twice, longest gap %.1f ms, jitter "
            "%.1f ms\n",
            r->direct ? "direct" : "relay", (unsigned long long)r->media.sent,
            (unsigned long long)r->media.received, (unsigned long long)r->media.duplicates,
            ph_ns_to_ms(r->media.max_gap), ph_ns_to_ms(r->media.jitter));
    }
}
