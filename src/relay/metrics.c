#include "relay/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct page {
    char *out;
    size_t len;
};

static void put(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct page *p, const char *format, ...)
{
    size_t left = PH_METRICS_MAX - p->len;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(p->out + p->len, left, format, args);
    va_end(args);
    if (n > 0) {
        p->len += (size_t)n < left ? (size_t)n : left - 1;
    }
}

/* UNIT may be "". A metric with a unit has it as its name's suffix. */
static void family(struct page *p, const char *type, const char *name, const char *unit,
                   const char *help)
{
    put(p, "# TYPE %s %s\n", name, type);
    if (unit[0]) {
        put(p, "# UNIT %s %s\n", name, unit);
    }
    put(p, "# HELP %s %s\n", name, help);
}

static void counter(struct page *p, const char *name, const char *unit, const char *help,
                    uint64_t value)
{
    family(p, "counter", name, unit, help);
    put(p, "%s_total %" PRIu64 "\n", name, value);
}

static void gauge(struct page *p, const char *name, const char *help, uint64_t value)
{
    family(p, "gauge", name, "", help);
    put(p, "%s %" PRIu64 "\n", name, value);
}

static void labelled(struct page *p, const char *name, const char *label, const char *what,
                     uint64_t value)
{
    put(p, "%s_total{%s=\"%s\"} %" PRIu64 "\n", name, label, what, value);
}

size_t ph_relay_metrics(const struct ph_relay_stats *s, const struct ph_metrics_process *process,
                        char out[PH_METRICS_MAX])
{
    static const char drops[] = "pinhole_relay_dropped_packets";
    static const char refusals[] = "pinhole_relay_refusals";
    struct page p = {.out = out};

    gauge(&p, "pinhole_relay_clients", "Registered clients.", s->clients);
    gauge(&p, "pinhole_relay_sessions", "Calls that the relay knows.", s->sessions);
    gauge(&p, "pinhole_relay_draining", "1 when no new clients and calls are taken for good.",
          s->draining);
    gauge(&p, "pinhole_relay_overloaded", "1 while no new clients and calls are taken.",
          s->overloaded);
    counter(&p, "pinhole_relay_forwarded_packets", "", "Frames sent on.", s->forwarded_packets);
    counter(&p, "pinhole_relay_forwarded_bytes", "bytes", "Sealed bytes in them.",
            s->forwarded_bytes);
    family(&p, "counter", drops, "", "Frames that were not sent on.");
    labelled(&p, drops, "reason", "unknown_tag", s->dropped_unknown_tag);
    labelled(&p, drops, "reason", "wrong_source", s->dropped_wrong_source);
    labelled(&p, drops, "reason", "rate", s->dropped_rate);
    labelled(&p, drops, "reason", "rate_of_all", s->dropped_rate_all);
    labelled(&p, drops, "reason", "unproved_address", s->dropped_unproved);
    labelled(&p, drops, "reason", "no_peer", s->dropped_no_peer);
    counter(&p, "pinhole_relay_stun_requests", "", "STUN requests answered.", s->stun_requests);
    counter(&p, "pinhole_relay_handshakes", "", "Connections begun with a proved address.",
            s->handshakes);
    family(&p, "counter", refusals, "", "What was not taken, for a cap, an overload or a drain.");
    labelled(&p, refusals, "of", "client", s->refused_clients);
    labelled(&p, refusals, "of", "call", s->refused_calls);
    counter(&p, "pinhole_relay_returns", "", "Ends of calls whose client has registered again.",
            s->returns);
    counter(&p, "pinhole_relay_resumes", "", "Calls that both ends have resumed.", s->resumes);
    counter(&p, "pinhole_relay_notices", "", "Senders told that their tag or address is not known.",
            s->notices);
    counter(&p, "pinhole_relay_resets", "", "Senders told that their connection is not known.",
            s->resets);
    family(&p, "counter", "pinhole_relay_cpu_seconds", "seconds",
           "Processor time, user and system.");
    put(&p, "pinhole_relay_cpu_seconds_total %.6f\n", process->cpu_s);
    family(&p, "gauge", "pinhole_relay_lateness_seconds", "seconds",
           "The event loop's worst lateness since the last look.");
    put(&p, "pinhole_relay_lateness_seconds %.6f\n", process->lateness_s);
    family(&p, "gauge", "pinhole_relay_uptime_seconds", "seconds", "Since the relay began.");
    put(&p, "pinhole_relay_uptime_seconds %.3f\n", process->uptime_s);
    put(&p, "# EOF\n");
    return p.len;
}
