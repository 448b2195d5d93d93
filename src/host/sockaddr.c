#include "host/sockaddr.h"

#include <string.h>

socklen_t ph_sockaddr_from(const struct ph_addr *a, union ph_sockaddr *out)
{
    if (a->family == PH_AF_V4) {
        memset(&out->in, 0, sizeof(out->in));
        out->in.sin_family = AF_INET;
        out->in.sin_port = htons(a->port);
        memcpy(&out->in.sin_addr, a->ip, 4);
        return sizeof(out->in);
    }
    if (a->family == PH_AF_V6) {
        memset(&out->in6, 0, sizeof(out->in6));
        out->in6.sin6_family = AF_INET6;
        out->in6.sin6_port = htons(a->port);
        memcpy(&out->in6.sin6_addr, a->ip, 16);
        return sizeof(out->in6);
    }
    return 0;
}

bool ph_sockaddr_to(const struct sockaddr *sa, struct ph_addr *out)
{
    memset(out, 0, sizeof(*out));
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, sa, sizeof(in));
        out->family = PH_AF_V4;
        out->port = ntohs(in.sin_port);
        memcpy(out->ip, &in.sin_addr, 4);
        return true;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, sa, sizeof(in6));
        out->port = ntohs(in6.sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
            out->family = PH_AF_V4;
            memcpy(out->ip, in6.sin6_addr.s6_addr + 12, 4);
        } else {
            out->family = PH_AF_V6;
            memcpy(out->ip, &in6.sin6_addr, 16);
        }
        return true;
    }
    return false;
}

uint32_t ph_sockaddr_scope(const union ph_sockaddr *sa)
{
    if (sa->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&sa->in6.sin6_addr)) {
        return sa->in6.sin6_scope_id;
    }
    return 0;
}
