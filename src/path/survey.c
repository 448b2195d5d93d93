/* Ties the parts of a survey together: samples, filtering, hairpin, lifetime. */
#include "path/survey.h"

#include "base/err.h"
#include "path/survey_filter.h"
#include "path/survey_hairpin.h"
#include "path/survey_lifetime.h"
#include "path/survey_samples.h"

#include <stdlib.h>

#define TIMEOUT (2500 * PH_MS)

struct ph_survey {
    struct ph_survey_config config;
    ph_ns end;
    bool over; /* all but the lifetime */
    struct ph_samples samples;
    struct ph_filter filter;
    struct ph_hairpin hairpin;
    struct ph_lifetimer lifetimer;
};

static void close_the_short(struct ph_survey *s)
{
    ph_samples_stop(&s->samples);
    ph_filter_stop(&s->filter);
    ph_hairpin_stop(&s->hairpin);
    s->over = true;
}

/* What one part has learnt may be what another has waited for. */
static void advance(struct ph_survey *s, ph_ns now)
{
    if (!s->over && now >= s->end)
        close_the_short(s);
    if (!s->over) {
        ph_filter_step(&s->filter, now, &s->samples);
        ph_hairpin_step(&s->hairpin, now, &s->samples);
        s->over = ph_samples_done(&s->samples) && s->filter.done && s->hairpin.done;
    }
    ph_lifetimer_step(&s->lifetimer, now, &s->samples);
}

int ph_survey_new(const struct ph_survey_config *config, ph_ns now, struct ph_survey **out)
{
    struct ph_addr bind;
    struct ph_survey *s;

    if (!config->host || !config->sock || config->server_count > PH_SURVEY_SERVERS_MAX)
        return PH_ERR_INVAL;
    bind = config->host->ops->udp_local(config->host, config->sock);
    for (size_t i = 0; i < config->server_count; i++)
        if (config->servers[i].family != bind.family)
            return PH_ERR_INVAL;
    s = calloc(1, sizeof(*s));
    if (!s)
        return PH_ERR_NOMEM;
    s->config = *config;
    s->end = now + (config->timeout ? config->timeout : TIMEOUT);
    ph_filter_init(&s->filter, config->host, &bind);
    ph_hairpin_init(&s->hairpin, config->host, &bind);
    ph_lifetimer_init(&s->lifetimer, config->host, &bind);
    s->filter.done = config->no_filtering;
    s->hairpin.done = config->no_hairpin;
    s->lifetimer.done = !config->lifetime;
    ph_samples_start(&s->samples, config->host, config->sock, config->servers, config->server_count,
                     now);
    advance(s, now);
    *out = s;
    return PH_OK;
}

void ph_survey_free(struct ph_survey *s)
{
    if (!s)
        return;
    close_the_short(s);
    ph_lifetimer_stop(&s->lifetimer);
    free(s);
}

static bool on_surveyed(struct ph_survey *s, ph_ns now, const struct ph_datagram *in)
{
    struct ph_stun msg;

    return ph_stun_looks_like(in->data, in->len) &&
           ph_stun_parse(in->data, in->len, &msg) == PH_OK &&
           ph_samples_on_response(&s->samples, now, &msg, &in->peer);
}

bool ph_survey_on_datagram(struct ph_survey *s, ph_ns now, ph_sock sock,
                           const struct ph_datagram *in)
{
    bool ours = ph_filter_on_datagram(&s->filter, now, sock, in, &s->samples) ||
                ph_hairpin_on_datagram(&s->hairpin, now, sock, s->config.sock, in) ||
                ph_lifetimer_on_datagram(&s->lifetimer, now, sock, in) ||
                (sock == s->config.sock && on_surveyed(s, now, in));

    if (ours)
        advance(s, now);
    return ours;
}

void ph_survey_on_timer(struct ph_survey *s, ph_ns now)
{
    if (!s->over && now < s->end)
        ph_samples_on_timer(&s->samples, now);
    advance(s, now);
}

ph_ns ph_survey_deadline(const struct ph_survey *s)
{
    ph_ns t = ph_lifetimer_deadline(&s->lifetimer);

    if (!s->over) {
        t = ph_min_ns(t, ph_min_ns(s->end, ph_samples_deadline(&s->samples)));
        t = ph_min_ns(t, ph_filter_deadline(&s->filter));
        t = ph_min_ns(t, ph_hairpin_deadline(&s->hairpin));
    }
    return t;
}

bool ph_survey_done(const struct ph_survey *s)
{
    return s->over && s->lifetimer.done;
}

bool ph_survey_sampled(const struct ph_survey *s)
{
    return s->over || ph_samples_done(&s->samples);
}

uint32_t ph_survey_changes(const struct ph_survey *s)
{
    return s->samples.changes + (s->filter.done ? 1u << 16 : 0) + (s->over ? 1u << 17 : 0);
}

struct ph_addr ph_survey_reflexive(const struct ph_survey *s)
{
    return ph_samples_reflexive(&s->samples);
}

void ph_survey_facts(const struct ph_survey *s, struct ph_nat_facts *out)
{
    ph_samples_facts(&s->samples, out);
    out->filtering = ph_nat_filtering(&s->filter.seen);
    out->hairpin = s->hairpin.answer;
    out->lifetime = ph_lifetimer_result(&s->lifetimer);
    for (size_t i = 0; i < s->samples.count; i++)
        if (s->filter.lied[i] && !s->samples.e[i].other_is_bad &&
            !ph_samples_stands_alone(&s->samples, i))
            out->liars++;
}

size_t ph_survey_servers(const struct ph_survey *s, struct ph_survey_server *out, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < s->samples.count && n < cap; i++) {
        const struct ph_sample_endpoint *e = &s->samples.e[i];
        out[n++] = (struct ph_survey_server){
            .addr = e->query.to,
            .answered = ph_query_is_over(&e->query) && e->query.state != PH_QUERY_SILENT,
            .rtt = e->query.rtt,
            .reflexive = e->reflexive,
            .other = e->other,
            .lied = e->other_is_bad || s->filter.lied[i] || ph_samples_stands_alone(&s->samples, i),
        };
    }
    return n;
}
