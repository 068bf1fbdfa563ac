/*
** engine/handle.c: handles are made and dropped; the one lock; forked processes. Must not know what
** a tree does.
*/
#include "engine/handle.h"

#include "engine/handle_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint32_t last_serial;

void sup_handles_lock(void)
{
    pthread_mutex_lock(&lock);
}

void sup_handles_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void sup_handles_wait(void)
{
    pthread_cond_wait(&changed, &lock);
}

void sup_handles_changed(void)
{
    pthread_cond_broadcast(&changed);
}

enum sup_verdict sup_answer_set(struct sup_answer *answer, enum sup_verdict verdict,
                                const char *text)
{
    answer->verdict = verdict;
    snprintf(answer->text, sizeof answer->text, "%s", text == NULL ? "" : text);
    return verdict;
}

/* --- forked processes ------------------------------------------------------------------------- */

/* The child of a fork may make handles of its own: the lock is nobody's there. */
static void begin_anew(void)
{
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&changed, NULL);
}

static void watch_forks(void)
{
    pthread_atfork(sup_handles_lock, sup_handles_unlock, begin_anew);
}

bool sup_handle_is_foreign(const struct sup_handle *handle, struct sup_answer *answer)
{
    if (handle->owner == getpid()) return false;
    if (answer != NULL)
        sup_answer_set(answer, SUP_NOT_DONE,
                       "the supervisor belongs to the process that this one was forked from; make "
                       "a new one here");
    return true;
}

/* --- making and dropping ---------------------------------------------------------------------- */

static void free_handle(struct sup_handle *handle)
{
    if (handle == NULL) return;
    free(handle->records);
    free(handle->leavers);
    free(handle->left);
    free(handle->blob);
    free(handle->name);
    free(handle);
}

struct sup_handle *sup_handle_create(const void *blob, size_t size,
                                     const struct sup_thread_ops *threads, struct sup_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sup_form *form = sup_form_create(blob, size, err);
    if (form == NULL) return NULL;
    struct sup_handle *handle = calloc(1, sizeof *handle);
    sup_library_open_standard();
    if (handle != NULL) {
        handle->name = strdup(sup_form_name(sup_form_root(form)));
        handle->blob = malloc(size);
    }
    sup_form_unref(form);
    int r = handle == NULL || handle->name == NULL || handle->blob == NULL
                ? -ENOMEM
                : sup_mailbox_init(&handle->mailbox);
    if (r < 0) {
        free_handle(handle);
        sup_err_set(err, r, "", "", "no supervisor can be made: %s", strerror(-r));
        return NULL;
    }
    memcpy(handle->blob, blob, size);
    handle->size = size;
    handle->references = 1;
    handle->owner = getpid();
    handle->threads = threads;
    pthread_once(&once, watch_forks);
    sup_handles_lock();
    handle->serial = ++last_serial;
    sup_handles_unlock();
    return handle;
}

static void destroy(struct sup_handle *handle)
{
    while (handle->count > 0) {
        sup_handles_lock();
        struct sup_handle *child = sup_record_drop(handle, &handle->records[handle->count - 1]);
        if (child != NULL) child->state = SUP_HANDLE_STOPPED;
        sup_handles_unlock();
        if (child != NULL) sup_handle_drop(child);
    }
    sup_mailbox_finish(&handle->mailbox);
    free_handle(handle);
}

void sup_handle_drop(struct sup_handle *handle)
{
    sup_handles_lock();
    bool last = --handle->references == 0;
    sup_handles_unlock();
    if (last) destroy(handle);
}

void sup_handle_release(struct sup_handle *handle)
{
    /* In a forked process it stays as it is: a copy that nobody can take apart. */
    if (handle == NULL || sup_handle_is_foreign(handle, NULL)) return;
    sup_handles_lock();
    bool is_over = handle->parent == NULL && handle->references == 1 && handle->was_served;
    sup_handles_unlock();
    if (is_over) sup_handle_end(handle);
    sup_handle_drop(handle);
}

/* --- what it is ------------------------------------------------------------------------------- */

const char *sup_handle_name(const struct sup_handle *handle)
{
    return handle->name;
}

bool sup_handle_has_ended(struct sup_handle *handle, int *code)
{
    sup_handles_lock();
    struct sup_handle *root = sup_handle_root(handle);
    bool ended = root->state == SUP_HANDLE_STOPPED;
    *code = root->code;
    sup_handles_unlock();
    return ended;
}

void sup_handle_want_mail(struct sup_handle *handle)
{
    sup_handles_lock();
    atomic_store(&sup_handle_root(handle)->wants_mail, true);
    sup_handles_unlock();
}

struct sup_mailbox *sup_handle_mailbox(struct sup_handle *handle)
{
    return &handle->mailbox;
}
