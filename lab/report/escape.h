/* Text inside XML and HTML. */
#ifndef LAB_REPORT_ESCAPE_H
#define LAB_REPORT_ESCAPE_H

#include <stdio.h>

/* Writes text with XML's five characters escaped; what XML 1.0 forbids becomes '?'. */
void escape_xml(const char *text, FILE *out);

#endif
