/*
** log/notes.h: what is under way with a file that cannot be done in one system call, noted in the
** memory of the rings, so that after kill -9 the next log process neither loses nor doubles a byte.
**
** Bytes are looked at in the pipe, written, then taken out of the pipe. A process that died while
** it wrote has left a part at the end of the file, which is cut off when the file is opened; the
** pipe has it all. One that died right behind has left the bytes in both, or has taken them out:
** that is known from the staging pipe, which outlives the process too, and through which they go
** out. What is then still to be taken out is owed until the pipe is announced.
**
** Without that memory (a limit of file sizes) there are no notes: see sup_notes_begin.
*/
#ifndef SUP_LOG_NOTES_H
#define SUP_LOG_NOTES_H

#include <stddef.h>
#include <stdint.h>

#include "log/file.h"
#include "log/ring.h"
#include "log/staging.h"

#define SUP_NOTES 32 /* of former processes that are not settled yet, and one's own */

enum sup_note_phase {
    SUP_NOTE_NONE = 0,
    SUP_NOTE_WRITING, /* the file may have a part */
    SUP_NOTE_TAKING,  /* the file has it; the staging pipe has what was taken out. One at a time */
    SUP_NOTE_OWED,    /* the file has it; ${size} bytes are still to be taken out */
};

struct sup_note {
    uint32_t phase; /* enum sup_note_phase; stored last */
    uint32_t reserved;
    uint64_t node;
    uint64_t device, inode; /* of the file */
    uint64_t end;           /* of the file before */
    uint64_t size;          /* bytes of the pipe */
};

struct sup_notes {
    struct sup_rings *rings;
    struct sup_note *shared; /* SUP_NOTES of them; NULL: not there, or not looked for yet */
    bool is_missing;
};

/* Find what former processes have left, in the memory and in ${staging}, which is empty then. */
void sup_notes_init(struct sup_notes *notes, struct sup_rings *rings, struct sup_staging *staging);

/*
** ${size} bytes at the front of the pipe of ${node} are about to be written to the end of ${file}.
** Returns the note for the other two, or NULL: there is no memory for it.
*/
struct sup_note *sup_notes_begin(struct sup_notes *notes, uint64_t node,
                                 const struct sup_file *file, size_t size);

/* They are in the file: take them out of ${pipe}. ${note} may be NULL. */
void sup_note_take_out(struct sup_note *note, struct sup_staging *staging, int pipe, size_t size);

/* They are not in the file, and not going to be. NULL is fine. */
void sup_note_drop(struct sup_note *note);

/* ${file} was opened: cut off what a former process did not finish. */
void sup_notes_mend_file(struct sup_notes *notes, const struct sup_file *file);

/* The pipe of ${node} was announced: take out what is owed. */
void sup_notes_mend_pipe(struct sup_notes *notes, uint64_t node, int pipe,
                         struct sup_staging *staging);

#endif
