#include "wire/http_head.h"

#include "base/err.h"

#include <string.h>

static const char scheme[] = "http://";

static struct ph_span rest_from(struct ph_span s, size_t at)
{
    return (struct ph_span){s.p + at, s.len - at};
}

/* How many bytes come before the first of `stops`. */
static size_t until(struct ph_span s, const char *stops)
{
    size_t n = 0;

    while (n < s.len && (s.p[n] == '\0' || strchr(stops, s.p[n]) == NULL))
        n++;
    return n;
}

static struct ph_span without_fragment(struct ph_span s)
{
    return (struct ph_span){s.p, until(s, "#")};
}

/* HOST[:PORT], HOST an IPv4 address or an IPv6 one in brackets. Who names a user has no address
 * there either. */
static bool parse_authority(struct ph_span s, struct ph_url *out)
{
    char text[PH_URL_HOST_MAX + 4];
    size_t host_len;

    if (s.len > 0 && s.p[s.len - 1] == ':') /* an empty port is the default one, RFC 3986 3.2.3 */
        s.len--;
    if (s.len == 0 || s.len >= sizeof(out->host) || memchr(s.p, '\0', s.len) != NULL)
        return false;
    ph_span_copy(&s, out->host, sizeof(out->host));
    host_len = s.p[0] == '[' ? until(s, "]") + 1 : until(s, ":");
    ph_span_copy(&s, text, sizeof(text));
    if (host_len >= s.len)
        memcpy(text + s.len, ":80", sizeof(":80")); /* RFC 9110 section 4.2.1 */
    return ph_addr_parse(text, &out->addr) == PH_OK && out->addr.port != 0;
}

/* Appends to the path what can stand in a request line: anything else there would end it. */
static bool add_path(struct ph_url *out, size_t *len, struct ph_span s)
{
    if (s.len > sizeof(out->path) - 1 - *len)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
            return false;
        out->path[(*len)++] = s.p[i];
    }
    out->path[*len] = '\0';
    return true;
}

/* What follows an authority: a path, a query alone, or nothing. */
static bool parse_path(struct ph_span s, struct ph_url *out)
{
    size_t len = 0;

    s = without_fragment(s);
    if ((s.len == 0 || s.p[0] != '/') && !add_path(out, &len, (struct ph_span){"/", 1}))
        return false;
    return add_path(out, &len, s);
}

/* What stands behind "http://" or "//". */
static bool parse_hierarchy(struct ph_span s, struct ph_url *out)
{
    size_t authority = until(s, "/?#");

    return parse_authority((struct ph_span){s.p, authority}, out) &&
           parse_path(rest_from(s, authority), out);
}

static int ended(bool good, struct ph_url *out)
{
    if (!good)
        *out = (struct ph_url){0};
    return good ? PH_OK : PH_ERR_FORMAT;
}

int ph_url_parse(const char *text, size_t len, struct ph_url *out)
{
    struct ph_span s = ph_span_trim((struct ph_span){text, len});

    *out = (struct ph_url){0};
    return ended(
        ph_span_begins_with(&s, scheme) && parse_hierarchy(rest_from(s, strlen(scheme)), out), out);
}

/* RFC 3986 section 5.2.4, in place: "." goes, ".." takes the folder before it along. A query is
 * not looked into. */
static void remove_dots(char *path)
{
    char *from = path, *to = path;
    size_t rest;

    while (*from == '/') {
        size_t len = 1 + strcspn(from + 1, "/?");
        bool last = from[len] != '/';

        if (len == 2 && from[1] == '.') {
            if (last)
                *to++ = '/';
        } else if (len == 3 && from[1] == '.' && from[2] == '.') {
            while (to > path && *--to != '/')
                ;
            if (last)
                *to++ = '/';
        } else {
            memmove(to, from, len);
            to += len;
        }
        from += len;
    }
    rest = strlen(from);
    memmove(to, from, rest);
    memset(to + rest, 0, (size_t)(from - to)); /* two equal URLs are equal byte for byte */
}

/* A path that belongs to the base's host, already without its fragment. */
static bool resolve_path(const struct ph_url *base, struct ph_span s, struct ph_url *out)
{
    struct ph_span folder = {base->path, strcspn(base->path, "?")};
    size_t len = 0;

    out->addr = base->addr;
    memcpy(out->host, base->host, sizeof(out->host));
    if (s.len == 0)
        return add_path(out, &len, (struct ph_span){base->path, strlen(base->path)});
    if (s.p[0] == '/')
        folder.len = 0;
    else if (s.p[0] != '?')
        while (folder.len > 0 && folder.p[folder.len - 1] != '/')
            folder.len--;
    if (!add_path(out, &len, folder) || !add_path(out, &len, s))
        return false;
    remove_dots(out->path);
    return true;
}

/* A scheme is one only before "://": a relative "uuid:1234/control" is what some devices write. */
static bool has_scheme(struct ph_span s)
{
    size_t n = until(s, ":/?#");

    return n > 0 && s.len - n >= 3 && memcmp(s.p + n, "://", 3) == 0;
}

int ph_url_resolve(const struct ph_url *base, const char *text, size_t len, struct ph_url *out)
{
    struct ph_span s = ph_span_trim((struct ph_span){text, len});

    *out = (struct ph_url){0};
    if (has_scheme(s))
        return ph_url_parse(s.p, s.len, out);
    /* "//host/path" where it is one. Elsewhere somebody has joined "/" and "/path". */
    if (s.len >= 2 && memcmp(s.p, "//", 2) == 0 && parse_hierarchy(rest_from(s, 2), out))
        return PH_OK;
    *out = (struct ph_url){0};
    return ended(resolve_path(base, without_fragment(s), out), out);
}
