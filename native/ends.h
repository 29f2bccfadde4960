/* Who is the client of an event: src/vedette/observe/ends.py in C. */
#ifndef VEDETTE_ENDS_H
#define VEDETTE_ENDS_H

#include "scan.h"

/* Whether the source of the event is the server. */
bool is_turned(const scan *s, const address *src, const address *dest);

#endif
