/* Where OpenSSL draws its random numbers from. An endpoint that must repeat exactly runs its TLS in
 * a library context of its own, whose random provider is the endpoint's stream; all else in the
 * process keeps OpenSSL's own generator. */
#ifndef PH_QUIC_DRAW_H
#define PH_QUIC_DRAW_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

struct ph_draw {
    void (*random)(void *user, void *out, size_t len);
    void *user;
};

/* The library context that draws from the selected stream; made once, kept for the life of the
 * process. NULL on failure. */
OSSL_LIB_CTX *ph_draw_lib(void);
/* Selects the stream of this thread and returns the one before, to be selected again afterwards.
 * With none selected, drawing fails. */
const struct ph_draw *ph_draw_select(const struct ph_draw *draw);
/* Makes the default library context draw from the selected stream too, or no more: for calls that
 * know no other context. */
bool ph_draw_default(bool on);

#endif
