/* The words for what a NAT does: RFC 4787's, and those of natlab's profiles. */
#include "nat/allocation.h"
#include "nat/outlook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(ph_mapping_behaviour_name(PH_MAPPING_UNKNOWN), "unknown");
    assert_string_equal(ph_mapping_behaviour_name(PH_MAPPING_NONE), "none");
    assert_string_equal(ph_mapping_behaviour_name(PH_MAPPING_EIM), "endpoint-independent");
    assert_string_equal(ph_mapping_behaviour_name(PH_MAPPING_ADM), "address-dependent");
    assert_string_equal(ph_mapping_behaviour_name(PH_MAPPING_APDM), "address-and-port-dependent");
    assert_string_equal(ph_filtering_behaviour_name(PH_FILTERING_UNKNOWN), "unknown");
    assert_string_equal(ph_filtering_behaviour_name(PH_FILTERING_EIF), "endpoint-independent");
    assert_string_equal(ph_filtering_behaviour_name(PH_FILTERING_ADF), "address-dependent");
    assert_string_equal(ph_filtering_behaviour_name(PH_FILTERING_APDF),
                        "address-and-port-dependent");
    assert_string_equal(ph_answer_name(PH_ANSWER_UNKNOWN), "unknown");
    assert_string_equal(ph_answer_name(PH_NO), "no");
    assert_string_equal(ph_answer_name(PH_YES), "yes");
    assert_string_equal(ph_chance_name(PH_CHANCE_UNKNOWN), "unknown");
    assert_string_equal(ph_chance_name(PH_CHANCE_NONE), "none");
    assert_string_equal(ph_chance_name(PH_CHANCE_SOME), "some");
    assert_string_equal(ph_chance_name(PH_CHANCE_GOOD), "good");
    assert_string_equal(ph_allocation_type_name(PH_ALLOCATION_UNKNOWN), "unknown");
    assert_string_equal(ph_allocation_type_name(PH_ALLOCATION_NONE), "none");
    assert_string_equal(ph_allocation_type_name(PH_ALLOCATION_PRESERVING), "preserving");
    assert_string_equal(ph_allocation_type_name(PH_ALLOCATION_ONE_PORT), "one-port");
    assert_string_equal(ph_allocation_type_name(PH_ALLOCATION_SEQUENTIAL), "sequential");
    assert_string_equal(ph_allocation_type_name(PH_ALLOCATION_RANDOM), "random");
    assert_string_equal(ph_allocation_type_name(PH_ALLOCATION_BLOCK), "block");
}

/* A value that a newer peer may have sent must not be looked up past the table. */
static void test_out_of_range(void **state)
{
    (void)state;
    assert_string_equal(ph_mapping_behaviour_name((enum ph_mapping_behaviour)5), "?");
    assert_string_equal(ph_filtering_behaviour_name((enum ph_filtering_behaviour)4), "?");
    assert_string_equal(ph_answer_name((enum ph_answer)3), "?");
    assert_string_equal(ph_chance_name((enum ph_chance)4), "?");
    assert_string_equal(ph_allocation_type_name((enum ph_allocation_type)7), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
