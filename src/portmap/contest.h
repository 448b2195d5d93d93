/* Which of a mapper's clients may ask for a mapping, and whose mapping is taken.
 *
 * They stand in one order: the better gateway first (what leaves the socket goes by that one), then
 * PCP, NAT-PMP, UPnP. Routers keep one table for all three, and NAT-PMP deletes by internal port:
 * a mapping that loses cannot always be taken back without taking the winner's with it. So nobody
 * asks while a better one may still succeed, but not for longer than that one deserves: a server
 * that answered for as long as it takes, one that is not known for a little more than the round
 * trip, one that was silent the last time not at all. Looking, which makes nothing, is done by all
 * at once. */
#ifndef PH_PORTMAP_CONTEST_H
#define PH_PORTMAP_CONTEST_H

#include "portmap/client.h"

/* What a gateway that speaks both protocols may need longer for the better one. */
#define PH_CONTEST_PATIENCE (3 * PH_MS)
/* How long a mapping waits for a better one of a server that was silent before. */
#define PH_CONTEST_DOUBTFUL (5 * PH_MS)

struct ph_contest {
    struct ph_client *const *clients;
    size_t count;
    ph_ns first; /* when the first mapping came; PH_NEVER: none yet */
};

/* The lower, the better. */
size_t ph_contest_rank(const struct ph_client *c);
bool ph_contest_may_ask(const struct ph_contest *k, const struct ph_client *c, ph_ns now);
/* Notes whether there is a mapping. The one to take now, NULL: none, or a better one may come. */
struct ph_client *ph_contest_winner(struct ph_contest *k, ph_ns now);
/* Nobody has a mapping, and nobody is at it. */
bool ph_contest_is_over(const struct ph_contest *k);
/* When the two above may answer otherwise without anything having come; later than now. */
ph_ns ph_contest_deadline(const struct ph_contest *k, ph_ns now);
/* Whether giving back what `loser` has could take what `winner` has. */
bool ph_contest_shares(const struct ph_client *loser, const struct ph_client *winner);

#endif
