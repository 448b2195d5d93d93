#include "call/presence.h"

#include "base/err.h"
#include "call/agent.h"
#include "call/calls.h"

#include <string.h>

/* At the start: from the first relay's answer on, the others have half as long again. */
#define CHOOSE_MAX    (250 * PH_MS)
#define BACKOFF_FIRST PH_SEC
#define BACKOFF_MAX   (30 * PH_SEC)
#define MEASURE_EVERY (300 * PH_SEC)
#define CONFIRM_AFTER (2 * PH_SEC)
#define LINGER        (30 * PH_SEC)
/* A relay that has forgotten us is gone to again at once, but not over and over. */
#define FORGOTTEN_EVERY (5 * PH_SEC)

void ph_presence_init(struct ph_presence *p, struct ph_agent *agent)
{
    *p = (struct ph_presence){
        .agent = agent,
        .measure_at = PH_NEVER,
        .choose_at = PH_NEVER,
        .retry_at = PH_NEVER,
    };
    ph_resumption_init(&p->resumption, agent);
    for (size_t i = 0; i < PH_REGISTRARS_MAX; i++)
        ph_registrar_init(&p->registrars[i], agent);
    p->home = &p->registrars[0];
}

void ph_presence_fini(struct ph_presence *p)
{
    for (size_t i = 0; i < PH_REGISTRARS_MAX; i++) {
        if (p->registrars[i].conn)
            ph_registrar_stop(&p->registrars[i], ph_host_now(p->agent->host));
    }
}

bool ph_presence_registered(const struct ph_presence *p)
{
    return p->home->state == PH_REGISTRAR_REGISTERED;
}

struct ph_registrar *ph_presence_at(struct ph_presence *p, const struct ph_addr *relay)
{
    for (size_t i = 0; i < PH_REGISTRARS_MAX; i++) {
        struct ph_registrar *r = &p->registrars[i];
        if (r->conn && !r->closed && ph_addr_eq(&r->relay, relay))
            return r;
    }
    return NULL;
}

struct ph_registrar *ph_presence_by_conn(struct ph_presence *p, const struct ph_quic_conn *conn)
{
    for (size_t i = 0; i < PH_REGISTRARS_MAX; i++) {
        if (p->registrars[i].conn == conn)
            return &p->registrars[i];
    }
    return NULL;
}

bool ph_presence_is_there_already(const struct ph_presence *p, const struct ph_registrar *r)
{
    const uint8_t *key = ph_quic_conn_peer(r->conn);
    if (!key || (r == p->next && !p->hedged))
        return false;
    for (size_t i = 0; i < PH_REGISTRARS_MAX; i++) {
        const struct ph_registrar *other = &p->registrars[i];
        const uint8_t *theirs = other != r && other->state >= PH_REGISTRAR_WAITING
                                    ? ph_quic_conn_peer(other->conn)
                                    : NULL;
        if (theirs && memcmp(theirs, key, PH_FINGERPRINT_LEN) == 0)
            return true;
    }
    return false;
}

bool ph_presence_is_relay(const struct ph_presence *p, const struct ph_addr *addr)
{
    for (size_t i = 0; i < p->map.count; i++) {
        if (p->map.items[i].configured && ph_addr_eq(&p->map.items[i].addr, addr))
            return true;
    }
    for (size_t i = 0; i < PH_REGISTRARS_MAX; i++) {
        if (p->registrars[i].conn && ph_addr_eq(&p->registrars[i].relay, addr))
            return true;
    }
    return ph_calls_any(p->agent, addr);
}

/* One that no call uses, and that is not to be home. */
static bool spare(const struct ph_presence *p, const struct ph_registrar *r)
{
    return r != p->home && r != p->next && !ph_calls_any(p->agent, &r->relay);
}

static struct ph_registrar *free_registrar(struct ph_presence *p, ph_ns now)
{
    struct ph_registrar *oldest = NULL;
    for (size_t i = 0; i < PH_REGISTRARS_MAX; i++) {
        struct ph_registrar *r = &p->registrars[i];
        if (r->conn == NULL && r != p->home)
            return r;
        if (spare(p, r) && (!oldest || r->unused_since < oldest->unused_since))
            oldest = r;
    }
    if (oldest)
        ph_registrar_stop(oldest, now);
    return oldest;
}

int ph_presence_go(struct ph_presence *p, ph_ns now, const struct ph_addr *relay)
{
    if (ph_presence_at(p, relay))
        return PH_OK;
    struct ph_registrar *r = free_registrar(p, now);
    return r ? ph_registrar_start(r, now, relay) : PH_ERR_SPACE;
}

static void measure(struct ph_presence *p, ph_ns now, bool forgiving)
{
    struct ph_addr servers[PH_RELAY_MAP_MAX];
    uint8_t ids[8 * PH_RELAY_MAP_MAX];
    for (size_t i = 0; i < p->map.count; i++)
        servers[i] = p->map.items[i].addr;
    ph_host_random(p->agent->host, ids, 8 * p->map.count);
    ph_ranging_start(&p->ranging, servers, p->map.count, ids, now);
    p->measuring = true;
    p->forgiving = forgiving;
    p->measure_at = now + MEASURE_EVERY;
}

/* Measuring one alone is of no use: there is nothing to choose. */
static void measure_soon(struct ph_presence *p, ph_ns now)
{
    if (p->map.count > 1)
        p->measure_at = now;
}

static void home_failed(struct ph_presence *p, ph_ns now, int error, bool was_registered);

static void start_home(struct ph_presence *p, ph_ns now, const struct ph_addr *relay)
{
    struct ph_registrar *there = ph_presence_at(p, relay);
    p->choose_at = p->retry_at = PH_NEVER;
    /* Never twice at one relay: it would take the second for the first one's successor. */
    if (there) {
        p->home = there;
        return;
    }
    p->home->relay = *relay;
    int err = ph_registrar_start(p->home, now, relay);
    if (err != PH_OK)
        home_failed(p, now, err, false);
}

static void become_home(struct ph_presence *p, struct ph_registrar *r)
{
    p->home = r;
    p->next = NULL;
    p->choose_at = p->retry_at = PH_NEVER;
    ph_agent_on_moved(p->agent);
}

static struct ph_registrar *registered_elsewhere(struct ph_presence *p)
{
    for (size_t i = 0; i < PH_REGISTRARS_MAX; i++) {
        struct ph_registrar *r = &p->registrars[i];
        if (r != p->home && r->state == PH_REGISTRAR_REGISTERED && !r->closed)
            return r;
    }
    return NULL;
}

/* It has been restarted, and is there: no reason to look for another one. */
static bool forgotten(struct ph_presence *p, ph_ns now, int error)
{
    if (error != PH_ERR_RESET || (p->forgotten_at && now < p->forgotten_at + FORGOTTEN_EVERY))
        return false;
    p->forgotten_at = now;
    return true;
}

/* To the next relay, at once unless that has failed as well since anybody last registered us. */
static void home_failed(struct ph_presence *p, ph_ns now, int error, bool was_registered)
{
    size_t order[PH_RELAY_MAP_MAX];
    if (was_registered)
        ph_agent_on_unregistered(p->agent, error);
    if (was_registered && forgotten(p, now, error)) {
        struct ph_addr same = p->home->relay;
        start_home(p, now, &same);
        return;
    }
    ph_relay_map_failed(&p->map, &p->home->relay);
    struct ph_registrar *other = registered_elsewhere(p);
    if (p->map.count > 1 && !p->measuring)
        measure(p, now, false);
    if (other) {
        become_home(p, other);
        return;
    }
    if (p->next) { /* on its way already */
        p->home = p->next;
        p->next = NULL;
        return;
    }
    ph_relay_map_order(&p->map, order);
    const struct ph_relay_entry *e = &p->map.items[order[0]];
    if (e->failures == 0) {
        start_home(p, now, &e->addr);
        return;
    }
    p->retry_at = now + (e->failures <= 5 ? BACKOFF_FIRST << (e->failures - 1) : BACKOFF_MAX);
    ph_agent_on_unregistered(p->agent, error);
}

/* Of those that have answered so far the first of the config, unless another is clearly nearer:
 * peers with the same config then meet at the same relay, and need not look for each other. */
static const struct ph_addr *nearest_so_far(const struct ph_presence *p)
{
    const struct ph_ranging_server *best = NULL;
    for (size_t i = 0; i < p->ranging.count; i++) {
        const struct ph_ranging_server *s = &p->ranging.servers[i];
        if (s->least && (!best || ph_relay_clearly_nearer(s->least, best->least)))
            best = s;
    }
    return best ? &best->addr : &p->map.items[0].addr;
}

static bool all_have_answered(const struct ph_presence *p)
{
    for (size_t i = 0; i < p->ranging.count; i++) {
        if (p->ranging.servers[i].least == 0)
            return false;
    }
    return true;
}

/* Tells a relay where we are by the other family than that of our connection, if it has said so to
 * us by STUN: peers take its word for what we tell them of that. Which of the others' addresses are
 * the same relay's, it knows by its vouchers. */
static void vouch(struct ph_registrar *r, const struct ph_relay_entry *e)
{
    struct ph_signal m = {
        .type = PH_SIGNAL_ALSO_AT, .observed = e->seen, .relay_token = e->voucher};
    if (r->state == PH_REGISTRAR_REGISTERED && e->voucher != 0 && e->addr.family != r->relay.family)
        (void)ph_registrar_send(r, &m);
}

static void take_voucher(struct ph_presence *p, const struct ph_stun *msg,
                         const struct ph_addr *from)
{
    struct ph_relay_entry *e = ph_relay_map_find(&p->map, from);
    if (!e || msg->voucher == 0 || e->voucher == msg->voucher)
        return;
    e->seen = msg->mapped;
    e->voucher = msg->voucher;
    for (size_t i = 0; i < PH_REGISTRARS_MAX; i++)
        vouch(&p->registrars[i], e);
}

bool ph_presence_on_stun(struct ph_presence *p, ph_ns now, const struct ph_stun *msg,
                         const struct ph_addr *from)
{
    if (!p->measuring || !ph_ranging_on_response(&p->ranging, msg, from, now))
        return false;
    take_voucher(p, msg, from);
    if (p->choose_at == PH_NEVER)
        return true;
    if (all_have_answered(p)) {
        p->choose_at = now;
        return true;
    }
    for (size_t i = 0; i < p->ranging.count; i++) {
        ph_ns rtt = p->ranging.servers[i].least;
        if (rtt)
            p->choose_at = ph_min_ns(p->choose_at, p->started + rtt + rtt / 2);
    }
    return true;
}

static void learn(struct ph_presence *p, ph_ns now, const struct ph_registrar *r,
                  const struct ph_signal *ack)
{
    struct ph_addr own[8];
    bool news = false;
    size_t n = p->agent->host->ops->local_addrs(p->agent->host, own, 8);
    for (size_t i = 0; i < ack->relay_count; i++) {
        const struct ph_addr *addr = &ack->relays[i];
        const struct ph_addr *local =
            &ph_agent_socket(p->agent, (enum ph_family)addr->family)->local;
        bool self = ph_addr_eq(addr, &ack->observed) || ph_addr_eq(addr, local);
        for (size_t k = 0; k < n; k++)
            self = self || (addr->port == local->port && ph_addr_ip_eq(addr, &own[k]));
        if (!self && ph_relay_map_learn(&p->map, &r->relay, addr, ack->relay_regions[i]))
            news = true;
    }
    if (news)
        measure_soon(p, now);
}

void ph_presence_on_ack(struct ph_presence *p, struct ph_registrar *r, const struct ph_signal *ack)
{
    ph_relay_map_registered(&p->map, &r->relay, ack->region);
    for (size_t i = 0; i < p->map.count; i++)
        vouch(r, &p->map.items[i]);
    /* What a relay says that was only visited on a search counts for less: nothing. */
    if (r == p->home || r == p->next)
        learn(p, ph_host_now(p->agent->host), r, ack);
    if (r == p->next || (r != p->home && !p->home->conn))
        become_home(p, r);
    ph_resumption_on_registered(&p->resumption, ph_host_now(p->agent->host), r);
}

/* True: it is home now. Otherwise it is going to be, when it is registered, if it can be reached.
 */
static bool move_to(struct ph_presence *p, ph_ns now, const struct ph_addr *relay)
{
    struct ph_registrar *there = ph_presence_at(p, relay);
    if (there && there->state == PH_REGISTRAR_REGISTERED) {
        become_home(p, there);
        return true;
    }
    if (ph_presence_go(p, now, relay) == PH_OK)
        p->next = ph_presence_at(p, relay);
    return false;
}

void ph_presence_on_drain(struct ph_presence *p, ph_ns now, struct ph_registrar *r,
                          const struct ph_signal *drain)
{
    size_t order[PH_RELAY_MAP_MAX];
    bool home = r == p->home;
    if (home || r == p->next)
        learn(p, now, r, drain);
    if (r->state != PH_REGISTRAR_REGISTERED)
        return; /* its end says the same */
    ph_relay_map_failed(&p->map, &r->relay);
    if (!home || p->next)
        return;
    size_t n = ph_relay_map_order(&p->map, order);
    for (size_t i = 0; i < n && !p->next; i++) {
        const struct ph_relay_entry *e = &p->map.items[order[i]];
        if (e->failures > 0 || ph_addr_eq(&e->addr, &r->relay))
            continue;
        if (move_to(p, now, &e->addr))
            return;
    }
}

/* The relays of the config that there is a way to by now, IPv6 first: without a clear difference
 * the first one serves. */
static void add_configured(struct ph_presence *p)
{
    static const enum ph_family order[2] = {PH_AF_V6, PH_AF_V4};
    const struct ph_agent_config *c = &p->agent->config;
    p->map.families = ph_agent_families(p->agent);
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < c->relay_count; i++) {
            if (c->relays[i].family == order[k])
                ph_relay_map_add(&p->map, &c->relays[i]);
        }
    }
}

void ph_presence_on_network(struct ph_presence *p, ph_ns now)
{
    add_configured(p);
    measure_soon(p, now);
    /* The relays follow us by the next packet of ours that they can read. */
    for (size_t i = 0; i < PH_REGISTRARS_MAX; i++)
        ph_registrar_ask(&p->registrars[i], now);
}

static void move(struct ph_presence *p, ph_ns now)
{
    if (p->next || !ph_presence_registered(p) || ph_calls_any(p->agent, NULL))
        return;
    const struct ph_relay_entry *e = ph_relay_map_preferred(&p->map, &p->home->relay);
    struct ph_addr before = p->nearer;
    p->nearer = (struct ph_addr){0};
    if (!e || ph_addr_eq(&e->addr, &p->home->relay))
        return;
    if (!ph_addr_eq(&e->addr, &before)) {
        p->nearer = e->addr;
        p->measure_at = now + CONFIRM_AFTER;
        return;
    }
    (void)move_to(p, now, &e->addr);
}

/* Home is being tried in vain while another one answers. */
static void give_up_silent_home(struct ph_presence *p, ph_ns now)
{
    size_t order[PH_RELAY_MAP_MAX];
    const struct ph_relay_entry *e = ph_relay_map_find(&p->map, &p->home->relay);
    if (p->home->state != PH_REGISTRAR_CONNECTING || !e || e->standing != PH_RELAY_SILENT)
        return;
    ph_relay_map_order(&p->map, order);
    if (p->map.items[order[0]].standing != PH_RELAY_ANSWERS)
        return;
    ph_relay_map_failed(&p->map, &p->home->relay);
    ph_registrar_stop(p->home, now);
    start_home(p, now, &p->map.items[order[0]].addr);
}

static void measured(struct ph_presence *p, ph_ns now)
{
    p->measuring = false;
    for (size_t i = 0; i < p->ranging.count; i++) {
        const struct ph_ranging_server *s = &p->ranging.servers[i];
        ph_ns rtt = s->least;
        /* STUN that is lost on the way says nothing against a relay whose connection is alive. */
        if (rtt == 0 && ph_presence_registered(p) && ph_addr_eq(&s->addr, &p->home->relay))
            rtt = ph_registrar_rtt(p->home);
        ph_relay_map_measured(&p->map, &s->addr, rtt, now);
    }
    if (p->forgiving)
        ph_relay_map_forgive(&p->map);
    give_up_silent_home(p, now);
    move(p, now);
}

static void pump_ranging(struct ph_presence *p, ph_ns now)
{
    struct ph_addr to;
    uint8_t buf[64];
    size_t len;
    if (p->measuring && ph_ranging_over(&p->ranging, now))
        measured(p, now);
    if (!p->measuring && now >= p->measure_at)
        measure(p, now, true);
    while (p->measuring && (len = ph_ranging_next(&p->ranging, now, &to, buf, sizeof(buf))) > 0)
        ph_agent_send(p->agent, 0, &to, 0, buf, len);
}

int ph_presence_start(struct ph_presence *p, ph_ns now)
{
    ph_relay_map_init(&p->map, 0);
    add_configured(p);
    if (p->map.count == 0)
        return PH_ERR_INVAL;
    p->started = now;
    p->home->relay = p->map.items[0].addr;
    if (p->map.count > 1) {
        measure(p, now, true);
        p->choose_at = now + CHOOSE_MAX;
        pump_ranging(p, now);
    } else {
        start_home(p, now, &p->map.items[0].addr);
    }
    return PH_OK;
}

static void pump_registrar(struct ph_presence *p, ph_ns now, struct ph_registrar *r)
{
    bool was_registered = r->state == PH_REGISTRAR_REGISTERED;
    int error = ph_registrar_pump(r, now);
    if (error == PH_OK) {
        if (!r->conn || !spare(p, r))
            r->unused_since = PH_NEVER;
        else if (r->unused_since == PH_NEVER)
            r->unused_since = now;
        else if (now >= r->unused_since + LINGER)
            ph_registrar_stop(r, now);
        return;
    }
    struct ph_addr relay = r->relay;
    if (r == p->home) {
        home_failed(p, now, error, was_registered);
    } else if (was_registered && forgotten(p, now, error)) {
        if (ph_calls_any(p->agent, &relay))
            (void)ph_registrar_start(r, now, &relay);
    } else {
        if (r == p->next)
            p->next = NULL;
        ph_relay_map_failed(&p->map, &relay);
    }
    ph_resumption_on_lost(&p->resumption, now, &relay);
}

/* Nobody has answered in the head start of the first relay's family (RFC 8305 section 5), because
 * all are far, or it leads nowhere: the other family is tried beside it. */
static void hedge(struct ph_presence *p, ph_ns now)
{
    for (size_t i = 0; i < p->ranging.count; i++) {
        if (p->ranging.servers[i].least)
            return;
    }
    for (size_t i = 0; i < p->map.count && !p->next; i++) {
        const struct ph_addr *relay = &p->map.items[i].addr;
        if (relay->family != p->home->relay.family && ph_presence_go(p, now, relay) == PH_OK)
            p->next = ph_presence_at(p, relay);
    }
    p->hedged = p->next != NULL;
}

void ph_presence_pump(struct ph_presence *p, ph_ns now)
{
    size_t order[PH_RELAY_MAP_MAX];
    pump_ranging(p, now);
    if (now >= p->choose_at) {
        start_home(p, now, nearest_so_far(p));
        hedge(p, now);
    }
    if (p->hedged && (!p->next || ph_presence_registered(p))) {
        if (p->next)
            ph_registrar_stop(p->next, now);
        p->next = NULL;
        p->hedged = false;
    }
    if (now >= p->retry_at) {
        ph_relay_map_order(&p->map, order);
        start_home(p, now, &p->map.items[order[0]].addr);
    }
    for (size_t i = 0; i < PH_REGISTRARS_MAX; i++)
        pump_registrar(p, now, &p->registrars[i]);
    ph_resumption_pump(&p->resumption, now);
}

ph_ns ph_presence_deadline(const struct ph_presence *p)
{
    ph_ns t =
        ph_min_ns(ph_min_ns(p->choose_at, p->retry_at), ph_resumption_deadline(&p->resumption));
    t = ph_min_ns(t, p->measuring ? ph_ranging_deadline(&p->ranging) : p->measure_at);
    for (size_t i = 0; i < PH_REGISTRARS_MAX; i++) {
        const struct ph_registrar *r = &p->registrars[i];
        t = ph_min_ns(t, ph_registrar_deadline(r));
        if (r->unused_since != PH_NEVER)
            t = ph_min_ns(t, r->unused_since + LINGER);
    }
    return t;
}

size_t ph_agent_relays(const struct ph_agent *a, struct ph_relay_report *out, size_t cap)
{
    const struct ph_presence *p = &a->presence;
    size_t order[PH_RELAY_MAP_MAX], n = ph_relay_map_order(&p->map, order);
    bool registered = ph_presence_registered(p);
    const struct ph_relay_entry *preferred =
        ph_relay_map_preferred(&p->map, registered ? &p->home->relay : &(struct ph_addr){0});
    for (size_t i = 0; i < n && i < cap; i++) {
        const struct ph_relay_entry *e = &p->map.items[order[i]];
        out[i] = (struct ph_relay_report){.addr = e->addr,
                                          .rtt = e->rtt,
                                          .answers = e->standing != PH_RELAY_SILENT,
                                          .configured = e->configured,
                                          .preferred = e == preferred};
        memcpy(out[i].region, e->region, sizeof(out[i].region));
        out[i].in_use = registered && ph_addr_eq(&e->addr, &p->home->relay);
        if (out[i].in_use && out[i].rtt == 0)
            out[i].rtt = ph_registrar_rtt(p->home);
    }
    return n;
}
