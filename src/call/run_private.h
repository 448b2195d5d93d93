/* What the files of a move share: run.c has its life and its events, run_turns.c says whose turn
 * it is, run_shot.c sends, run_tell.c says so to the peer. */
#ifndef PH_CALL_RUN_PRIVATE_H
#define PH_CALL_RUN_PRIVATE_H

#include "call/run.h"
#include "pinhole.h"

/* Flows of other people that may have come between a side's own. */
#define PH_RUN_AROUND 4

/* ---- run.c */
void ph_run_set_phase(struct ph_run *r, enum ph_run_phase phase, ph_ns deadline);
/* The time after which an answer is overdue. */
ph_ns ph_run_gap(const struct ph_run *r);
bool ph_run_is_leader(const struct ph_run *r);
void ph_run_finish(struct ph_run *r);
/* The other side's turn, which takes this long when all goes well. */
void ph_run_await(struct ph_run *r, ph_ns now, ph_ns turn);

/* ---- run_shot.c */
/* The report of the move's stage. */
struct ph_stage_report *ph_run_report(struct ph_run *r);
/* Makes the datagram of PH_PROBE_QUIC_INITIAL: the first flight of a connection that is then
 * forgotten. Without it checks are sent. */
void ph_run_make_initial(struct ph_run *r, ph_ns now);
/* Sends what of the volley is due. False: the budget is spent, and the volley is at its end. */
bool ph_run_fire(struct ph_run *r, ph_ns now);
/* How fast a side may send. */
struct ph_budget ph_run_pace(const struct ph_run *r, bool acceptor);
/* The TTL of openers; 0: full. */
uint8_t ph_run_opener_ttl(const struct ph_run *r);
/* Opens n fresh sockets, or as many as the budget has left. */
void ph_run_open_fan(struct ph_run *r, size_t n);
/* Begins a volley from the fan to one port, or to the first `most` of an order (from the call's own
 * socket, where that is said); ttl 0: full. */
void ph_run_fire_at_one(struct ph_run *r, ph_ns now, uint16_t port, uint8_t passes, uint8_t ttl);
void ph_run_fire_at_order(struct ph_run *r, ph_ns now, bool main_socket,
                          const struct ph_port_order *order, size_t most, uint8_t passes,
                          uint8_t ttl);
/* Asks the nth STUN server from a fresh socket. */
void ph_run_sound(struct ph_run *r, ph_ns now, struct ph_sounding *s, size_t nth);
/* Of two soundings, PH_RUN_BEFORE or PH_RUN_AFTER: asks two servers; whether both are over; the
 * port that the last, or the first, of them got, 0: none was answered. */
void ph_run_sound_twice(struct ph_run *r, ph_ns now, size_t which);
bool ph_run_all_over(const struct ph_run *r, size_t which);
uint16_t ph_run_last_of(const struct ph_run *r, size_t which);
uint16_t ph_run_first_of(const struct ph_run *r, size_t which);

/* ---- run_tell.c */
const struct ph_allocation *ph_run_own_allocation(struct ph_run *r, struct ph_plan_side *side);
void ph_run_tell(struct ph_run *r, enum ph_hard_phase phase, struct ph_hard_start *s);
void ph_run_tell_open(struct ph_run *r, enum ph_hard_phase phase);
/* The openers lie between the soundings before and those after; in a range that has ports of other
 * people's, too, where some came in between. */
void ph_run_tell_measured(struct ph_run *r, uint16_t opened);
void ph_run_tell_over(struct ph_run *r);
/* How long the leader's turn takes, and the other's after it, when all goes well. */
ph_ns ph_run_time_of_lead(const struct ph_run *r);
ph_ns ph_run_time_of_answer(const struct ph_run *r);
/* How long to wait for a turn of the other's that takes this long when all goes well. */
ph_ns ph_run_patience(const struct ph_run *r, ph_ns turn);

/* ---- run_turns.c */
void ph_run_lead(struct ph_run *r, ph_ns now);
/* The prober's probes of a FAN_IN, to what the acceptor has told; s NULL: to the plan's. */
void ph_run_probe_fan(struct ph_run *r, ph_ns now, const struct ph_hard_start *s);
/* What the turn was to send is out. */
void ph_run_opened(struct ph_run *r, ph_ns now);
void ph_run_probed(struct ph_run *r, ph_ns now);
/* The soundings are over. */
void ph_run_sampled(struct ph_run *r, ph_ns now);
void ph_run_measured(struct ph_run *r, ph_ns now);
/* The phase's time is up. */
void ph_run_expired(struct ph_run *r, ph_ns now);

#endif
