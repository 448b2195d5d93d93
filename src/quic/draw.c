#include "quic/draw.h"

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

static const char provider_name[] = "pinhole-draw";

static _Thread_local const struct ph_draw *selected;

static int draw_bytes(void *provctx, int which, void *buf, size_t n, unsigned int strength)
{
    (void)provctx;
    (void)which;
    (void)strength;
    if (selected == NULL)
        return 0;
    selected->random(selected->user, buf, n);
    return 1;
}

static const OSSL_DISPATCH dispatch[] = {
    {OSSL_FUNC_PROVIDER_RANDOM_BYTES, (void (*)(void))draw_bytes},
    OSSL_DISPATCH_END,
};

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **out, void **provctx)
{
    (void)in;
    *out = dispatch;
    *provctx = (void *)handle;
    return 1;
}

/* Fallbacks are retained, so that loading this one does not unload the default provider. */
static OSSL_PROVIDER *provider_in(OSSL_LIB_CTX *lib)
{
    if (OSSL_PROVIDER_add_builtin(lib, provider_name, provider_init) != 1)
        return NULL;
    return OSSL_PROVIDER_try_load(lib, provider_name, 1);
}

OSSL_LIB_CTX *ph_draw_lib(void)
{
    static OSSL_LIB_CTX *lib;
    OSSL_LIB_CTX *made;
    OSSL_PROVIDER *provider;

    if (lib != NULL)
        return lib;
    made = OSSL_LIB_CTX_new();
    if (made == NULL)
        return NULL;
    provider = provider_in(made);
    if (provider == NULL || RAND_set1_random_provider(made, provider) != 1) {
        OSSL_LIB_CTX_free(made);
        return NULL;
    }
    lib = made;
    return lib;
}

const struct ph_draw *ph_draw_select(const struct ph_draw *draw)
{
    const struct ph_draw *before = selected;

    selected = draw;
    return before;
}

bool ph_draw_default(bool on)
{
    static OSSL_PROVIDER *provider;

    if (!on)
        return RAND_set1_random_provider(NULL, NULL) == 1;
    if (provider == NULL)
        provider = provider_in(NULL);
    return provider != NULL && RAND_set1_random_provider(NULL, provider) == 1;
}
