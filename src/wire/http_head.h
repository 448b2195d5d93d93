/* The head of an HTTP/1.x message (RFC 9112), as far as SSDP and small routers need it: a start
 * line and fields. Tolerant of what devices send: LF alone, no space behind a colon, white space
 * around names and values, any case. A cursor over the caller's bytes; nothing is copied or
 * allocated. */
#ifndef PH_WIRE_HTTP_HEAD_H
#define PH_WIRE_HTTP_HEAD_H

#include "base/addr.h"
#include "wire/span.h"

#define PH_HTTP_HEAD_MAX 8192 /* bytes; longer heads are refused */

struct ph_http_head {
    int status; /* of a response; 0: it is a request */
    struct ph_span method, target;
    struct ph_span fields; /* what lies between the start line and the empty line */
    size_t len;            /* of the head, the empty line included */
};

/* PH_ERR_SHORT: the empty line has not come yet (whole: what is there is all there will be, as in a
 * datagram, so its end does); PH_ERR_FORMAT: no HTTP; PH_ERR_SPACE: longer than PH_HTTP_HEAD_MAX.
 */
int ph_http_head_parse(const char *data, size_t len, bool whole, struct ph_http_head *out);
/* The first field of this name, in any case; false: there is none. */
bool ph_http_field(const struct ph_http_head *head, const char *name, struct ph_span *value);
/* Content-Length; false where it is absent or no number. */
bool ph_http_content_length(const struct ph_http_head *head, size_t *out);

/* Where a URL leads: http://HOST[:PORT]/PATH, HOST an address (names would need a resolver, and no
 * router in the neighbourhood is called by one). PH_ERR_FORMAT otherwise. */
#define PH_URL_PATH_MAX 512
#define PH_URL_HOST_MAX 64
struct ph_url {
    struct ph_addr addr;        /* port 80 where none is written */
    char host[PH_URL_HOST_MAX]; /* as written, with the port: the Host field */
    char path[PH_URL_PATH_MAX]; /* begins with '/'; white space around it is cut */
};
int ph_url_parse(const char *text, size_t len, struct ph_url *out);
/* What `text` means in a document that came from `base` (RFC 3986 section 5, the parts that devices
 * use: a whole URL, an absolute path, a path relative to the base's folder). */
int ph_url_resolve(const struct ph_url *base, const char *text, size_t len, struct ph_url *out);

#endif
