/* Connectivity checks over the paths of one call (RFC 8445 section 7): requests and their
 * responses, then a sealed probe by each path that can be heard, and its echo, which proves it.
 * Which paths there are, and when their checks begin, is for the stages to say (call/punch.h,
 * call/hard.h); a path's own timers run while any stage still seeks one. */
#ifndef PH_CALL_CHECKS_H
#define PH_CALL_CHECKS_H

#include "path/table.h"
#include "pinhole.h"

struct ph_call;

/* A stage that seeks a direct path is at it. */
bool ph_checks_racing(const struct ph_call *c);
/* The time after which an answer to the nth check is overdue. */
ph_ns ph_checks_gap(struct ph_call *c, unsigned checks);
/* Which stage's a path is: by a move of the plan; by a mapping, of the peer's (it named the address
 * as one) or of ours (it sees us come from there); or by a hole. */
enum ph_stage ph_checks_stage_of(const struct ph_call *c, const struct ph_path *path);

/* Sends a check by a path; ttl 0 is full, and others only open a hole. */
void ph_checks_send(struct ph_call *c, ph_ns now, struct ph_path *path, uint8_t ttl);
/* Its first check is due now, unless the path is known to work already. */
void ph_checks_now(struct ph_path *path, ph_ns now);
/* Sends the sealed probe, where what came from there allows it, and plans the next one. */
void ph_checks_probe(struct ph_call *c, ph_ns now, struct ph_path *path);

void ph_checks_on_request(struct ph_call *c, ph_ns now, const struct ph_stun *msg,
                          const uint8_t *data, size_t len, const struct ph_source *from);
/* False: it was not for this call. */
bool ph_checks_on_response(struct ph_call *c, ph_ns now, const struct ph_stun *msg,
                           const uint8_t *data, size_t len, const struct ph_source *from);
/* A sealed packet of the peer came by this path. */
void ph_checks_on_sealed(struct ph_call *c, ph_ns now, struct ph_path *path);
/* Its echo has come, for the first time or again. */
void ph_checks_on_proved(struct ph_call *c, ph_ns now, struct ph_path *path);
/* The call goes by this path from now on, which is proved. */
void ph_checks_use(struct ph_call *c, ph_ns now, struct ph_path *path);
/* The path in use leads nowhere: another one that is at hand takes its place, or the relay. */
void ph_checks_give_up(struct ph_call *c, ph_ns now, const char *why);
/* The steering has left the path for the relay. */
void ph_checks_on_dead(struct ph_call *c, ph_ns now, struct ph_path *path, const char *why);
/* The end-to-end keys are there: paths that were heard can be proved. */
void ph_checks_on_established(struct ph_call *c, ph_ns now);
/* What carries the call turns out to be a mapping: the router's word came after the path's proof.
 */
void ph_checks_reconsider(struct ph_call *c, ph_ns now);

/* Something of a path's may still come of itself. */
bool ph_checks_under_way(const struct ph_call *c);
/* Sends what is due. True when a check went out. */
bool ph_checks_pump(struct ph_call *c, ph_ns now);
ph_ns ph_checks_deadline(const struct ph_call *c);

#endif
