#include "call/checks.h"

#include "base/err.h"
#include "call/agent.h"
#include "call/call.h"

#define GAP_MIN    (30 * PH_MS)
#define GAP_MAX    (300 * PH_MS)
#define CHECKS_MAX 10
#define PROBES_MAX 10
/* A path that died is not used again at once, and the later the more often it has. */
#define DEATH_FIRST (250 * PH_MS)
#define DEATH_MAX   (30 * PH_SEC)
/* Sealed probes that are sent to addresses that have not answered yet: one beside each of the first
 * checks, so that the other side hears sealed bytes without another round trip. */
#define EARLY_PROBES_MAX 2

bool ph_checks_racing(const struct ph_call *c)
{
    return ph_punch_is_running(&c->punch) || ph_hard_is_running(&c->hard);
}

enum ph_stage ph_checks_stage_of(const struct ph_call *c, const struct ph_path *path)
{
    bool theirs = path->named && ph_candidate_is_of_mapping(path->type);
    bool ours = ph_portmap_stage_is_own(&c->portmap, &path->seen);
    if (path->guessed)
        return ph_stage_of_guesses(path->predicted);
    return theirs || ours ? PH_STAGE_PORTMAP : PH_STAGE_PUNCH;
}

/* Whose packets they are. */
static struct ph_stage_report *report(struct ph_call *c, const struct ph_path *path)
{
    return &c->waterfall.stages[ph_checks_stage_of(c, path)];
}

/* Both peers' round trips to the relay bound that between them, but for detours. */
ph_ns ph_checks_gap(struct ph_call *c, unsigned checks)
{
    ph_ns rtt = ph_call_signalling_rtt(c);
    ph_ns gap = ph_min_ns(ph_max_ns(rtt + rtt / 4, GAP_MIN), GAP_MAX);
    return checks < 3 ? gap : 2 * gap;
}

void ph_checks_send(struct ph_call *c, ph_ns now, struct ph_path *path, uint8_t ttl)
{
    uint8_t buf[PH_CHECK_MAX];
    uint8_t tid[PH_STUN_TID_LEN];
    uint8_t random[8];
    ph_host_random(c->agent->host, random, sizeof(random));
    uint32_t priority = ph_candidate_priority(PH_CANDIDATE_REFLEXIVE, &path->remote, 0);
    int len = ph_check_request(&c->checker, random, priority, buf, sizeof(buf), tid);
    if (len < 0)
        return;
    ph_path_note_sent(path, tid, now);
    ph_agent_send(c->agent, path->sock, &path->remote, ttl, buf, (size_t)len);
    path->bytes_out += (uint64_t)len;
    struct ph_stage_report *r = report(c, path);
    r->packets++;
    r->bytes += (uint64_t)len;
    if (ttl) {
        path->opened = true;
        r->openers++;
    } else {
        path->checks++;
        r->probes++;
        path->next_check =
            path->checks < CHECKS_MAX ? now + ph_checks_gap(c, path->checks) : PH_NEVER;
    }
}

void ph_checks_now(struct ph_path *path, ph_ns now)
{
    if (path->state < PH_PATH_VALID && path->checks < CHECKS_MAX)
        path->next_check = now;
}

void ph_checks_probe(struct ph_call *c, ph_ns now, struct ph_path *path)
{
    path->next_probe = PH_NEVER;
    if (path->state == PH_PATH_PROVED || path->probes >= PROBES_MAX)
        return;
    if (path->state == PH_PATH_NEW && path->probes >= EARLY_PROBES_MAX)
        return;
    if (path->state != PH_PATH_HEARD || ph_path_may_send(path, PH_PROBE_PACKET_BYTES))
        ph_carrier_probe(&c->carrier, now, path);
    /* Also when it could not go out: congestion control may hold it back while the peer, whose end
     * of the handshake is late, acknowledges nothing. */
    if (path->state != PH_PATH_NEW && ph_call_established(c))
        path->next_probe = now + ph_checks_gap(c, path->probes);
}

static void respond(struct ph_call *c, struct ph_path *path, const struct ph_stun *msg)
{
    uint8_t buf[PH_CHECK_MAX];
    int n = ph_check_response(&c->checker, msg, &path->remote, buf, sizeof(buf));
    if (n <= 0 || !ph_path_may_send(path, (size_t)n))
        return;
    ph_agent_send(c->agent, path->sock, &path->remote, 0, buf, (size_t)n);
    path->bytes_out += (uint64_t)n;
    report(c, path)->packets++;
    report(c, path)->bytes += (uint64_t)n;
}

/* One guess often meets many of a fan: a few of them are proved, the others only answered. */
static bool one_too_many(const struct ph_call *c, ph_ns now, const struct ph_path *path)
{
    size_t guessed = 0;
    for (size_t i = 0; path->guessed && i < c->paths.count; i++)
        guessed += c->paths.items[i].guessed && c->paths.items[i].state >= PH_PATH_HEARD &&
                   now - c->paths.items[i].last_heard < PH_SEC; /* and not of an earlier move */
    return guessed > PH_PATHS_WARM;
}

void ph_checks_on_request(struct ph_call *c, ph_ns now, const struct ph_stun *msg,
                          const uint8_t *data, size_t len, const struct ph_source *from)
{
    int err = ph_check_accept(&c->checker, data, len, msg);
    if (err != PH_OK) {
        ph_call_trace(c, "check", "request", ph_strerror(err));
        return;
    }
    struct ph_path *path = ph_path_add_heard(&c->paths, from);
    if (!path)
        return;
    if (path->state == PH_PATH_NEW)
        ph_hard_on_heard(&c->hard, path);
    path->bytes_in += len;
    path->last_heard = now;
    respond(c, path, msg);
    if (path->state == PH_PATH_NEW) {
        path->state = PH_PATH_HEARD;
        if ((ph_checks_racing(c) || c->punch.state == PH_PUNCH_LOST) &&
            !one_too_many(c, now, path)) {
            ph_checks_send(c, now, path, 0);
            ph_checks_probe(c, now, path);
        }
    }
}

bool ph_checks_on_response(struct ph_call *c, ph_ns now, const struct ph_stun *msg,
                           const uint8_t *data, size_t len, const struct ph_source *from)
{
    if (ph_check_verify_response(&c->checker, data, len, msg) != PH_OK)
        return false;
    struct ph_path *path = ph_path_take_response(&c->paths, msg->tid, from, now);
    if (!path)
        path = ph_hard_take_response(&c->hard, now, msg->tid, from);
    if (!path)
        return true; /* a duplicate, or too late */
    if (path->state == PH_PATH_NEW)
        ph_hard_on_heard(&c->hard, path);
    path->bytes_in += len;
    path->last_heard = now;
    path->next_check = PH_NEVER;
    if (path->state < PH_PATH_VALID) {
        path->state = PH_PATH_VALID;
        if (path->probe_sent == PH_NEVER && one_too_many(c, now, path))
            return true;
        path->next_probe = PH_NEVER;
        /* One that is out already may be proved by its echo any moment. */
        if (path->probe_sent == PH_NEVER || now - path->probe_sent > path->rtt)
            ph_checks_probe(c, now, path);
        else
            path->next_probe = path->probe_sent + path->rtt + path->rtt / 4 + PH_MS;
    }
    return true;
}

void ph_checks_on_sealed(struct ph_call *c, ph_ns now, struct ph_path *path)
{
    if (path->state == PH_PATH_NEW) {
        ph_hard_on_heard(&c->hard, path);
        path->state = PH_PATH_HEARD;
    }
    bool begun = c->punch.state != PH_PUNCH_IDLE || ph_hard_is_running(&c->hard);
    if (begun && path->state < PH_PATH_PROVED && path->next_probe == PH_NEVER)
        ph_checks_probe(c, now, path);
}

void ph_checks_use(struct ph_call *c, ph_ns now, struct ph_path *path)
{
    char addr[PH_ADDR_STRLEN];
    ph_call_trace(c, "path", c->steering.path ? "direct" : "relay",
                  ph_addr_format(&path->remote, addr));
    ph_steering_take(&c->steering, now, path);
    ph_call_repeat_media(c, now);
    ph_waterfall_carry(&c->waterfall, ph_checks_stage_of(c, path), now);
    ph_warm_on_taken(&c->warm, now);
    c->changed = true;
}

/* One that dies all the time is left alone for longer each time. */
static void note_death(ph_ns now, struct ph_path *path)
{
    path->state = PH_PATH_VALID;
    path->probes = 0;
    path->next_probe = PH_NEVER;
    path->not_before = now + (path->deaths < 6 ? DEATH_FIRST << path->deaths : DEATH_MAX);
    path->deaths++;
}

void ph_checks_give_up(struct ph_call *c, ph_ns now, const char *why)
{
    struct ph_path *path = c->steering.path, *spare = ph_warm_spare(&c->warm);
    if (!spare) {
        ph_steering_drop(&c->steering, now, why);
        return;
    }
    note_death(now, path);
    ph_checks_use(c, now, spare);
    ph_warm_on_dead(&c->warm, now, path);
}

void ph_checks_on_dead(struct ph_call *c, ph_ns now, struct ph_path *path, const char *why)
{
    char addr[PH_ADDR_STRLEN];
    ph_call_trace(c, "path", ph_addr_format(&path->remote, addr), "relay");
    note_death(now, path);
    ph_waterfall_fall_back(&c->waterfall, now, why);
    ph_warm_on_dead(&c->warm, now, path);
    ph_renewal_on_dead(&c->renewal, now);
    c->changed = true;
}

void ph_checks_on_proved(struct ph_call *c, ph_ns now, struct ph_path *path)
{
    const struct ph_path *use = c->steering.path;
    bool again = path->proved; /* one that was passed over is not taken for a moment's round trip */
    path->proved = true;
    if (path == use || now < path->not_before || (use && (again || !ph_path_better(path, use))))
        return;
    ph_checks_use(c, now, path);
    ph_renewal_on_proved(&c->renewal);
    /* The first success ends the race. */
    for (size_t i = 0; i < c->paths.count; i++) {
        c->paths.items[i].next_check = PH_NEVER;
        if (&c->paths.items[i] != path)
            c->paths.items[i].next_probe = PH_NEVER;
    }
    ph_punch_on_proved(&c->punch);
    ph_hard_on_proved(&c->hard, now);
}

void ph_checks_on_established(struct ph_call *c, ph_ns now)
{
    if (!ph_checks_racing(c))
        return;
    for (size_t i = 0; i < c->paths.count; i++) {
        struct ph_path *path = &c->paths.items[i];
        if (path->state >= PH_PATH_HEARD || path->checks > 0)
            ph_checks_probe(c, now, path);
    }
}

void ph_checks_reconsider(struct ph_call *c, ph_ns now)
{
    if (!c->steering.path || ph_checks_stage_of(c, c->steering.path) != PH_STAGE_PORTMAP)
        return;
    ph_waterfall_carry(&c->waterfall, PH_STAGE_PORTMAP, now);
    c->changed = true;
}

bool ph_checks_under_way(const struct ph_call *c)
{
    if (!ph_call_established(c))
        return true;
    for (size_t i = 0; i < c->paths.count; i++) {
        const struct ph_path *path = &c->paths.items[i];
        if (path->state >= PH_PATH_HEARD && path->probes < PROBES_MAX)
            return true;
    }
    return false;
}

bool ph_checks_pump(struct ph_call *c, ph_ns now)
{
    bool checked = false;
    for (size_t i = 0; i < c->paths.count; i++) {
        struct ph_path *path = &c->paths.items[i];
        if (!ph_checks_racing(c))
            path->next_check = PH_NEVER;
        if (now >= path->next_check && ph_hard_spares(&c->hard, path))
            path->next_check = now + ph_checks_gap(c, 0);
        if (now >= path->next_check) {
            ph_checks_send(c, now, path, 0);
            checked = true;
            if (path->named && path->state == PH_PATH_NEW)
                ph_checks_probe(c, now, path);
        }
        if (now >= path->next_probe)
            ph_checks_probe(c, now, path);
    }
    return checked;
}

ph_ns ph_checks_deadline(const struct ph_call *c)
{
    ph_ns t = PH_NEVER;
    for (size_t i = 0; i < c->paths.count; i++) {
        const struct ph_path *path = &c->paths.items[i];
        t = ph_min_ns(t, ph_min_ns(path->next_check, path->next_probe));
    }
    return t;
}
