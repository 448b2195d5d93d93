/* The scenarios that are shipped, and what those of calls that get better need: a loss beside
 * delays of their own. */
#include "lab/data.h"
#include "lab/run/matrix.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Every file that is shipped can be run: it is read, and each of its cells is a world. */
static void test_all_shipped(void **state)
{
    (void)state;
    char path[PATH_MAX];
    size_t found = 0;
    DIR *dir = opendir(lab_data_path("scenarios", path, sizeof(path)));
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        size_t len = strlen(e->d_name);
        if (len < 6 || strcmp(e->d_name + len - 5, ".yaml") != 0)
            continue;
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int)(len - 5), e->d_name);
        char file[PATH_MAX];
        struct scenario *s = NULL;
        struct matrix m;
        struct lab_error err = {0};
        assert_true(snprintf(file, sizeof(file), "%s/%s", path, e->d_name) < (int)sizeof(file));
        if (scenario_load(file, &s, &err) != 0 || matrix_expand(s, &m, &err) != 0)
            fail_msg("%s", err.text);
        assert_string_equal(s->name, name);
        assert_true(m.count > 0);
        matrix_free(&m);
        scenario_free(s);
        found++;
    }
    closedir(dir);
    assert_true(found >= 20);
}

/* Loss beside what the links have, in whichever order the axes stand. */
static void test_axis_of_loss(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "name: x\ntopology: near-peers\nmatrix: {loss: [0%, 5%]}\n",
        "name: x\ntopology: near-peers\nmatrix: {loss: [0%, 5%], link: [20ms-1%]}\n"};
    for (size_t i = 0; i < 2; i++) {
        struct scenario *s = NULL;
        struct matrix m;
        static struct world_spec spec;
        struct lab_error err = {0};
        if (scenario_parse("s.yaml", texts[i], strlen(texts[i]), &s, &err) != 0)
            fail_msg("%s", err.text);
        assert_int_equal(matrix_expand(s, &m, &err), 0);
        assert_int_equal(m.count, 2);
        for (size_t c = 0; c < 2; c++) {
            assert_int_equal(matrix_world(s, &m.cells[c], 1, &spec, &err), 0);
            assert_int_equal(spec.topology.link_count, 2);
            for (size_t k = 0; k < 2; k++) {
                const struct link_params *p = &spec.topology.links[k].params;
                ph_ns delay = i == 1 ? 20 * PH_MS : k == 0 ? 7500 * PH_US : 32500 * PH_US;
                assert_true(p->up.delay_ns == delay && p->down.delay_ns == delay);
                assert_true(c == 0 ? p->up.loss == 0 : p->up.loss > 0.0499 && p->up.loss < 0.0501);
                assert_true(p->up.loss == p->down.loss);
            }
        }
        matrix_free(&m);
        scenario_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_shipped),
        cmocka_unit_test(test_axis_of_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
