/* The state that a relay leaves: what is read as one is written again byte for byte. (Its MAC,
 * which stands before all this, would keep a fuzzer out.) */
#include "base/err.h"
#include "relay/state.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_reader r = ph_reader_init(data, size);
    struct ph_state_head head;
    struct ph_session_facts call;
    uint8_t out[1024];
    struct ph_writer w = ph_writer_init(out, sizeof(out));
    size_t at;

    if (ph_state_read_head(&r, &head) != PH_OK)
        return 0;
    check(head.listen_count > 0 && head.listen_count <= PH_RELAY_LISTENS);
    ph_state_write_head(&w, &head);
    at = size - ph_reader_left(&r);
    check(!w.bad && ph_writer_len(&w) == at && memcmp(out, data, at) == 0);
    for (uint32_t i = 0; i < head.calls && ph_state_read_call(&r, &head, &call) == PH_OK; i++) {
        size_t end = size - ph_reader_left(&r);

        check(call.leg[0].tag != 0 && call.leg[1].tag != 0 && call.mode <= PH_ANSWER_PRIVACY);
        check(call.leg[0].listen < head.listen_count && call.leg[1].listen < head.listen_count);
        w = ph_writer_init(out, sizeof(out));
        ph_state_write_call(&w, &call);
        check(!w.bad && ph_writer_len(&w) == end - at && memcmp(out, data + at, end - at) == 0);
        at = end;
    }
    return 0;
}
