/* The samples of a survey: which endpoints are asked from the surveyed socket itself, in which
 * bursts, and what they said.
 *
 * The first burst goes to the servers that were given. The second, where the NAT's behaviour is not
 * clear from the first, goes to the other addresses that they named (RFC 5780) and, where no IP has
 * two ports among all these, to the two further combinations that such a server answers on. */
#ifndef PH_PATH_SURVEY_SAMPLES_H
#define PH_PATH_SURVEY_SAMPLES_H

#include "nat/facts.h"
#include "path/query.h"
#include "path/survey.h"

/* From the first burst to the second: long enough for other people's flows to show between. */
#define PH_SAMPLES_INTERVAL (150 * PH_MS)

struct ph_sample_endpoint {
    struct ph_query query;
    uint32_t order; /* of the first tries */
    struct ph_addr reflexive;
    struct ph_addr other; /* as it claims */
    bool given;
    bool other_is_bad; /* an address that cannot be what RFC 5780 means, or that never answered */
    size_t named_by;   /* the endpoint whose OTHER-ADDRESS it is; SIZE_MAX: none */
};

enum ph_samples_state {
    PH_SAMPLES_FIRST,   /* the first burst is out */
    PH_SAMPLES_WAITING, /* for the second one's time */
    PH_SAMPLES_SENT,    /* no further endpoint is asked, but to prove that it exists */
};

struct ph_samples {
    struct ph_host *host;
    ph_sock sock;
    enum ph_samples_state state;
    struct ph_sample_endpoint e[PH_NAT_SAMPLES_MAX];
    size_t count;
    uint32_t orders;
    uint32_t changes; /* counts what may change the facts, which are dear to work out */
    ph_ns start;
    ph_ns rtt; /* the longest of all endpoints' */
};

/* Sends the first burst. */
void ph_samples_start(struct ph_samples *m, struct ph_host *host, ph_sock sock,
                      const struct ph_addr *servers, size_t n, ph_ns now);
/* True when it was the response to one of the samples. */
bool ph_samples_on_response(struct ph_samples *m, ph_ns now, const struct ph_stun *msg,
                            const struct ph_addr *from);
void ph_samples_on_timer(struct ph_samples *m, ph_ns now);
ph_ns ph_samples_deadline(const struct ph_samples *m);
/* The time is up. */
void ph_samples_stop(struct ph_samples *m);
/* All endpoints have answered or been given up. */
bool ph_samples_done(const struct ph_samples *m);

/* Whether something answers at an address: asks it where nobody has, which is to be called in state
 * SENT alone. UNKNOWN: the answer may still come. */
enum ph_answer ph_samples_prove(struct ph_samples *m, ph_ns now, const struct ph_addr *addr);
/* The reflexive address that most servers saw; family NONE: none answered. */
struct ph_addr ph_samples_reflexive(const struct ph_samples *m);
/* What is known of the samples: udp, mapping, allocation, reflexive, samples, liars. Takes up to a
 * millisecond where ports differ: not to be asked for at every event. */
void ph_samples_facts(const struct ph_samples *m, struct ph_nat_facts *out);
/* Its word about us does not agree with what all others say. */
bool ph_samples_stands_alone(const struct ph_samples *m, size_t i);
/* The surveyed socket's addresses: those of the host, with its port; returns how many. */
#define PH_SAMPLES_LOCALS 16
size_t ph_samples_locals(const struct ph_samples *m, struct ph_addr out[PH_SAMPLES_LOCALS]);

#endif
