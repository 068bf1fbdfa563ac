/*
** engine/activation.c: services that wait for a connection. Their sockets are looked at together,
** by one epoll, each until it has something once: a service that runs, or is delayed, costs nothing
** whatever queues up. Must not know what a connection leads to.
**
** One that ends well without having taken what called it would be called again at once: it is
** listened for anew a second after its launch at the earliest.
*/
#include "engine/inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SPACING_NS SUP_SECOND_NS
#define BATCH 32

static void tell(struct sup_engine *engine, sup_token node, const char *text)
{
    struct sup_input input = {.type = SUP_IN_ACTIVATE, .node = node, .text = text};
    sup_engine_apply(engine, &input);
}

/* "http 127.0.0.1:8080": what of ${node} ${id} is. */
static void describe(struct sup_engine *engine, sup_token node, uint64_t id, char *text)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, node);
    struct sup_socket socket;
    text[0] = '\0';
    if (spec == NULL) return;
    for (uint32_t at = 0; sup_sockets_next(&spec->sockets, &at, &socket);)
        if (sup_listener_id(socket.address) == id)
            snprintf(text, SUP_LISTENER_TEXT, "%s %s", socket.name, socket.address);
}

static void on_calls(uv_poll_t *poll, int status, int events)
{
    struct sup_engine *engine = poll->data;
    struct epoll_event came[BATCH];
    char text[SUP_LISTENER_TEXT];
    (void) status;
    (void) events;
    int count = epoll_wait(engine->listeners.epoll, came, BATCH, 0);
    sup_engine_tick(engine);
    for (int i = 0; i < count; i++) {
        struct sup_listener *listener = sup_listener_find(engine, came[i].data.u64);
        if (listener == NULL || listener->node == 0) continue;
        sup_token node = listener->node; /* the listener may move */
        describe(engine, node, came[i].data.u64, text);
        tell(engine, node, text);
    }
    sup_loop_settle(engine);
}

static int open_epoll(struct sup_engine *engine)
{
    struct sup_listeners *listeners = &engine->listeners;
    if (listeners->epoll != 0) return 0;
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) return -errno;
    int r = uv_poll_init(&engine->uv, &engine->activation_poll, fd);
    if (r == 0) {
        engine->activation_poll.data = engine;
        r = uv_poll_start(&engine->activation_poll, UV_READABLE, on_calls);
    }
    if (r < 0) close(fd);
    else listeners->epoll = fd;
    return r;
}

static int watch(struct sup_engine *engine, struct sup_listener *listener)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = listener->id};
    int operation = listener->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(engine->listeners.epoll, operation, listener->fd, &event) < 0) return -errno;
    listener->watched = true;
    return 0;
}

/* Listen for who calls ${node}. 0 or -errno with ${text}. */
static int listen_for(struct sup_engine *engine, sup_token node, char *text)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, node);
    struct sup_socket socket;
    int r = sup_listeners_open(engine, node, spec, text);
    if (r < 0) return r;
    r = open_epoll(engine);
    for (uint32_t at = 0; r == 0 && sup_sockets_next(&spec->sockets, &at, &socket);) {
        struct sup_listener *one = sup_listener_find(engine, sup_listener_id(socket.address));
        r = one == NULL ? -ENOENT : watch(engine, one);
    }
    if (r < 0) snprintf(text, SUP_LISTENER_TEXT, "its sockets cannot be watched: %s", strerror(-r));
    return r;
}

/* When ${node} may be listened for: not yet, right after its launch. */
static int64_t earliest(const struct sup_engine *engine, sup_token node)
{
    const struct sup_slot *slot = sup_slots_find(&engine->slots, node);
    return slot == NULL || slot->launched_ns == 0 ? 0 : slot->launched_ns + SPACING_NS;
}

void sup_activation_check(struct sup_engine *engine)
{
    struct sup_listeners *listeners = &engine->listeners;
    struct sup_status status;
    char text[SUP_LISTENER_TEXT];
    if (!listeners->asked && engine->now_ns < sup_activation_deadline(engine)) return;
    listeners->asked = false;
    listeners->again_ns = 0;
    const struct sup_tree *tree = engine->tree;
    for (sup_token node = sup_tree_next(tree, 0); node != 0; node = sup_tree_next(tree, node)) {
        if (!sup_tree_status(tree, node, engine->now_ns, &status)) continue;
        if (status.state != SUP_STATE_WAITING || status.cause != SUP_CAUSE_ACTIVATION) continue;
        int64_t at_ns = earliest(engine, node);
        if (at_ns > engine->now_ns) {
            if (listeners->again_ns == 0 || at_ns < listeners->again_ns)
                listeners->again_ns = at_ns;
        } else if (listen_for(engine, node, text) < 0) {
            tell(engine, node, text); /* its launch will say what is wrong, and count */
        }
    }
}

int64_t sup_activation_deadline(const struct sup_engine *engine)
{
    int64_t again_ns = engine->listeners.again_ns;
    return again_ns == 0 ? SUP_INFINITY_NS : again_ns;
}
