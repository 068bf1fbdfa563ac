/*
** keeper/listen.c: what the host says to the keeper. Everything that was said before its death is
** still obeyed; only then may the next host start.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <unistd.h>

static bool may_store(int32_t kind)
{
    return kind == SUP_FD_BLOB || kind == SUP_FD_JOURNAL || kind == SUP_FD_FORMER ||
           kind == SUP_FD_TAP || kind == SUP_FD_SAID;
}

static void store(struct sup_keeper *keeper, int32_t kind, int *fd)
{
    if (!may_store(kind) || *fd < 0) return;
    if (keeper->fds[kind] >= 0) close(keeper->fds[kind]);
    keeper->fds[kind] = *fd;
    *fd = -1;
}

static void want_output(struct sup_keeper *keeper, uint64_t token)
{
    struct sup_keeper_node *node = sup_keeper_node_find(keeper, token);
    if (node == NULL || node->wants_output) return;
    node->wants_output = true;
    sup_list_insert(&keeper->output_queue, &node->output_link);
}

/* Obey ${message}. A descriptor that is kept is taken out of ${fd}. */
static void obey(struct sup_keeper *keeper, const struct sup_wire *message, int *fd)
{
    switch (message->type) {
    case SUP_WIRE_PLANS:
        sup_keeper_plans(keeper, message->a, *fd);
        break;
    case SUP_WIRE_PLAN:
        sup_keeper_plan(keeper, message->node, message->a, (uint64_t) message->time_ns);
        break;
    case SUP_WIRE_UNPLAN:
        sup_keeper_unplan(keeper, message->node);
        break;
    case SUP_WIRE_SPAWN:
        sup_keeper_spawn(keeper, message);
        break;
    case SUP_WIRE_SIGNAL:
        sup_keeper_signal(keeper, message);
        break;
    case SUP_WIRE_MAIN:
        sup_keeper_heir(keeper, message->instance, message->a);
        break;
    case SUP_WIRE_ACK:
        sup_keeper_forget(keeper, message->instance);
        break;
    case SUP_WIRE_STORE_FD:
        store(keeper, message->a, fd);
        break;
    case SUP_WIRE_OUTPUT:
        want_output(keeper, message->node);
        break;
    case SUP_WIRE_RUN:
        sup_keeper_probe(keeper, message);
        break;
    case SUP_WIRE_BYE:
        keeper->host.said_bye = true;
        keeper->host.bye_code = message->a;
        sup_keeper_cgroup_clear(keeper);
        break;
    case SUP_WIRE_SOCKET:
        sup_keeper_socket_hold(keeper, message, fd);
        break;
    case SUP_WIRE_UNSOCKET:
        sup_keeper_socket_drop(keeper, message->instance);
        break;
    case SUP_WIRE_HEARTBEAT:
    default: /* a word we do not know is still a sign of life */
        break;
    }
}

static void stop_listening(struct sup_keeper *keeper)
{
    keeper->host.at_end = true;
    keeper->host.deaf = true;
    sup_keeper_host_watch(keeper);
}

void sup_keeper_listen(struct sup_keeper *keeper, int limit)
{
    struct sup_keeper_host *host = &keeper->host;
    while (limit-- > 0 && host->socket >= 0 && !host->at_end) {
        struct sup_wire message;
        int fd;
        sup_spawner_give_way(&keeper->spawner);
        int r = sup_wire_receive(host->socket, &message, &fd);
        sup_spawner_take_reserve(&keeper->spawner); /* before something else takes the last one */
        if (r == -EAGAIN) break;
        if (r == -EPROTO)
            sup_keeper_say("the host speaks another version of the protocol and is not listened "
                           "to any more; install suptree, suptree-keeper and suptree-log together");
        if (r <= 0 && r != -EMFILE) {
            stop_listening(keeper);
            break;
        }
        host->word_ns = sup_keeper_now();
        host->spoke = true;
        obey(keeper, &message, &fd);
        if (fd >= 0) close(fd);
    }
    sup_spawner_take_reserve(&keeper->spawner);
    sup_keeper_talk(keeper);
}
