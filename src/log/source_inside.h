/*
** log/source_inside.h: what the two halves of a source do for each other: source.c (its life, ring,
** view, the end of its pipe) and source_file.c (its file).
*/
#ifndef SUP_LOG_SOURCE_INSIDE_H
#define SUP_LOG_SOURCE_INSIDE_H

#include "log/source.h"

/* How many bytes are in the pipe now. */
size_t sup_source_pending(const struct sup_source *source);

/* How many of ${most} bytes may be taken: no more than are left when it is leaving. */
size_t sup_source_limit(const struct sup_source *source, size_t most);

/* Look at the result of reading or copying. True: there are bytes. */
bool sup_source_note(struct sup_source *source, struct sup_sinks *sinks, ssize_t result);

/* Bytes that ring and view have not seen. */
void sup_source_present(struct sup_source *source, struct sup_sinks *sinks, const uint8_t *bytes,
                        size_t size);

static inline bool sup_source_has_file(const struct sup_source *source)
{
    return source->file != NULL;
}

/* Lines with a time before them, or as JSON: the file gets no bytes as they come. */
static inline bool sup_source_has_lines(const struct sup_source *source)
{
    return source->settings.stamps != SUP_STAMPS_NONE || source->settings.format != SUP_FORMAT_RAW;
}

/* --- source_file.c ---------------------------------------------------------------------------- */

/* End the line that this source has begun in a file of lines. */
void sup_source_end_file_line(struct sup_source *source, struct sup_sinks *sinks);

/* A turn of a source that has a file. */
void sup_source_turn_file(struct sup_source *source, struct sup_sinks *sinks);

#endif
