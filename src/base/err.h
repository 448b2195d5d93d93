/* Error codes of the core: negative ints, zero is success. */
#ifndef PH_BASE_ERR_H
#define PH_BASE_ERR_H

enum ph_err {
    PH_OK = 0,
    PH_ERR_NOMEM = -1,    /* out of memory */
    PH_ERR_INVAL = -2,    /* an argument is outside what the function takes */
    PH_ERR_SHORT = -3,    /* input ends before the value does */
    PH_ERR_FORMAT = -4,   /* bytes are not of this protocol */
    PH_ERR_AUTH = -5,     /* integrity, key or fingerprint does not match */
    PH_ERR_SPACE = -6,    /* the caller's buffer or a fixed cap is full */
    PH_ERR_AGAIN = -7,    /* not now: ask again after the next event */
    PH_ERR_CLOSED = -8,   /* the peer or this side has ended it */
    PH_ERR_TIMEOUT = -9,  /* the other side did not answer in time */
    PH_ERR_SYS = -10,     /* the operating system refused (errno is kept) */
    PH_ERR_CRYPTO = -11,  /* the TLS library refused */
    PH_ERR_PROTO = -12,   /* the peer broke the protocol */
    PH_ERR_NOENT = -13,   /* no such thing */
    PH_ERR_REFUSED = -14, /* the other side said no */
    PH_ERR_RESET = -15,   /* the other side is there, but knows nothing of it (any more) */
};

/* A short English text, never NULL; unknown codes say so. */
const char *ph_strerror(int err);

#endif
