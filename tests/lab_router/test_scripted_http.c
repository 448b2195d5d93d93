/* What the scripted router serves by HTTP and answers to SOAP: good, and with each of its faults.
 */
#include "tests/lab_router/rig.h"

#define WIP "urn:schemas-upnp-org:service:WANIPConnection:"

static struct scripted_http http(struct rig *r, const char *request)
{
    struct scripted_http out;
    struct ph_addr server = lan;
    server.port = scripted_http_port(r->s);
    assert_int_equal(scripted_http_whole(request, strlen(request)), strlen(request));
    assert_int_equal(
        scripted_http_take(r->s, r->now, &client, &server, request, strlen(request), &out), 0);
    return out;
}

static struct scripted_http describe(struct rig *r)
{
    return http(r, "GET /rootDesc.xml HTTP/1.1\r\nHost: 192.168.1.1:49152\r\n\r\n");
}

/* A whole SOAP call; the answer's status, its text in `out`. 0: hung up. */
static int call(struct rig *r, const char *fields, unsigned version, const char *action,
                const char *arguments, char *out, size_t cap)
{
    char request[4096], body[2048];
    struct scripted_http h;
    int n = snprintf(body, sizeof(body),
                     "<?xml version=\"1.0\"?>\r\n<s:Envelope><s:Body><u:%s xmlns:u=\"" WIP
                     "%u\">%s</u:%s></s:Body></s:Envelope>",
                     action, version, arguments, action);
    (void)snprintf(request, sizeof(request),
                   "POST /ctl/conn HTTP/1.1\r\n%sSOAPAction: \"" WIP
                   "%u#%s\"\r\nContent-Length: %d\r\n\r\n%s",
                   fields, version, action, n, body);
    h = http(r, request);
    (void)snprintf(out, cap, "%s", h.bytes != NULL ? h.bytes : "");
    scripted_http_fini(&h);
    return h.status;
}

#define HOST "Host: 192.168.1.1:49152\r\n"

static int add(struct rig *r, const char *action, unsigned version, unsigned external,
               const char *protocol, unsigned lease, char *out, size_t cap)
{
    char arguments[1024];
    (void)snprintf(arguments, sizeof(arguments),
                   "<NewRemoteHost></NewRemoteHost><NewExternalPort>%u</NewExternalPort>"
                   "<NewProtocol>%s</NewProtocol><NewInternalPort>41000</NewInternalPort>"
                   "<NewInternalClient>192.168.1.10</NewInternalClient><NewEnabled>1</NewEnabled>"
                   "<NewPortMappingDescription>test</NewPortMappingDescription>"
                   "<NewLeaseDuration>%u</NewLeaseDuration>",
                   external, protocol, lease);
    return call(r, HOST, version, action, arguments, out, cap);
}

static int named(struct rig *r, const char *action, unsigned external, char *out, size_t cap)
{
    char arguments[256];
    (void)snprintf(arguments, sizeof(arguments),
                   "<NewRemoteHost></NewRemoteHost><NewExternalPort>%u</NewExternalPort>"
                   "<NewProtocol>UDP</NewProtocol>",
                   external);
    return call(r, HOST, 1, action, arguments, out, cap);
}

static bool is_error(const char *answer, unsigned code)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "<errorCode>%u</errorCode>", code);
    return strstr(answer, text) != NULL;
}

static void test_soap(void **state)
{
    struct rig r;
    char out[4096];
    (void)state;
    start(&r, FAULT_UPNP, NULL);
    assert_int_equal(call(&r, HOST, 1, "GetExternalIPAddress", "", out, sizeof(out)), 200);
    assert_non_null(strstr(out, "<NewExternalIPAddress>11.2.0.2</NewExternalIPAddress>"));
    assert_int_equal(call(&r, HOST, 1, "GetStatusInfo", "", out, sizeof(out)), 200);
    assert_non_null(strstr(out, "<NewConnectionStatus>Connected</NewConnectionStatus>"));

    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 200);
    assert_non_null(strstr(out, "<u:AddPortMappingResponse xmlns:u=\"" WIP "1\">"));
    assert_int_equal(r.on, 1);
    assert_int_equal(r.last.external, 42000);
    assert_true(ph_addr_eq(&r.last.inside, &client));
    r.now += PH_SEC;
    assert_int_equal(named(&r, "GetSpecificPortMappingEntry", 42000, out, sizeof(out)), 200);
    assert_non_null(strstr(out, "<NewInternalPort>41000</NewInternalPort>"));
    assert_non_null(strstr(out, "<NewInternalClient>192.168.1.10</NewInternalClient>"));
    assert_non_null(strstr(out, "<NewLeaseDuration>599</NewLeaseDuration>"));
    assert_int_equal(call(&r, HOST, 1, "GetGenericPortMappingEntry",
                          "<NewPortMappingIndex>0</NewPortMappingIndex>", out, sizeof(out)),
                     200);
    assert_non_null(strstr(out, "<NewExternalPort>42000</NewExternalPort>"));
    assert_int_equal(call(&r, HOST, 1, "GetGenericPortMappingEntry",
                          "<NewPortMappingIndex>1</NewPortMappingIndex>", out, sizeof(out)),
                     500);
    assert_true(is_error(out, 713));

    assert_int_equal(named(&r, "DeletePortMapping", 42000, out, sizeof(out)), 200);
    assert_int_equal(r.off, 1);
    assert_int_equal(named(&r, "DeletePortMapping", 42000, out, sizeof(out)), 500);
    assert_true(is_error(out, 714));

    /* A permanent one stays; one with a lease does not. */
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 0, out, sizeof(out)), 200);
    assert_int_equal(scripted_next(r.s), PH_NEVER);
    assert_int_equal(add(&r, "AddPortMapping", 1, 42001, "udp", 2, out, sizeof(out)), 200);
    scripted_tick(r.s, r.now + 2 * PH_SEC);
    assert_int_equal(scripted_count(r.s), 1);

    assert_int_equal(add(&r, "AddPortMapping", 1, 0, "UDP", 0, out, sizeof(out)), 500);
    assert_true(is_error(out, 716));
    assert_int_equal(add(&r, "AddAnyPortMapping", 1, 42000, "UDP", 0, out, sizeof(out)), 500);
    assert_true(is_error(out, 401)); /* version 1 has it not */
    stop(&r);
}

static void test_soap_faults(void **state)
{
    struct rig r;
    char out[4096];
    (void)state;

    start(&r, FAULT_UPNP, "only-permanent");
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 500);
    assert_true(is_error(out, 725));
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 0, out, sizeof(out)), 200);
    stop(&r);

    start(&r, FAULT_UPNP, "invalid-args-on-lease");
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 500);
    assert_true(is_error(out, 402));
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 0, out, sizeof(out)), 200);
    stop(&r);

    start(&r, FAULT_UPNP, "refuses-permanent");
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 0, out, sizeof(out)), 500);
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 604801, out, sizeof(out)), 500);
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 604800, out, sizeof(out)), 200);
    stop(&r);

    static const struct {
        const char *fault;
        unsigned code;
        const char *shows; /* GetSpecificPortMappingEntry */
        size_t count;      /* mappings of clients after the refusal */
    } taken[] = {
        {"conflict", 718, NULL, 0},
        {"conflict-mechanism", 729, NULL, 0},
        {"entry-is-foreign", 718, "192.168.1.246", 0},
        {"entry-is-ours", 718, "192.168.1.10", 1},
    };
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        start(&r, FAULT_UPNP, taken[i].fault);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)),
                             500);
            assert_true(is_error(out, taken[i].code));
        }
        assert_int_equal(scripted_count(r.s), taken[i].count);
        assert_int_equal(r.on, taken[i].count); /* by another host's entry nothing comes in */
        assert_int_equal(named(&r, "GetSpecificPortMappingEntry", 42000, out, sizeof(out)),
                         taken[i].shows != NULL ? 200 : 500);
        assert_true(taken[i].shows != NULL ? strstr(out, taken[i].shows) != NULL
                                           : is_error(out, 714));
        assert_int_equal(add(&r, "AddPortMapping", 1, 42001, "UDP", 600, out, sizeof(out)), 200);
        stop(&r);
    }

    start(&r, FAULT_UPNP, "renewal-refused");
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 200);
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 500);
    assert_true(is_error(out, 718));
    stop(&r);

    start(&r, FAULT_UPNP, "igd2-any-port");
    assert_int_equal(add(&r, "AddPortMapping", 2, 42000, "UDP", 600, out, sizeof(out)), 500);
    assert_int_equal(add(&r, "AddAnyPortMapping", 2, 42000, "UDP", 600, out, sizeof(out)), 200);
    assert_non_null(strstr(out, "<NewReservedPort>2"));
    assert_int_equal(scripted_count(r.s), 1);
    stop(&r);

    start(&r, FAULT_UPNP, "igd2-transport-error");
    assert_int_equal(add(&r, "AddAnyPortMapping", 2, 42000, "UDP", 600, out, sizeof(out)), 0);
    assert_int_equal(add(&r, "AddPortMapping", 2, 42000, "UDP", 600, out, sizeof(out)), 200);
    stop(&r);

    start(&r, FAULT_UPNP, "lower-case-refused");
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "udp", 600, out, sizeof(out)), 500);
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 200);
    stop(&r);

    start(&r, FAULT_UPNP, "port-zero-wildcard");
    assert_int_equal(add(&r, "AddPortMapping", 1, 0, "UDP", 600, out, sizeof(out)), 200);
    assert_true(r.last.wildcard);
    assert_int_equal(named(&r, "DeletePortMapping", 0, out, sizeof(out)), 500);
    assert_int_equal(scripted_count(r.s), 1);
    stop(&r);

    start(&r, FAULT_UPNP, "host-without-port-refused");
    assert_int_equal(
        call(&r, "Host: 192.168.1.1\r\n", 1, "GetExternalIPAddress", "", out, sizeof(out)), 400);
    assert_int_equal(call(&r, HOST, 1, "GetExternalIPAddress", "", out, sizeof(out)), 200);
    stop(&r);

    start(&r, FAULT_UPNP, "pretty-printed-refused");
    assert_int_equal(call(&r, HOST, 1, "GetExternalIPAddress", "\n  <X></X>", out, sizeof(out)),
                     500);
    assert_int_equal(call(&r, HOST, 1, "GetExternalIPAddress", "", out, sizeof(out)), 200);
    stop(&r);

    start(&r, FAULT_UPNP, "not-authorized");
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 500);
    assert_true(is_error(out, 606));
    stop(&r);

    start(&r, FAULT_UPNP, "refuses-all");
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 500);
    assert_true(is_error(out, 501));
    stop(&r);
}

static void test_unquoted_action(void **state)
{
    static const char request[] = "POST /ctl/conn HTTP/1.1\r\n" HOST "SOAPAction: " WIP
                                  "1#GetExternalIPAddress\r\nContent-Length: 0\r\n\r\n";
    struct rig r;
    struct scripted_http h;
    (void)state;
    start(&r, FAULT_UPNP, "unquoted-soapaction-refused");
    h = http(&r, request);
    assert_int_equal(h.status, 500);
    assert_true(is_error(h.bytes, 401));
    scripted_http_fini(&h);
    stop(&r);
    start(&r, FAULT_UPNP, NULL);
    h = http(&r, request);
    assert_int_equal(h.status, 200);
    scripted_http_fini(&h);
    stop(&r);
}

static void test_descriptions(void **state)
{
    static const struct {
        const char *fault;
        const char *shows;
        bool hides; /* it must not be there */
        size_t least, most;
    } cases[] = {
        {NULL, "<controlURL>/ctl/conn</controlURL>", false, 500, 8000},
        {NULL, "\r\nContent-Length: ", false, 500, 8000},
        {"content-length-bare", "\r\nCONTENT-LENGTH:", false, 500, 8000},
        {"mismatched-tags", "<modelNumber>1</modelnumber>", false, 500, 8000},
        {"white-space-control-url", "<controlURL>\r\n\t  /ctl/conn \r\n\t</controlURL>", false, 500,
         8000},
        {"namespaces", "<d:controlURL>/ctl/conn</d:controlURL>", false, 500, 8000},
        {"undeclared-prefix", "<pnpx:X_hardwareId>", false, 500, 8000},
        {"raw-ampersand", "Smith & Sons", false, 500, 8000},
        {"stray-bytes", "\x01\x02<?xml", false, 500, 8000},
        {"ppp-connection", "WANPPPConnection:1</serviceType>", false, 500, 8000},
        {"ppp-connection", "WANIPConnection", true, 500, 8000},
        {"over-16k", "<controlURL>/ctl/conn</controlURL>", false, 16385, 60000},
        {"igd2-any-port", "WANIPConnection:2</serviceType>", false, 500, 8000},
        {"chunked", "\r\nTransfer-Encoding: chunked\r\n", false, 500, 8000},
        {"chunked", "Content-Length", true, 500, 8000},
        {"truncated-answers", "controlURL", true, 300, 8000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig r;
        struct scripted_http h;
        start(&r, FAULT_UPNP, cases[i].fault);
        h = describe(&r);
        assert_int_equal(h.status, 200);
        assert_int_equal(h.chunk, 0);
        assert_int_equal(h.again, SIZE_MAX);
        assert_memory_equal(h.bytes + h.head - 4, "\r\n\r\n", 4);
        if ((memmem(h.bytes, h.len, cases[i].shows, strlen(cases[i].shows)) == NULL) !=
            cases[i].hides)
            fail_msg("case %zu (%s): %s", i, cases[i].fault, h.bytes);
        if (h.len < cases[i].least || h.len > cases[i].most)
            fail_msg("case %zu (%s): %zu bytes", i, cases[i].fault, h.len);
        scripted_http_fini(&h);
        stop(&r);
    }
}

static void test_hostile_descriptions(void **state)
{
    struct rig r;
    struct scripted_http h;
    (void)state;
    start(&r, FAULT_UPNP, "huge-answers");
    h = describe(&r);
    assert_true(h.len > 1000000);
    /* What a reader with a bound of 64 KB comes to sees no service. */
    assert_null(memmem(h.bytes, 65536 + h.head, "controlURL", 10));
    scripted_http_fini(&h);
    stop(&r);

    start(&r, FAULT_UPNP, "slow-drip");
    h = describe(&r);
    assert_int_equal(h.chunk, 1);
    assert_true(h.len * h.pause > 10 * PH_SEC);
    scripted_http_fini(&h);
    stop(&r);

    start(&r, FAULT_UPNP, "never-ending");
    h = describe(&r);
    assert_true(h.again > h.head && h.again < h.len);
    assert_true(h.chunk > 0 && h.pause > 0);
    assert_null(memmem(h.bytes, h.len, "Content-Length", 14));
    /* Where it goes on is where an element begins. */
    assert_memory_equal(h.bytes + h.again, "<icon>", 6);
    scripted_http_fini(&h);
    stop(&r);

    start(&r, FAULT_UPNP, "scpd-hangs");
    h = http(&r, "GET /WANConn.xml HTTP/1.1\r\n" HOST "\r\n");
    assert_true(h.silent);
    h = describe(&r);
    assert_int_equal(h.status, 200);
    scripted_http_fini(&h);
    stop(&r);
}

static void test_other_devices(void **state)
{
    struct rig r;
    struct scripted_http h;
    char request[1024];
    (void)state;
    start(&r, FAULT_UPNP, "several-igds");
    h = http(&r, "GET /toy.xml HTTP/1.1\r\n" HOST "\r\n");
    assert_null(strstr(h.bytes, "WANIPConnection"));
    scripted_http_fini(&h);
    h = http(&r, "GET /ap.xml HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(h.bytes, "<controlURL>/ap/conn</controlURL>"));
    scripted_http_fini(&h);
    (void)snprintf(request, sizeof(request),
                   "POST /ap/conn HTTP/1.1\r\n" HOST "SOAPAction: \"" WIP
                   "1#GetStatusInfo\"\r\nContent-Length: 0\r\n\r\n");
    h = http(&r, request);
    assert_non_null(strstr(h.bytes, ">Disconnected<"));
    scripted_http_fini(&h);
    stop(&r);
}

static void test_http(void **state)
{
    struct rig r;
    struct scripted_http h;
    struct ph_addr server = lan;
    (void)state;
    assert_int_equal(scripted_http_whole("GET / HTTP/1.1\r\n", 16), 0);
    assert_int_equal(scripted_http_whole("GET / HTTP/1.1\r\n\r\nmore", 22), 18);
    assert_int_equal(scripted_http_whole("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nab", 40), 0);
    assert_int_equal(scripted_http_whole("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcd", 42),
                     41);
    start(&r, FAULT_UPNP, NULL);
    h = http(&r, "GET /nothing HTTP/1.1\r\n\r\n");
    assert_int_equal(h.status, 404);
    scripted_http_fini(&h);
    h = http(&r, "BREW / HTTP/1.1\r\n\r\n");
    assert_int_equal(h.status, 400);
    scripted_http_fini(&h);
    stop(&r);

    /* After its reboot it serves at the other port. */
    start(&r, FAULT_NAT_PMP | FAULT_UPNP, "reboot-new-http-port");
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    scripted_tick(r.s, r.now + PH_SEC);
    assert_int_equal(scripted_http_port(r.s), HTTP_NEXT);
    server.port = HTTP_PORT;
    assert_int_equal(
        scripted_http_take(r.s, r.now + PH_SEC, &client, &server, "GET / HTTP/1.1\r\n\r\n", 18, &h),
        0);
    assert_null(h.bytes);
    stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_soap),
        cmocka_unit_test(test_soap_faults),
        cmocka_unit_test(test_unquoted_action),
        cmocka_unit_test(test_descriptions),
        cmocka_unit_test(test_hostile_descriptions),
        cmocka_unit_test(test_other_devices),
        cmocka_unit_test(test_http),
    };
    return cmocka_run_group_tests_name("lab/router/scripted_http", tests, NULL, NULL);
}
