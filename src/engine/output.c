/*
** engine/output.c: lines into a pipe. Must not know what they say.
*/
#include "engine/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(SUP_OUTPUT_LINE <= PIPE_BUF, "a line is written whole or not at all");

int sup_output_init(struct sup_output *output, int fd, enum sup_output_form form)
{
    *output = (struct sup_output){.fd = fd, .form = form};
    if (fd < 0) return 0;
    output->bytes = malloc(SUP_OUTPUT_ROOM);
    if (output->bytes == NULL) {
        sup_output_finish(output);
        return -ENOMEM;
    }
    output->room = SUP_OUTPUT_ROOM;
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0) fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    return 0;
}

void sup_output_finish(struct sup_output *output)
{
    if (output->fd >= 0) close(output->fd);
    free(output->bytes);
    *output = (struct sup_output){.fd = -1};
}

static bool resize(struct sup_output *output, size_t room)
{
    char *bytes = realloc(output->bytes, room);
    if (bytes == NULL) return false;
    output->bytes = bytes;
    output->room = room;
    return true;
}

/* Room for ${size} bytes after `end`: by moving what waits to the front when that is little, or
   growing. */
static bool make_room(struct sup_output *output, size_t size)
{
    if (output->room - output->end >= size) return true;
    if (output->first >= output->room / 2) {
        memmove(output->bytes, output->bytes + output->first, output->end - output->first);
        output->end -= output->first;
        output->first = 0;
        return true;
    }
    return output->room < SUP_OUTPUT_ROOM_MAX && resize(output, output->room * 2);
}

static void add(struct sup_output *output, const char *text, size_t size)
{
    memcpy(output->bytes + output->end, text, size);
    output->end += size;
    output->bytes[output->end++] = '\n';
}

/* Say what was dropped, when there is room for that and ${more} bytes. */
static bool say_gap(struct sup_output *output, size_t more)
{
    char text[160];
    const char *format =
        output->form == SUP_OUTPUT_JSON
            ? "{\"type\":\"gap\",\"lost\":%llu}"
            : "%llu lines were lost here: they came faster than they could be shown; "
              "nothing else is affected";
    if (output->lost == 0) return true;
    int size = snprintf(text, sizeof text, format, (unsigned long long) output->lost);
    if (!make_room(output, (size_t) size + 1 + more)) return false;
    add(output, text, (size_t) size);
    output->lost = 0;
    return true;
}

/* The longest part of ${text} that is at most ${limit} bytes and splits no UTF-8 character. */
static size_t cut(const char *text, size_t size, size_t limit)
{
    if (size <= limit) return size;
    size = limit;
    while (size > 0 && ((unsigned char) text[size] & 0xc0) == 0x80) size--;
    return size;
}

void sup_output_line(struct sup_output *output, const char *text, size_t size)
{
    if (output->fd < 0) return;
    size = cut(text, size, SUP_OUTPUT_LINE - 1);
    if (!say_gap(output, size + 1) || !make_room(output, size + 1)) {
        if (!sup_output_flush(output) || !say_gap(output, size + 1)) {
            output->lost++;
            return;
        }
    }
    add(output, text, size);
}

/* As many whole lines as one write takes whole. */
static size_t next_write(const struct sup_output *output)
{
    const char *at = output->bytes + output->first;
    size_t size = output->end - output->first;
    if (size <= SUP_OUTPUT_LINE) return size;
    size = SUP_OUTPUT_LINE;
    while (size > 0 && at[size - 1] != '\n') size--;
    return size;
}

bool sup_output_flush(struct sup_output *output)
{
    if (output->fd < 0) return true;
    while (output->first < output->end || (output->lost > 0 && say_gap(output, 0))) {
        size_t size = next_write(output);
        ssize_t n = write(output->fd, output->bytes + output->first, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return false;
        /* Any other error: the reader is gone for good. There is nobody to tell. */
        output->first += n < 0 ? size : (size_t) n;
    }
    output->first = output->end = 0;
    if (output->room > SUP_OUTPUT_ROOM) resize(output, SUP_OUTPUT_ROOM);
    return true;
}

bool sup_output_drain(struct sup_output *output, int timeout_ms)
{
    while (!sup_output_flush(output)) {
        struct pollfd wait = {.fd = output->fd, .events = POLLOUT};
        int n = poll(&wait, 1, timeout_ms);
        if (n == 0 || (n < 0 && errno != EINTR)) return false;
    }
    return true;
}
