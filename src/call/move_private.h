/* What the files of a move share: move.c has its life and its events, move_turns.c says whose turn
 * it is, move_shot.c sends, move_tell.c says so to the peer. */
#ifndef PH_CALL_MOVE_PRIVATE_H
#define PH_CALL_MOVE_PRIVATE_H

#include "call/move.h"
#include "pinhole.h"

/* ---- move.c */
void ph_move_set_phase(struct ph_move_run *r, enum ph_move_phase phase, ph_ns deadline);
/* The time after which an answer is overdue. */
ph_ns ph_move_gap(const struct ph_move_run *r);
bool ph_move_is_leader(const struct ph_move_run *r);
void ph_move_finish(struct ph_move_run *r);
/* The other side's turn, which takes this long when all goes well. */
void ph_move_await(struct ph_move_run *r, ph_ns now, ph_ns turn);

/* ---- move_shot.c */
/* The report of the move's stage. */
struct ph_stage_report *ph_move_report(struct ph_move_run *r);
/* Makes the datagram of PH_PROBE_QUIC_INITIAL: the first flight of a connection that is then
 * forgotten. Without it checks are sent. */
void ph_move_make_initial(struct ph_move_run *r, ph_ns now);
/* Sends what of the volley is due. False: the budget is spent, and the volley is at its end. */
bool ph_move_fire(struct ph_move_run *r, ph_ns now);
/* How fast a side may send. */
struct ph_budget ph_move_pace(const struct ph_move_run *r, bool acceptor);
/* The TTL of openers; 0: full. */
uint8_t ph_move_opener_ttl(const struct ph_move_run *r);
/* Opens n fresh sockets, or as many as the budget has left. */
void ph_move_open_fan(struct ph_move_run *r, size_t n);
/* Begins a volley from the fan to one port, or to the first `most` of an order (from the call's own
 * socket, where that is said); ttl 0: full. */
void ph_move_fire_at_one(struct ph_move_run *r, ph_ns now, uint16_t port, uint8_t passes,
                         uint8_t ttl);
void ph_move_fire_at_order(struct ph_move_run *r, ph_ns now, bool main_socket,
                           const struct ph_port_order *order, size_t most, uint8_t passes,
                           uint8_t ttl);
/* Asks the nth STUN server from a fresh socket. */
bool ph_move_sound(struct ph_move_run *r, ph_ns now, struct ph_sounding *s, size_t nth);
bool ph_move_all_over(const struct ph_sounding s[2]);
/* The port that the last, or the first, of two soundings got; 0: none was answered. */
uint16_t ph_move_last_of(const struct ph_sounding s[2]);
uint16_t ph_move_first_of(const struct ph_sounding s[2]);

/* ---- move_tell.c */
const struct ph_allocation *ph_move_own_allocation(struct ph_move_run *r,
                                                   struct ph_plan_side *side);
void ph_move_tell(struct ph_move_run *r, enum ph_hard_phase phase, struct ph_hard_start *s);
void ph_move_tell_open(struct ph_move_run *r, enum ph_hard_phase phase);
/* The openers lie between the soundings before and those after; in a range that has ports of other
 * people's, too, where some came in between. */
void ph_move_tell_measured(struct ph_move_run *r, uint16_t opened);
void ph_move_tell_over(struct ph_move_run *r);
ph_ns ph_move_time_of_openers(const struct ph_move_run *r);
ph_ns ph_move_time_of_probes(const struct ph_move_run *r);
/* How long to wait for a turn of the other's that takes this long when all goes well. */
ph_ns ph_move_patience(const struct ph_move_run *r, ph_ns turn);

/* ---- move_turns.c */
void ph_move_lead(struct ph_move_run *r, ph_ns now);
/* The prober's probes of a FAN_IN, to what the acceptor has told; s NULL: to the plan's. */
void ph_move_probe_fan(struct ph_move_run *r, ph_ns now, const struct ph_hard_start *s);
/* What the turn was to send is out. */
void ph_move_opened(struct ph_move_run *r, ph_ns now);
void ph_move_probed(struct ph_move_run *r, ph_ns now);
/* The soundings are over. */
void ph_move_sampled(struct ph_move_run *r, ph_ns now);
void ph_move_measured(struct ph_move_run *r, ph_ns now);
/* The phase's time is up. */
void ph_move_expired(struct ph_move_run *r, ph_ns now);

#endif
