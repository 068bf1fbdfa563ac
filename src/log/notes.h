/*
** log/notes.h: what is under way with a file that cannot be done in one system call, noted in the
** memory of the rings, so that after kill -9 the next log process neither loses nor doubles a line.
**
** Lines that get a time before them are looked at in the pipe, written, then taken out of the pipe.
** A process that died while it wrote has left a part at the end of the file, which is cut off when
** the file is opened; the pipe has it all. One that died right behind has left the lines in both:
** they are taken out of the pipe when it is announced. Without that memory (a limit of file sizes)
** the notes are empty, and lines at such a moment may come twice.
*/
#ifndef SUP_LOG_NOTES_H
#define SUP_LOG_NOTES_H

#include <stddef.h>
#include <stdint.h>

#include "log/file.h"
#include "log/ring.h"

#define SUP_NOTES 32 /* of former processes that are not settled yet, and one's own */

enum sup_note_phase { SUP_NOTE_NONE = 0, SUP_NOTE_WRITING, SUP_NOTE_WRITTEN };

struct sup_note {
    uint32_t phase; /* enum sup_note_phase; stored last */
    uint32_t reserved;
    uint64_t node;
    uint64_t device, inode; /* of the file */
    uint64_t end;           /* of the file before */
    uint64_t size;          /* bytes of the pipe that are written */
    uint64_t pending;       /* bytes in the pipe before */
    uint64_t print;         /* of those that are written */
};

struct sup_notes {
    struct sup_rings *rings;
    struct sup_note *shared; /* SUP_NOTES of them; NULL: not there, or not looked for yet */
    bool is_missing;
};

/* Find what former processes have left. */
void sup_notes_init(struct sup_notes *notes, struct sup_rings *rings);

/*
** ${size} bytes at ${bytes}, the first of ${pending} in the pipe of ${node}, are about to be
** written to the end of ${file}. Returns the note for the other two.
*/
struct sup_note *sup_notes_begin(struct sup_notes *notes, uint64_t node,
                                 const struct sup_file *file, const uint8_t *bytes, size_t size,
                                 size_t pending);

/* They are in the file, and about to be taken out of the pipe. NULL is fine. */
void sup_note_written(struct sup_note *note);

/* They are out of the pipe, or out of the file. NULL is fine. */
void sup_note_end(struct sup_note *note);

/* ${file} was opened: cut off what a former process did not finish. */
void sup_notes_mend_file(struct sup_notes *notes, const struct sup_file *file);

/*
** The pipe of ${node} was announced: take out what a former process has written. Uses ${staging}
** and ${scratch}, which has room for a turn.
*/
void sup_notes_mend_pipe(struct sup_notes *notes, uint64_t node, int pipe,
                         struct sup_staging *staging, uint8_t *scratch);

#endif
