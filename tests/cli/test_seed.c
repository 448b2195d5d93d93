#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "cli/seed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/pinhole-seed-XXXXXX";
static char path[sizeof(folder) + 8];

static int setup(void **state)
{
    (void)state;
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 7); /* a template again */
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/seed", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void put(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fputs(text, f) >= 0, 1);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static void a_missing_one_is_made_for_its_owner(void **state)
{
    uint8_t a[PH_SEED_LEN], b[PH_SEED_LEN];
    struct stat st;

    (void)state;
    assert_int_equal(seed_load(path, a), CLI_GOOD);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 65);
    assert_int_equal(seed_load(path, b), CLI_GOOD);
    assert_memory_equal(a, b, sizeof(a));
    assert_int_equal(seed_load(NULL, b), CLI_GOOD);
    assert_memory_not_equal(a, b, sizeof(a));
}

#define HEX63 "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEF"

static void what_is_read(void **state)
{
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {HEX63 "f\n", CLI_GOOD},   {HEX63 "f", CLI_GOOD},      {HEX63 "\n", CLI_USAGE},
        {HEX63 "g\n", CLI_USAGE},  {HEX63 "ff\n", CLI_USAGE},  {HEX63 "f\n\n", CLI_USAGE},
        {HEX63 "f \n", CLI_USAGE}, {HEX63 "f\r\n", CLI_USAGE}, {"", CLI_USAGE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t seed[PH_SEED_LEN];

        put(cases[i].text);
        assert_int_equal(seed_load(path, seed), cases[i].code);
        if (cases[i].code == CLI_GOOD) {
            assert_int_equal(seed[1], 0x11);
            assert_int_equal(seed[31], 0xff);
        }
    }
}

static void what_cannot_be_made(void **state)
{
    uint8_t seed[PH_SEED_LEN];

    (void)state;
    assert_int_equal(seed_load("/nonexistent/seed", seed), CLI_CANNOT);
    assert_int_equal(seed_load(folder, seed), CLI_USAGE); /* a folder */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_missing_one_is_made_for_its_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_made, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
