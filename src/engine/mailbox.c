/*
** engine/mailbox.c: events as bytes in a bounded list. Must not know what an event means.
*/
#include "engine/mailbox.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define ROOM 12288 /* of one event's fields */

enum { TEXT = 1, NUMBER, INTEGER, BOOLEAN };

/* --- packing ---------------------------------------------------------------------------------- */

struct packing {
    size_t size;
    unsigned char bytes[ROOM];
};

/* A field that finds no room is left out. */
static void pack(struct packing *packing, unsigned char type, const char *name, const void *value,
                 size_t size)
{
    size_t name_size = strlen(name) + 1;
    if (1 + name_size + size > sizeof packing->bytes - packing->size) return;
    unsigned char *place = packing->bytes + packing->size;
    *place = type;
    memcpy(place + 1, name, name_size);
    memcpy(place + 1 + name_size, value, size);
    packing->size += 1 + name_size + size;
}

static void pack_text(void *self, const char *name, const char *value)
{
    pack(self, TEXT, name, value, strlen(value) + 1);
}

static void pack_number(void *self, const char *name, double value)
{
    pack(self, NUMBER, name, &value, sizeof value);
}

static void pack_integer(void *self, const char *name, int64_t value)
{
    pack(self, INTEGER, name, &value, sizeof value);
}

static void pack_boolean(void *self, const char *name, bool value)
{
    unsigned char byte = value;
    pack(self, BOOLEAN, name, &byte, sizeof byte);
}

/* Tells one field whose value stands at ${at}; returns its size. */
static size_t tell(unsigned char type, const char *name, const unsigned char *at,
                   const struct sup_field_sink *sink)
{
    double number;
    int64_t integer;
    switch (type) {
    case TEXT:
        sink->text(sink->self, name, (const char *) at);
        return strlen((const char *) at) + 1;
    case NUMBER:
        memcpy(&number, at, sizeof number);
        sink->number(sink->self, name, number);
        return sizeof number;
    case INTEGER:
        memcpy(&integer, at, sizeof integer);
        sink->integer(sink->self, name, integer);
        return sizeof integer;
    default:
        sink->boolean(sink->self, name, *at != 0);
        return 1;
    }
}

void sup_mail_fields(const struct sup_mail *mail, const struct sup_field_sink *sink)
{
    const unsigned char *at = mail->fields, *end = mail->fields + mail->size;
    while (at < end) {
        unsigned char type = *at;
        const char *name = (const char *) at + 1;
        at += 1 + strlen(name) + 1;
        at += tell(type, name, at, sink);
    }
}

static struct sup_mail *create_mail(const struct sup_told *told, int64_t wall_offset_ns,
                                    const char *log)
{
    const struct sup_event *event = &told->effect->event;
    struct packing packing;
    const struct sup_field_sink sink = {pack_text, pack_number, pack_integer, pack_boolean,
                                        &packing};
    double second = (double) SUP_SECOND_NS;
    packing.size = 0;
    sup_event_fields(told, (double) (event->time_ns + wall_offset_ns) / second,
                     (double) wall_offset_ns / second, &sink);
    size_t log_size = log == NULL ? 0 : strlen(log) + 1;
    struct sup_mail *mail = malloc(sizeof *mail + packing.size + log_size);
    if (mail == NULL) return NULL;
    *mail = (struct sup_mail){.type = event->type, .size = packing.size};
    memcpy(mail->fields, packing.bytes, packing.size);
    if (log_size > 0) mail->log = memcpy(mail->fields + packing.size, log, log_size);
    return mail;
}

/* --- the list --------------------------------------------------------------------------------- */

static void raise_flag(struct sup_mailbox *mailbox)
{
    uint64_t one = 1;
    while (write(mailbox->fd, &one, sizeof one) < 0 && errno == EINTR) continue;
}

static void lower_flag(struct sup_mailbox *mailbox)
{
    uint64_t number;
    while (read(mailbox->fd, &number, sizeof number) < 0 && errno == EINTR) continue;
}

int sup_mailbox_init(struct sup_mailbox *mailbox)
{
    *mailbox =
        (struct sup_mailbox){.owner = getpid(), .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (mailbox->fd < 0) return -errno;
    pthread_mutex_init(&mailbox->mutex, NULL);
    return 0;
}

void sup_mailbox_finish(struct sup_mailbox *mailbox)
{
    while (mailbox->first != NULL) {
        struct sup_mail *mail = mailbox->first;
        mailbox->first = mail->next;
        free(mail);
    }
    pthread_mutex_destroy(&mailbox->mutex);
    close(mailbox->fd);
}

/* With the mutex held. */
static struct sup_mail *unlink_first(struct sup_mailbox *mailbox)
{
    struct sup_mail *mail = mailbox->first;
    mailbox->first = mail->next;
    if (mailbox->first == NULL) mailbox->last = NULL;
    mailbox->count--;
    return mail;
}

void sup_mailbox_put(struct sup_mailbox *mailbox, const struct sup_told *told,
                     int64_t wall_offset_ns, const char *log)
{
    struct sup_mail *mail = create_mail(told, wall_offset_ns, log), *dropped = NULL;
    pthread_mutex_lock(&mailbox->mutex);
    if (mail == NULL) {
        mailbox->lost++;
    } else {
        if (mailbox->count == SUP_MAILBOX_MAX) {
            dropped = unlink_first(mailbox);
            uint64_t lost = dropped->lost + 1;
            if (mailbox->first != NULL) mailbox->first->lost += lost;
        }
        mail->lost = mailbox->lost;
        mailbox->lost = 0;
        if (mailbox->last == NULL) mailbox->first = mail;
        else mailbox->last->next = mail;
        mailbox->last = mail;
        if (mailbox->count++ == 0) raise_flag(mailbox);
    }
    pthread_mutex_unlock(&mailbox->mutex);
    free(dropped);
}

void sup_mailbox_close(struct sup_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->mutex);
    mailbox->closed = true;
    raise_flag(mailbox);
    pthread_mutex_unlock(&mailbox->mutex);
}

struct sup_mail *sup_mailbox_take(struct sup_mailbox *mailbox, bool *closed)
{
    struct sup_mail *mail = NULL;
    *closed = true;
    if (mailbox->owner != getpid()) return NULL;
    pthread_mutex_lock(&mailbox->mutex);
    if (mailbox->first != NULL) mail = unlink_first(mailbox);
    if (mailbox->first == NULL && !mailbox->closed) lower_flag(mailbox);
    *closed = mailbox->closed;
    pthread_mutex_unlock(&mailbox->mutex);
    return mail;
}

void sup_mailbox_wait(struct sup_mailbox *mailbox, int64_t wait_ns)
{
    struct pollfd flag = {.fd = mailbox->fd, .events = POLLIN};
    struct timespec wait = {.tv_sec = wait_ns / SUP_SECOND_NS, .tv_nsec = wait_ns % SUP_SECOND_NS};
    if (mailbox->owner != getpid()) return;
    ppoll(&flag, 1, wait_ns == SUP_INFINITY_NS ? NULL : &wait, NULL);
}
