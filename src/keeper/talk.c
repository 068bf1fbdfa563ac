/*
** keeper/talk.c: what the keeper says to the host: HELLO and all that it holds, then news.
** Nothing is stored for sending: bits in the entries say what is owed, a cursor and queues through
** the entries say where to go on when the socket takes more.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <unistd.h>

/* A descriptor cannot travel when too many are under way (ETOOMANYREFS): look again after this. */
#define RETRY_NS (20 * SUP_KEEPER_MS)

static int say(struct sup_keeper *keeper, struct sup_wire *message, int fd)
{
    message->version = SUP_WIRE_VERSION;
    return sup_wire_send(keeper->host.socket, message, fd);
}

/* --- about one instance --------------------------------------------------------------------- */

static int say_spawned(struct sup_keeper *keeper, const struct sup_keeper_instance *instance)
{
    struct sup_wire message = {
        .type = SUP_WIRE_SPAWNED,
        .generation = instance->generation,
        .node = instance->token,
        .instance = instance->instance,
        .time_ns = instance->spawned_ns,
        .seq = instance->folder.number,
        .a = instance->main_pid,
    };
    bool is_main = instance->stage == SUP_STAGE_MAIN && instance->pidfd != 0;
    int r = say(keeper, &message, is_main ? instance->pidfd : -1);
    return r == -ETOOMANYREFS ? say(keeper, &message, -1) : r;
}

static int say_starting(struct sup_keeper *keeper, const struct sup_keeper_instance *instance)
{
    struct sup_wire message = {
        .type = SUP_WIRE_STARTING,
        .generation = instance->generation,
        .node = instance->token,
        .instance = instance->instance,
        .a = instance->pid,
    };
    return say(keeper, &message, -1);
}

static int say_ending(struct sup_keeper *keeper, const struct sup_keeper_instance *instance)
{
    struct sup_wire message = {
        .type = SUP_WIRE_ENDING,
        .generation = instance->generation,
        .node = instance->token,
        .instance = instance->instance,
        .time_ns = instance->ended_ns,
        .a = instance->status,
    };
    return say(keeper, &message, -1);
}

static int say_limits(struct sup_keeper *keeper, const struct sup_keeper_instance *instance)
{
    struct sup_wire message = {
        .type = SUP_WIRE_LIMITS,
        .generation = instance->generation,
        .node = instance->token,
        .instance = instance->instance,
        .seq = instance->limits_why,
        .a = (int32_t) instance->limits_off,
        .b = instance->limits_error,
    };
    return say(keeper, &message, -1);
}

static int say_end(struct sup_keeper *keeper, const struct sup_keeper_instance *instance)
{
    bool failed = instance->state == SUP_INSTANCE_FAILED;
    uint64_t limits = (uint64_t) instance->limits_why << 32 | instance->limits_off;
    struct sup_wire message = {
        .type = failed ? SUP_WIRE_SPAWN_FAILED : SUP_WIRE_EXIT,
        .generation = instance->generation,
        .node = instance->token,
        .instance = instance->instance,
        .seq = failed ? instance->before : (uint64_t) instance->cpu_ns,
        .time_ns = instance->ended_ns,
        .a = instance->status,
        .b = failed ? instance->error : instance->after,
        .more = failed ? limits : instance->memory,
    };
    return say(keeper, &message, -1);
}

static int say_main(struct sup_keeper *keeper, const struct sup_keeper_instance *instance)
{
    struct sup_wire message = {
        .type = SUP_WIRE_MAIN_IS,
        .generation = instance->generation,
        .node = instance->token,
        .instance = instance->instance,
        .a = instance->main_pid,
    };
    return say(keeper, &message, instance->pidfd == 0 ? -1 : instance->pidfd);
}

static int say_ear(struct sup_keeper *keeper, const struct sup_keeper_instance *instance,
                   enum sup_wire_ear ear, int fd)
{
    struct sup_wire message = {
        .type = SUP_WIRE_EAR,
        .generation = instance->generation,
        .node = instance->token,
        .instance = instance->instance,
        .a = ear,
    };
    return say(keeper, &message, fd == 0 ? -1 : fd);
}

/* Say what ${bits} owe, clearing each bit that was said. */
static int say_owed(struct sup_keeper *keeper, const struct sup_keeper_instance *instance,
                    uint8_t *bits)
{
    if ((*bits & SUP_TELL_STARTING) != 0) {
        int r = say_starting(keeper, instance);
        if (r < 0) return r;
        *bits &= (uint8_t) ~SUP_TELL_STARTING;
    }
    if ((*bits & SUP_TELL_SPAWNED) != 0) {
        int r = say_spawned(keeper, instance);
        if (r < 0) return r;
        *bits &= (uint8_t) ~SUP_TELL_SPAWNED;
    }
    if ((*bits & SUP_TELL_ENDING) != 0) {
        int r = say_ending(keeper, instance);
        if (r < 0) return r;
        *bits &= (uint8_t) ~SUP_TELL_ENDING;
    }
    if ((*bits & SUP_TELL_LIMITS) != 0) {
        int r = say_limits(keeper, instance);
        if (r < 0) return r;
        *bits &= (uint8_t) ~SUP_TELL_LIMITS;
    }
    if ((*bits & SUP_TELL_MAIN) != 0) {
        int r = say_main(keeper, instance);
        if (r < 0) return r;
        *bits &= (uint8_t) ~SUP_TELL_MAIN;
    }
    if ((*bits & SUP_TELL_NOTIFY) != 0) {
        int r = say_ear(keeper, instance, SUP_WIRE_EAR_NOTIFY, instance->notify);
        if (r < 0) return r;
        *bits &= (uint8_t) ~SUP_TELL_NOTIFY;
    }
    if ((*bits & SUP_TELL_READY_FD) != 0) {
        int r = say_ear(keeper, instance, SUP_WIRE_EAR_LINE, instance->ready_read);
        if (r < 0) return r;
        *bits &= (uint8_t) ~SUP_TELL_READY_FD;
    }
    if ((*bits & SUP_TELL_END) != 0) {
        int r = say_end(keeper, instance);
        if (r < 0) return r;
        *bits &= (uint8_t) ~SUP_TELL_END;
    }
    return 0;
}

static void free_if_forgotten(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    if (instance->forgotten && instance->hello == 0) sup_keeper_instance_free(keeper, instance);
}

void sup_keeper_tell(struct sup_keeper *keeper, struct sup_keeper_instance *instance, uint8_t what)
{
    if (instance->tell == 0) sup_list_insert(&keeper->tell_queue, &instance->tell_link);
    instance->tell |= what;
}

void sup_keeper_forget(struct sup_keeper *keeper, uint64_t number)
{
    struct sup_keeper_instance *instance = sup_keeper_instance_find(keeper, number);
    if (instance == NULL || instance->state == SUP_INSTANCE_LIVE) return;
    instance->forgotten = true;
    instance->tell = 0;
    sup_list_remove(&instance->tell_link);
    /* HELLO has promised how many messages follow: what is left of them is still said. */
    free_if_forgotten(keeper, instance);
}

void sup_keeper_tell_not_run(struct sup_keeper *keeper, const struct sup_wire *run, int error)
{
    struct sup_wire message = {
        .type = SUP_WIRE_RAN,
        .generation = run->generation,
        .node = run->node,
        .instance = run->instance,
        .seq = SUP_RAN_NOT,
        .a = run->a,
        .b = error,
    };
    if (keeper->host.socket < 0 || keeper->host.deaf || keeper->host.greeting) return;
    say(keeper, &message, -1);
}

void sup_keeper_tell_stranger(struct sup_keeper *keeper, pid_t pid, int status)
{
    struct sup_wire message = {.type = SUP_WIRE_STRANGER, .a = pid, .b = status};
    if (keeper->host.socket < 0 || keeper->host.deaf || keeper->host.greeting) return;
    say(keeper, &message, -1);
}

/* --- HELLO to HELLO_END --------------------------------------------------------------------- */

/* What a new host is told about ${instance}. */
static uint8_t hello_bits(const struct sup_keeper_instance *instance)
{
    uint8_t limits = instance->limits_off != 0 ? SUP_TELL_LIMITS : 0;
    switch ((enum sup_keeper_instance_state) instance->state) {
    case SUP_INSTANCE_LIVE:
        if (instance->stage == SUP_STAGE_AFTER) return SUP_TELL_SPAWNED | SUP_TELL_ENDING;
        if (instance->stage == SUP_STAGE_BEFORE) return SUP_TELL_STARTING;
        if (instance->report != 0 || instance->failed_step != 0) return SUP_TELL_STARTING;
        return SUP_TELL_SPAWNED | limits | sup_keeper_ears_owed(instance);
    case SUP_INSTANCE_ENDED:
        return SUP_TELL_SPAWNED | SUP_TELL_END;
    case SUP_INSTANCE_FAILED:
        return SUP_TELL_END;
    case SUP_INSTANCE_FREE:
        break;
    }
    return 0;
}

static uint32_t count_bits(uint8_t bits)
{
    return (uint32_t) __builtin_popcount(bits);
}

static bool has_fd(const struct sup_keeper *keeper, unsigned kind)
{
    return keeper->fds[kind] >= 0;
}

/* What the former host asked for and did not get, the new one asks for itself. */
static void drop_questions(struct sup_keeper *keeper)
{
    while (!sup_list_empty(&keeper->output_queue)) {
        struct sup_keeper_node *node =
            sup_container(keeper->output_queue.next, struct sup_keeper_node, output_link);
        node->wants_output = false;
        sup_list_remove(&node->output_link);
    }
}

void sup_keeper_greet(struct sup_keeper *keeper)
{
    struct sup_keeper_host *host = &keeper->host;
    host->greeting = true;
    host->greeting_step = 0;
    host->greeting_cursor = 0;
    host->greeting_count = 0;
    host->owes_stop = keeper->stop_count > 0;
    for (unsigned kind = SUP_FD_BLOB; kind < SUP_FD_COUNT; kind++)
        host->greeting_count += has_fd(keeper, kind);
    host->greeting_socket = 0;
    for (uint32_t i = 0; i < keeper->socket_high; i++) {
        keeper->sockets[i].owed = keeper->sockets[i].id != 0;
        host->greeting_count += keeper->sockets[i].owed;
    }
    while (!sup_list_empty(&keeper->tell_queue)) sup_list_remove(keeper->tell_queue.next);
    drop_questions(keeper);
    sup_keeper_probes_drop(keeper);
    for (uint32_t slot = 0; slot < keeper->instance_high; slot++) {
        struct sup_keeper_instance *instance = &keeper->instances[slot];
        if (instance->forgotten) {
            instance->hello = 0;
            free_if_forgotten(keeper, instance);
            continue;
        }
        instance->tell = 0;
        instance->hello = hello_bits(instance);
        host->greeting_count += count_bits(instance->hello);
    }
}

static int say_hello(struct sup_keeper *keeper)
{
    const struct sup_keeper_host *host = &keeper->host;
    struct sup_wire message = {
        .type = SUP_WIRE_HELLO,
        .node = (uint32_t) host->status,
        .instance = host->greeting_count,
        .seq = keeper->handled_seq,
        .time_ns = sup_keeper_now(),
        .a = host->started,
        .b = (host->safe_mode ? SUP_HELLO_SAFE_MODE : 0) |
             (keeper->options.library ? SUP_HELLO_LIBRARY : 0) |
             (keeper->stop_count > 0 ? SUP_HELLO_STOPPING : 0),
    };
    return say(keeper, &message, -1);
}

static int say_fd(struct sup_keeper *keeper, unsigned kind)
{
    struct sup_wire message = {.type = SUP_WIRE_FD, .a = (int32_t) kind};
    if (!has_fd(keeper, kind)) return 0;
    return say(keeper, &message, keeper->fds[kind]);
}

static int say_socket(struct sup_keeper *keeper, const struct sup_keeper_socket *socket)
{
    struct sup_wire message = {
        .type = SUP_WIRE_SOCKET_HELD,
        .instance = socket->id,
        .seq = socket->inode,
        .time_ns = (int64_t) socket->device,
    };
    return say(keeper, &message, socket->fd);
}

static int say_hello_end(struct sup_keeper *keeper)
{
    struct sup_wire message = {.type = SUP_WIRE_HELLO_END};
    int r = say(keeper, &message, -1);
    if (r == 0) keeper->host.greeting = false;
    return r;
}

/* Say one more part of the greeting. */
static int go_on_greeting(struct sup_keeper *keeper)
{
    struct sup_keeper_host *host = &keeper->host;
    int r;
    if (host->greeting_step < SUP_FD_COUNT) {
        r = host->greeting_step == 0 ? say_hello(keeper) : say_fd(keeper, host->greeting_step);
        if (r == 0) host->greeting_step++;
        return r;
    }
    for (; host->greeting_socket < keeper->socket_high; host->greeting_socket++) {
        struct sup_keeper_socket *socket = &keeper->sockets[host->greeting_socket];
        r = socket->owed ? say_socket(keeper, socket) : 0;
        if (r < 0) return r;
        socket->owed = false;
    }
    while (host->greeting_cursor < keeper->instance_high) {
        struct sup_keeper_instance *instance = &keeper->instances[host->greeting_cursor];
        r = say_owed(keeper, instance, &instance->hello);
        if (r < 0) return r;
        free_if_forgotten(keeper, instance);
        host->greeting_cursor++;
    }
    return say_hello_end(keeper);
}

/* --- news ----------------------------------------------------------------------------------- */

static int say_stop(struct sup_keeper *keeper)
{
    struct sup_wire message = {
        .type = SUP_WIRE_STOP,
        .a = keeper->stop_signal,
        .b = keeper->stop_count,
    };
    int r = say(keeper, &message, -1);
    if (r == 0) keeper->host.owes_stop = false;
    return r;
}

static int say_reload(struct sup_keeper *keeper)
{
    struct sup_wire message = {.type = SUP_WIRE_RELOAD};
    int r = say(keeper, &message, -1);
    if (r == 0) keeper->host.owes_reload = false;
    return r;
}

static int say_news(struct sup_keeper *keeper)
{
    struct sup_keeper_instance *instance =
        sup_container(keeper->tell_queue.next, struct sup_keeper_instance, tell_link);
    int r = say_owed(keeper, instance, &instance->tell);
    if (r == 0) sup_list_remove(&instance->tell_link);
    return r;
}

static int say_ran(struct sup_keeper *keeper)
{
    struct sup_keeper_probe *probe =
        sup_container(keeper->probe_queue.next, struct sup_keeper_probe, tell_link);
    struct sup_wire message = {
        .type = SUP_WIRE_RAN,
        .generation = probe->generation,
        .node = probe->token,
        .instance = probe->instance,
        .seq = (uint64_t) probe->result,
        .a = probe->kind,
        .b = probe->value,
    };
    int r = say(keeper, &message, -1);
    if (r == 0) sup_keeper_probe_told(keeper, probe);
    return r;
}

static int say_output(struct sup_keeper *keeper)
{
    struct sup_keeper_node *node =
        sup_container(keeper->output_queue.next, struct sup_keeper_node, output_link);
    struct sup_wire message = {.type = SUP_WIRE_OUTPUT_FD, .node = node->token};
    sup_keeper_make_pipe(keeper, node);
    int r = say(keeper, &message, sup_keeper_output_of(keeper, node));
    if (r < 0) return r;
    node->wants_output = false;
    sup_list_remove(&node->output_link);
    return 0;
}

/* Say one thing. 1: there was nothing to say. */
static int say_next(struct sup_keeper *keeper)
{
    const struct sup_keeper_host *host = &keeper->host;
    if (host->greeting) return go_on_greeting(keeper);
    if (host->owes_stop) return say_stop(keeper);
    if (!sup_list_empty(&keeper->tell_queue)) return say_news(keeper);
    if (!sup_list_empty(&keeper->probe_queue)) return say_ran(keeper);
    if (!sup_list_empty(&keeper->output_queue)) return say_output(keeper);
    if (host->owes_reload) return say_reload(keeper);
    return 1;
}

void sup_keeper_talk(struct sup_keeper *keeper)
{
    struct sup_keeper_host *host = &keeper->host;
    if (host->socket < 0 || host->deaf || host->blocked) return;
    int r;
    do {
        r = say_next(keeper);
    } while (r == 0);
    if (r == 1) return;
    if (r == -EAGAIN || r == -ENOBUFS) {
        host->blocked = true;
    } else if (r == -ETOOMANYREFS || r == -ENOMEM) {
        host->retry_ns = sup_keeper_now() + RETRY_NS;
        return;
    } else {
        host->deaf = true; /* its death is noticed by reading on */
    }
    sup_keeper_host_watch(keeper);
}
