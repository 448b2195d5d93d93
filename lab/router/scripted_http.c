/* HTTP as a small router serves it. */
#include "lab/router/scripted_private.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DRIP_EVERY  (20 * PH_MS)
#define NEVER_CHUNK 1024
#define NEVER_EVERY (5 * PH_MS)
#define PATH_MAX_   128
#define FIELD_MAX   256

struct request {
    bool post;
    char path[PATH_MAX_];
    const char *fields; /* the head, from its first line on */
    size_t fields_len;
    const char *body; /* NUL-terminated copy */
};

static const char *end_of_head(const char *data, size_t len)
{
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    return end == NULL ? NULL : end + 4;
}

size_t scripted_http_whole(const char *data, size_t len)
{
    const char *end = end_of_head(data, len);
    char value[FIELD_MAX];
    size_t head = end == NULL ? 0 : (size_t)(end - data);
    size_t body = 0;
    if (end == NULL)
        return 0;
    if (scripted_field(data, head, "Content-Length", value, sizeof(value)))
        body = strtoul(value, NULL, 10);
    return body <= len - head ? head + body : 0;
}

static bool parse(const char *data, size_t len, struct request *r)
{
    const char *end = end_of_head(data, len);
    const char *path, *stop;
    if (end == NULL)
        return false;
    r->post = strncmp(data, "POST ", 5) == 0;
    if (!r->post && strncmp(data, "GET ", 4) != 0)
        return false;
    path = data + (r->post ? 5 : 4);
    stop = memchr(path, ' ', (size_t)(end - path));
    if (stop == NULL || (size_t)(stop - path) >= sizeof(r->path))
        return false;
    memcpy(r->path, path, (size_t)(stop - path));
    r->path[stop - path] = '\0';
    r->fields = data;
    r->fields_len = (size_t)(end - data);
    r->body = end;
    return true;
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    default:
        return "Internal Server Error";
    }
}

/* An answer from its body, which is taken over. */
static int respond(const struct scripted *s, int status, char *body, size_t len,
                   struct scripted_http *out)
{
    char *text = NULL;
    size_t total = 0;
    FILE *f = body == NULL ? NULL : open_memstream(&text, &total);
    bool endless = out->again != SIZE_MAX;
    if (f == NULL) {
        free(body);
        return PH_ERR_NOMEM;
    }
    (void)fprintf(f,
                  "HTTP/1.1 %d %s\r\nContent-Type: text/xml; charset=\"utf-8\"\r\n"
                  "Server: Linux/5.4 UPnP/1.1 scripted/1\r\nConnection: close\r\n",
                  status, reason(status));
    if (has(s, F_CHUNKED) && !endless)
        (void)fprintf(f, "Transfer-Encoding: chunked\r\n");
    else if (has(s, F_CONTENT_LENGTH_BARE))
        (void)fprintf(f, "CONTENT-LENGTH:%zu\r\n", len);
    else if (!endless)
        (void)fprintf(f, "Content-Length: %zu\r\n", len);
    (void)fprintf(f, "\r\n");
    (void)fflush(f);
    out->head = total;
    out->status = status;
    if (has(s, F_CHUNKED) && !endless) {
        size_t half = len / 2;
        out->chunked = true;
        (void)fprintf(f, "%zx\r\n", half);
        (void)fwrite(body, 1, half, f);
        (void)fprintf(f, "\r\n%zX;x=y\r\n", len - half);
        (void)fwrite(body + half, 1, len - half, f);
        (void)fprintf(f, "\r\n0\r\n\r\n");
    } else {
        (void)fwrite(body, 1, has(s, F_TRUNCATED_ANSWERS) ? len / 3 : len, f);
        out->cut = has(s, F_TRUNCATED_ANSWERS);
    }
    free(body);
    if (fclose(f) != 0) {
        free(text);
        return PH_ERR_NOMEM;
    }
    out->bytes = text;
    out->len = total;
    return PH_OK;
}

static int respond_text(const struct scripted *s, int status, const char *text,
                        struct scripted_http *out)
{
    return respond(s, status, strdup(text), strlen(text), out);
}

/* A beginning, and elements for ever. */
static int never_ending(const struct scripted *s, struct scripted_http *out)
{
    static const char start[] = "<?xml version=\"1.0\"?>\n"
                                "<root xmlns=\"urn:schemas-upnp-org:device-1-0\">\n"
                                "<device><iconList>\n";
    static const char more[] = "<icon><mimetype>image/png</mimetype></icon>\n";
    size_t count = NEVER_CHUNK / (sizeof(more) - 1) + 1;
    size_t len = sizeof(start) - 1 + count * (sizeof(more) - 1);
    char *body = malloc(len + 1);
    int rc;
    if (body == NULL)
        return PH_ERR_NOMEM;
    memcpy(body, start, sizeof(start));
    for (size_t i = 0; i < count; i++)
        memcpy(body + sizeof(start) - 1 + i * (sizeof(more) - 1), more, sizeof(more));
    out->again = 0;
    rc = respond(s, 200, body, len, out);
    out->again = out->head + sizeof(start) - 1;
    out->chunk = NEVER_CHUNK;
    out->pause = NEVER_EVERY;
    return rc;
}

static int describe(const struct scripted *s, enum igd_device device, struct scripted_http *out)
{
    size_t len = 0;
    char *text;
    int rc;
    if (has(s, F_NEVER_ENDING))
        return never_ending(s, out);
    text = scripted_igd_description(s, device, &len);
    rc = respond(s, 200, text, len, out);
    if (has(s, F_SLOW_DRIP)) {
        out->chunk = 1;
        out->pause = DRIP_EVERY;
    }
    return rc;
}

static int get(const struct scripted *s, const struct request *r, struct scripted_http *out)
{
    size_t len = 0;
    if (strcmp(r->path, "/rootDesc.xml") == 0)
        return describe(s, IGD_ROUTER, out);
    if (has(s, F_SEVERAL_IGDS) && strcmp(r->path, "/ap.xml") == 0)
        return describe(s, IGD_ACCESS_POINT, out);
    if ((has(s, F_SEVERAL_IGDS) && strcmp(r->path, "/toy.xml") == 0) ||
        (has(s, F_SSDP_ALL_FIRST_ONLY) && strcmp(r->path, "/wps.xml") == 0))
        return describe(s, IGD_TOY, out);
    if (strcmp(r->path, "/WANConn.xml") == 0 || strcmp(r->path, "/WANCfg.xml") == 0) {
        char *scpd;
        if (has(s, F_SCPD_HANGS)) {
            out->silent = true;
            return PH_OK;
        }
        scpd = scripted_igd_scpd(&len);
        return respond(s, 200, scpd, len, out);
    }
    return respond_text(s, 404, "<html><body>Not found</body></html>", out);
}

/* "SERVICE#ACTION", with or without its quotes. */
static bool soap_action(const struct scripted *s, const struct request *r, char service[FIELD_MAX],
                        char action[FIELD_MAX])
{
    char value[FIELD_MAX];
    char *start = value;
    char *hash;
    size_t len;
    if (!scripted_field(r->fields, r->fields_len, "SOAPAction", value, sizeof(value)))
        return false;
    len = strlen(value);
    if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
        value[len - 1] = '\0';
        start++;
    } else if (has(s, F_UNQUOTED_SOAPACTION_REFUSED)) {
        return false;
    }
    hash = strchr(start, '#');
    if (hash == NULL)
        return false;
    *hash = '\0';
    (void)snprintf(service, FIELD_MAX, "%s", start);
    (void)snprintf(action, FIELD_MAX, "%s", hash + 1);
    return true;
}

static bool is_pretty(const char *body)
{
    for (const char *p = strchr(body, '>'); p != NULL; p = strchr(p + 1, '>')) {
        const char *q = p + 1 + strspn(p + 1, " \t\r\n");
        /* Behind the XML declaration a line may end. */
        if (q > p + 1 && *q == '<' && p > body && p[-1] != '?')
            return true;
    }
    return false;
}

static int post(struct scripted *s, ph_ns now, const struct ph_addr *client,
                const struct request *r, struct scripted_http *out)
{
    char service[FIELD_MAX], action[FIELD_MAX];
    char *body;
    int status = 500;
    bool hang_up = false;
    bool access_point = has(s, F_SEVERAL_IGDS) && strcmp(r->path, "/ap/conn") == 0;
    if (strcmp(r->path, "/ctl/conn") != 0 && strcmp(r->path, "/ctl/CmnIfCfg") != 0 && !access_point)
        return respond_text(s, 404, "<html><body>Not found</body></html>", out);
    if (!soap_action(s, r, service, action))
        body = scripted_soap_error(401, "Invalid Action");
    else if (has(s, F_PRETTY_PRINTED_REFUSED) && is_pretty(r->body))
        body = scripted_soap_error(402, "Invalid Args");
    else
        body = scripted_soap(s, now, client, access_point, service, action, r->body, &status,
                             &hang_up);
    if (hang_up) {
        free(body);
        return PH_OK;
    }
    return respond(s, status, body, body == NULL ? 0 : strlen(body), out);
}

static bool host_has_port(const struct request *r)
{
    char host[FIELD_MAX];
    return scripted_field(r->fields, r->fields_len, "Host", host, sizeof(host)) &&
           strchr(host, ':') != NULL;
}

int scripted_http_take(struct scripted *s, ph_ns now, const struct ph_addr *client,
                       const struct ph_addr *server, const char *request, size_t len,
                       struct scripted_http *out)
{
    struct request r = {.post = false};
    char *copy;
    int rc;
    *out = (struct scripted_http){.again = SIZE_MAX};
    scripted_tick(s, now);
    if (server->port != scripted_http_port(s))
        return PH_OK; /* it has moved: hung up */
    copy = strndup(request, len);
    if (copy == NULL)
        return PH_ERR_NOMEM;
    if (!parse(copy, strlen(copy), &r))
        rc = respond_text(s, 400, "<html><body>Bad request</body></html>", out);
    else if (has(s, F_HOST_WITHOUT_PORT_REFUSED) && !host_has_port(&r))
        rc = respond_text(s, 400, "<html><body>Bad host</body></html>", out);
    else
        rc = r.post ? post(s, now, client, &r, out) : get(s, &r, out);
    free(copy);
    return rc;
}

void scripted_http_fini(struct scripted_http *h)
{
    free(h->bytes);
    h->bytes = NULL;
}
