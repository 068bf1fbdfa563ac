/*
** engine/link.c: the queue to the keeper. Must not know what messages mean.
*/
#include "engine/link.h"

#include "base/err.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_ROOM 64
#define KEPT_ROOM 1024 /* an empty ring larger than this is given back */

void sup_link_init(struct sup_link *link, int socket)
{
    *link = (struct sup_link){.socket = socket};
}

static struct sup_parcel *parcel_at(const struct sup_link *link, size_t place)
{
    return &link->parcels[(link->first + place) & (link->room - 1)];
}

static void drop_all(struct sup_link *link)
{
    for (size_t i = 0; i < link->count; i++) {
        struct sup_parcel *parcel = parcel_at(link, i);
        if (parcel->fd >= 0) close(parcel->fd);
    }
    link->count = 0;
}

void sup_link_finish(struct sup_link *link)
{
    drop_all(link);
    free(link->parcels);
    *link = (struct sup_link){.socket = -1};
}

static void become_lost(struct sup_link *link)
{
    link->lost = true;
    drop_all(link);
}

static int grow(struct sup_link *link)
{
    size_t room = link->room == 0 ? FIRST_ROOM : link->room * 2;
    struct sup_parcel *parcels = malloc(room * sizeof *parcels);
    if (parcels == NULL) return -ENOMEM;
    for (size_t i = 0; i < link->count; i++) parcels[i] = *parcel_at(link, i);
    free(link->parcels);
    link->parcels = parcels;
    link->room = room;
    link->first = 0;
    return 0;
}

/* 0, -EAGAIN or -EPIPE. Whatever else the system says is lack of something that may come back. */
static int send_now(struct sup_link *link, const struct sup_wire *message, int fd)
{
    int r = sup_wire_send(link->socket, message, fd);
    if (r == 0 || r == -EPIPE) return r;
    return r == -EBADF || r == -ENOTSOCK ? -EPIPE : -EAGAIN;
}

static int send_waiting(struct sup_link *link, const struct sup_wire *message, int fd)
{
    for (;;) {
        int r = sup_link_drain(link, -1);
        if (r == 0) r = send_now(link, message, fd);
        if (r == 0) return 0;
        if (r == -EPIPE) {
            become_lost(link);
            return r;
        }
        struct pollfd wait = {.fd = link->socket, .events = POLLOUT};
        poll(&wait, 1, 10);
    }
}

int sup_link_send(struct sup_link *link, const struct sup_wire *message, int fd)
{
    struct sup_wire whole = *message;
    whole.version = SUP_WIRE_VERSION;
    int r = link->lost ? -EPIPE : -EAGAIN;
    if (r == -EAGAIN && !link->corked && link->count == 0) r = send_now(link, &whole, fd);
    if (r == -EAGAIN) {
        if (link->count < link->room || grow(link) == 0) {
            link->count++;
            *parcel_at(link, link->count - 1) = (struct sup_parcel){.message = whole, .fd = fd};
            return 0;
        }
        r = send_waiting(link, &whole, fd);
    }
    if (fd >= 0) close(fd);
    if (r == -EPIPE) become_lost(link);
    return r;
}

void sup_link_mark(struct sup_link *link, uint64_t mark)
{
    if (link->count > 0) parcel_at(link, link->count - 1)->mark = mark;
    else link->reached = mark;
}

int sup_link_flush(struct sup_link *link)
{
    while (!link->lost && link->count > 0) {
        struct sup_parcel *parcel = parcel_at(link, 0);
        int r = send_now(link, &parcel->message, parcel->fd);
        if (r == -EAGAIN) return r;
        if (r == -EPIPE) {
            become_lost(link);
            break;
        }
        if (parcel->fd >= 0) close(parcel->fd);
        if (parcel->mark != 0) link->reached = parcel->mark;
        link->first = (link->first + 1) & (link->room - 1);
        link->count--;
    }
    if (link->lost) return -EPIPE;
    if (link->room > KEPT_ROOM) {
        free(link->parcels);
        link->parcels = NULL;
        link->room = link->first = 0;
    }
    return 0;
}

int sup_link_drain(struct sup_link *link, int timeout_ms)
{
    for (;;) {
        int r = sup_link_flush(link);
        if (r != -EAGAIN) return r;
        struct pollfd wait = {.fd = link->socket, .events = POLLOUT};
        int n = poll(&wait, 1, timeout_ms);
        if (n == 0) return -EAGAIN;
        if (n < 0 && errno != EINTR) return -EAGAIN;
    }
}
