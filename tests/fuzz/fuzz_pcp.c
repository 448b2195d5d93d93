/* The PCP parser: what it takes is a response, and a mapping that it gives can be asked for again
 * in the same bytes. */
#include "base/err.h"
#include "wire/pcp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

/* A request for what was assigned has the MAP part of the response, but for its reserved bytes. */
static void check_map(const uint8_t *data, const struct ph_pcp_response *m)
{
    const struct ph_addr client = ph_addr_v4(192, 168, 1, 2, 1);
    uint8_t out[PH_PCP_MAP_LEN];

    check(m->map.external.zero == 0);
    if (m->map.internal_port == 0) {
        check(ph_pcp_map_request(out, sizeof(out), &client, &m->map, m->lifetime_s) ==
              PH_ERR_INVAL);
        return;
    }
    check(ph_pcp_map_request(out, sizeof(out), &client, &m->map, m->lifetime_s) ==
          (int)sizeof(out));
    check(memcmp(out + 4, data + 4, 4) == 0);
    check(memcmp(out + 24, data + 24, 13) == 0);
    check(memcmp(out + 40, data + 40, 20) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_pcp_response m;
    int err = ph_pcp_parse(data, size, &m);

    check(ph_pcp_result_text(m.result) != NULL);
    if (err != PH_OK) {
        check(err == PH_ERR_SHORT || err == PH_ERR_FORMAT);
        check(m.version == 0 && m.result == 0 && !ph_addr_is_set(&m.map.external));
        return 0;
    }
    check(m.version == data[0] && size >= 8);
    if (m.version != PH_PCP_VERSION) {
        check(m.result == PH_PCP_UNSUPP_VERSION && !ph_addr_is_set(&m.map.external));
        return 0;
    }
    check(size >= 24 && size <= PH_PCP_MESSAGE_MAX && data[1] == (0x80 | m.opcode) &&
          data[3] == m.result);
    if (ph_addr_is_set(&m.map.external))
        check_map(data, &m);
    else
        check(m.opcode != PH_PCP_MAP || m.result != PH_PCP_SUCCESS);
    return 0;
}
