/*
** engine/event_line.h: an event as a line of JSON. Must not know where it goes.
*/
#ifndef SUP_ENGINE_EVENT_LINE_H
#define SUP_ENGINE_EVENT_LINE_H

#include "core/event.h"

#include <stddef.h>
#include <stdint.h>

#define SUP_EVENT_LINE 4096 /* room for any of them: texts are cut until it fits */

/*
** Write ${told} to ${buf}, which has room for SUP_EVENT_LINE bytes, without newline.
** ${wall_offset_ns}: from the tree's clock to that of the calendar. Returns its length; 0: it
** cannot be said.
*/
size_t sup_event_line(const struct sup_told *told, int64_t wall_offset_ns, char *buf);

#endif
