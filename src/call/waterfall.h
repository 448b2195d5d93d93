/* The waterfall: what each stage of a call has done so far, and which one carries it. */
#ifndef PH_CALL_WATERFALL_H
#define PH_CALL_WATERFALL_H

#include "pinhole.h"

struct ph_waterfall {
    struct ph_stage_report stages[PH_STAGE_COUNT];
    enum ph_stage carrying; /* PH_STAGE_NONE before the end-to-end keys are there */
};

/* The stage that guessing belongs to: of ports that are counted or kept, or by chance. */
static inline enum ph_stage ph_stage_of_guesses(bool predicted)
{
    return predicted ? PH_STAGE_PREDICT : PH_STAGE_BIRTHDAY;
}

void ph_waterfall_init(struct ph_waterfall *w, ph_ns now, unsigned stages);
void ph_waterfall_start(struct ph_waterfall *w, enum ph_stage stage, ph_ns now);
/* Also one that was skipped: more is known now. */
void ph_waterfall_start_after_all(struct ph_waterfall *w, enum ph_stage stage, ph_ns now);
/* Whatever came of it before, unless the call's path is its own. Its counts go on. */
void ph_waterfall_start_again(struct ph_waterfall *w, enum ph_stage stage, ph_ns now);
/* A running stage has got what its time is measured to; what it comes to is not known yet. */
void ph_waterfall_mark(struct ph_waterfall *w, enum ph_stage stage, ph_ns now);
void ph_waterfall_end(struct ph_waterfall *w, enum ph_stage stage, enum ph_stage_state state,
                      ph_ns now, const char *reason);
/* The call's path is this stage's from now on: it has won. What carried before is beaten, and so
 * is, by a direct path, every stage that still seeks one. */
void ph_waterfall_carry(struct ph_waterfall *w, enum ph_stage stage, ph_ns now);
/* The path that carried is dead: the relay does, as it did before. */
void ph_waterfall_fall_back(struct ph_waterfall *w, ph_ns now, const char *reason);
/* No stage but the relay's is running. */
bool ph_waterfall_settled(const struct ph_waterfall *w);

#endif
