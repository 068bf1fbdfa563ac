/*
** log/sinks.h: where output goes, shared by all sources: rings, view, files, staging pipe, and the
** buffers of the process. Looks into no source.
*/
#ifndef SUP_LOG_SINKS_H
#define SUP_LOG_SINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "log/file.h"
#include "log/notes.h"
#include "log/ring.h"
#include "log/staging.h"
#include "log/view.h"

struct sup_source;

#define SUP_TURN_BYTES (64 * 1024) /* taken from one source before the others have their turn */
#define SUP_ENLARGED_BYTES (256 * 1024) /* the pipe of a source that fills it */
#define SUP_OUT_BYTES (256 * 1024)
#define SUP_ENLARGED_PIPES 16u /* how many may have one */

struct sup_sinks {
    struct sup_rings rings;
    struct sup_view view;
    struct sup_files files;
    struct sup_notes notes;
    struct sup_staging staging;
    int64_t wall_ns;           /* CLOCK_REALTIME of this round */
    bool has_host;             /* ${host} is valid: notices go into its ring as well */
    uint64_t host;             /* token of the host's own lines */
    struct sup_source *holder; /* whose bytes wait in ${held}; NULL: none */
    uint64_t moved;            /* bytes taken from all sources since the start */
    unsigned enlarged;         /* sources that have a larger pipe */
    size_t held_start; /* held[held_start..held_end) was read, but the view had no room for it */
    size_t held_end;
    uint8_t held[SUP_TURN_BYTES];
    uint8_t scratch[SUP_TURN_BYTES]; /* of the turn that is going on */
    uint8_t out[SUP_OUT_BYTES];      /* ... as it will stand in the file */
};

/* Tell the person and the host's ring something in one line, without newline. */
__attribute__((format(printf, 2, 3))) void sup_sinks_notice(struct sup_sinks *sinks,
                                                            const char *format, ...);

#endif
