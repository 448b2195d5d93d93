#include "base/err.h"

const char *ph_strerror(int err)
{
    switch (err) {
    case PH_OK:
        return "success";
    case PH_ERR_NOMEM:
        return "out of memory";
    case PH_ERR_INVAL:
        return "invalid argument";
    case PH_ERR_SHORT:
        return "input ends too early";
    case PH_ERR_FORMAT:
        return "not of this protocol";
    case PH_ERR_AUTH:
        return "authentication failed";
    case PH_ERR_SPACE:
        return "no space left in a buffer or under a cap";
    case PH_ERR_AGAIN:
        return "not possible yet";
    case PH_ERR_CLOSED:
        return "closed";
    case PH_ERR_TIMEOUT:
        return "timed out";
    case PH_ERR_SYS:
        return "the operating system refused";
    case PH_ERR_CRYPTO:
        return "the TLS library refused";
    case PH_ERR_PROTO:
        return "the peer broke the protocol";
    case PH_ERR_NOENT:
        return "no such thing";
    case PH_ERR_REFUSED:
        return "refused by the other side";
    case PH_ERR_RESET:
        return "the other side has forgotten it";
    default:
        return "unknown error";
    }
}
