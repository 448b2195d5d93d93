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

static void end(struct screen *screen, struct ph_json *j)
{
    screen_say(screen, "%s", ph_json_end(j));
}

static ph_ns since(const struct ph_call_report *r, ph_ns at)
{
    return at == PH_NEVER ? PH_NEVER : at - r->started;
}

static double seconds(ph_ns t)
{
    return ph_ns_to_ms(t) / 1000;
}

/* What every event of a call has: whose call it is, and when. */
static struct ph_json begin_of_call(char line[LINE], const char *event,
                                    const struct ph_call_report *r, ph_ns now)
{
    struct ph_json j = begin(line, event);
    char peer[2 * PH_FINGERPRINT_LEN + 1];

    ph_hex(r->peer, PH_FINGERPRINT_LEN, peer);
    ph_json_str(&j, "peer", peer);
    ph_json_ns_ms(&j, "t_ms", since(r, now));
    return j;
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

void progress_registered(struct screen *screen, const char *fingerprint, int err,
                         const struct ph_addr *reflexive, const struct ph_agent *agent)
{
    struct ph_relay_report relay = home(agent);
    char line[LINE], addr[PH_ADDR_STRLEN];

    if (screen->json) {
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
        end(screen, &j);
    } else if (err) {
        screen_say(screen, "not registered: %s", ph_strerror(err));
    } else {
        screen_say(screen, "registered; the relay sees %s", ph_addr_format(reflexive, addr));
        screen_say(screen, "  relay %s%s%s, %.1f ms", ph_addr_format(&relay.addr, addr),
                   relay.region[0] ? ", region " : "", relay.region, ph_ns_to_ms(relay.rtt));
    }
}

void progress_begin(struct progress *p, struct screen *screen, const struct ph_call_report *r)
{
    char line[LINE], peer[2 * PH_FINGERPRINT_LEN + 1];

    *p = (struct progress){.screen = screen, .state = r->state};
    ph_hex(r->peer, PH_FINGERPRINT_LEN, peer);
    if (screen->json) {
        struct ph_json j = begin(line, r->caller ? "calling" : "called");

        ph_json_str(&j, "peer", peer);
        end(screen, &j);
    } else {
        screen_say(screen, "%s %s", r->caller ? "calling" : "a call from", peer);
    }
}

static const char *state_name(enum ph_call_state state)
{
    static const char *const names[] = {"dialing", "ringing", "connecting", "connected", "ended"};

    return names[state];
}

/* People are told of what a state is for. */
static void tell_state(const struct progress *p, const struct ph_call_report *r, ph_ns now)
{
    char line[LINE];

    if (p->screen->json) {
        struct ph_json j = begin_of_call(line, "state", r, now);

        ph_json_str(&j, "state", state_name(r->state));
        end(p->screen, &j);
    }
}

static void tell_relay(const struct progress *p, const struct ph_call_report *r, ph_ns now)
{
    char line[LINE], addr[PH_ADDR_STRLEN];

    if (p->screen->json) {
        struct ph_json j = begin_of_call(line, "connected", r, now);

        ph_json_str(&j, "path", "relay");
        ph_json_addr(&j, "relay", &r->relay);
        ph_json_ns_ms(&j, "after_ms", since(r, r->relay_at));
        end(p->screen, &j);
    } else {
        screen_say(p->screen, "connected by the relay %s after %.1f ms",
                   ph_addr_format(&r->relay, addr), ph_ns_to_ms(since(r, r->relay_at)));
    }
}

static void tell_direct(struct progress *p, const struct ph_call_report *r, ph_ns now)
{
    bool first = p->remote.family == PH_AF_NONE;
    char line[LINE], addr[PH_ADDR_STRLEN];

    if (p->screen->json) {
        struct ph_json j = begin_of_call(line, "direct", r, now);

        ph_json_addr(&j, "remote", &r->remote);
        ph_json_str(&j, "stage", ph_stage_name(r->stage));
        ph_json_ns_ms(&j, "after_ms", since(r, r->direct_at));
        end(p->screen, &j);
    } else if (first) {
        screen_say(p->screen, "direct with %s (%s) after %.1f ms", ph_addr_format(&r->remote, addr),
                   ph_stage_name(r->stage), ph_ns_to_ms(since(r, r->direct_at)));
    } else {
        screen_say(p->screen, "%s with %s (%s) after %.1f s",
                   p->was_direct ? "now direct" : "direct again", ph_addr_format(&r->remote, addr),
                   ph_stage_name(r->stage), seconds(since(r, now)));
    }
    p->stage = r->stage;
    p->remote = r->remote;
}

/* The stage that had found the direct path says why it is given up. */
static void tell_relayed(struct progress *p, const struct ph_call_report *r, ph_ns now)
{
    const struct ph_stage_report *s = &r->stages[p->stage];
    const char *why = s->state == PH_STAGE_LOST ? s->reason : "";
    char line[LINE];

    p->stages |= 1u << p->stage; /* with this its end is told */
    if (p->screen->json) {
        struct ph_json j = begin_of_call(line, "relayed", r, now);

        ph_json_addr(&j, "relay", &r->relay);
        ph_json_str(&j, "reason", why[0] ? why : NULL);
        end(p->screen, &j);
    } else {
        screen_say(p->screen, "back on the relay after %.1f s%s%s", seconds(since(r, now)),
                   why[0] ? ": " : "", why);
    }
}

static void tell_path(struct progress *p, const struct ph_call_report *r, ph_ns now)
{
    if (r->direct) {
        tell_direct(p, r, now);
    } else {
        tell_relayed(p, r, now);
    }
    p->was_direct = r->direct;
}

/* Loss as a percentage, "-": not known. */
static const char *loss_text(const struct ph_quality_numbers *n, char out[16])
{
    if (n->known) {
        snprintf(out, 16, "%.1f%%", n->loss / 10.0);
    } else {
        snprintf(out, 16, "-");
    }
    return out;
}

static void tell_profile(struct progress *p, const struct ph_call_report *r, ph_ns now)
{
    char line[LINE], in[16], out[16];

    if (p->screen->json) {
        struct ph_json j = begin_of_call(line, "quality", r, now);

        ph_json_str(&j, "profile", ph_profile_name(r->profile));
        ph_json_str(&j, "was", ph_profile_name(p->profile));
        ph_json_u64(&j, "frame", r->profile_since);
        end(p->screen, &j);
    } else {
        screen_say(p->screen, "quality %s after %.1f s, loss %s in, %s out",
                   ph_profile_name(r->profile), seconds(since(r, now)), loss_text(&r->in, in),
                   loss_text(&r->out, out));
    }
    p->profile = r->profile;
}

/* A stage that ended without giving the path: why there is none. */
static void tell_stages(struct progress *p, const struct ph_call_report *r, ph_ns now)
{
    char line[LINE];

    for (unsigned i = 0; i < PH_STAGE_RELAY; i++) {
        const struct ph_stage_report *s = &r->stages[i];

        if (p->stages & (1u << i) || s->state != PH_STAGE_LOST) {
            continue;
        }
        p->stages |= 1u << i;
        if (p->screen->json) {
            struct ph_json j = begin_of_call(line, "stage", r, now);

            ph_json_str(&j, "stage", ph_stage_name((enum ph_stage)i));
            ph_json_str(&j, "state", ph_stage_state_name(s->state));
            ph_json_str(&j, "reason", s->reason);
            ph_json_u64(&j, "packets", s->packets);
            end(p->screen, &j);
        } else {
            screen_say(p->screen, "%s found no path%s%s", ph_stage_name((enum ph_stage)i),
                       s->reason[0] ? ": " : "", s->reason);
        }
    }
}

static bool is_another_path(const struct progress *p, const struct ph_call_report *r)
{
    bool direct = r->direct && r->direct_at != PH_NEVER;

    return direct != p->was_direct ||
           (direct && (r->stage != p->stage || !ph_addr_eq(&r->remote, &p->remote)));
}

void progress_update(struct progress *p, const struct ph_call_report *r, ph_ns now)
{
    if (r->state != p->state) {
        p->state = r->state;
        tell_state(p, r, now);
    }
    if (!p->told_relay && r->relay_at != PH_NEVER) {
        p->told_relay = true;
        tell_relay(p, r, now);
    }
    if (r->state == PH_CALL_ENDED) {
        return;
    }
    if (is_another_path(p, r)) {
        tell_path(p, r, now);
    }
    if (r->profile != p->profile) {
        tell_profile(p, r, now);
    }
    tell_stages(p, r, now);
}

static void direction_fields(struct ph_json *j, const struct ph_quality_numbers *n,
                             const char *loss, const char *jitter)
{
    if (n->known) {
        ph_json_u64(j, loss, n->loss);
    } else {
        ph_json_str(j, loss, NULL);
    }
    ph_json_ns_ms(j, jitter, n->known ? n->jitter : PH_NEVER);
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

static void tell_second_as_json(const struct progress *p, const struct ph_call_report *r, ph_ns now)
{
    char line[LINE];
    struct ph_json j = begin_of_call(line, "media", r, now);

    media_fields(&j, r);
    ph_json_str(&j, "profile", ph_profile_name(r->profile));
    ph_json_ns_ms(&j, "rtt_ms", r->in.rtt ? r->in.rtt : PH_NEVER);
    direction_fields(&j, &r->in, "loss_in_permille", "jitter_in_ms");
    direction_fields(&j, &r->out, "loss_out_permille", "jitter_out_ms");
    ph_json_str(&j, "peer_path",
                r->peer_stage == PH_STAGE_NONE ? NULL
                : r->peer_direct               ? "direct"
                                               : "relay");
    if (r->stream.sent || r->stream.received) {
        ph_json_u64(&j, "stream_sent", r->stream.sent);
        ph_json_u64(&j, "stream_received", r->stream.received);
    }
    end(p->screen, &j);
}

static void show_status(const struct progress *p, const struct ph_call_report *r, ph_ns now)
{
    unsigned t = (unsigned)(since(r, now) / PH_SEC);
    const struct ph_addr *at = r->direct ? &r->remote : &r->relay;
    char text[SCREEN_STATUS_MAX], addr[PH_ADDR_STRLEN], in[16], out[16];

    snprintf(text, sizeof(text),
             "%u:%02u  %s  %s %s%s%s%s  rtt %.1f ms  loss %s/%s  jitter %.1f ms", t / 60, t % 60,
             ph_profile_name(r->profile), r->direct ? "direct" : "relay", ph_addr_format(at, addr),
             r->direct ? " (" : "", r->direct ? ph_stage_name(r->stage) : "", r->direct ? ")" : "",
             ph_ns_to_ms(r->in.rtt), loss_text(&r->in, in), loss_text(&r->out, out),
             ph_ns_to_ms(r->media.jitter));
    screen_status(p->screen, text);
}

void progress_second(const struct progress *p, const struct ph_call_report *r, ph_ns now,
                     bool lines)
{
    char in[16], out[16];

    if (p->screen->json) {
        tell_second_as_json(p, r, now);
    } else if (p->screen->live) {
        show_status(p, r, now);
    } else if (lines) {
        screen_say(p->screen,
                   "%6.1f s  %-6s  sent %llu, received %llu, longest gap %.1f ms, jitter %.1f ms, "
                   "rtt %.1f ms, loss %s in, %s out, %s",
                   seconds(since(r, now)), r->direct ? "direct" : "relay",
                   (unsigned long long)r->media.sent, (unsigned long long)r->media.received,
                   ph_ns_to_ms(r->media.max_gap), ph_ns_to_ms(r->media.jitter),
                   ph_ns_to_ms(r->in.rtt), loss_text(&r->in, in), loss_text(&r->out, out),
                   ph_profile_name(r->profile));
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
    bool stream = r->stream.sent || r->stream.received;
    char line[LINE];

    screen_status(p->screen, "");
    if (p->screen->json) {
        struct ph_json j = begin_of_call(line, "ended", r, now);

        ph_json_bool(&j, "connected", connected);
        ph_json_str(&j, "reason", reason(r));
        ph_json_str(&j, "stage", r->stage == PH_STAGE_NONE ? NULL : ph_stage_name(r->stage));
        ph_json_ns_ms(&j, "relay_ms", since(r, r->relay_at));
        ph_json_ns_ms(&j, "direct_ms", since(r, r->direct_at));
        ph_json_ns_ms(&j, "media_ms", since(r, r->media_at));
        ph_json_ns_ms(&j, "lasted_ms", since(r, now));
        media_fields(&j, r);
        if (stream) {
            ph_json_u64(&j, "stream_sent", r->stream.sent);
            ph_json_u64(&j, "stream_received", r->stream.received);
        }
        end(p->screen, &j);
        return;
    }
    screen_say(p->screen, "ended after %.1f s: %s", seconds(since(r, now)), reason(r));
    if (connected) {
        screen_say(p->screen,
                   "  path %s, sent %llu frames, received %llu, %llu twice, longest gap %.1f ms, "
                   "jitter %.1f ms",
                   r->direct ? "direct" : "relay", (unsigned long long)r->media.sent,
                   (unsigned long long)r->media.received, (unsigned long long)r->media.duplicates,
                   ph_ns_to_ms(r->media.max_gap), ph_ns_to_ms(r->media.jitter));
    }
    if (stream) {
        screen_say(p->screen, "  stream: sent %llu bytes, received %llu",
                   (unsigned long long)r->stream.sent, (unsigned long long)r->stream.received);
    }
}
