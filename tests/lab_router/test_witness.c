/* Independent witnesses: programs that share nothing with ours see what the lab says is there.
 * upnpc and natpmpc speak to its routers; coturn's natdiscovery classifies its NATs (RFC 5780). */
#include "tests/kernel_lab.h"
#include "tests/router_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PORT       41000
#define WAIT_MS    10000
#define TEXT_MAX   16384
#define WORLDS_MAX 32

#define NEEDS(program, package)                                                                    \
    do {                                                                                           \
        (void)kernel_lab_needed();                                                                 \
        if (!router_world_has(program)) {                                                          \
            print_message("%s is missing: sudo apt-get install %s\n", program, package);           \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

static void must_say(const char *text, const char *what)
{
    if (strstr(text, what) == NULL)
        fail_msg("\"%s\" is not in:\n%s", what, text);
}

static void must_come_in(const struct kernel_world *w, uint16_t external)
{
    struct ph_addr at = router_world_wan(w, "a.nat");
    int inside = router_world_udp(w, "a", PORT), outside = router_world_udp(w, "relay", 7000);
    char in[16];
    at.port = external;
    router_world_send(outside, &at, "hello", 5);
    assert_int_equal(router_world_hear(inside, in, sizeof(in), WAIT_MS, NULL), 5);
    (void)close(inside);
    (void)close(outside);
}

/* The real server, and a scripted one whose only fault none of these programs can see. */
static const char *const routers[] = {
    "nat_pmp: true, pcp: true, upnp: true",
    "nat_pmp: true, pcp: true, upnp: true, faults: [dnat-without-snat]",
};

static void test_natpmpc(void **state)
{
    (void)state;
    NEEDS("natpmpc", "natpmpc");
    for (size_t i = 0; i < sizeof(routers) / sizeof(routers[0]); i++) {
        struct kernel_world *w = router_world_new("random", routers[i]);
        struct ph_addr gateway = router_world_lan(w, "a.nat"), wan = router_world_wan(w, "a.nat");
        char text[TEXT_MAX], lan[PH_ADDR_STRLEN], ip[PH_ADDR_STRLEN], line[96];
        const char *add[] = {"natpmpc", "-g", lan, "-a", "42000", "41000", "udp", "600", NULL};
        const char *delete[] = {"natpmpc", "-g", lan, "-a", "0", "41000", "udp", "0", NULL};
        (void)ph_addr_format_ip(&gateway, lan);
        (void)router_world_run(w, "a", add, text, sizeof(text), WAIT_MS);
        (void)snprintf(line, sizeof(line), "Public IP address : %s", ph_addr_format_ip(&wan, ip));
        must_say(text, line);
        must_say(text, "Mapped public port 42000 protocol UDP to local port 41000");
        assert_int_equal(router_world_mappings(w), 1);
        must_come_in(w, 42000);
        (void)router_world_run(w, "a", delete, text, sizeof(text), WAIT_MS);
        must_say(text, "to local port 41000");
        assert_int_equal(router_world_mappings(w), 0);
        kernel_world_free(w);
    }
}

static void test_upnpc(void **state)
{
    (void)state;
    NEEDS("upnpc", "miniupnpc");
    for (size_t i = 0; i < sizeof(routers) / sizeof(routers[0]); i++) {
        struct kernel_world *w = router_world_new("random", routers[i]);
        struct ph_addr me = router_world_host(w, "a"), wan = router_world_wan(w, "a.nat");
        char text[TEXT_MAX], ip[PH_ADDR_STRLEN], url[128], line[128];
        const char *status[] = {"upnpc", "-s", NULL};
        const char *add[] = {"upnpc", "-u", url, "-a", ip, "41000", "42000", "UDP", "600", NULL};
        const char *list[] = {"upnpc", "-u", url, "-l", NULL};
        const char *delete[] = {"upnpc", "-u", url, "-d", "42000", "UDP", NULL};
        const char *found;

        /* By multicast SSDP, which it waits two seconds for. */
        (void)router_world_run(w, "a", status, text, sizeof(text), WAIT_MS);
        must_say(text, "Found valid IGD");
        must_say(text, "Status : Connected");
        (void)snprintf(line, sizeof(line), "ExternalIPAddress = %s", ph_addr_format_ip(&wan, ip));
        must_say(text, line);
        found = strstr(text, "desc: ");
        assert_non_null(found);
        (void)snprintf(url, sizeof(url), "%.*s", (int)strcspn(found + 6, "\r\n"), found + 6);

        (void)ph_addr_format_ip(&me, ip);
        (void)router_world_run(w, "a", add, text, sizeof(text), WAIT_MS);
        must_say(text, "is redirected to internal");
        assert_int_equal(router_world_mappings(w), 1);
        must_come_in(w, 42000);
        (void)router_world_run(w, "a", list, text, sizeof(text), WAIT_MS);
        (void)snprintf(line, sizeof(line), "UDP 42000->%s:41000", ip);
        must_say(text, line);
        (void)router_world_run(w, "a", delete, text, sizeof(text), WAIT_MS);
        assert_int_equal(router_world_mappings(w), 0);
        (void)router_world_run(w, "a", list, text, sizeof(text), WAIT_MS);
        assert_null(strstr(text, line));
        kernel_world_free(w);
    }
}

/* ---- RFC 5780 by coturn */

struct view {
    struct kernel_world *world;
    struct nat_profile seen; /* through a home NAT, where there is one */
    pid_t server, client;
    int server_fd, client_fd;
};

/* What stands between host a and the internet. */
static struct nat_profile seen_profile(const struct kernel_world *w)
{
    const struct layout *l = kernel_world_layout(w);
    size_t home = layout_find(l, "a.home");
    struct nat_profile p = l->nodes[layout_find(l, "a.nat")].profile;
    return home == SIZE_MAX ? p : nat_profile_compose(&p, &l->nodes[home].profile);
}

static void text_of(const struct kernel_world *w, const char *host, size_t i,
                    char out[PH_ADDR_STRLEN])
{
    const struct layout *l = kernel_world_layout(w);
    (void)ph_addr_format_ip(&l->nodes[layout_find(l, host)].addrs[i], out);
}

static void start_server(struct view *v)
{
    char first[PH_ADDR_STRLEN], second[PH_ADDR_STRLEN];
    /* Its pid goes to its output: a file would stay. */
    const char *argv[] = {"turnserver",
                          "-n",
                          "-S",
                          "--no-auth",
                          "--no-cli",
                          "--no-tls",
                          "--no-dtls",
                          "--log-file",
                          "stdout",
                          "--pidfile",
                          "/proc/self/fd/1",
                          "-p",
                          "3478",
                          "-L",
                          first,
                          "-L",
                          second,
                          NULL};
    text_of(v->world, "stun", 0, first);
    text_of(v->world, "stun", 1, second);
    v->server = router_world_start(v->world, "stun", argv, &v->server_fd);
}

/* It answers a Binding request (RFC 8489 section 5) at its first address, asked from outside. */
static void await_server(const struct view *v)
{
    static const uint8_t binding[20] = {0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42, 'w', 'i',
                                        't',  'n',  'e',  's',  's',  '-',  'a',  's',  'k', 's'};
    struct ph_addr to = router_world_host(v->world, "stun");
    int fd = router_world_udp(v->world, "relay", 0);
    uint8_t in[512];
    int tries = 0;
    to.port = 3478;
    do {
        router_world_send(fd, &to, binding, sizeof(binding));
        if (++tries > 300)
            fail_msg("turnserver does not answer");
    } while (router_world_hear(fd, in, sizeof(in), 100, NULL) < 20);
    assert_memory_equal(in, "\x01\x01", 2);
    (void)close(fd);
}

static void start_client(struct view *v)
{
    char me[PH_ADDR_STRLEN], server[PH_ADDR_STRLEN];
    const char *argv[] = {"turnutils_natdiscovery", "-m", "-f", "-L", me, server, NULL};
    text_of(v->world, "a", 0, me);
    text_of(v->world, "stun", 0, server);
    v->client = router_world_start(v->world, "a", argv, &v->client_fd);
}

static const char *mapping_text(const struct nat_profile *p)
{
    switch (p->mapping) {
    case NAT_MAPPING_NONE:
        return "No NAT! (Endpoint Independent Mapping)";
    case NAT_MAPPING_EIM:
        return "NAT with Endpoint Independent Mapping!";
    case NAT_MAPPING_ADM:
        return "NAT with Address Dependent Mapping!";
    case NAT_MAPPING_APDM:
        break;
    }
    return "NAT with Address and Port Dependent Mapping!";
}

static const char *filtering_text(const struct nat_profile *p)
{
    switch (p->filtering) {
    case NAT_FILTERING_EIF:
        return "NAT with Endpoint Independent Filtering!";
    case NAT_FILTERING_ADF:
        return "NAT with Address Dependent Filtering!";
    case NAT_FILTERING_APDF:
        break;
    }
    return "NAT with Address and Port Dependent Filtering!";
}

/* What the witness says, in `text`, against what the profile declares. */
static bool agrees(const struct view *v, char text[TEXT_MAX])
{
    const struct nat_profile *p = &v->seen;
    (void)router_world_finish(v->client, v->client_fd, text, TEXT_MAX, 30000);
    if (p->udp_blocked)
        return strstr(text, "NAT with") == NULL;
    return strstr(text, mapping_text(p)) != NULL && strstr(text, filtering_text(p)) != NULL;
}

/* A NAT that draws from a block of 512 gives one port to two destinations every so often, and then
 * looks like another to a witness that asks each of them once: it is asked to look again. */
static bool agrees_in_the_end(struct view *v, char text[TEXT_MAX])
{
    if (agrees(v, text))
        return true;
    if (v->seen.allocation.type != NAT_ALLOC_BLOCK || kernel_world_reset(v->world, 1, NULL) != 0)
        return false;
    start_client(v);
    return agrees(v, text);
}

/* All profiles side by side: what takes time is waiting for packets that are filtered. */
static void test_natdiscovery(void **state)
{
    struct view views[WORLDS_MAX] = {0};
    struct lab_error err = {.text = ""};
    char text[TEXT_MAX];
    char **names;
    size_t count, wrong = 0;
    (void)state;
    NEEDS("turnserver", "coturn");
    NEEDS("turnutils_natdiscovery", "coturn");
    if (nat_profile_list(&names, &count, &err) != 0)
        fail_msg("%s", err.text);
    assert_true(count > 0 && count <= WORLDS_MAX);
    for (size_t i = 0; i < count; i++) {
        views[i].world = router_world_new(names[i], NULL);
        views[i].seen = seen_profile(views[i].world);
        start_server(&views[i]);
    }
    for (size_t i = 0; i < count; i++) {
        await_server(&views[i]);
        start_client(&views[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (!agrees_in_the_end(&views[i], text)) {
            const struct nat_profile *p = &views[i].seen;
            print_message("%s is not what it declares (%s %s):\n%s\n", names[i], mapping_text(p),
                          filtering_text(p), text);
            wrong++;
        }
        (void)router_world_finish(views[i].server, views[i].server_fd, text, sizeof(text), 0);
        kernel_world_free(views[i].world);
        free(names[i]);
    }
    free(names);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_natpmpc),
        cmocka_unit_test(test_upnpc),
        cmocka_unit_test(test_natdiscovery),
    };
    return cmocka_run_group_tests_name("lab/router/witness", tests, kernel_lab_setup,
                                       kernel_lab_teardown);
}
