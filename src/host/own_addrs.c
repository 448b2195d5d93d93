#include "host/own_addrs.h"

#include "host/sockaddr.h"

#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#define OWN_MAX 256

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ph_own_addr_parse(const char *line, struct ph_own_addr *out)
{
    const char *p = line + 32;

    *out = (struct ph_own_addr){.addr = {.family = PH_AF_V6}};
    for (size_t i = 0; i < 16; i++) {
        int high = hex_digit(line[2 * i]);
        int low = high < 0 ? -1 : hex_digit(line[2 * i + 1]);

        if (low < 0) {
            return false;
        }
        out->addr.ip[i] = (uint8_t)(high << 4 | low);
    }
    for (int i = 0; i < 4; i++) { /* interface, prefix, scope, flags */
        char *end;

        out->flags = (unsigned)strtoul(p, &end, 16);
        if (end == p) {
            return false;
        }
        p = end;
    }
    return true;
}

static bool may_be_used(const struct ph_own_addr *a)
{
    struct ph_addr with_port = a->addr;

    with_port.port = 1; /* none would be what makes it unusable */
    if (ph_addr_is_unusable(&with_port) || ph_addr_is_loopback(&a->addr)) {
        return false;
    }
    return (a->flags & (IFA_F_DEPRECATED | IFA_F_DADFAILED)) == 0 &&
           (a->flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)) != IFA_F_TENTATIVE;
}

size_t ph_own_addrs_choose(const struct ph_own_addr *in, size_t n, struct ph_addr *out, size_t cap)
{
    size_t count = 0;

    for (int stable = 0; stable < 2; stable++) {
        for (size_t i = 0; i < n && count < cap; i++) {
            /* Of IPv4 the same bit says that an address is its interface's second. */
            bool temporary = in[i].addr.family == PH_AF_V6 && (in[i].flags & IFA_F_TEMPORARY) != 0;

            if (temporary == !stable && may_be_used(&in[i])) {
                out[count] = in[i].addr;
                out[count++].port = 0;
            }
        }
    }
    return count;
}

/* What the kernel says of the IPv6 addresses; without its word all are as good. */
static void read_flags(struct ph_own_addr *list, size_t n)
{
    FILE *f = fopen("/proc/thread-self/net/if_inet6", "re");
    struct ph_own_addr told;
    char line[128];

    while (f && fgets(line, sizeof(line), f)) {
        for (size_t i = 0; ph_own_addr_parse(line, &told) && i < n; i++) {
            if (ph_addr_ip_eq(&list[i].addr, &told.addr)) {
                list[i].flags = told.flags;
            }
        }
    }
    if (f) {
        (void)fclose(f);
    }
}

size_t ph_own_addrs(struct ph_addr *out, size_t cap)
{
    struct ph_own_addr own[OWN_MAX];
    struct ifaddrs *list = NULL;
    size_t n = 0;

    if (getifaddrs(&list) < 0) {
        return 0;
    }
    for (struct ifaddrs *i = list; i && n < OWN_MAX; i = i->ifa_next) {
        if (i->ifa_addr && (i->ifa_flags & IFF_UP) && !(i->ifa_flags & IFF_LOOPBACK) &&
            ph_sockaddr_to(i->ifa_addr, &own[n].addr)) {
            own[n].addr.port = 0;
            own[n++].flags = 0;
        }
    }
    freeifaddrs(list);
    read_flags(own, n);
    return ph_own_addrs_choose(own, n, out, cap);
}
