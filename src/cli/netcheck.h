/* How `pinhole netcheck` shows its report: as text, as JSON, as a NAT profile for natlab. */
#ifndef PH_CLI_NETCHECK_H
#define PH_CLI_NETCHECK_H

#include "netcheck/netcheck.h"

#include <stdio.h>

#define NETCHECK_NAMES_MAX 24

struct netcheck_view {
    struct ph_netcheck_report report;
    bool asked_portmap, asked_lifetime;
    struct { /* as the user wrote it, where that was no address */
        struct ph_addr addr;
        const char *text;
    } names[NETCHECK_NAMES_MAX];
    size_t name_count;
};

/* What the user called the address; NULL: nothing, or by itself. */
const char *netcheck_name(const struct netcheck_view *v, const struct ph_addr *addr);
/* By either family. */
enum ph_answer netcheck_udp(const struct ph_netcheck_report *r);
/* "against an easy peer: direct by hole punching; against a hard peer: ..." Returns buf. */
#define NETCHECK_VERDICT 320
char *netcheck_verdict(const struct ph_netcheck_report *r, char buf[NETCHECK_VERDICT]);

void netcheck_text(FILE *to, const struct netcheck_view *v);
/* 0, or -1 when memory ran out. */
int netcheck_json(FILE *to, const struct netcheck_view *v);
void netcheck_profile(FILE *to, const struct netcheck_view *v);

#endif
