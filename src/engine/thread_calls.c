/*
** engine/thread_calls.c: what the functions of a service call on their own thread: its flags,
** sleep, output. Must not know how the thread came to run them.
*/
#include "engine/workers.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define LONG_NS SECOND          /* a sleep for which it is worth while to give memory back */
#define SPARE ((uintptr_t) 512) /* below a frame: what it may use without saying so */

/* --- output ----------------------------------------------------------------------------------- */

struct sup_thread_output *sup_thread_output_create(int fd)
{
    struct sup_thread_output *output = malloc(sizeof *output);
    if (output != NULL) *output = (struct sup_thread_output){.users = 1, .fd = fd};
    else if (fd >= 0) close(fd);
    return output;
}

struct sup_thread_output *sup_thread_output_share(struct sup_thread_output *output)
{
    if (output != NULL) atomic_fetch_add(&output->users, 1);
    return output;
}

void sup_thread_output_leave(struct sup_thread_output *output)
{
    if (output == NULL || atomic_fetch_sub(&output->users, 1) > 1) return;
    if (output->fd >= 0) close(output->fd);
    free(output);
}

/* --- what the functions see ------------------------------------------------------------------- */

void sup_thread_set_data(struct sup_thread *thread, void *data)
{
    thread->data = data;
}

void *sup_thread_data(const struct sup_thread *thread)
{
    return thread->data;
}

void sup_thread_lock(struct sup_thread *thread)
{
    pthread_mutex_lock(&thread->mutex);
}

void sup_thread_unlock(struct sup_thread *thread)
{
    pthread_mutex_unlock(&thread->mutex);
}

bool sup_thread_is_asked(const struct sup_thread *thread)
{
    return atomic_load(&thread->asked);
}

bool sup_thread_is_killed(const struct sup_thread *thread)
{
    return atomic_load(&thread->killed);
}

char *sup_thread_context(struct sup_thread *thread, char *buf, size_t size)
{
    pthread_mutex_lock(&thread->mutex);
    const char *text = thread->context == NULL ? "" : thread->context;
    size_t length = strnlen(text, size - 1);
    memcpy(buf, text, length);
    buf[length] = '\0';
    pthread_mutex_unlock(&thread->mutex);
    return buf;
}

/* Give back the pages of the stack that were used before it came to rest. */
static void trim_stack(const struct sup_thread *thread)
{
    const char here = 0;
    uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);
    uintptr_t end = ((uintptr_t) &here - SPARE) / page * page;
    uintptr_t low = (thread->stack_low + page - 1) / page * page;
    if (low < end) madvise((void *) low, end - low, MADV_DONTNEED);
}

bool sup_thread_sleep(struct sup_thread *thread, int64_t ns)
{
    if (ns >= LONG_NS && thread->stack_low != 0) trim_stack(thread);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t now_ns = (int64_t) now.tv_sec * SECOND + now.tv_nsec;
    int64_t end_ns = ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + ns;
    struct timespec end = {.tv_sec = (time_t) (end_ns / SECOND), .tv_nsec = end_ns % SECOND};
    int r = 0;
    pthread_mutex_lock(&thread->mutex);
    while (r != ETIMEDOUT && !atomic_load(&thread->asked))
        r = pthread_cond_timedwait(&thread->changed, &thread->mutex, &end);
    pthread_mutex_unlock(&thread->mutex);
    return !atomic_load(&thread->asked);
}

void sup_thread_heartbeat(struct sup_thread *thread)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    atomic_store(&thread->heard_ns, (int64_t) now.tv_sec * SECOND + now.tv_nsec);
}

int64_t sup_worker_heard_ns(const struct sup_thread *thread)
{
    return atomic_load(&thread->heard_ns);
}

/* The pipe may be non-blocking: whoever else has it decides. */
static void wait_for_room(int fd)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    poll(&room, 1, -1);
}

int sup_thread_write(struct sup_thread *thread, const void *bytes, size_t size)
{
    const char *at = bytes;
    int fd = thread->output == NULL ? -1 : thread->output->fd;
    while (fd >= 0 && size > 0) {
        if (atomic_load(&thread->killed)) return -EINTR;
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EAGAIN) wait_for_room(fd);
        else if (n < 0 && errno != EINTR) return -errno;
        if (n <= 0) continue;
        at += n;
        size -= (size_t) n;
    }
    return 0;
}
