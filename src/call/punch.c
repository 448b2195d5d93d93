#include "call/punch.h"

#include "base/err.h"
#include "call/agent.h"
#include "call/call.h"

#define STAGE_TIME      (2500 * PH_MS)
#define STAGE_EXTENSION (500 * PH_MS) /* while something is still under way */
/* The callee's patience where the caller's word is lost: the answer was then sent long ago. */
#define WORD_PATIENCE PH_SEC
#define GAP_MIN       (30 * PH_MS)
#define GAP_MAX       (300 * PH_MS)
#define CHECKS_MAX    10
#define PROBES_MAX    10
/* Sealed probes that the caller sends to addresses that have not answered yet: one beside each of
 * its first checks, so that the callee hears sealed bytes without another round trip. */
#define EARLY_PROBES_MAX 2

/* Made by a router's mapping; predicted, where another NAT stands before that router. */
static bool is_of_mapping(enum ph_candidate_type type)
{
    return type == PH_CANDIDATE_MAPPED || type == PH_CANDIDATE_PREDICTED;
}

enum ph_stage ph_punch_stage_of(const struct ph_punch *p, const struct ph_path *path)
{
    bool theirs = path->named && is_of_mapping(path->type);
    bool ours = ph_portmap_stage_is_own(&p->call->portmap, &path->seen);
    return theirs || ours ? PH_STAGE_PORTMAP : PH_STAGE_PUNCH;
}

/* Whose packets they are. */
static struct ph_stage_report *report(struct ph_punch *p, const struct ph_path *path)
{
    return &p->call->waterfall.stages[ph_punch_stage_of(p, path)];
}

static void set_state(struct ph_punch *p, enum ph_punch_state state)
{
    static const char *const names[] = {"idle", "opening", "checking", "won", "lost"};
    if (p->state == state)
        return;
    ph_call_trace(p->call, "punch", names[p->state], names[state]);
    p->state = state;
    p->call->changed = true;
}

void ph_punch_init(struct ph_punch *p, struct ph_call *call)
{
    *p = (struct ph_punch){
        .call = call,
        .full_ttl_at = PH_NEVER,
        .deadline = PH_NEVER,
        .next_word = PH_NEVER,
    };
}

bool ph_punch_is_running(const struct ph_punch *p)
{
    return p->state == PH_PUNCH_OPENING || p->state == PH_PUNCH_CHECKING;
}

/* The time after which an answer to a check is overdue: both peers' round trips to the relay bound
 * that between them, but for detours. */
static ph_ns check_gap(const struct ph_punch *p, unsigned checks)
{
    ph_ns rtt = ph_call_relay_rtt(p->call) + p->call->peer_relay_rtt;
    ph_ns gap = ph_min_ns(ph_max_ns(rtt + rtt / 4, GAP_MIN), GAP_MAX);
    return checks < 3 ? gap : 2 * gap;
}

static void send_check(struct ph_punch *p, ph_ns now, struct ph_path *path, uint8_t ttl)
{
    struct ph_call *c = p->call;
    uint8_t buf[PH_CHECK_MAX];
    uint8_t tid[PH_STUN_TID_LEN];
    uint8_t random[8];
    ph_host_random(c->agent->host, random, sizeof(random));
    uint32_t priority = ph_candidate_priority(PH_CANDIDATE_REFLEXIVE, &path->remote, 0);
    int len = ph_check_request(&c->checker, random, priority, buf, sizeof(buf), tid);
    if (len < 0)
        return;
    ph_path_note_sent(path, tid, now);
    ph_agent_send(c->agent, &path->remote, ttl, buf, (size_t)len);
    path->bytes_out += (uint64_t)len;
    struct ph_stage_report *r = report(p, path);
    r->packets++;
    r->bytes += (uint64_t)len;
    if (ttl) {
        path->opened = true;
        r->openers++;
    } else {
        path->checks++;
        r->probes++;
        path->next_check = path->checks < CHECKS_MAX ? now + check_gap(p, path->checks) : PH_NEVER;
    }
}

static void check_now(struct ph_path *path, ph_ns now)
{
    if (path->state < PH_PATH_VALID && path->checks < CHECKS_MAX)
        path->next_check = now;
}

/* The peer's candidates, its mapped address among them. */
static void take_terms(struct ph_punch *p, ph_ns now, const struct ph_signal *m)
{
    struct ph_candidate mapped = {.type = PH_CANDIDATE_MAPPED, .addr = m->mapped_addr};
    if (ph_addr_is_set(&m->mapped_addr))
        ph_punch_add(p, now, &mapped, 1);
    ph_punch_add(p, now, m->candidates, m->candidate_count);
}

void ph_punch_open(struct ph_punch *p, ph_ns now, const struct ph_signal *offer)
{
    ph_waterfall_start(&p->call->waterfall, PH_STAGE_PUNCH, now);
    set_state(p, PH_PUNCH_OPENING);
    p->full_ttl_at = now + WORD_PATIENCE;
    p->deadline = now + STAGE_TIME;
    take_terms(p, now, offer);
}

void ph_punch_start(struct ph_punch *p, ph_ns now, const struct ph_signal *answer)
{
    ph_waterfall_start(&p->call->waterfall, PH_STAGE_PUNCH, now);
    set_state(p, PH_PUNCH_CHECKING);
    p->deadline = now + STAGE_TIME;
    take_terms(p, now, answer);
    /* Those that were heard before the answer came could not be checked for want of its password.
     */
    for (size_t i = 0; i < p->call->paths.count; i++)
        check_now(&p->call->paths.items[i], now);
    ph_punch_pump(p, now);
}

/* A candidate that this call may use: with the stage off, those of mappings alone. */
static bool wanted(const struct ph_punch *p, const struct ph_candidate *c)
{
    enum ph_stage stage = is_of_mapping(c->type) ? PH_STAGE_PORTMAP : PH_STAGE_PUNCH;
    if (ph_agent_is_relay(p->call->agent, &c->addr))
        return false;
    return p->call->agent->config.stages & (1u << stage);
}

/* Starts with a path what its turn allows. */
static void begin(struct ph_punch *p, ph_ns now, struct ph_path *path)
{
    bool at_once = path->public_host || path->type == PH_CANDIDATE_MAPPED;
    if (p->state == PH_PUNCH_CHECKING || at_once)
        check_now(path, now);
    else if (!path->opened)
        send_check(p, now, path, ph_agent_opener_ttl(p->call->agent));
}

void ph_punch_reconsider(struct ph_punch *p, ph_ns now)
{
    struct ph_call *c = p->call;
    if (!c->carrier.use || ph_punch_stage_of(p, c->carrier.use) != PH_STAGE_PORTMAP)
        return;
    ph_waterfall_carry(&c->waterfall, PH_STAGE_PORTMAP, now);
    c->changed = true;
}

void ph_punch_add(struct ph_punch *p, ph_ns now, const struct ph_candidate *candidates, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!wanted(p, &candidates[i]))
            continue;
        /* When the race is over, only what is known already of an address is brought up to date. */
        if (!ph_punch_is_running(p) && !ph_path_find(&p->call->paths, &candidates[i].addr))
            continue;
        struct ph_path *path = ph_path_add_named(&p->call->paths, &candidates[i]);
        if (path && ph_punch_is_running(p))
            begin(p, now, path);
    }
    ph_punch_reconsider(p, now);
}

static void probe(struct ph_punch *p, ph_ns now, struct ph_path *path)
{
    path->next_probe = PH_NEVER;
    if (path->state == PH_PATH_PROVED || path->probes >= PROBES_MAX)
        return;
    if (path->state == PH_PATH_NEW && path->probes >= EARLY_PROBES_MAX)
        return;
    if (path->state != PH_PATH_HEARD || ph_path_may_send(path, PH_PROBE_PACKET_BYTES))
        ph_carrier_probe(&p->call->carrier, now, path);
    /* Also when it could not go out: congestion control may hold it back while the peer, whose end
     * of the handshake is late, acknowledges nothing. */
    if (path->state != PH_PATH_NEW && ph_call_established(p->call))
        path->next_probe = now + check_gap(p, path->probes);
}

static void send_word(struct ph_punch *p, ph_ns now)
{
    struct ph_inband m = {.kind = PH_INBAND_PUNCHING, .number = ++p->rounds};
    ph_call_send_inband(p->call, now, &m, 0, NULL);
    p->next_word = p->rounds < 5 ? now + check_gap(p, (unsigned)p->rounds) : PH_NEVER;
}

void ph_punch_on_request(struct ph_punch *p, ph_ns now, const struct ph_stun *msg,
                         const uint8_t *data, size_t len, const struct ph_addr *from)
{
    struct ph_call *c = p->call;
    int err = ph_check_accept(&c->checker, data, len, msg);
    if (err != PH_OK) {
        ph_call_trace(c, "check", "request", ph_strerror(err));
        return;
    }
    struct ph_path *path = ph_path_add_heard(&c->paths, from);
    if (!path)
        return;
    path->bytes_in += len;
    path->last_heard = now;
    uint8_t buf[PH_CHECK_MAX];
    int n = ph_check_response(&c->checker, msg, from, buf, sizeof(buf));
    if (n > 0 && ph_path_may_send(path, (size_t)n)) {
        ph_agent_send(c->agent, from, 0, buf, (size_t)n);
        path->bytes_out += (uint64_t)n;
        report(p, path)->packets++;
        report(p, path)->bytes += (uint64_t)n;
    }
    if (path->state == PH_PATH_NEW) {
        path->state = PH_PATH_HEARD;
        if (ph_punch_is_running(p) || p->state == PH_PUNCH_LOST) {
            send_check(p, now, path, 0);
            probe(p, now, path);
        }
    }
}

bool ph_punch_on_response(struct ph_punch *p, ph_ns now, const struct ph_stun *msg,
                          const uint8_t *data, size_t len, const struct ph_addr *from)
{
    struct ph_call *c = p->call;
    if (ph_check_verify_response(&c->checker, data, len, msg) != PH_OK)
        return false;
    struct ph_path *path = ph_path_take_response(&c->paths, msg->tid, from, now);
    if (!path)
        return true; /* a duplicate, or too late */
    path->bytes_in += len;
    path->last_heard = now;
    path->next_check = PH_NEVER;
    if (path->state < PH_PATH_VALID) {
        path->state = PH_PATH_VALID;
        path->next_probe = PH_NEVER;
        /* One that is out already may be proved by its echo any moment. */
        if (path->probe_sent == PH_NEVER || now - path->probe_sent > path->rtt)
            probe(p, now, path);
        else
            path->next_probe = path->probe_sent + path->rtt + path->rtt / 4 + PH_MS;
    }
    return true;
}

void ph_punch_on_word(struct ph_punch *p, ph_ns now)
{
    if (p->state != PH_PUNCH_OPENING)
        return;
    p->full_ttl_at = now;
    ph_punch_pump(p, now);
}

void ph_punch_on_sealed(struct ph_punch *p, ph_ns now, struct ph_path *path)
{
    if (path->state == PH_PATH_NEW)
        path->state = PH_PATH_HEARD;
    if (p->state != PH_PUNCH_IDLE && path->probe_sent == PH_NEVER)
        probe(p, now, path);
}

void ph_punch_on_established(struct ph_punch *p, ph_ns now)
{
    if (!ph_punch_is_running(p))
        return;
    for (size_t i = 0; i < p->call->paths.count; i++) {
        struct ph_path *path = &p->call->paths.items[i];
        if (path->state >= PH_PATH_HEARD || path->checks > 0)
            probe(p, now, path);
    }
    if (p->call->caller && p->state == PH_PUNCH_CHECKING)
        send_word(p, now);
}

void ph_punch_on_proved(struct ph_punch *p, ph_ns now, struct ph_path *path)
{
    struct ph_call *c = p->call;
    if (c->carrier.use && !ph_path_better(path, c->carrier.use))
        return;
    char addr[PH_ADDR_STRLEN];
    ph_call_trace(c, "path", c->carrier.use ? "direct" : "relay",
                  ph_addr_format(&path->remote, addr));
    c->carrier.use = path;
    ph_waterfall_carry(&c->waterfall, ph_punch_stage_of(p, path), now);
    set_state(p, PH_PUNCH_WON);
    c->changed = true;
    /* The first success ends the race. */
    for (size_t i = 0; i < c->paths.count; i++) {
        c->paths.items[i].next_check = PH_NEVER;
        if (&c->paths.items[i] != path)
            c->paths.items[i].next_probe = PH_NEVER;
    }
    p->next_word = p->full_ttl_at = p->deadline = PH_NEVER;
}

static bool something_under_way(const struct ph_punch *p)
{
    if (!ph_call_established(p->call))
        return true;
    for (size_t i = 0; i < p->call->paths.count; i++) {
        const struct ph_path *path = &p->call->paths.items[i];
        if (path->state >= PH_PATH_HEARD && path->probes < PROBES_MAX)
            return true;
    }
    return false;
}

void ph_punch_pump(struct ph_punch *p, ph_ns now)
{
    struct ph_call *c = p->call;
    if (now >= p->full_ttl_at) {
        p->full_ttl_at = PH_NEVER;
        set_state(p, PH_PUNCH_CHECKING);
        for (size_t i = 0; i < c->paths.count; i++) {
            if (c->paths.items[i].checks == 0)
                check_now(&c->paths.items[i], now);
        }
    }
    bool checked = false;
    for (size_t i = 0; i < c->paths.count && ph_punch_is_running(p); i++) {
        struct ph_path *path = &c->paths.items[i];
        if (now >= path->next_check) {
            send_check(p, now, path, 0);
            checked = true;
            if (path->named && path->state == PH_PATH_NEW)
                probe(p, now, path);
        }
        if (now >= path->next_probe)
            probe(p, now, path);
    }
    if (ph_punch_is_running(p) && c->caller && ph_call_established(c) &&
        ((checked && p->rounds == 0) || now >= p->next_word))
        send_word(p, now);
    if (now >= p->deadline) {
        if (something_under_way(p) && now < c->started + c->agent->config.give_up) {
            p->deadline = now + STAGE_EXTENSION;
        } else {
            p->deadline = p->next_word = PH_NEVER;
            set_state(p, PH_PUNCH_LOST);
            ph_waterfall_end(&c->waterfall, PH_STAGE_PUNCH, PH_STAGE_LOST, now,
                             "no check was answered");
            ph_waterfall_end(&c->waterfall, PH_STAGE_PORTMAP, PH_STAGE_LOST, now,
                             "no check was answered");
        }
    }
}

ph_ns ph_punch_deadline(const struct ph_punch *p)
{
    ph_ns t = ph_min_ns(ph_min_ns(p->full_ttl_at, p->deadline), p->next_word);
    if (!ph_punch_is_running(p))
        return t;
    for (size_t i = 0; i < p->call->paths.count; i++) {
        const struct ph_path *path = &p->call->paths.items[i];
        t = ph_min_ns(t, ph_min_ns(path->next_check, path->next_probe));
    }
    return t;
}
