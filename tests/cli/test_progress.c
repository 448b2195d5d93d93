/* What is told of a call, from its reports: lines for people, JSON, and the status line. */
#include "cli/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static char *text;
static size_t len;

static struct screen open_screen(bool json, bool live)
{
    struct screen s;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    screen_init(&s, out, json, live);
    return s;
}

static void close_screen(struct screen *s)
{
    fclose(s->out);
    free(text);
}

/* What was told since the last time; at most a few lines. */
static const char *told(struct screen *s)
{
    static char copy[8192];
    static size_t before;
    static FILE *of;

    fflush(s->out);
    if (of != s->out || before > len) {
        before = 0;
        of = s->out;
    }
    snprintf(copy, sizeof(copy), "%s", text + before);
    before = len;
    return copy;
}

static struct ph_call_report dialled(void)
{
    struct ph_call_report r = {
        .peer = {0xab},
        .state = PH_CALL_DIALING,
        .caller = true,
        .started = 100 * PH_SEC,
        .relay_at = PH_NEVER,
        .direct_at = PH_NEVER,
        .media_at = PH_NEVER,
        .stage = PH_STAGE_NONE,
        .peer_stage = PH_STAGE_NONE,
        .relay = ph_addr_v4(192, 0, 2, 1, 3478),
    };

    return r;
}

static const ph_ns start = 100 * PH_SEC;

static void go_direct(struct ph_call_report *r, enum ph_stage stage, uint16_t port)
{
    r->direct = true;
    r->stage = stage;
    r->remote = ph_addr_v4(198, 51, 100, 7, port);
    r->stages[stage].state = PH_STAGE_WON;
}

static void go_back(struct ph_call_report *r, const char *why)
{
    r->direct = false;
    r->stages[r->stage].state = PH_STAGE_LOST;
    snprintf(r->stages[r->stage].reason, sizeof(r->stages[r->stage].reason), "%s", why);
    r->stage = PH_STAGE_RELAY;
    r->remote = (struct ph_addr){0};
}

static void lines_for_people(void **state)
{
    struct screen s = open_screen(false, false);
    struct ph_call_report r = dialled();
    struct progress p;

    (void)state;
    progress_begin(&p, &s, &r);
    assert_string_equal(
        told(&s), "calling ab00000000000000000000000000000000000000000000000000000000000000\n");
    r.state = PH_CALL_CONNECTED;
    r.relay_at = start + 121 * PH_MS;
    r.stage = PH_STAGE_RELAY;
    progress_update(&p, &r, start + 121 * PH_MS);
    assert_string_equal(told(&s), "connected by the relay 192.0.2.1:3478 after 121.0 ms\n");
    progress_update(&p, &r, start + 130 * PH_MS);
    assert_string_equal(told(&s), "");

    r.direct_at = start + 162 * PH_MS;
    go_direct(&r, PH_STAGE_PUNCH, 4000);
    progress_update(&p, &r, start + 163 * PH_MS);
    assert_string_equal(told(&s), "direct with 198.51.100.7:4000 (punch) after 162.0 ms\n");
    go_direct(&r, PH_STAGE_PORTMAP, 4001);
    progress_update(&p, &r, start + 2 * PH_SEC);
    assert_string_equal(told(&s), "now direct with 198.51.100.7:4001 (portmap) after 2.0 s\n");
    go_back(&r, "the peer hears nothing by it");
    progress_update(&p, &r, start + 5 * PH_SEC);
    assert_string_equal(told(&s), "back on the relay after 5.0 s: the peer hears nothing by it\n");
    go_direct(&r, PH_STAGE_PORTMAP, 4001);
    progress_update(&p, &r, start + 7500 * PH_MS);
    assert_string_equal(told(&s), "direct again with 198.51.100.7:4001 (portmap) after 7.5 s\n");

    r.profile = PH_PROFILE_DEGRADED;
    r.in = (struct ph_quality_numbers){true, 80 * PH_MS, 2 * PH_MS, 124};
    progress_update(&p, &r, start + 9 * PH_SEC);
    assert_string_equal(told(&s), "quality degraded after 9.0 s, loss 12.4% in, - out\n");
    r.stages[PH_STAGE_PREDICT].state = PH_STAGE_LOST;
    snprintf(r.stages[PH_STAGE_PREDICT].reason, 64, "no guess was answered");
    progress_update(&p, &r, start + 9 * PH_SEC);
    assert_string_equal(told(&s), "predict found no path: no guess was answered\n");

    progress_second(&p, &r, start + 10 * PH_SEC, false);
    assert_string_equal(told(&s), "");
    progress_second(&p, &r, start + 10 * PH_SEC, true);
    assert_string_equal(told(&s),
                        "  10.0 s  direct  sent 0, received 0, longest gap 0.0 ms, jitter "
                        "0.0 ms, rtt 80.0 ms, loss 12.4% in, - out, degraded\n");
    r.state = PH_CALL_ENDED;
    r.stream.sent = 5;
    progress_update(&p, &r, start + 11 * PH_SEC);
    progress_summary(&p, &r, start + 11 * PH_SEC);
    assert_string_equal(told(&s),
                        "ended after 11.0 s: hung up\n"
                        "  path direct, sent 0 frames, received 0, 0 twice, longest gap 0.0 ms, "
                        "jitter 0.0 ms\n"
                        "  stream: sent 5 bytes, received 0\n");
    close_screen(&s);
}

#define PEER "\"peer\":\"ab00000000000000000000000000000000000000000000000000000000000000\""

static void the_same_as_json(void **state)
{
    struct screen s = open_screen(true, true);
    struct ph_call_report r = dialled();
    struct progress p;

    (void)state;
    progress_begin(&p, &s, &r);
    assert_string_equal(told(&s), "{\"event\":\"calling\"," PEER "}\n");
    r.state = PH_CALL_CONNECTED;
    r.relay_at = start + 121 * PH_MS;
    r.stage = PH_STAGE_RELAY;
    progress_update(&p, &r, start + 121 * PH_MS);
    assert_string_equal(told(&s),
                        "{\"event\":\"state\"," PEER ",\"t_ms\":121.000,\"state\":\"connected\"}\n"
                        "{\"event\":\"connected\"," PEER ",\"t_ms\":121.000,\"path\":\"relay\","
                        "\"relay\":\"192.0.2.1:3478\",\"after_ms\":121.000}\n");
    r.direct_at = start + 162 * PH_MS;
    go_direct(&r, PH_STAGE_PUNCH, 4000);
    progress_update(&p, &r, start + 163 * PH_MS);
    assert_string_equal(told(&s),
                        "{\"event\":\"direct\"," PEER ",\"t_ms\":163.000,\"remote\":"
                        "\"198.51.100.7:4000\",\"stage\":\"punch\",\"after_ms\":162.000}\n");
    go_back(&r, "silence");
    progress_update(&p, &r, start + PH_SEC);
    assert_string_equal(told(&s), "{\"event\":\"relayed\"," PEER ",\"t_ms\":1000.000,\"relay\":"
                                  "\"192.0.2.1:3478\",\"reason\":\"silence\"}\n");
    r.profile = PH_PROFILE_CATASTROPHIC;
    r.profile_since = 77;
    progress_update(&p, &r, start + 2 * PH_SEC);
    assert_string_equal(told(&s), "{\"event\":\"quality\"," PEER ",\"t_ms\":2000.000,\"profile\":"
                                  "\"catastrophic\",\"was\":\"good\",\"frame\":77}\n");
    r.in = (struct ph_quality_numbers){true, 80 * PH_MS, 2 * PH_MS, 124};
    r.peer_stage = PH_STAGE_PUNCH;
    r.peer_direct = true;
    progress_second(&p, &r, start + 3 * PH_SEC, false);
    assert_string_equal(
        told(&s), "{\"event\":\"media\"," PEER ",\"t_ms\":3000.000,\"path\":\"relay\",\"sent\":0,"
                  "\"received\":0,\"duplicates\":0,\"max_gap_ms\":0.000,\"jitter_ms\":0.000,"
                  "\"profile\":\"catastrophic\",\"rtt_ms\":80.000,\"loss_in_permille\":124,"
                  "\"jitter_in_ms\":2.000,\"loss_out_permille\":null,\"jitter_out_ms\":null,"
                  "\"peer_path\":\"direct\"}\n");
    close_screen(&s);
}

/* The last line is written anew, stands beneath what is told, and goes at the end. */
static void a_status_line(void **state)
{
    struct screen s = open_screen(false, true);
    struct ph_call_report r = dialled();
    struct progress p;
    const char *status;

    (void)state;
    progress_begin(&p, &s, &r);
    r.state = PH_CALL_CONNECTED;
    r.relay_at = start + 121 * PH_MS;
    r.in = (struct ph_quality_numbers){true, 161 * PH_MS, 2 * PH_MS, 0};
    r.out = (struct ph_quality_numbers){true, 161 * PH_MS, 2 * PH_MS, 20};
    progress_update(&p, &r, start + 121 * PH_MS);
    told(&s);
    progress_second(&p, &r, start + 65 * PH_SEC, true);
    /* No terminal is there to ask: 80 columns. */
    assert_string_equal(told(&s), "\r\x1b[K1:05  good  relay 192.0.2.1:3478  rtt 161.0 ms  "
                                  "loss 0.0%/2.0%  jitter 0.0 ms");
    r.profile = PH_PROFILE_CATASTROPHIC;
    p.profile = r.profile;
    progress_second(&p, &r, start + 65 * PH_SEC, true);
    assert_string_equal(told(&s), "\r\x1b[K1:05  catastrophic  relay 192.0.2.1:3478  rtt 161.0 ms  "
                                  "loss 0.0%/2.0%  jitter ");
    go_direct(&r, PH_STAGE_PUNCH, 4000);
    r.direct_at = start + 66 * PH_SEC;
    progress_update(&p, &r, start + 66 * PH_SEC);
    status = told(&s);
    assert_ptr_equal(strstr(status, "\r\x1b[Kdirect with 198.51.100.7:4000 (punch)"), status);
    assert_non_null(strstr(status, "ms\n1:05  catastrophic  relay "));
    progress_summary(&p, &r, start + 67 * PH_SEC);
    status = told(&s);
    assert_ptr_equal(strstr(status, "\r\x1b[Kended after 67.0 s"), status);
    close_screen(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_for_people),
        cmocka_unit_test(the_same_as_json),
        cmocka_unit_test(a_status_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
