/* SSDP as a device answers it (UPnP Device Architecture 1.1, section 1.3). */
#include "lab/router/scripted_private.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TARGET_MAX 128
#define ODD_PORT   30900
/* several-igds: the others are quicker than the router. */
#define REAL_AFTER (10 * PH_MS)

static const char igd_type[] = "urn:schemas-upnp-org:device:InternetGatewayDevice:";
static const char other_type[] = "urn:schemas-wifialliance-org:device:WFADevice:1";

bool scripted_field(const char *text, size_t len, const char *name, char *out, size_t cap)
{
    size_t name_len = strlen(name);
    const char *end = text + len;
    for (const char *line = text; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        const char *next = stop == NULL ? end : stop + 1;
        stop = stop == NULL ? end : stop;
        if ((size_t)(stop - line) > name_len && line[name_len] == ':' &&
            strncasecmp(line, name, name_len) == 0) {
            line += name_len + 1;
            while (line < stop && isspace((unsigned char)*line))
                line++;
            while (stop > line && isspace((unsigned char)stop[-1]))
                stop--;
            if ((size_t)(stop - line) >= cap)
                return false;
            memcpy(out, line, (size_t)(stop - line));
            out[stop - line] = '\0';
            return true;
        }
        line = next;
    }
    return false;
}

static void respond(struct scripted *s, ph_ns at, const struct ph_addr *to, const char *target,
                    const char *document)
{
    char text[768], ip[PH_ADDR_STRLEN];
    struct ph_addr from = s->lan;
    struct ph_addr elsewhere = scripted_elsewhere(s);
    const char *space = has(s, F_CONTENT_LENGTH_BARE) ? "" : " ";
    int n;
    from.port = has(s, F_ODD_SOURCE_PORT) ? ODD_PORT : SCRIPTED_SSDP_PORT;
    n = snprintf(text, sizeof(text),
                 "HTTP/1.1 200 OK\r\nCACHE-CONTROL:%smax-age=120\r\nST:%s%s\r\n"
                 "USN:%suuid:7363726e-0001-4000-8000-%02x%02x%02x%02x0001::%s\r\nEXT:\r\n"
                 "SERVER:%sLinux/5.4 UPnP/1.1 scripted/1\r\nLOCATION:%shttp://%s:%u%s\r\n\r\n",
                 space, space, target, space, s->lan.ip[0], s->lan.ip[1], s->lan.ip[2],
                 s->lan.ip[3], target, space, space,
                 ph_addr_format_ip(has(s, F_LOCATION_ELSEWHERE) ? &elsewhere : &s->lan, ip),
                 scripted_http_port(s), document);
    if (n < 0 || (size_t)n >= sizeof(text))
        return;
    /* Cut before the LOCATION. */
    scripted_send(s, at, &from, to, text, has(s, F_TRUNCATED_ANSWERS) ? (size_t)n / 3 : (size_t)n);
}

static void respond_router(struct scripted *s, ph_ns now, const struct ph_addr *to,
                           const char *target)
{
    ph_ns at = now;
    if (has(s, F_SEVERAL_IGDS)) {
        respond(s, now, to, target, "/ap.xml");
        respond(s, now, to, target, "/toy.xml");
        at += REAL_AFTER;
    }
    respond(s, at, to, target, "/rootDesc.xml");
}

/* "ssdp:all" and "upnp:rootdevice": whatever there is. */
static void respond_any(struct scripted *s, ph_ns now, const struct ph_addr *to, const char *target)
{
    bool all = strcmp(target, "ssdp:all") == 0;
    char type[TARGET_MAX];
    if (has(s, F_SSDP_ALL_FIRST_ONLY)) {
        respond(s, now, to, all ? other_type : target, "/wps.xml");
        return;
    }
    respond_router(s, now, to, "upnp:rootdevice");
    if (!all)
        return;
    (void)snprintf(type, sizeof(type), "%s%u", igd_type, scripted_igd_version(s));
    respond_router(s, now, to, type);
    scripted_igd_service(s, type);
    respond_router(s, now, to, type);
}

/* A device answers to its own version and to lower ones. */
static bool is_ours(const struct scripted *s, const char *target)
{
    char service[IGD_TYPE_MAX];
    size_t prefix = sizeof(igd_type) - 1;
    if (strncmp(target, igd_type, prefix) == 0)
        return target[prefix] >= '1' && target[prefix + 1] == '\0' &&
               (unsigned)(target[prefix] - '0') <= scripted_igd_version(s);
    scripted_igd_service(s, service);
    prefix = strlen(service) - 1;
    return strncmp(target, service, prefix) == 0 && target[prefix] >= '1' &&
           target[prefix] <= service[prefix] && target[prefix + 1] == '\0';
}

void scripted_ssdp_take(struct scripted *s, ph_ns now, const struct ph_addr *from,
                        const struct ph_addr *to, const char *text, size_t len)
{
    static const char method[] = "M-SEARCH * HTTP/1.1\r\n";
    char man[64], target[TARGET_MAX];
    bool multicast = to->ip[0] >= 224;
    if (has(s, multicast ? F_UNICAST_ONLY : F_MULTICAST_ONLY))
        return;
    if (len < sizeof(method) - 1 || memcmp(text, method, sizeof(method) - 1) != 0 ||
        !scripted_field(text, len, "MAN", man, sizeof(man)) ||
        strcmp(man, "\"ssdp:discover\"") != 0 ||
        !scripted_field(text, len, "ST", target, sizeof(target)))
        return;
    if (strcmp(target, "ssdp:all") == 0 || strcmp(target, "upnp:rootdevice") == 0)
        respond_any(s, now, from, target);
    else if (is_ours(s, target))
        respond_router(s, now, from, target);
}
