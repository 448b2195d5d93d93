#include "lab/router/miniupnpd.h"

#include "base/rng.h"
#include "lab/net/netns.h"
#include "lab/net/nft.h"
#include "lab/router/miniupnpd_process.h"
#include "lab/router/router_process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TABLE   "inet pinhole_map"
#define FORWARD "upnp_forward"
#define NAT     "upnp_nat"
#define PEER    "upnp_peer"

struct miniupnpd {
    struct router_site site;
    char name[64], wan_if[16], lan_if[16];
    bool nat_pmp, pcp, upnp;
    pid_t pid;
};

static bool v6(const struct miniupnpd *m)
{
    return m->site.lan6.family == PH_AF_V6;
}

static bool in_block(uint32_t ip, uint32_t net, unsigned bits)
{
    return (ip ^ net) >> (32 - bits) == 0;
}

bool miniupnpd_serves(const struct router_site *site)
{
    static const struct {
        uint32_t net;
        unsigned bits;
    } refused[] = {
        {0x00000000u, 8},  {0x0a000000u, 8},  {0x64400000u, 10}, {0x7f000000u, 8},
        {0xa9fe0000u, 16}, {0xac100000u, 12}, {0xc0000000u, 24}, {0xc0000200u, 24},
        {0xc0586300u, 24}, {0xc0a80000u, 16}, {0xc6120000u, 15}, {0xc6336400u, 24},
        {0xcb007100u, 24}, {0xe0000000u, 3},
    };
    uint32_t wan = ph_addr_v4_get(&site->wan);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (in_block(wan, refused[i].net, refused[i].bits))
            return false;
    return true;
}

/* What the profile does not want of NAT-PMP and PCP is kept from the server. The first byte behind
 * the UDP header is the version, 0 for NAT-PMP (RFC 6886 section 3.1) and 2 for PCP (RFC 6887
 * section 7).
 */
static void write_gate(FILE *f, const struct miniupnpd *m)
{
    const char *unwanted = m->pcp ? "@th,64,8 == 0" : m->nat_pmp ? "@th,64,8 != 0" : "";
    if (m->nat_pmp && m->pcp)
        return;
    (void)fprintf(f,
                  "\tchain input {\n\t\ttype filter hook input priority filter - 10\n"
                  "\t\tiifname \"%s\" udp dport 5351 %s drop\n\t}\n",
                  m->lan_if, unwanted);
}

static int write_rules(const struct miniupnpd *m, char **out, struct lab_error *err)
{
    size_t len = 0;
    FILE *f = open_memstream(out, &len);
    if (f == NULL)
        return lab_fail(err, LAB_CANNOT, "out of memory");
    (void)fprintf(f,
                  "table " TABLE " {\n"
                  "\tchain " FORWARD " {\n\t}\n\tchain " NAT " {\n\t}\n\tchain " PEER " {\n\t}\n");
    write_gate(f, m);
    (void)fprintf(f, "\tchain forward {\n\t\ttype filter hook forward priority filter - 10\n"
                     "\t\tjump " FORWARD "\n");
    /* IPv6 has no NAT that would keep strangers out. */
    if (v6(m))
        (void)fprintf(f,
                      "\t\tiifname \"%s\" meta nfproto ipv6 ct state established,related accept\n"
                      "\t\tiifname \"%s\" meta nfproto ipv6 drop\n",
                      m->wan_if, m->wan_if);
    (void)fprintf(f, "\t}\n"
                     "\tchain prerouting {\n\t\ttype nat hook prerouting priority dstnat - 10\n"
                     "\t\tjump " NAT "\n\t}\n"
                     "\tchain postrouting {\n\t\ttype nat hook postrouting priority srcnat - 10\n"
                     "\t\tjump " PEER "\n\t}\n}\n");
    if (fclose(f) == 0 && *out != NULL)
        return 0;
    free(*out);
    *out = NULL;
    return lab_fail(err, LAB_CANNOT, "out of memory");
}

static int load_rules(const struct miniupnpd *m, struct lab_error *err)
{
    char *text = NULL;
    int rc;
    if (write_rules(m, &text, err) != 0)
        return -1;
    rc = nft_run(m->site.netns_fd, text, NULL, err);
    free(text);
    return rc;
}

static void init(struct miniupnpd *m, const struct nat_profile *p, const struct router_site *site)
{
    *m = (struct miniupnpd){.site = *site, .pid = -1};
    (void)snprintf(m->name, sizeof(m->name), "%s", site->name);
    (void)snprintf(m->wan_if, sizeof(m->wan_if), "%s", site->wan_if);
    (void)snprintf(m->lan_if, sizeof(m->lan_if), "%s", site->lan_if);
    m->site.name = m->name;
    m->site.wan_if = m->wan_if;
    m->site.lan_if = m->lan_if;
    m->nat_pmp = p->port_mapping.nat_pmp;
    m->pcp = p->port_mapping.pcp;
    m->upnp = p->port_mapping.upnp;
}

int miniupnpd_rules(const struct nat_profile *p, const struct router_site *site, char **out,
                    struct lab_error *err)
{
    struct miniupnpd m;
    init(&m, p, site);
    return write_rules(&m, out, err);
}

static int write_config(const struct miniupnpd *m, char *out, size_t cap, struct lab_error *err)
{
    char lan6[PH_ADDR_STRLEN], ipv6[128] = "ipv6_disable=yes\n";
    uint64_t id = ph_hash64(0, m->name, strlen(m->name));
    int n;
    if (v6(m))
        (void)snprintf(ipv6, sizeof(ipv6), "ext_ifname6=%s\nipv6_listening_ip=%s\n", m->wan_if,
                       ph_addr_format_ip(&m->site.lan6, lan6));
    n = snprintf(out, cap,
                 "ext_ifname=%s\nlistening_ip=%s\nport=0\n"
                 "enable_natpmp=yes\nenable_upnp=%s\nsecure_mode=yes\nsystem_uptime=no\n"
                 "min_lifetime=1\nmax_lifetime=86400\nnotify_interval=1800\n"
                 "clean_ruleset_interval=0\n"
                 "uuid=6e61746c-6162-4000-8000-%012llx\nfriendly_name=natlab %s\n"
                 "upnp_table_name=pinhole_map\nupnp_nat_table_name=pinhole_map\n"
                 "upnp_forward_chain=" FORWARD "\nupnp_nat_chain=" NAT "\n"
                 "upnp_nat_postrouting_chain=" PEER "\n%s"
                 "allow 1024-65535 0.0.0.0/0 1024-65535\n"
                 "deny 0-65535 0.0.0.0/0 0-65535\n",
                 m->wan_if, m->lan_if, m->upnp ? "yes" : "no",
                 (unsigned long long)(id & 0xffffffffffffull), m->name, ipv6);
    return n > 0 && (size_t)n < cap
               ? 0
               : lab_fail(err, LAB_BROKEN, "miniupnpd's configuration is too long");
}

/* What nat_apply does for IPv4. */
static int forward_v6(int netns_fd, struct lab_error *err)
{
    int home = netns_here(err);
    int rc = -1;
    if (home < 0)
        return -1;
    if (netns_enter(netns_fd, err) == 0) {
        rc = netns_sysctl("net/ipv6/conf/all/forwarding", "1", err);
        if (netns_enter(home, err) != 0)
            rc = -1;
    }
    (void)close(home);
    return rc;
}

static int launch(struct miniupnpd *m, struct lab_error *err)
{
    char config[2048];
    if (write_config(m, config, sizeof(config), err) != 0 ||
        miniupnpd_spawn(m->site.netns_fd, config, &m->pid, err) != 0)
        return -1;
    if (miniupnpd_await(m->site.netns_fd, m->pid, &m->site, err) == 0)
        return 0;
    router_process_end(m->pid);
    m->pid = -1;
    return -1;
}

int miniupnpd_start(const struct nat_profile *p, const struct router_site *site,
                    struct miniupnpd **out, struct lab_error *err)
{
    struct miniupnpd *m = calloc(1, sizeof(*m));
    *out = NULL;
    if (m == NULL)
        return lab_fail(err, LAB_CANNOT, "out of memory");
    init(m, p, site);
    if ((v6(m) && forward_v6(site->netns_fd, err) != 0) || load_rules(m, err) != 0 ||
        launch(m, err) != 0) {
        miniupnpd_stop(m);
        return -1;
    }
    *out = m;
    return 0;
}

/* The lines of a chain's listing that are rules: inside two braces, without the braces' own. */
static size_t count_rules(const char *listing)
{
    size_t count = 0;
    for (const char *line = listing; line != NULL && *line != '\0';) {
        if (strncmp(line, "\t\t", 2) == 0)
            count++;
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    return count;
}

static int chain_rules(struct miniupnpd *m, const char *chain, size_t *count, struct lab_error *err)
{
    char command[96];
    char *listing = NULL;
    (void)snprintf(command, sizeof(command), "list chain " TABLE " %s", chain);
    if (nft_run(m->site.netns_fd, command, &listing, err) != 0)
        return -1;
    *count = count_rules(listing);
    free(listing);
    return 0;
}

/* A mapping is a rule that lets its packets pass and one that translates; a pinhole has the first
 * alone, PCP's PEER another one. */
int miniupnpd_mappings(struct miniupnpd *m, size_t *count, struct lab_error *err)
{
    size_t passes, translates, peers;
    if (chain_rules(m, FORWARD, &passes, err) != 0 || chain_rules(m, NAT, &translates, err) != 0 ||
        chain_rules(m, PEER, &peers, err) != 0)
        return -1;
    *count = (passes > translates ? passes : translates) + peers;
    return 0;
}

int miniupnpd_flush(struct miniupnpd *m, struct lab_error *err)
{
    size_t count;
    if (miniupnpd_mappings(m, &count, err) != 0)
        return -1;
    if (count == 0)
        return 0;
    router_process_end(m->pid);
    m->pid = -1;
    if (nft_run(m->site.netns_fd,
                "flush chain " TABLE " " FORWARD "\nflush chain " TABLE " " NAT
                "\nflush chain " TABLE " " PEER "\n",
                NULL, err) != 0)
        return -1;
    return launch(m, err);
}

void miniupnpd_stop(struct miniupnpd *m)
{
    if (m == NULL)
        return;
    if (m->pid > 0)
        router_process_end(m->pid);
    free(m);
}
