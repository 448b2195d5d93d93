/* Where the shipped files are: topologies/ and scenarios/. $NATLAB_DATA where set, else the source
 * tree that the binary was built in or stands in (../ of build/), else PREFIX/share/natlab. */
#ifndef LAB_DATA_H
#define LAB_DATA_H

#include <stddef.h>

/* Writes "DATA/relative" and returns out, whether it exists or not. */
const char *lab_data_path(const char *relative, char *out, size_t cap);

#endif
