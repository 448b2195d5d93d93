/* The metrics, held to the format: OpenMetrics 1.0.0, section "Text format". */
#include "relay/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct family {
    char name[80], type[16], unit[16];
    bool help;
    unsigned samples;
};

static bool good_name(const char *s)
{
    for (size_t i = 0; s[i]; i++) {
        if (!isalnum((unsigned char)s[i]) && s[i] != '_') {
            return false;
        }
    }
    return isalpha((unsigned char)s[0]) != 0;
}

/* name[{label="value"}] number */
static void check_sample(const char *line, struct family *f, double *value)
{
    char name[96];
    size_t len = strcspn(line, "{ ");
    const char *at = line + len;
    char *end;

    assert_true(len < sizeof(name));
    memcpy(name, line, len);
    name[len] = '\0';
    if (strcmp(f->type, "counter") == 0) {
        assert_true(len > 6 && strcmp(name + len - 6, "_total") == 0);
        name[len - 6] = '\0';
    }
    assert_string_equal(name, f->name);
    if (*at == '{') {
        at = strchr(at, '}');
        assert_non_null(at);
        at++;
    }
    assert_int_equal(*at, ' ');
    *value = strtod(at + 1, &end);
    assert_int_equal(*end, '\0');
    assert_true(end > at + 1 && *value >= 0);
    f->samples++;
}

static unsigned check_page(const char *text, size_t len, double *sum)
{
    struct family f = {0};
    unsigned families = 0;
    char copy[PH_METRICS_MAX], *line, *rest = copy;

    assert_int_equal(text[len], '\0');
    assert_int_equal(strlen(text), len);
    assert_true(len > 6 && strcmp(text + len - 6, "# EOF\n") == 0);
    memcpy(copy, text, len + 1);
    copy[len - 6] = '\0';
    while ((line = strsep(&rest, "\n")) != NULL && *line) {
        double value;

        if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_true(families == 0 || (f.help && f.samples > 0));
            f = (struct family){0};
            assert_int_equal(sscanf(line, "# TYPE %79s %15s", f.name, f.type), 2);
            assert_true(good_name(f.name));
            assert_true(strcmp(f.type, "counter") == 0 || strcmp(f.type, "gauge") == 0);
            families++;
        } else if (strncmp(line, "# UNIT ", 7) == 0) {
            char name[80];

            assert_int_equal(sscanf(line, "# UNIT %79s %15s", name, f.unit), 2);
            assert_string_equal(name, f.name);
            assert_string_equal(f.name + strlen(f.name) - strlen(f.unit), f.unit);
        } else if (strncmp(line, "# HELP ", 7) == 0) {
            assert_int_equal(strncmp(line + 7, f.name, strlen(f.name)), 0);
            f.help = true;
        } else {
            check_sample(line, &f, &value);
            *sum += value;
        }
    }
    assert_true(f.help && f.samples > 0);
    return families;
}

static void the_text_is_openmetrics(void **state)
{
    struct ph_relay_stats s = {0};
    struct ph_metrics_process p = {.cpu_s = 1.5, .lateness_s = 0.000125, .uptime_s = 3600};
    char out[PH_METRICS_MAX];
    double sum = 0;
    size_t len = ph_relay_metrics(&s, &p, out);

    (void)state;
    assert_int_equal(check_page(out, len, &sum), 17);
    assert_true(sum > 3601.5 && sum < 3601.6);
    assert_non_null(strstr(out, "\npinhole_relay_cpu_seconds_total 1.500000\n"));
    s.forwarded_packets = 12;
    s.dropped_wrong_source = 3;
    s.clients = 2;
    s.draining = true;
    ph_relay_metrics(&s, &p, out);
    assert_non_null(strstr(out, "\npinhole_relay_forwarded_packets_total 12\n"));
    assert_non_null(
        strstr(out, "\npinhole_relay_dropped_packets_total{reason=\"wrong_source\"} 3\n"));
    assert_non_null(strstr(out, "\npinhole_relay_clients 2\n"));
    assert_non_null(strstr(out, "\npinhole_relay_draining 1\n"));
}

static void the_largest_numbers_fit(void **state)
{
    struct ph_relay_stats s;
    struct ph_metrics_process p = {.cpu_s = 1e12, .lateness_s = 1e12, .uptime_s = 1e12};
    char out[PH_METRICS_MAX];
    double sum = 0;
    size_t len;

    (void)state;
    memset(&s, 0xff, sizeof(s));
    s.draining = s.overloaded = true;
    len = ph_relay_metrics(&s, &p, out);
    assert_int_equal(check_page(out, len, &sum), 17);
    assert_true(len < PH_METRICS_MAX - 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_is_openmetrics),
        cmocka_unit_test(the_largest_numbers_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
