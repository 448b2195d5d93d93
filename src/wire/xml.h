/* Reading the XML that devices send, as far as one needs it who looks for a few elements: names
 * without their prefixes, and the text of elements that hold nothing else. There are two readers;
 * of the plain documents that a device should send, both tell the same. */
#ifndef PH_WIRE_XML_H
#define PH_WIRE_XML_H

#include "wire/span.h"

#define PH_XML_TEXT_MAX 1024 /* bytes; an element with more text is told without its leaf */

/* Who is told. Spans hold during the call alone. */
struct ph_xml_sink {
    void *user;
    void (*open)(void *user, struct ph_span name);
    /* An element without elements in it, before its close: its text, references resolved, white
     * space at the ends cut. */
    void (*leaf)(void *user, struct ph_span name, struct ph_span text);
    void (*close)(void *user, struct ph_span name);
};

/* By expat. PH_ERR_FORMAT: not well-formed, deeper than depth_max, or with a document type
 * declaration (entities of one's own stand in these alone, so that nothing can grow); the sink has
 * then been told a part. PH_ERR_NOMEM. */
int ph_xml_parse(const char *xml, size_t len, unsigned depth_max, const struct ph_xml_sink *sink);

/* By a scan that takes every tag for what it says, whether or not another one matches it, in one
 * pass and without memory of its own. Text before any tag is a leaf of the element that was opened
 * last: its own end may be missing. What the end of the document cuts is not told: a number that
 * lacks its last digit is another number. */
void ph_xml_scan(const char *xml, size_t len, const struct ph_xml_sink *sink);

/* By the parser; where it refuses the document, `begin` has the sink's user begin anew, and the
 * scan reads it. What stands before the first '<' (blanks, a byte order mark) is passed over. True:
 * it was scanned. */
bool ph_xml_read(const char *xml, size_t len, unsigned depth_max, const struct ph_xml_sink *sink,
                 void (*begin)(void *user));

#endif
