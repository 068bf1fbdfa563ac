/*
** engine/notify.c: what processes say of themselves: sd_notify datagrams, and the line by which one
** gets ready. Must not know how the keeper makes the descriptors, nor what follows from a fact.
**
** A message is looked at, what it says is done and journalled, and only then is it taken: a host
** that is killed in between leaves it to the next. Who sent it is checked by the credentials that
** the kernel adds. The text of a message decides nothing but what this instance itself may say.
*/
#include "engine/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EARS_AT_ONCE 64
#define MESSAGES_AT_ONCE 32 /* of one process, before others have their turn */
#define MESSAGE_SIZE 16384  /* of what is longer only whole lines are heard */
#define PARENTS 32          /* so far up is looked for the service that a sender belongs to */
#define MICROSECOND_NS 1000

/* --- whose is it ------------------------------------------------------------------------------ */

/* The parent of ${pid}; 0: it is gone, or has none. */
static pid_t parent_of(pid_t pid)
{
    char path[32], text[512];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (size <= 0) return 0;
    text[size] = '\0';
    const char *after_name = strrchr(text, ')'); /* the name may hold anything */
    if (after_name == NULL || sscanf(after_name, ") %*c %d", &parent) != 1) return 0;
    return parent;
}

/* Every service leads a session of its own. Who has left that is still below it, unless it has
   become an orphan as well: such a one is not heard. */
static bool is_of_service(const struct sup_slot *slot, pid_t pid)
{
    if (pid <= 1 || slot->pid <= 0) return false;
    if (pid == slot->pid || (getsid(pid) == getsid(slot->pid) && getsid(pid) > 0)) return true;
    for (int i = 0; i < PARENTS && pid > 1; i++) {
        pid = parent_of(pid);
        if (pid == slot->pid) return true;
    }
    return false;
}

/* --- what it says ----------------------------------------------------------------------------- */

static bool is_current(const struct sup_engine *engine, sup_token node, uint64_t instance)
{
    const struct sup_slot *slot = sup_slots_find(&engine->slots, node);
    return slot != NULL && slot->instance == instance && slot->live;
}

static void apply_ready(struct sup_engine *engine, struct sup_slot *slot)
{
    struct sup_input input = {.type = SUP_IN_READY, .node = slot->node, .instance = slot->instance};
    sup_engine_apply(engine, &input);
}

/* Change what is kept of it; others read that. */
static void note(struct sup_engine *engine, const struct sup_slot *slot,
                 void (*change)(struct sup_said *said, const void *what), const void *what)
{
    pthread_mutex_lock(&engine->mutex);
    struct sup_said *said = sup_said_take(&engine->said, slot->node, slot->instance);
    if (said != NULL) change(said, what);
    pthread_mutex_unlock(&engine->mutex);
}

struct words {
    const char *text;
    size_t size;
};

static void set_text(struct sup_said *said, const void *what)
{
    const struct words *words = what;
    sup_said_set_text(said, words->text, words->size);
}

static void begin_reloading(struct sup_said *said, const void *now_ns)
{
    said->flags |= SUP_SAID_RELOADING;
    said->reloaded_ns = *(const int64_t *) now_ns;
}

static void end_reloading(struct sup_said *said, const void *nothing)
{
    (void) nothing;
    said->flags &= ~(uint32_t) SUP_SAID_RELOADING;
}

static void begin_stopping(struct sup_said *said, const void *nothing)
{
    (void) nothing;
    said->flags |= SUP_SAID_STOPPING;
}

static void set_period(struct sup_said *said, const void *ns)
{
    said->watchdog_ns = *(const int64_t *) ns;
}

static void count_stranger(struct sup_said *said, const void *nothing)
{
    (void) nothing;
    if (said->strangers < UINT32_MAX) said->strangers++;
}

/* READY=1: also the end of RELOADING=1. */
static void hear_ready(struct sup_engine *engine, struct sup_slot *slot)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, slot->node);
    note(engine, slot, end_reloading, NULL);
    if (spec != NULL && spec->ready.kind == SUP_READY_NOTIFY) apply_ready(engine, slot);
}

/* A number of microseconds as ns; 0: it is none, or too large to mean anything. */
static int64_t read_time(const char *value, size_t size)
{
    int64_t us = 0;
    if (size == 0 || size > 15) return 0;
    for (size_t i = 0; i < size; i++) {
        if (value[i] < '0' || value[i] > '9') return 0;
        us = us * 10 + (value[i] - '0');
    }
    return us > SUP_DURATION_MAX_NS / MICROSECOND_NS ? 0 : us * MICROSECOND_NS;
}

static bool is(const char *value, size_t size, const char *word)
{
    return size == strlen(word) && memcmp(value, word, size) == 0;
}

static void hear_watchdog(struct sup_engine *engine, struct sup_slot *slot, const char *value,
                          size_t size)
{
    if (is(value, size, "1")) sup_watchdog_fed(engine, slot);
    if (is(value, size, "trigger"))
        sup_watchdog_bite(engine, slot, "it asked for that itself (WATCHDOG=trigger)");
}

/* Whatever it is that it needs the time for. */
static void hear_extend(struct sup_engine *engine, struct sup_slot *slot, int64_t ns)
{
    struct sup_status status;
    struct sup_input input = {.type = SUP_IN_EXTEND,
                              .node = slot->node,
                              .instance = slot->instance,
                              .wait_ns = ns};
    sup_watchdog_extend(engine, slot, ns);
    if (!sup_tree_status(engine->tree, slot->node, engine->now_ns, &status)) return;
    if (status.next_ns != 0) sup_engine_apply(engine, &input);
}

/* MAINPID: only the number of a process of the service itself. */
static void hear_main(struct sup_engine *engine, struct sup_slot *slot, const char *value,
                      size_t size)
{
    char path[1024];
    int64_t pid = read_time(value, size) / MICROSECOND_NS;
    if (pid > 0 && pid <= INT32_MAX && is_of_service(slot, (pid_t) pid)) {
        sup_process_claim(engine, slot, (int32_t) pid);
        return;
    }
    sup_tell_line(engine, "%s says MAINPID=%.*s, which is no process of it: that is not taken",
                  sup_tree_path(engine->tree, slot->node, path, sizeof path),
                  size > 20 ? 20 : (int) size, value);
}

static void hear_word(struct sup_engine *engine, struct sup_slot *slot, const char *key,
                      size_t key_size, const char *value, size_t size)
{
    const struct words words = {value, size};
    int64_t ns = read_time(value, size);
    if (is(key, key_size, "STATUS")) {
        note(engine, slot, set_text, &words);
    } else if (is(key, key_size, "READY") && is(value, size, "1")) {
        hear_ready(engine, slot);
    } else if (is(key, key_size, "RELOADING") && is(value, size, "1")) {
        note(engine, slot, begin_reloading, &engine->now_ns);
    } else if (is(key, key_size, "STOPPING") && is(value, size, "1")) {
        note(engine, slot, begin_stopping, NULL);
        sup_watchdog_farewell(engine, slot);
    } else if (is(key, key_size, "MAINPID")) {
        hear_main(engine, slot, value, size);
    } else if (is(key, key_size, "WATCHDOG")) {
        hear_watchdog(engine, slot, value, size);
    } else if (is(key, key_size, "WATCHDOG_USEC") && ns > 0) {
        note(engine, slot, set_period, &ns);
        sup_watchdog_begin(engine, slot);
    } else if (is(key, key_size, "EXTEND_TIMEOUT_USEC") && ns > 0) {
        hear_extend(engine, slot, ns);
    }
}

/* Line by line, KEY=VALUE each; the rest of a message is not heard once the instance is over. */
static void hear_message(struct sup_engine *engine, struct sup_slot *slot, const char *text,
                         size_t size)
{
    sup_token node = slot->node;
    uint64_t instance = slot->instance;
    const char *end = text + size;
    while (text < end && is_current(engine, node, instance)) {
        const char *line_end = memchr(text, '\n', (size_t) (end - text));
        if (line_end == NULL) line_end = end;
        const char *equals = memchr(text, '=', (size_t) (line_end - text));
        if (equals != NULL)
            hear_word(engine, slot, text, (size_t) (equals - text), equals + 1,
                      (size_t) (line_end - equals - 1));
        text = line_end + 1;
    }
}

/* --- hearing it ------------------------------------------------------------------------------- */

/* The next message, left where it is, and who sent it. Returns its size, or -EAGAIN. Descriptors
   that came with it find no room, and are gone with it. */
static ssize_t look(int fd, char *buf, size_t size, pid_t *sender, bool *cut)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec part = {.iov_base = buf, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0) return -errno;
    *sender = 0;
    *cut = (message.msg_flags & MSG_TRUNC) != 0;
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    struct ucred from;
    if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_CREDENTIALS)
        return n;
    memcpy(&from, CMSG_DATA(head), sizeof from);
    *sender = from.pid;
    return n;
}

/* One message. False: there is none. */
static bool hear_next(struct sup_engine *engine, struct sup_slot *slot)
{
    char buf[MESSAGE_SIZE];
    pid_t sender = 0;
    bool cut = false;
    int fd = slot->notify;
    ssize_t n = look(fd, buf, sizeof buf, &sender, &cut);
    if (n == -EINTR) return true;
    if (n < 0) return false;
    size_t size = (size_t) n;
    while (cut && size > 0 && buf[size - 1] != '\n') size--;
    if (is_of_service(slot, sender)) hear_message(engine, slot, buf, size);
    else note(engine, slot, count_stranger, NULL);
    if (slot->notify == fd) recv(fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC);
    return true;
}

static void close_line(struct sup_engine *engine, struct sup_slot *slot)
{
    if (slot->ready_line < 0) return;
    epoll_ctl(engine->ears.epoll, EPOLL_CTL_DEL, slot->ready_line, NULL);
    close(slot->ready_line);
    slot->ready_line = -1;
}

/* What stands in the pipe, left there. Returns the size; 0: its writers are gone; -EAGAIN. */
static ssize_t look_at_line(struct sup_engine *engine, int fd, char *buf, size_t size)
{
    int *copy = engine->ears.copy;
    if (copy[0] < 0 && pipe2(copy, O_CLOEXEC | O_NONBLOCK) < 0) return -errno;
    ssize_t n = tee(fd, copy[1], size, SPLICE_F_NONBLOCK);
    if (n <= 0) return n < 0 ? -errno : 0;
    return read(copy[0], buf, (size_t) n);
}

static void hear_line(struct sup_engine *engine, struct sup_slot *slot)
{
    char buf[256];
    int fd = slot->ready_line;
    ssize_t n = look_at_line(engine, fd, buf, sizeof buf);
    if (n == -EMFILE || n == -ENFILE) n = read(fd, buf, sizeof buf);
    else if (n > 0 && memchr(buf, '\n', (size_t) n) != NULL) apply_ready(engine, slot);
    if (n == 0) close_line(engine, slot);
    if (n > 0 && slot->ready_line == fd && read(fd, buf, (size_t) n) < 0) return;
}

void sup_notify_hear(struct sup_engine *engine, struct sup_slot *slot)
{
    uint64_t instance = slot->instance;
    for (int i = 0; i < MESSAGES_AT_ONCE && slot->notify >= 0; i++)
        if (slot->instance != instance || !hear_next(engine, slot)) break;
    if (slot->ready_line >= 0 && slot->instance == instance) hear_line(engine, slot);
}

/* --- the ears --------------------------------------------------------------------------------- */

static void on_ears(uv_poll_t *poll, int status, int events)
{
    struct sup_engine *engine = poll->data;
    struct epoll_event heard[EARS_AT_ONCE];
    (void) status;
    (void) events;
    sup_engine_tick(engine);
    int n = epoll_wait(engine->ears.epoll, heard, EARS_AT_ONCE, 0);
    for (int i = 0; i < n; i++) {
        struct sup_slot *slot = sup_slots_find(&engine->slots, heard[i].data.u64);
        if (slot != NULL && slot->live) sup_notify_hear(engine, slot);
    }
    sup_loop_settle(engine);
}

static bool has_ears(struct sup_engine *engine)
{
    struct sup_ears *ears = &engine->ears;
    if (ears->epoll >= 0) return true;
    ears->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (ears->epoll < 0) return false;
    ears->poll.data = engine;
    if (uv_poll_init(&engine->uv, &ears->poll, ears->epoll) == 0 &&
        uv_poll_start(&ears->poll, UV_READABLE, on_ears) == 0)
        return true;
    close(ears->epoll);
    ears->epoll = -1;
    return false;
}

void sup_notify_open(struct sup_engine *engine, const struct sup_wire *message, int fd)
{
    struct sup_slot *slot = sup_slots_find(&engine->slots, message->node);
    uint64_t base = engine->bases.instance;
    struct epoll_event wish = {.events = EPOLLIN, .data.u64 = message->node};
    bool is_its = slot != NULL && slot->live && message->instance == slot->instance + base;
    bool is_line = message->a == SUP_WIRE_EAR_LINE;
    int *place = slot == NULL ? NULL : is_line ? &slot->ready_line : &slot->notify;
    if (fd < 0) return;
    if (!is_its || *place >= 0) {
        close(fd);
    } else if (!has_ears(engine) || epoll_ctl(engine->ears.epoll, EPOLL_CTL_ADD, fd, &wish) < 0) {
        sup_tell_line(engine,
                      "a process cannot be heard: %s; it is started again when its "
                      "start_timeout or its watchdog is over; raise the limit of "
                      "descriptors (ulimit -n)",
                      strerror(errno));
        close(fd);
    } else {
        *place = fd;
    }
}

void sup_notify_close(struct sup_engine *engine, struct sup_slot *slot)
{
    if (slot->notify >= 0) {
        /* The keeper may hold the same: closing alone would leave it watched. */
        epoll_ctl(engine->ears.epoll, EPOLL_CTL_DEL, slot->notify, NULL);
        close(slot->notify);
        slot->notify = -1;
    }
    close_line(engine, slot);
    sup_watchdog_end(engine, slot);
}

void sup_notify_init(struct sup_engine *engine)
{
    engine->ears = (struct sup_ears){.epoll = -1, .copy = {-1, -1}};
    engine->said.fd = -1;
}

void sup_notify_finish(struct sup_engine *engine)
{
    struct sup_ears *ears = &engine->ears;
    if (ears->epoll >= 0) close(ears->epoll);
    for (int i = 0; i < 2; i++)
        if (ears->copy[i] >= 0) close(ears->copy[i]);
    sup_said_finish(&engine->said);
    sup_heap_finish(&engine->watchdogs);
}

/* --- for those who look ----------------------------------------------------------------------- */

const struct sup_said *sup_engine_said(const struct sup_view *view, sup_token node)
{
    const struct sup_slot *slot = sup_slots_find(&view->engine->slots, node);
    if (slot == NULL || !slot->live) return NULL;
    return sup_said_find(&view->engine->said, node, slot->instance);
}
