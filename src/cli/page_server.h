/* A little HTTP/1.1 server on the loop that serves one page: for metrics. Bounded: so many visitors
 * at once, so many bytes of a request, so long for all of it; a connection is closed after its
 * answer. */
#ifndef PH_CLI_PAGE_SERVER_H
#define PH_CLI_PAGE_SERVER_H

#include "host/loop.h"

#define PH_PAGE_VISITORS 8
#define PH_PAGE_REQUEST  2048
#define PH_PAGE_MAX      16384
#define PH_PAGE_TIME     (5 * PH_SEC)

struct ph_page_server;

struct ph_page_server_config {
    struct ph_addr listen;
    const char *path; /* of the page, "/metrics"; anything else is not found */
    const char *type; /* of its content */
    /* Writes the page, at most PH_PAGE_MAX bytes, and returns its length. */
    size_t (*page)(void *user, char *out);
    void *user;
};

/* PH_ERR_SYS (errno is kept), PH_ERR_INVAL, PH_ERR_NOMEM. */
int ph_page_server_new(struct ph_loop *loop, const struct ph_page_server_config *config,
                       struct ph_page_server **out);
void ph_page_server_free(struct ph_page_server *s);
/* Where it listens, with its real port. */
struct ph_addr ph_page_server_address(const struct ph_page_server *s);

#endif
