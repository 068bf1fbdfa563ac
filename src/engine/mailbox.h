/*
** engine/mailbox.h: events on their way from the engine thread to the program's callbacks: bounded,
** and readable as a descriptor. Must not know who reads.
**
** One thread puts, any thread takes. Nothing here blocks but sup_mailbox_wait. In a process that
** was forked from the owner of a mailbox it is closed and empty.
*/
#ifndef SUP_ENGINE_MAILBOX_H
#define SUP_ENGINE_MAILBOX_H

#include "core/event.h"
#include "core/tree.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SUP_MAILBOX_MAX 4096 /* mails; the oldest are dropped beyond them */

/* One event, in memory of its own: free it with free(). */
struct sup_mail {
    struct sup_mail *next;
    uint64_t lost; /* mails dropped right before this one */
    enum sup_event_type type;
    char *log; /* a line for `log`; NULL: none */
    size_t size;
    unsigned char fields[]; /* for sup_mail_fields */
};

struct sup_mailbox {
    pid_t owner; /* the process that made it */
    pthread_mutex_t mutex;
    struct sup_mail *first, *last;
    size_t count;
    uint64_t lost;
    int fd; /* an eventfd: readable while mails wait, or after close */
    bool closed;
};

int sup_mailbox_init(struct sup_mailbox *mailbox); /* 0 or -errno */
void sup_mailbox_finish(struct sup_mailbox *mailbox);

/* Put the event ${told}; ${log} (NULL: none) is copied. Lack of memory counts as lost. */
void sup_mailbox_put(struct sup_mailbox *mailbox, const struct sup_told *told,
                     int64_t wall_offset_ns, const char *log);

/* No more mails will come: waiters go on. */
void sup_mailbox_close(struct sup_mailbox *mailbox);

/* The oldest mail, the caller's from here on. NULL: none; ${closed} then says whether any can come.
   */
struct sup_mail *sup_mailbox_take(struct sup_mailbox *mailbox, bool *closed);

/* Wait for a mail, for close, for a signal of this thread, or for ${wait_ns}. */
void sup_mailbox_wait(struct sup_mailbox *mailbox, int64_t wait_ns);

/* Tell the fields of the event to ${sink}, in order. */
void sup_mail_fields(const struct sup_mail *mail, const struct sup_field_sink *sink);

#endif
