/* Whole messages out of a stream in pieces: whatever the pieces, what is taken is what is taken
 * from the stream in one piece, and nothing is held but the part of a message. The first byte of
 * the input is the size of the pieces, the rest the stream. */
#include "base/err.h"
#include "base/rng.h"
#include "wire/framing.h"
#include "wire/signal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

struct seen {
    uint64_t hash;
    size_t messages, bytes;
};

static int take(void *user, const uint8_t *data, size_t len)
{
    struct seen *s = user;
    struct ph_signal m;
    int taken = ph_signal_decode(data, len, &m);

    if (taken > 0) {
        s->hash = ph_hash64(s->hash, data, (size_t)taken);
        s->messages++;
        s->bytes += (size_t)taken;
    }
    return taken;
}

static int feed(const uint8_t *data, size_t size, size_t piece, struct seen *s)
{
    uint8_t buf[PH_SIGNAL_MAX];
    size_t held = 0, fed = 0;

    *s = (struct seen){0};
    while (fed < size) {
        size_t n = piece < size - fed ? piece : size - fed;
        int err = ph_framing_feed(buf, sizeof(buf), &held, data + fed, n, take, s);

        fed += n;
        if (err != PH_OK) {
            check(err == PH_ERR_FORMAT && held == 0);
            return err;
        }
        check(held < sizeof(buf) && s->bytes + held == fed);
    }
    return PH_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole, pieces;
    int err;

    if (size < 2)
        return 0;
    err = feed(data + 1, size - 1, size, &whole);
    check(feed(data + 1, size - 1, 1u + data[0], &pieces) == err);
    check(whole.hash == pieces.hash && whole.messages == pieces.messages);
    return 0;
}
