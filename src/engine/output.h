/*
** engine/output.h: whole lines into a pipe without ever blocking. What does not fit waits in a
** buffer that grows up to a bound; when that is full too, lines are dropped, counted, and the gap
** is said as soon as there is room again.
**
** Engine thread only; SIGPIPE must be ignored. Must not know what the lines say.
*/
#ifndef SUP_ENGINE_OUTPUT_H
#define SUP_ENGINE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUP_OUTPUT_LINE \
    4096 /* longest line with its newline: PIPE_BUF, so that it is whole or absent */
#define SUP_OUTPUT_ROOM ((size_t) 1 << 16)     /* that it has always */
#define SUP_OUTPUT_ROOM_MAX ((size_t) 1 << 22) /* that it grows to in a storm */

/* How a gap is said. */
enum sup_output_form { SUP_OUTPUT_PLAIN, SUP_OUTPUT_JSON };

/* Zeroed with fd = -1: no output; lines vanish. */
struct sup_output {
    int fd; /* owned; -1: none */
    enum sup_output_form form;
    char *bytes;
    size_t room;
    size_t first, end; /* what waits to be written: whole lines */
    uint64_t lost;     /* lines dropped since the last gap was said */
};

/* Take over ${fd} (-1: none) and make it non-blocking. Returns 0 or -ENOMEM; then it is closed. */
int sup_output_init(struct sup_output *output, int fd, enum sup_output_form form);
void sup_output_finish(struct sup_output *output); /* what waits is dropped */

/* Add a line of ${size} bytes, without newline. Longer ones are cut. */
void sup_output_line(struct sup_output *output, const char *text, size_t size);

/* Write what can be written. True: nothing waits any more. */
bool sup_output_flush(struct sup_output *output);

/* The same, waiting up to ${timeout_ms} for a reader. */
bool sup_output_drain(struct sup_output *output, int timeout_ms);

#endif
