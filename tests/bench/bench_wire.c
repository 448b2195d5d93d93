/* What the codecs cost: the time of one parse or one encoding, over as many as fit in a fifth of a
 * second. */
#include "base/err.h"
#include "wire/relay.h"
#include "wire/signal.h"
#include "wire/stun.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define BATCH 1000u

struct input {
    uint8_t bytes[PH_SIGNAL_MAX];
    size_t len;
    struct ph_signal offer;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int build_check(struct input *in)
{
    const uint8_t tid[PH_STUN_TID_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    struct ph_writer w = ph_writer_init(in->bytes, sizeof(in->bytes));
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
    ph_stun_put_username(&w, "abcdefgh:ijklmnop", 17);
    ph_stun_put_priority(&w, 0x6e0001ff);
    ph_stun_put_integrity(&w, "0123456789abcdef", 16);
    return ph_stun_end(&w, true);
}

static int parse_check(struct input *in)
{
    struct ph_stun msg;
    if (ph_stun_parse(in->bytes, in->len, &msg) != PH_OK)
        return -1;
    return ph_stun_verify(in->bytes, in->len, &msg, "0123456789abcdef", 16) ? 0 : -1;
}

static int encode_offer(struct input *in)
{
    return ph_signal_encode(&in->offer, in->bytes, sizeof(in->bytes));
}

static int decode_offer(struct input *in)
{
    struct ph_signal m;
    return ph_signal_decode(in->bytes, in->len, &m);
}

static int pass_frame(struct input *in)
{
    uint64_t tag;
    const uint8_t *payload;
    size_t len;
    if (ph_relay_frame_parse(in->bytes, in->len, &tag, &payload, &len) != PH_OK)
        return -1;
    ph_relay_frame_header(in->bytes, tag + 1);
    return 0;
}

static int measure(const char *name, int (*op)(struct input *), struct input *in)
{
    double start = seconds();
    double spent = 0;
    unsigned long runs = 0;
    while (spent < 0.2) {
        for (unsigned i = 0; i < BATCH; i++) {
            if (op(in) < 0) {
                fprintf(stderr, "%s failed\n", name);
                return 1;
            }
        }
        runs += BATCH;
        spent = seconds() - start;
    }
    printf("%-34s %8.0f ns\n", name, spent * 1e9 / (double)runs);
    return 0;
}

int main(void)
{
    static struct input in;
    int failed = measure("STUN check, built and signed", build_check, &in);
    int len = build_check(&in);
    in.len = len > 0 ? (size_t)len : 0;
    failed |= measure("STUN check, parsed and verified", parse_check, &in);

    in.offer.type = PH_SIGNAL_DIRECT_CALL_OFFER;
    in.offer.relay_token = 1;
    in.offer.candidate_count = 4;
    for (size_t i = 0; i < in.offer.candidate_count; i++) {
        in.offer.candidates[i].type = PH_CANDIDATE_HOST;
        if (ph_addr_parse("198.18.0.1:4000", &in.offer.candidates[i].addr) != PH_OK)
            return 1;
    }
    failed |= measure("offer of 4 candidates, encoded", encode_offer, &in);
    len = encode_offer(&in);
    in.len = len > 0 ? (size_t)len : 0;
    failed |= measure("offer of 4 candidates, decoded", decode_offer, &in);

    ph_relay_frame_header(in.bytes, 7);
    in.len = PH_RELAY_FRAME_OVERHEAD + 1200;
    failed |= measure("relay frame, parsed and retagged", pass_frame, &in);
    return failed;
}
