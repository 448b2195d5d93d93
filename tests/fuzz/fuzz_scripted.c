/* The scripted router: whatever comes to its ports, with any of its faults. The first byte chooses
 * the fault, the second where the rest comes to: port 5351, SSDP, or HTTP. */
#include "lab/router/fault.h"
#include "lab/router/scripted.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW       (5 * PH_SEC)
#define REST_MAX  4096
#define ALL_FORMS 4

static size_t mappings;

static void on_send(void *user, const struct scripted_datagram *d)
{
    (void)user;
    if (d->len == 0 || d->len > 1500 || d->at < NOW || d->from.port == 0)
        abort();
}

static void on_map(void *user, const struct scripted_mapping *m, bool on)
{
    (void)user;
    (void)m;
    mappings += on ? 1 : (size_t)-1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct scripted_ops ops = {.send = on_send, .map = on_map};
    struct nat_profile p;
    struct scripted_config config = {.profile = &p,
                                     .lan = ph_addr_v4(192, 168, 1, 1, 0),
                                     .wan = ph_addr_v4(11, 2, 0, 2, 0),
                                     .http_ports = {49152, 49153}};
    struct ph_addr client = ph_addr_v4(192, 168, 1, 10, 41000), to = config.lan;
    struct scripted_http http;
    struct scripted *s;
    size_t count;
    const struct fault *all = fault_list(&count);
    if (size < 2 || size > REST_MAX)
        return 0;
    nat_profile_init(&p);
    p.port_mapping.pcp = p.port_mapping.nat_pmp = p.port_mapping.upnp = true;
    if (data[0] < count) {
        p.port_mapping.fault_count = 1;
        (void)snprintf(p.port_mapping.faults[0], NAT_NAME_MAX, "%s", all[data[0]].name);
    }
    mappings = 0;
    if (scripted_new(&config, &ops, NULL, NOW, &s) != 0)
        return 0;
    switch (data[1] % ALL_FORMS) {
    case 0:
        to.port = SCRIPTED_PORT;
        scripted_take(s, NOW, &client, &to, data + 2, size - 2);
        break;
    case 1:
        to.port = SCRIPTED_SSDP_PORT;
        scripted_take(s, NOW, &client, &to, data + 2, size - 2);
        break;
    case 2:
        to.port = scripted_http_port(s);
        (void)scripted_http_whole((const char *)data + 2, size - 2);
        if (scripted_http_take(s, NOW, &client, &to, (const char *)data + 2, size - 2, &http) == 0)
            scripted_http_fini(&http);
        break;
    default:
        /* Datagrams of sixty bytes each: several on one table. */
        to.port = SCRIPTED_PORT;
        for (size_t at = 2; at < size; at += 60)
            scripted_take(s, NOW + at * PH_MS, &client, &to, data + at,
                          size - at < 60 ? size - at : 60);
        break;
    }
    /* What began to work is what is counted. */
    if (mappings != scripted_count(s))
        abort();
    scripted_flush(s, NOW + PH_SEC);
    if (mappings != 0)
        abort();
    scripted_free(s);
    return 0;
}
