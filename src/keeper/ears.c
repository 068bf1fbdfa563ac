/*
** keeper/ears.c: where processes say how they are: a socket for sd_notify, a pipe for a line. Made
** for each instance, so that what an old one says is never taken for a new one's; held here, so
** that what is said while there is no host waits for the next. Must not know what is said.
**
** The socket has a name of the kernel's choice outside of the file system: nothing is left behind,
** and a process may be anybody's. So anybody may write to it: the host looks at who did.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MICROSECOND_NS 1000

/* A bound socket, and its name as the environment has it. Returns it or -errno. */
static int make_socket(char *text, size_t size)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t length = offsetof(struct sockaddr_un, sun_path);
    int one = 1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    int r = setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof one);
    if (r == 0) r = bind(fd, (const struct sockaddr *) &name, length); /* the kernel names it */
    length = sizeof name;
    if (r == 0) r = getsockname(fd, (struct sockaddr *) &name, &length);
    if (r < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    int digits = (int) (length - offsetof(struct sockaddr_un, sun_path)) - 1;
    snprintf(text, size, "NOTIFY_SOCKET=@%.*s", digits < 0 ? 0 : digits, name.sun_path + 1);
    return fd;
}

static int make_pipe(struct sup_keeper *keeper, const struct sup_keeper_node *node,
                     struct sup_keeper_instance *instance, struct sup_keeper_mouth *mouth)
{
    int ends[2];
    int r = keeper->sys->pipe(ends);
    if (r < 0) return r;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    instance->ready_read = ends[0];
    mouth->line = ends[1];
    mouth->line_at = (int) node->plan->ready_fd;
    return 0;
}

enum { NOTIFY_TEXT, WATCHDOG_TEXT, PID_TEXT };

static void write_watchdog(struct sup_keeper *keeper, int64_t watchdog_ns,
                           struct sup_keeper_mouth *mouth)
{
    char(*texts)[sizeof keeper->ear_texts[0]] = keeper->ear_texts;
    if (watchdog_ns == 0) return;
    snprintf(texts[WATCHDOG_TEXT], sizeof texts[0], "WATCHDOG_USEC=%lld",
             (long long) (watchdog_ns / MICROSECOND_NS));
    snprintf(texts[PID_TEXT], sizeof texts[0], "WATCHDOG_PID=");
    mouth->pid_text = texts[PID_TEXT] + strlen(texts[PID_TEXT]);
}

int sup_keeper_make_ears(struct sup_keeper *keeper, const struct sup_keeper_node *node,
                         struct sup_keeper_instance *instance, struct sup_keeper_mouth *mouth)
{
    const struct sup_plan *plan = node->plan;
    char(*texts)[sizeof keeper->ear_texts[0]] = keeper->ear_texts;
    int r = 0;
    for (int i = 0; i < SUP_KEEPER_EAR_TEXTS; i++) texts[i][0] = '\0';
    if ((plan->flags & SUP_PLAN_NOTIFY) != 0) {
        r = make_socket(texts[NOTIFY_TEXT], sizeof texts[0]);
        if (r >= 0) instance->notify = r;
    }
    if (r >= 0 && plan->ready_fd != 0) r = make_pipe(keeper, node, instance, mouth);
    if (r < 0) {
        sup_keeper_close_ears(instance);
        return r;
    }
    write_watchdog(keeper, plan->watchdog_ns, mouth);
    return 0;
}

void sup_keeper_give_mouth(const struct sup_keeper_mouth *mouth, struct sup_spawn_order *order)
{
    order->line = mouth->line;
    order->line_at = mouth->line_at;
    order->pid_text = mouth->pid_text;
}

uint8_t sup_keeper_ears_owed(const struct sup_keeper_instance *instance)
{
    return (uint8_t) ((instance->notify != 0 ? SUP_TELL_NOTIFY : 0) |
                      (instance->ready_read != 0 ? SUP_TELL_READY_FD : 0));
}

void sup_keeper_close_ears(struct sup_keeper_instance *instance)
{
    if (instance->notify != 0) close(instance->notify);
    if (instance->ready_read != 0) close(instance->ready_read);
    instance->notify = instance->ready_read = 0;
}
