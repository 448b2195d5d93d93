/* natlab nat list | show PROFILE | check [PROFILE...] */
#include "lab/cli/nat.h"

#include "lab/cli/cli.h"
#include "lab/nat/rules.h"
#include "lab/router/router.h"
#include "lab/yaml.h"

#include <argp.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static enum lab_exit complain(const struct lab_error *err)
{
    (void)fprintf(stderr, "natlab nat: %s\n", err->text);
    return err->code;
}

int nat_profile_chosen(const char *name, const struct nat_options *o, struct nat_profile *out,
                       struct lab_error *err)
{
    bool is_path = strchr(name, '/') != NULL || strstr(name, ".yaml") != NULL;
    if ((is_path ? nat_profile_load(name, out, err) : nat_profile_find(name, out, err)) != 0)
        return -1;
    if (o->gateway != NULL && nat_profile_set(out, "gateway", o->gateway, err) != 0)
        return -1;
    for (size_t i = 0; i < o->edit_count; i++) {
        char field[64];
        const char *eq = strchr(o->edits[i], '=');
        size_t len = eq == NULL ? 0 : (size_t)(eq - o->edits[i]);
        if (len == 0 || len >= sizeof(field))
            return lab_fail(err, LAB_USAGE,
                            "--set %s: FIELD=VALUE is wanted, allocation.step=2 for example",
                            o->edits[i]);
        memcpy(field, o->edits[i], len);
        field[len] = '\0';
        if (nat_profile_set(out, field, eq + 1, err) != 0)
            return -1;
    }
    return 0;
}

static const char *ports_text(const struct nat_profile *p, char *buf, size_t cap)
{
    const char *name = nat_allocation_name(p->allocation.type);
    if (p->mapping == NAT_MAPPING_NONE)
        (void)snprintf(buf, cap, "-");
    else if (p->allocation.type == NAT_ALLOC_SEQUENTIAL)
        (void)snprintf(buf, cap, "%s by %d", name, p->allocation.step);
    else if (p->allocation.type == NAT_ALLOC_BLOCK)
        (void)snprintf(buf, cap, "%s of %u", name, p->allocation.block);
    else
        (void)snprintf(buf, cap, "%s", name);
    return buf;
}

static json_t *profile_json(const struct nat_profile *p)
{
    json_t *faults = json_array();
    for (size_t i = 0; i < p->port_mapping.fault_count; i++)
        (void)json_array_append_new(faults, json_string(p->port_mapping.faults[i]));
    json_t *allocation = json_pack(
        "{s:s, s:i, s:i, s:i, s:b, s:b, s:i, s:i}", "type", nat_allocation_name(p->allocation.type),
        "step", p->allocation.step, "start", (int)p->allocation.start, "block",
        (int)p->allocation.block, "aligned", p->allocation.aligned, "exact", nat_profile_exact(p),
        "range_low", (int)p->allocation.range_lo, "range_high", (int)p->allocation.range_hi);
    return json_pack(
        "{s:s, s:s, s:s, s:o, s:s, s:b, s:{s:i, s:i}, s:{s:i, s:i}, s:{s:i, s:s}, s:{s:i, s:i}, "
        "s:s, s:s, s:{s:b, s:b, s:b, s:o}, s:s}",
        "name", p->name, "mapping", nat_mapping_name(p->mapping), "filtering",
        nat_filtering_name(p->filtering), "allocation", allocation, "gateway",
        nat_gateway_name(p->gateway), "hairpin", p->hairpin, "timeout", "udp_s",
        (int)p->timeout.udp_s, "udp_stream_s", (int)p->timeout.udp_stream_s, "limits", "mappings",
        (int)p->limits.mappings, "new_per_second", (int)p->limits.new_per_second, "pool",
        "addresses", (int)p->pool.addresses, "pairing", p->pool.arbitrary ? "arbitrary" : "paired",
        "background", "hosts", (int)p->background.hosts, "flows_per_second",
        (int)p->background.flows_per_second, "udp", p->udp_blocked ? "block" : "allow", "ipv6",
        nat_ipv6_name(nat_profile_ipv6(p)), "port_mapping", "nat_pmp", p->port_mapping.nat_pmp,
        "pcp", p->port_mapping.pcp, "upnp", p->port_mapping.upnp, "faults", faults, "inside",
        p->inside);
}

static void print_json(json_t *value)
{
    char *text = json_dumps(value, JSON_INDENT(2));
    if (text != NULL)
        (void)puts(text);
    free(text);
    json_decref(value);
}

static void print_row(const struct nat_profile *p)
{
    char ports[48];
    char notes[160] = "";
    size_t at = 0;
    if (p->hairpin)
        at += (size_t)snprintf(notes + at, sizeof(notes) - at, " hairpin");
    if (p->udp_blocked)
        at += (size_t)snprintf(notes + at, sizeof(notes) - at, " no-udp");
    if (p->background.flows_per_second > 0)
        at += (size_t)snprintf(notes + at, sizeof(notes) - at, " busy");
    if (p->ipv6 != NAT_IPV6_AS_IPV4)
        at += (size_t)snprintf(notes + at, sizeof(notes) - at, " ipv6:%s", nat_ipv6_name(p->ipv6));
    if (p->inside[0] != '\0')
        at += (size_t)snprintf(notes + at, sizeof(notes) - at, " around:%s", p->inside);
    (void)snprintf(notes + at, sizeof(notes) - at, " %u/%us", p->timeout.udp_s,
                   p->timeout.udp_stream_s);
    (void)printf("%-20s %-27s %-27s %-16s%s\n", p->name, nat_mapping_name(p->mapping),
                 p->mapping == NAT_MAPPING_NONE && !p->firewall ? "-"
                                                                : nat_filtering_name(p->filtering),
                 ports_text(p, ports, sizeof(ports)), notes);
}

static enum lab_exit do_list(const struct nat_options *o)
{
    struct lab_error err = {.code = LAB_GOOD};
    char **names = NULL;
    size_t count = 0;
    if (o->name_count > 0) {
        (void)fprintf(stderr,
                      "natlab nat list: \"%s\" is one word too many (natlab nat show PROFILE)\n",
                      o->names[0]);
        return LAB_USAGE;
    }
    json_t *all = json_array();
    if (nat_profile_list(&names, &count, &err) != 0) {
        json_decref(all);
        return complain(&err);
    }
    if (!o->json)
        (void)printf("%-20s %-27s %-27s %-16s %s\n", "PROFILE", "MAPPING", "FILTERING", "PORTS",
                     "TIMEOUTS AND MORE");
    for (size_t i = 0; i < count && err.code == LAB_GOOD; i++) {
        struct nat_profile p;
        if (nat_profile_find(names[i], &p, &err) != 0)
            break;
        if (o->json)
            (void)json_array_append_new(all, profile_json(&p));
        else
            print_row(&p);
    }
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    if (o->json && err.code == LAB_GOOD)
        print_json(all);
    else
        json_decref(all);
    return err.code == LAB_GOOD ? LAB_GOOD : complain(&err);
}

/* Where a NAT stands in an example: the addresses are those of documentation. */
static struct nat_site example_site(const struct nat_profile *p)
{
    struct nat_site s = {.wan_if = "wan", .lan_if = "lan", .lan_prefix = 24, .seed = 1};
    bool carrier = p->inside[0] != '\0';
    s.lan = carrier ? ph_addr_v4(100, 64, 0, 1, 0) : ph_addr_v4(192, 168, 1, 1, 0);
    s.subscribers[0] = carrier ? ph_addr_v4(100, 64, 0, 2, 0) : ph_addr_v4(192, 168, 1, 2, 0);
    s.subscriber_count = 1;
    s.wan_count = p->pool.addresses;
    for (size_t i = 0; i < s.wan_count && i < NAT_POOL_MAX; i++)
        s.wan[i] = ph_addr_v4(198, 51, 100, (uint8_t)(1 + i), 0);
    return s;
}

/* The port-mapping server beside such a NAT, and its rules. "": the profile has none. */
static int router_text(const struct nat_profile *p, const struct nat_site *nat, char **out,
                       struct lab_error *err)
{
    /* Outside of what miniupnpd refuses, as in a world. */
    struct router_site site = {.netns_fd = -1,
                               .name = "nat",
                               .wan_if = nat->wan_if,
                               .lan_if = nat->lan_if,
                               .wan = p->port_mapping.fault_count > 0 ? nat->wan[0]
                                                                      : ph_addr_v4(11, 0, 0, 2, 0),
                               .lan = nat->lan,
                               .lan_prefix = nat->lan_prefix};
    char *rules = NULL;
    int n;
    if (!router_wanted(p)) {
        *out = strdup("");
        return *out != NULL ? 0 : lab_fail(err, LAB_CANNOT, "out of memory");
    }
    if (router_rules(p, &site, &rules, err) != 0)
        return -1;
    n = asprintf(out, "# On its LAN stands a port-mapping server, %s, for%s%s%s. Its rules:\n%s",
                 router_kind(p, &site), p->port_mapping.pcp ? " pcp" : "",
                 p->port_mapping.nat_pmp ? " nat_pmp" : "", p->port_mapping.upnp ? " upnp" : "",
                 rules);
    free(rules);
    return n >= 0 ? 0 : lab_fail(err, LAB_CANNOT, "out of memory");
}

static enum lab_exit do_show(const struct nat_options *o)
{
    struct lab_error err = {.code = LAB_GOOD};
    struct nat_profile p;
    char *rules = NULL, *router = NULL;
    if (o->name_count != 1) {
        (void)fprintf(stderr, "natlab nat show: one profile is wanted (natlab nat list)\n");
        return LAB_USAGE;
    }
    if (nat_profile_chosen(o->names[0], o, &p, &err) != 0)
        return complain(&err);
    struct nat_site site = example_site(&p);
    if (nat_rules(&p, &site, &rules, &err) != 0 || router_text(&p, &site, &router, &err) != 0) {
        free(rules);
        return complain(&err);
    }
    if (o->json) {
        json_t *j = profile_json(&p);
        (void)json_object_set_new(j, "rules", json_string(rules));
        if (*router != '\0')
            (void)json_object_set_new(j, "router", json_string(router));
        print_json(j);
    } else {
        (void)printf("# %s: mapping %s, filtering %s, gateway %s\n", p.name,
                     nat_mapping_name(p.mapping), nat_filtering_name(p.filtering),
                     nat_gateway_name(p.gateway));
        (void)printf("# net.ipv4.ip_forward=1\n");
        if (p.mapping != NAT_MAPPING_NONE || p.firewall)
            (void)printf("# net.netfilter.nf_conntrack_udp_timeout=%u\n"
                         "# net.netfilter.nf_conntrack_udp_timeout_stream=%u\n",
                         p.timeout.udp_s, p.timeout.udp_stream_s);
        if (p.inside[0] != '\0')
            (void)printf("# inside it stands a home NAT: natlab nat show %s\n", p.inside);
        (void)fputs(rules, stdout);
        (void)fputs(router, stdout);
    }
    free(rules);
    free(router);
    return LAB_GOOD;
}

enum action {
    LIST,
    SHOW,
    CHECK,
    ACTIONS
};

static const char *const action_names[ACTIONS] = {"list", "show", "check"};

static const struct argp_option options[] = {
    {"gateway", 'g', "POLICY", 0, "accept, drop or reject, in place of the profile's own", 0},
    {"set", 's', "FIELD=VALUE", 0, "changes a field of the profile (repeatable)", 0},
    {"timeout", 't', NULL, 0, "check: also wait for the timeouts (minutes; all NATs at once)", 0},
    {"json", 'j', NULL, 0, "prints JSON", 0},
    {0},
};

struct parsed {
    struct nat_options o;
    enum action action;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct parsed *p = state->input;
    switch (key) {
    case 'g':
        p->o.gateway = arg;
        return 0;
    case 's':
        if (p->o.edit_count == NAT_EDITS_MAX)
            argp_error(state, "at most %d --set", NAT_EDITS_MAX);
        else
            p->o.edits[p->o.edit_count++] = arg;
        return 0;
    case 't':
        p->o.timeout = true;
        return 0;
    case 'j':
        p->o.json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0) {
            for (int i = 0; i < ACTIONS; i++)
                if (strcmp(arg, action_names[i]) == 0)
                    p->action = (enum action)i;
            if (p->action == ACTIONS) {
                const char *near = yaml_nearest(arg, action_names, ACTIONS);
                argp_error(state, "\"%s\" is none of list, show, check%s%s%s", arg,
                           near != NULL ? ": did you mean " : "", near != NULL ? near : "",
                           near != NULL ? "?" : "");
            }
        } else if (p->o.name_count == NAT_PROFILES_MAX) {
            argp_error(state, "at most %d profiles", NAT_PROFILES_MAX);
        } else {
            p->o.names[p->o.name_count++] = arg;
        }
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "list, show PROFILE or check [PROFILE...] is wanted");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "list\nshow PROFILE\ncheck [PROFILE...]",
    .doc = "Lists the NAT profiles, shows the nftables rules that one becomes, or builds each and "
           "proves by probing that it does what it declares.\v"
           "PROFILE is a name of `natlab nat list` or a file. Exit codes: 0 good, 1 a NAT is not "
           "what it declares, 2 usage or a bad file, 3 this machine cannot, 5 the lab failed.",
};

int cmd_nat(int argc, char **argv)
{
    static char name[] = "natlab nat";
    struct parsed p = {.action = ACTIONS};
    argp_err_exit_status = LAB_USAGE;
    if (argc > 0)
        argv[0] = name;
    if (argp_parse(&argp, argc, argv, 0, NULL, &p) != 0)
        return LAB_USAGE;
    switch (p.action) {
    case LIST:
        return (int)do_list(&p.o);
    case SHOW:
        return (int)do_show(&p.o);
    default:
        return (int)nat_check_all(&p.o, stdout);
    }
}
