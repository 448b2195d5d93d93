#include "wire/ssdp.h"

#include "base/err.h"

#include <stdio.h>

struct ph_addr ph_ssdp_multicast(void)
{
    return ph_addr_v4(239, 255, 255, 250, PH_SSDP_PORT);
}

static const char *const targets[PH_SSDP_TARGETS] = {
    [PH_SSDP_IGD1] = "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    [PH_SSDP_IGD2] = "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    [PH_SSDP_ROOT] = "upnp:rootdevice",
};

int ph_ssdp_search(char *out, size_t cap, const struct ph_addr *to, enum ph_ssdp_target target,
                   unsigned mx_s)
{
    char host[PH_ADDR_STRLEN];
    char mx[16] = "";
    int len;

    if (mx_s > 0)
        snprintf(mx, sizeof(mx), "MX: %u\r\n", mx_s < 5 ? mx_s : 5);
    /* Section 1.3.2: the quotes around ssdp:discover belong to it, and the port to the host. */
    len = snprintf(out, cap,
                   "M-SEARCH * HTTP/1.1\r\n"
                   "HOST: %s\r\n"
                   "MAN: \"ssdp:discover\"\r\n"
                   "%s"
                   "ST: %s\r\n"
                   "\r\n",
                   ph_addr_format(to, host), mx, targets[target]);
    return len < 0 || (size_t)len >= cap ? PH_ERR_SPACE : len;
}

/* The device, a device within it, or one of its services: some answer with these alone. */
static bool names_gateway(const struct ph_span *s)
{
    static const char *const kinds[] = {
        ":InternetGatewayDevice:",
        ":device:WAN",
        ":service:WAN",
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (ph_span_has(s, kinds[i]))
            return true;
    }
    return false;
}

int ph_ssdp_parse(const char *data, size_t len, struct ph_ssdp_response *out)
{
    struct ph_http_head head;
    struct ph_span location, target, name;

    *out = (struct ph_ssdp_response){0};
    if (ph_http_head_parse(data, len, true, &head) != PH_OK || head.status != 200)
        return PH_ERR_FORMAT;
    if (!ph_http_field(&head, "LOCATION", &location) ||
        ph_url_parse(location.p, location.len, &out->location) != PH_OK)
        return PH_ERR_FORMAT;
    if (ph_http_field(&head, "ST", &target)) {
        ph_span_copy(&target, out->target, sizeof(out->target));
        out->igd = names_gateway(&target);
    }
    if (ph_http_field(&head, "USN", &name) && names_gateway(&name))
        out->igd = true;
    return PH_OK;
}
