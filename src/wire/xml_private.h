/* What both readers of XML share. */
#ifndef PH_WIRE_XML_PRIVATE_H
#define PH_WIRE_XML_PRIVATE_H

#include "wire/xml.h"

/* The text of the element that was opened last. */
struct ph_xml_text {
    char p[PH_XML_TEXT_MAX];
    size_t len;
    bool cut; /* there was more */
};

void ph_xml_text_add(struct ph_xml_text *t, const char *p, size_t len);
/* Tells the sink, unless the text was cut. */
void ph_xml_tell_leaf(const struct ph_xml_sink *sink, struct ph_span name,
                      const struct ph_xml_text *t);
struct ph_span ph_xml_local_name(const char *name, size_t len); /* without its prefix */

#endif
