/* natlab doctor: tries what the lab needs, in namespaces of its own, and says what is missing. */
#include "base/addr.h"
#include "lab/cli/cli.h"
#include "lab/data.h"
#include "lab/nat/rules.h"
#include "lab/net/netns.h"
#include "lab/net/rtnl.h"
#include "lab/net/shaper.h"
#include "lab/router/router.h"
#include "lab/world/kernel.h"

#include <argp.h>
#include <jansson.h>
#include <ngtcp2/ngtcp2.h>
#include <openssl/crypto.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#define CHECKS_MAX 20
/* A run of 64 worlds holds some 20 namespaces and sockets for each. */
#define DESCRIPTORS_WANTED 4096
#define MEND               "\nMend: "

struct check {
    const char *name;
    bool good, needed;
    char detail[512];
    char mend[512]; /* empty: none needed, or none known */
};

struct report {
    struct check checks[CHECKS_MAX];
    size_t count;
};

static struct check *add(struct report *r, const char *name, bool needed, bool good)
{
    static struct check spare;
    struct check *c = r->count < CHECKS_MAX ? &r->checks[r->count++] : &spare;

    *c = (struct check){.name = name, .needed = needed, .good = good};
    return c;
}

/* A detail and a mend out of an error's text, with a mend for those that bring none. */
static void failed(struct check *c, const struct lab_error *err, const char *mend)
{
    const char *at = strstr(err->text, MEND);
    int len = at != NULL ? (int)(at - err->text) : (int)strlen(err->text);

    c->good = false;
    (void)snprintf(c->detail, sizeof(c->detail), "%.*s", len, err->text);
    (void)snprintf(c->mend, sizeof(c->mend), "%s", at != NULL ? at + strlen(MEND) : mend);
}

static void look_at_machine(struct report *r)
{
    struct utsname u;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct check *c = add(r, "kernel", false, true);

    if (uname(&u) == 0) {
        (void)snprintf(c->detail, sizeof(c->detail), "%s %s on %s", u.sysname, u.release,
                       u.machine);
    }
    c = add(r, "cores", false, cores >= 2);
    (void)snprintf(c->detail, sizeof(c->detail), "%ld", cores);
    if (!c->good) {
        (void)snprintf(c->mend, sizeof(c->mend),
                       "give the machine a second core, or run with --jobs 1: timings suffer");
    }
}

static void look_at_files(struct report *r)
{
    char path[sizeof(((struct check *)0)->detail)];
    struct check *c;

    lab_data_path("topologies/nat", path, sizeof(path));
    c = add(r, "profiles and scenarios", true, access(path, R_OK | X_OK) == 0);
    (void)snprintf(c->detail, sizeof(c->detail), "%s", path);
    if (!c->good) {
        (void)snprintf(c->mend, sizeof(c->mend),
                       "set NATLAB_DATA to the folder that has topologies/ and scenarios/ in it");
    }
}

static void look_at_libraries(struct report *r)
{
    const ngtcp2_info *info = ngtcp2_version(0);
    struct check *c = add(r, "OpenSSL", true, OpenSSL_version_num() >= 0x30500000ul);

    (void)snprintf(c->detail, sizeof(c->detail), "%s", OpenSSL_version(OPENSSL_VERSION_STRING));
    if (!c->good) {
        (void)snprintf(c->mend, sizeof(c->mend),
                       "QUIC needs 3.5 or newer: `make setup` builds it, then `make`");
    }
    c = add(r, "ngtcp2", true, info != NULL && info->version_num >= 0x011600);
    (void)snprintf(c->detail, sizeof(c->detail), "%s", info != NULL ? info->version_str : "?");
    if (!c->good) {
        (void)snprintf(c->mend, sizeof(c->mend),
                       "1.22 or newer is needed: `make setup` builds it, then `make`");
    }
}

static void look_at_descriptors(struct report *r)
{
    struct rlimit limit = {0};
    struct check *c = add(r, "descriptors", false, true);

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    c->good = limit.rlim_max >= DESCRIPTORS_WANTED;
    (void)snprintf(c->detail, sizeof(c->detail), "%llu", (unsigned long long)limit.rlim_max);
    if (!c->good) {
        (void)snprintf(c->mend, sizeof(c->mend),
                       "many worlds at once need %d: echo '* hard nofile 65536' | sudo tee "
                       "/etc/security/limits.d/natlab-nofile.conf, then log in again",
                       DESCRIPTORS_WANTED);
    }
}

static void look_at_priority(struct report *r)
{
    struct sched_param fifo = {.sched_priority = 10}, other = {0};
    struct check *c = add(r, "real-time priority", false,
                          sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &fifo) == 0);

    if (c->good) {
        (void)sched_setscheduler(0, SCHED_OTHER, &other);
        (void)snprintf(c->detail, sizeof(c->detail), "the shaper may run as SCHED_FIFO");
    } else {
        (void)snprintf(c->detail, sizeof(c->detail),
                       "the shaper shares the processor: more trials are inconclusive under load");
        (void)snprintf(c->mend, sizeof(c->mend),
                       "run as root, or: echo '* - rtprio 10' | sudo tee "
                       "/etc/security/limits.d/natlab-rtprio.conf, then log in again");
    }
}

static bool look_at_namespaces(struct report *r)
{
    struct lab_error err = {0}, other = {0};
    bool root = geteuid() == 0;
    bool able = kernel_privileges(&err) == 0;
    int fd = netns_new(&other);
    struct check *c = add(r, "namespaces", true, fd >= 0);

    (void)snprintf(c->detail, sizeof(c->detail), "%s",
                   root ? "network and mount, as root" : "user, network and mount, as a user");
    if (fd < 0) {
        failed(c, able ? &other : &err, "run as root");
        return false;
    }
    close(fd);
    /* It also asked for nftables. */
    c = add(r, "nftables", true, able);
    (void)snprintf(c->detail, sizeof(c->detail), "answers");
    if (!able) {
        failed(c, &err, "sudo modprobe nf_tables");
    }
    return able;
}

/* Really loads the rules of two NATs: the plain one, and one that learns its mappings. */
static void look_at_rules(struct report *r)
{
    struct nat_site site = {.wan_if = "wan",
                            .lan_if = "lan",
                            .wan = {ph_addr_v4(11, 0, 0, 2, 0)},
                            .wan_count = 1,
                            .lan = ph_addr_v4(192, 168, 1, 1, 0),
                            .lan_prefix = 24,
                            .subscribers = {ph_addr_v4(192, 168, 1, 2, 0)},
                            .subscriber_count = 1};
    struct lab_error err = {0};
    struct nat_profile plain, learning;
    struct check *c = add(r, "NAT rules", true, false);
    long seconds = -1;
    int fd = netns_new(&err);

    nat_profile_init(&plain);
    plain.timeout.udp_s = 17;
    nat_profile_init(&learning);
    learning.filtering = NAT_FILTERING_EIF;
    learning.allocation.exact = true;
    (void)snprintf(c->detail, sizeof(c->detail), "masquerade, learned maps, hooks of conntrack");
    if (fd < 0 || nat_apply(fd, &learning, &site, &err) != 0 ||
        nat_apply(fd, &plain, &site, &err) != 0) {
        failed(c, &err,
               "sudo modprobe -a nf_tables nft_chain_nat nft_ct nft_masq nf_nat nf_conntrack");
    } else {
        c->good = true;
        c = add(r, "conntrack timeouts", true, true);
        if (netns_sysctl_get("net/netfilter/nf_conntrack_udp_timeout", &seconds) != 0 ||
            seconds != 17) {
            c->good = false;
            (void)snprintf(c->detail, sizeof(c->detail),
                           "net.netfilter.nf_conntrack_udp_timeout reads %ld, not 17", seconds);
            (void)snprintf(c->mend, sizeof(c->mend),
                           "sudo modprobe nf_conntrack; in a container, make /proc/sys writable");
        } else {
            (void)snprintf(c->detail, sizeof(c->detail), "writable");
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

/* Only worlds that have IPv6 need it. */
static void look_at_ipv6(struct report *r)
{
    struct nat_site site = {.wan_if = "wan",
                            .lan_if = "lan",
                            .wan = {ph_addr_v4(11, 0, 0, 2, 0)},
                            .wan_count = 1,
                            .lan = ph_addr_v4(192, 168, 1, 1, 0),
                            .lan_prefix = 24,
                            .ipv6 = true};
    struct lab_error err = {0};
    struct nat_profile firewall;
    struct check *c = add(r, "IPv6", false, false);
    long value;
    int fd = netns_new(&err);

    nat_profile_init(&firewall);
    (void)snprintf(c->detail, sizeof(c->detail), "in namespaces, with a firewall");
    if (fd >= 0 && netns_sysctl_get("net/ipv6/conf/all/forwarding", &value) != 0) {
        (void)lab_fail(&err, LAB_CANNOT,
                       "the kernel has none: worlds with IPv6 are for --world sim");
        failed(c, &err, "boot without ipv6.disable=1, or sudo modprobe ipv6");
    } else if (fd < 0 || nat_apply(fd, &firewall, &site, &err) != 0) {
        failed(c, &err, "sudo modprobe -a nf_tables nft_ct nf_conntrack");
    } else {
        c->good = true;
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void look_at_links(struct report *r)
{
    struct lab_error err = {0};
    struct check *c = add(r, "links", true, false);
    struct shaper *shaper = NULL;
    struct rtnl *rt = NULL;
    int fd = netns_new(&err);
    struct rtnl_end a = {.netns_fd = fd, .index = 10, .name = "a", .mac = {2, 0, 0, 0, 0, 1}};
    struct rtnl_end b = {.netns_fd = fd, .index = 11, .name = "b", .mac = {2, 0, 0, 0, 0, 2}};
    const uint8_t mac[6] = {2, 0, 0, 0, 0, 3};

    (void)snprintf(c->detail, sizeof(c->detail), "veth pairs and bridges");
    if (fd >= 0 && rtnl_open(&rt, &err) == 0) {
        rtnl_veth(rt, &a, &b);
        rtnl_bridge(rt, 12, "lan", mac);
        c->good = rtnl_commit(rt, &err) == 0;
        rtnl_close(rt);
    }
    if (!c->good) {
        failed(c, &err, "sudo modprobe -a veth bridge");
    }
    if (fd >= 0) {
        close(fd);
    }

    c = add(r, "shaper", true, true);
    (void)snprintf(c->detail, sizeof(c->detail), "packet sockets, the kernel's time stamps");
    if (shaper_start(&shaper, &err) != 0) {
        failed(c, &err, "sudo modprobe af_packet");
    } else {
        shaper_stop(shaper);
    }
}

/* A router between two wires whose other ends lead nowhere. */
static int make_router(int fd, struct router_site *site, struct lab_error *err)
{
    struct rtnl *rt = NULL;
    int rc;

    *site = (struct router_site){.netns_fd = fd,
                                 .name = "doctor",
                                 .wan_if = "wan",
                                 .lan_if = "lan",
                                 .wan = ph_addr_v4(11, 0, 0, 2, 0),
                                 .lan = ph_addr_v4(192, 168, 1, 1, 0),
                                 .lan_prefix = 24};
    if (rtnl_open(&rt, err) != 0) {
        return -1;
    }
    rtnl_up(rt, 1, false); /* lo: it is asked from its own address */
    for (int i = 0; i < 2; i++) {
        struct rtnl_end near = {.netns_fd = fd,
                                .index = 10 + i,
                                .name = i == 0 ? site->wan_if : site->lan_if,
                                .mac = {2, 0, 0, 0, 0, (uint8_t)(1 + i)}};
        struct rtnl_end far = {.netns_fd = fd,
                               .index = 20 + i,
                               .name = i == 0 ? "far0" : "far1",
                               .mac = {2, 0, 0, 0, 1, (uint8_t)(1 + i)}};

        rtnl_veth(rt, &near, &far);
        rtnl_addr_add(rt, near.index, i == 0 ? &site->wan : &site->lan, 24);
        rtnl_up(rt, near.index, false);
        rtnl_up(rt, far.index, false);
    }
    rc = rtnl_commit(rt, err);
    rtnl_close(rt);
    return rc;
}

/* Really starts one; few scenarios need it. */
static void look_at_port_mapping(struct report *r)
{
    struct lab_error err = {0};
    struct nat_profile p;
    struct router_site site;
    struct router *router = NULL;
    struct check *c = add(r, "miniupnpd", false, false);
    int fd = netns_new(&err);

    nat_profile_init(&p);
    p.port_mapping.nat_pmp = p.port_mapping.pcp = p.port_mapping.upnp = true;
    (void)snprintf(c->detail, sizeof(c->detail), "serves routers that map ports");
    if (fd < 0 || make_router(fd, &site, &err) != 0 ||
        router_start(&p, &site, &router, &err) != 0) {
        failed(c, &err, "make setup");
    } else {
        c->good = true;
    }
    router_stop(router);
    if (fd >= 0) {
        close(fd);
    }
}

static bool is_installed(const char *program)
{
    static const char *const places[] = {"/usr/bin", "/usr/sbin", "/usr/local/bin",
                                         "/usr/local/sbin"};
    char path[128];

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", places[i], program);
        if (access(path, X_OK) == 0) {
            return true;
        }
    }
    return false;
}

/* The programs that tests hold the lab's routers against. */
static void look_at_witnesses(struct report *r)
{
    static const char *const witnesses[] = {"upnpc", "natpmpc", "turnserver",
                                            "turnutils_natdiscovery"};
    struct check *c = add(r, "witnesses for tests", false, true);
    size_t at = 0;

    for (size_t i = 0; i < sizeof(witnesses) / sizeof(witnesses[0]); i++) {
        bool here = is_installed(witnesses[i]);

        c->good = c->good && here;
        at += (size_t)snprintf(c->detail + at, sizeof(c->detail) - at, "%s%s%s", i > 0 ? ", " : "",
                               here ? "" : "no ", witnesses[i]);
    }
    if (!c->good) {
        (void)snprintf(c->mend, sizeof(c->mend),
                       "make setup, or: sudo apt-get install miniupnpc natpmpc coturn");
    }
}

static bool all_good(const struct report *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->checks[i].needed && !r->checks[i].good) {
            return false;
        }
    }
    return true;
}

static void print_text(const struct report *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct check *c = &r->checks[i];

        printf("%-8s %-22s %s\n",
               c->good     ? "ok"
               : c->needed ? "missing"
                           : "weak",
               c->name, c->detail);
        if (!c->good && c->mend[0] != '\0') {
            printf("%-8s mend: %s\n", "", c->mend);
        }
    }
    printf("%s\n", all_good(r) ? "This machine can run the lab."
                               : "This machine cannot run the kernel lab yet.");
}

static void print_json(const struct report *r)
{
    json_t *list = json_array();
    json_t *root = json_pack("{s:b, s:o}", "ok", all_good(r), "checks", list);

    for (size_t i = 0; i < r->count; i++) {
        const struct check *c = &r->checks[i];

        json_array_append_new(list, json_pack("{s:s, s:b, s:b, s:s, s:s}", "name", c->name, "ok",
                                              c->good, "needed", c->needed, "detail", c->detail,
                                              "mend", c->good ? "" : c->mend));
    }
    (void)json_dumpf(root, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(root);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    bool *json = state->input;

    (void)arg;
    if (key == 'j') {
        *json = true;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

int cmd_doctor(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "Print the findings as JSON", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Tries what the lab needs of this machine, in namespaces of its own, and says what "
               "is missing and how to mend it.\v"
               "Exit codes: 0 the lab runs here, 3 it does not.",
    };
    static struct report r;
    bool json = false;

    if (argp_parse(&argp, argc, argv, 0, NULL, &json) != 0) {
        return LAB_USAGE;
    }
    look_at_machine(&r);
    look_at_files(&r);
    look_at_libraries(&r);
    look_at_descriptors(&r);
    look_at_priority(&r);
    if (look_at_namespaces(&r)) {
        look_at_rules(&r);
        look_at_ipv6(&r);
        look_at_links(&r);
        look_at_port_mapping(&r);
    }
    look_at_witnesses(&r);
    if (json) {
        print_json(&r);
    } else {
        print_text(&r);
    }
    return all_good(&r) ? LAB_GOOD : LAB_CANNOT;
}
