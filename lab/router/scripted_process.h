/* The scripted router as a process in a router's namespace: its sockets, its clock, and the rules
 * that make its mappings work. Private to lab/router. It dies with the thread that started it. */
#ifndef LAB_ROUTER_SCRIPTED_PROCESS_H
#define LAB_ROUTER_SCRIPTED_PROCESS_H

#include "lab/router/router.h"

struct scripted_process;

/* As in router.h. */
int scripted_process_start(const struct nat_profile *p, const struct router_site *site,
                           struct scripted_process **out, struct lab_error *err);
int scripted_process_mappings(struct scripted_process *p, size_t *count, struct lab_error *err);
int scripted_process_flush(struct scripted_process *p, struct lab_error *err);
void scripted_process_stop(struct scripted_process *p);

#endif
