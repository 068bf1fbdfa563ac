/*
** log/sinks.c: see sinks.h.
*/
#define _GNU_SOURCE
#include "log/sinks.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void sup_sinks_notice(struct sup_sinks *sinks, const char *format, ...)
{
    char text[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text) - 1, format, args);
    va_end(args);
    (void) sup_view_notice(&sinks->view, "suptree", text);

    struct sup_ring_hold hold;
    if (!sinks->has_host || !sup_ring_claim(&sinks->rings, sinks->host, 0, &hold)) return;
    size_t size = strlen(text);
    text[size++] = '\n';
    sup_ring_write(&hold, (const uint8_t *) text, size);
    sup_ring_note_time(&hold, size, sinks->wall_ns);
    sup_ring_release(&hold);
}
