#include "lab/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct yaml_doc *parse(const char *text)
{
    struct yaml_doc *doc = NULL;
    struct lab_error err = {0};
    if (yaml_parse("f.yaml", text, strlen(text), &doc, &err) != 0)
        fail_msg("%s", err.text);
    return doc;
}

static void test_tree(void **state)
{
    (void)state;
    struct yaml_doc *doc = parse("name: quick\n"
                                 "matrix:\n"
                                 "  a.nat: [open, \"full cone\"]\n"
                                 "  pairs: {x: 1, y: }\n"
                                 "empty: null\n"
                                 "text: 'null'\n");
    struct yaml_node *root = yaml_root(doc);
    assert_int_equal(root->type, YAML_MAPPING);
    assert_int_equal(root->count, 4);
    assert_string_equal(yaml_get(root, "name")->scalar, "quick");
    struct yaml_node *matrix = yaml_get(root, "matrix");
    struct yaml_node *nats = yaml_get(matrix, "a.nat");
    assert_int_equal(nats->type, YAML_SEQUENCE);
    assert_int_equal(nats->count, 2);
    assert_string_equal(nats->items[1]->scalar, "full cone");
    assert_int_equal(nats->items[1]->line, 3);
    assert_int_equal(nats->items[1]->column, 18); /* behind the quote */
    assert_string_equal(nats->items[1]->file, "f.yaml");
    assert_string_equal(matrix->pairs[1].key, "pairs");
    assert_int_equal(matrix->pairs[1].line, 4);
    assert_int_equal(matrix->pairs[1].column, 3);
    /* A value that is not there stands where its key does. */
    struct yaml_node *y = yaml_get(yaml_get(matrix, "pairs"), "y");
    assert_string_equal(y->scalar, "");
    assert_int_equal(y->column, 17);
    assert_string_equal(yaml_get(root, "empty")->scalar, "");
    assert_string_equal(yaml_get(root, "text")->scalar, "null");
    assert_null(yaml_get(root, "absent"));
    yaml_free(doc);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"", "f.yaml:1:1: the file is empty"},
        {"# nothing\n", "f.yaml:1:1: the file is empty"},
        {"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: \"a\" stands here a second time (first at line 1)"},
        {"a: {b: 1,\n    b: 2}\n", "f.yaml:2:5: \"b\" stands here a second time (first at line 1)"},
        {"a: 1\n---\nb: 1\n", "f.yaml:2:1: a second document in one file"},
        {"a: &x 1\nb: *x\n", "f.yaml:2:5: aliases (*name) are not used in these files"},
        {"? [a]\n: 1\n", "f.yaml:1:3: a key must be a word"},
        {"a: [1, 2\n", "f.yaml:2:1: not YAML: flow sequence without a closing bracket"},
        {"\ta: 1\n", "f.yaml:1:1: not YAML: "},
        {"a: \"x\\0y\"\n", "f.yaml:1:5: a NUL character inside a value"},
        {"a: 1\nb: \xff\n", "f.yaml:2:4: a byte that is not UTF-8"},
        {"a: \xed\xa0\x80\n", "f.yaml:1:4: a byte that is not UTF-8"}, /* half a surrogate */
        {"a: \xc0\xaf\n", "f.yaml:1:4: a byte that is not UTF-8"},     /* overlong */
        {"a: \xf4\x90\x80\x80\n", "f.yaml:1:4: a byte that is not UTF-8"},
        {"a: \xe2\x82", "f.yaml:1:4: a byte that is not UTF-8"}, /* cut off */
        {"{: 1}\n", "f.yaml:1:1: a key is missing before the colon"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct yaml_doc *doc = NULL;
        struct lab_error err = {0};
        assert_int_equal(yaml_parse("f.yaml", cases[i].text, strlen(cases[i].text), &doc, &err),
                         -1);
        assert_null(doc);
        assert_int_equal(err.code, LAB_USAGE);
        if (strncmp(err.text, cases[i].said, strlen(cases[i].said)) != 0)
            fail_msg("case %zu: %s", i, err.text);
    }
}

/* What stands behind a NUL would be left out without a word. */
static void test_nul_byte(void **state)
{
    static const char text[] = "a: 1\nb: 2 \0\nc: 3\n";
    struct yaml_doc *doc = NULL;
    struct lab_error err = {0};
    (void)state;
    assert_int_equal(yaml_parse("f.yaml", text, sizeof(text) - 1, &doc, &err), -1);
    assert_int_equal(err.code, LAB_USAGE);
    assert_string_equal(err.text, "f.yaml:2:6: a NUL byte");
}

static void test_caps(void **state)
{
    (void)state;
    static const struct {
        const char *unit;
        size_t count;
        const char *said;
    } cases[] = {
        {"[", 32, "not YAML"}, /* 32 deep is allowed, but never closed */
        {"[", 33, "nested more than 32 deep"},
        {"- a\n", 65535, ""},
        {"- a\n", 65536, "more than 65536 values"},
        {"################", 65536, "the file is empty"},
        {"################", 65537, "more than the 1 MiB"},
    };
    char *text = malloc(65537 * 16 + 1);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t unit = strlen(cases[i].unit);
        for (size_t k = 0; k < cases[i].count; k++)
            memcpy(text + k * unit, cases[i].unit, unit);
        struct yaml_doc *doc = NULL;
        struct lab_error err = {0};
        int rc = yaml_parse("f.yaml", text, unit * cases[i].count, &doc, &err);
        if (rc == 0) {
            assert_string_equal(cases[i].said, "");
            assert_int_equal(yaml_root(doc)->count, cases[i].count);
            yaml_free(doc);
        } else if (cases[i].said[0] == '\0' || strstr(err.text, cases[i].said) == NULL) {
            fail_msg("case %zu: %s", i, err.text);
        }
    }
    size_t len = 0;
    for (int k = 0; k < 1025; k++)
        len += (size_t)sprintf(text + len, "k%d: 1\n", k);
    struct yaml_doc *doc = NULL;
    struct lab_error err = {0};
    assert_int_equal(yaml_parse("f.yaml", text, len, &doc, &err), -1);
    assert_string_equal(err.text, "f.yaml:1025:1: more than 1024 keys in one mapping");
    free(text);
}

static void test_finish(void **state)
{
    (void)state;
    static const char *const known[] = {"trials", "topology", "give_up", NULL};
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"trials: 3\n", NULL},
        {"trials: 3\ntopolgy: x\n",
         "f.yaml:2:1: unknown key \"topolgy\"; did you mean \"topology\"?"},
        {"tirals: 3\n", "f.yaml:1:1: unknown key \"tirals\"; did you mean \"trials\"?"},
        {"give: 3\n", "f.yaml:1:1: unknown key \"give\"; did you mean \"give_up\"?"},
        {"colour: red\n",
         "f.yaml:1:1: unknown key \"colour\"; known are: trials, topology, give_up"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct yaml_doc *doc = parse(cases[i].text);
        struct lab_error err = {0};
        int rc = yaml_finish(yaml_root(doc), known, &err);
        assert_int_equal(rc, cases[i].said == NULL ? 0 : -1);
        if (cases[i].said != NULL)
            assert_string_equal(err.text, cases[i].said);
        yaml_free(doc);
    }
    /* What was asked for is known, whatever the list says. */
    struct yaml_doc *doc = parse("colour: red\n");
    assert_non_null(yaml_get(yaml_root(doc), "colour"));
    assert_int_equal(yaml_finish(yaml_root(doc), known, NULL), 0);
    yaml_free(doc);
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const known[] = {"drop", "accept", "reject", "port-preserving", "cgnat"};
    static const struct {
        const char *word, *near;
    } cases[] = {
        {"dorp", "drop"},     {"accpet", "accept"}, {"port-presrving", "port-preserving"},
        {"cgn", "cgnat"},     {"zzz", NULL},        {"", NULL},
        {"accept", "accept"}, {"ab", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *near = yaml_nearest(cases[i].word, known, 5);
        if (cases[i].near == NULL)
            assert_null(near);
        else
            assert_string_equal(near, cases[i].near);
    }
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        uint64_t ns;
    } cases[] = {
        {"v: 20ms", true, 20000000},
        {"v: 1.5s", true, 1500000000},
        {"v: 2m", true, 120000000000},
        {"v: 250us", true, 250000},
        {"v: 0", true, 0},
        {"v: 0.1us", true, 100},
        {"v: 168h", true, 604800000000000},
        {"v: 169h", false, 0},
        {"v: 20", false, 0},
        {"v: -1s", false, 0},
        {"v: 1 s", false, 0},
        {"v: 1.s", false, 0},
        {"v: ms", false, 0},
        {"v: 99999999999999999999s", false, 0},
        {"v: 18446744073709551615s", false, 0},
        {"v: [1s]", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct yaml_doc *doc = parse(cases[i].text);
        struct lab_error err = {0};
        uint64_t ns = 7;
        int rc = yaml_duration(yaml_get(yaml_root(doc), "v"), "give_up", &ns, &err);
        if ((rc == 0) != cases[i].good)
            fail_msg("%s: %d %s", cases[i].text, rc, err.text);
        if (rc == 0)
            assert_int_equal(ns, cases[i].ns);
        else
            assert_non_null(strstr(err.text, "f.yaml:1:4: give_up is "));
        yaml_free(doc);
    }
}

static void test_typed(void **state)
{
    (void)state;
    struct yaml_doc *doc = parse("i: 42\nn: -7\nx: 0.95\np: 1.5%\nz: 0\nr: 10mbit\nk: 512kbit\n"
                                 "t: true\nf: yes\ng: drp\nw: word\nlong: 9223372036854775808\n");
    struct yaml_node *root = yaml_root(doc);
    struct lab_error err = {0};
    int64_t i = 0;
    double d = 0;
    uint64_t u = 0;
    bool b = false;
    int index = -1;
    char word[5];
    static const char *const gateways[] = {"accept", "drop", "reject"};
    assert_int_equal(yaml_int(yaml_get(root, "i"), "i", 1, 100, &i, &err), 0);
    assert_int_equal(i, 42);
    assert_int_equal(yaml_int(yaml_get(root, "n"), "n", -10, 0, &i, &err), 0);
    assert_int_equal(i, -7);
    assert_int_equal(yaml_int(yaml_get(root, "i"), "trials", 1, 41, &i, &err), -1);
    assert_string_equal(err.text,
                        "f.yaml:1:4: trials is \"42\"; it must be a whole number from 1 to 41");
    assert_int_equal(yaml_int(yaml_get(root, "x"), "x", 0, 1, &i, &err), -1);
    assert_int_equal(yaml_int(yaml_get(root, "long"), "long", INT64_MIN, INT64_MAX, &i, &err), -1);
    assert_int_equal(yaml_number(yaml_get(root, "x"), "x", 0, 1, &d, &err), 0);
    assert_true(d > 0.9499999 && d < 0.9500001);
    assert_int_equal(yaml_number(yaml_get(root, "i"), "x", 0, 1, &d, &err), -1);
    assert_int_equal(yaml_percent(yaml_get(root, "p"), "loss", &d, &err), 0);
    assert_true(d > 0.0149999 && d < 0.0150001);
    assert_int_equal(yaml_percent(yaml_get(root, "z"), "loss", &d, &err), 0);
    assert_true(d > -0.1 && d < 1e-12);
    assert_int_equal(yaml_percent(yaml_get(root, "i"), "loss", &d, &err), -1);
    assert_int_equal(yaml_rate(yaml_get(root, "r"), "rate", &u, &err), 0);
    assert_int_equal(u, 10000000);
    assert_int_equal(yaml_rate(yaml_get(root, "k"), "rate", &u, &err), 0);
    assert_int_equal(u, 512000);
    assert_int_equal(yaml_rate(yaml_get(root, "i"), "rate", &u, &err), -1);
    assert_int_equal(yaml_bool(yaml_get(root, "t"), "hairpin", &b, &err), 0);
    assert_true(b);
    assert_int_equal(yaml_bool(yaml_get(root, "f"), "hairpin", &b, &err), -1);
    assert_string_equal(err.text, "f.yaml:9:4: hairpin is \"yes\"; it must be true or false");
    assert_int_equal(yaml_enum(yaml_get(root, "g"), "gateway", gateways, 3, &index, &err), -1);
    assert_string_equal(err.text, "f.yaml:10:4: gateway is \"drp\"; did you mean \"drop\"? Known "
                                  "are: accept, drop, reject");
    assert_int_equal(yaml_string(yaml_get(root, "w"), "name", word, 5, &err), 0);
    assert_string_equal(word, "word");
    assert_int_equal(yaml_string(yaml_get(root, "w"), "name", word, 4, &err), -1);
    assert_string_equal(err.text, "f.yaml:11:4: name is 4 characters long; 3 are the most");
    yaml_free(doc);
}

static void test_files(void **state)
{
    (void)state;
    struct yaml_doc *doc = NULL;
    struct lab_error err = {0};
    assert_int_equal(yaml_load("/nonexistent/x.yaml", &doc, &err), -1);
    assert_int_equal(err.code, LAB_USAGE);
    assert_string_equal(err.text, "/nonexistent/x.yaml: No such file or directory");
    assert_int_equal(yaml_load("/", &doc, &err), -1);
    assert_string_equal(err.text, "/: not a regular file");
    char path[] = "/tmp/natlab-yaml-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: b\n", 5), 5);
    close(fd);
    assert_int_equal(yaml_load(path, &doc, &err), 0);
    assert_string_equal(yaml_get(yaml_root(doc), "a")->scalar, "b");
    assert_string_equal(yaml_root(doc)->file, path);
    yaml_free(doc);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nul_byte),  cmocka_unit_test(test_tree),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_caps),
        cmocka_unit_test(test_finish),    cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_durations), cmocka_unit_test(test_typed),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
