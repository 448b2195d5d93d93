#include "cli/public_stun.h"

#include "host/sockaddr.h"

#include <netdb.h>
#include <stdbool.h>
#include <time.h>

#define WAIT_MS 1000

/* The manual shows this list. The last two name a second address (RFC 5780). */
static const struct {
    const char *name;
    const char *port;
} servers[] = {
    {"stun.l.google.com", "19302"},
    {"stun.cloudflare.com", "3478"},
    {"stun.nextcloud.com", "443"},
    {"stun.sipgate.net", "3478"},
    {"stunserver2025.stunprotocol.org", "3478"},
};

#define SERVERS (sizeof(servers) / sizeof(servers[0]))

/* The resolver may still be at it when we leave: what it writes to stays. */
static const struct addrinfo hints = {
    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
static struct gaicb requests[SERVERS];

static long ms_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until all are found, or not to be found, or the time is up. */
static void wait_for_all(void)
{
    const struct gaicb *list[SERVERS];
    long end = ms_now() + WAIT_MS;

    for (;;) {
        long left = end - ms_now();
        struct timespec timeout = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
        bool waiting = false;

        for (size_t i = 0; i < SERVERS; i++) {
            list[i] = gai_error(&requests[i]) == EAI_INPROGRESS ? &requests[i] : NULL;
            waiting = waiting || list[i];
        }
        if (!waiting || left <= 0) {
            return;
        }
        gai_suspend(list, (int)SERVERS, &timeout);
    }
}

/* The first address of a family in a list that was found. */
static bool first_of(const struct addrinfo *list, enum ph_family family, struct ph_addr *out)
{
    for (; list; list = list->ai_next) {
        if (ph_sockaddr_to(list->ai_addr, out) && out->family == family) {
            return true;
        }
    }
    return false;
}

size_t public_stun_servers(struct ph_addr *out, size_t cap)
{
    static const enum ph_family families[] = {PH_AF_V4, PH_AF_V6};
    struct gaicb *list[SERVERS];
    size_t n = 0;

    for (size_t i = 0; i < SERVERS; i++) {
        requests[i] = (struct gaicb){
            .ar_name = servers[i].name, .ar_service = servers[i].port, .ar_request = &hints};
        list[i] = &requests[i];
    }
    if (getaddrinfo_a(GAI_NOWAIT, list, (int)SERVERS, NULL) != 0) {
        return 0;
    }
    wait_for_all();
    for (size_t f = 0; f < 2; f++) {
        for (size_t i = 0; i < SERVERS && n < cap; i++) {
            if (gai_error(&requests[i]) == 0 &&
                first_of(requests[i].ar_result, families[f], &out[n])) {
                n++;
            }
        }
    }
    for (size_t i = 0; i < SERVERS; i++) {
        if (gai_error(&requests[i]) == 0) {
            freeaddrinfo(requests[i].ar_result);
            requests[i].ar_result = NULL;
        } else {
            (void)gai_cancel(&requests[i]);
        }
    }
    return n;
}
