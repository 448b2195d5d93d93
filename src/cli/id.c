#include "base/mac.h"
#include "base/trace.h"
#include "cli/cli.h"
#include "cli/seed.h"
#include "quic/identity.h"

#include <argp.h>
#include <stdio.h>

struct options {
    const char *seed_file;
    bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case 'f':
        o->seed_file = arg;
        return 0;
    case 'j':
        o->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is not an option; a seed file is given by --seed-file", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cmd_id(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"seed-file", 'f', "FILE", 0,
         "The identity; made when it is missing (default: a new one, kept nowhere)", 0},
        {"json", 'j', NULL, 0, "Write JSON", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Shows the fingerprint of an identity: what another peer calls."};
    struct options o = {0};
    struct ph_identity *id;
    uint8_t seed[PH_SEED_LEN];
    char text[2 * PH_FINGERPRINT_LEN + 1], line[256];
    int code, err;

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    code = seed_load(o.seed_file, seed);
    if (code) {
        return code;
    }
    err = ph_identity_new(seed, &id);
    if (err) {
        fprintf(stderr, "pinhole: cannot make the key: %s\n", ph_strerror(err));
        return CLI_CANNOT;
    }
    ph_hex(ph_identity_fingerprint(id), PH_FINGERPRINT_LEN, text);
    ph_identity_free(id);
    if (o.json) {
        struct ph_json j = ph_json_begin(line, sizeof(line));

        ph_json_str(&j, "fingerprint", text);
        puts(ph_json_end(&j));
    } else {
        puts(text);
    }
    return CLI_GOOD;
}
