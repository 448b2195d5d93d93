#include "lab/report/escape.h"

void escape_xml(const char *text, FILE *out)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        switch (*p) {
        case '&':
            (void)fputs("&amp;", out);
            break;
        case '<':
            (void)fputs("&lt;", out);
            break;
        case '>':
            (void)fputs("&gt;", out);
            break;
        case '"':
            (void)fputs("&quot;", out);
            break;
        case '\'':
            (void)fputs("&apos;", out);
            break;
        case '\t':
        case '\n':
        case '\r':
            (void)fprintf(out, "&#%u;", (unsigned)*p);
            break;
        default:
            (void)fputc(*p < 0x20 ? '?' : *p, out);
            break;
        }
    }
}
