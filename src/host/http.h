/* HTTP requests of one host: libcurl's multi interface on the event loop. No thread, no polling;
 * the sockets are made in the host's network namespace. */
#ifndef PH_HOST_HTTP_H
#define PH_HOST_HTTP_H

#include "host/loop.h"
#include "host/netns.h"

/* An answer's head, and whatever else of it is no body. */
#define PH_HTTP_HEAD_MAX 16384

struct ph_http_client;

struct ph_http_config {
    struct ph_loop *loop;
    struct ph_netns *netns;
    int netns_fd; /* as in ph_loop_host_config */
    /* Once for each request that was started and not cancelled, from the loop. It may start and
     * cancel requests, and free the client. The answer's body is gone when it returns. */
    void (*on_done)(void *user, ph_http id, const struct ph_http_answer *answer);
    void *user;
};

/* PH_ERR_NOMEM. */
int ph_http_client_new(const struct ph_http_config *config, struct ph_http_client **out);
/* Cancels all requests. */
void ph_http_client_free(struct ph_http_client *c);

/* As http_start of struct ph_host_ops. */
int ph_http_client_start(struct ph_http_client *c, const struct ph_http_request *request,
                         ph_http *out);
void ph_http_client_cancel(struct ph_http_client *c, ph_http id);

#endif
