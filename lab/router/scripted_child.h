/* What runs in the scripted router's process. Private to scripted_process.c,
 * scripted_child*.c and, for the rules, router.c. */
#ifndef LAB_ROUTER_SCRIPTED_CHILD_H
#define LAB_ROUTER_SCRIPTED_CHILD_H

#include "lab/router/router.h"
#include "lab/router/scripted.h"

#include <sys/types.h>

/* Requests and replies, a packet of a SOCK_SEQPACKET pair each. */
enum scripted_request {
    SCRIPTED_COUNT,
    SCRIPTED_FLUSH,
};

struct scripted_reply {
    int32_t status;
    int32_t code; /* enum lab_exit, when status is not 0 */
    uint64_t count;
    char text[512];
};

/* Never returns. Its first reply says whether it could start. */
__attribute__((noreturn)) void scripted_child(int control, pid_t parent,
                                              const struct nat_profile *profile,
                                              const struct router_site *site);

/* scripted_rules.c: mappings as rules in the namespace. The rules to begin with: malloc'ed, NULL
 * where there is no memory. */
char *scripted_rules(const struct router_site *site, bool translate_back);
int scripted_rules_load(const struct router_site *site, bool translate_back, struct lab_error *err);
int scripted_rules_map(const struct router_site *site, const struct scripted_mapping *m, bool on,
                       struct lab_error *err);

/* scripted_web.c: the connections of clients. */
#define WEB_CONNECTIONS 32
struct pollfd;
struct scripted_web;
/* Opens the two ports on the LAN. lan_if is borrowed. */
int scripted_web_open(struct scripted_web **out, const char *lan_if, uint16_t ports[2],
                      struct lab_error *err);
/* Appends what it waits for; returns how many (at most WEB_CONNECTIONS + 2). */
size_t scripted_web_poll(struct scripted_web *w, const struct scripted *s, struct pollfd *fds);
/* When it has to send more; PH_NEVER. */
ph_ns scripted_web_next(const struct scripted_web *w);
void scripted_web_run(struct scripted_web *w, struct scripted *s, ph_ns now,
                      const struct pollfd *fds, size_t count);

#endif
