/*
** keeper/heir.c: a service that goes on in another process than the one that was started. It has
** said who that is; when the first process ends, and the other runs on as our child, as orphans of
** our children do, the instance lives on in it. Must not know how it was said.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/*
** A process may say who its heir is and end at once: before it is reaped, and what is left of it is
** killed, the host must have heard that. What the host makes of it was said before it took the
** message, so it is read by the second round of the loop after that.
*/
#define PATIENCE_NS (200 * SUP_KEEPER_MS)
#define LOOKS 2

void sup_keeper_heir(struct sup_keeper *keeper, uint64_t number, pid_t pid)
{
    struct sup_keeper_instance *instance = sup_keeper_instance_find(keeper, number);
    if (instance == NULL || instance->state != SUP_INSTANCE_LIVE) return;
    if (instance->stage != SUP_STAGE_MAIN || pid <= 1 || pid == getpid()) return;
    if (pid == keeper->host.pid || pid == keeper->logger.pid) return;
    if (pid != instance->pid && sup_keeper_instance_of_pid(keeper, pid) != NULL) return;
    sup_keeper_disinherit(instance);
    if (pid == instance->pid) return;
    int pidfd = keeper->sys->pidfd_open(pid);
    if (pidfd < 0) return; /* it is gone, or it cannot be held on to: then it ends with the first */
    instance->heir = pid;
    instance->heir_pidfd = pidfd;
}

void sup_keeper_disinherit(struct sup_keeper_instance *instance)
{
    if (instance->heir_pidfd != 0) close(instance->heir_pidfd);
    instance->heir = 0;
    instance->heir_pidfd = 0;
}

static bool has_unheard(const struct sup_keeper_instance *instance)
{
    return recv(instance->notify, NULL, 0, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

bool sup_keeper_may_have_heir(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    const struct sup_keeper_host *host = &keeper->host;
    int64_t now_ns = sup_keeper_now();
    if (instance->stage != SUP_STAGE_MAIN || instance->notify == 0) return false;
    if (host->socket < 0 || host->at_end || host->greeting || instance->heir != 0) return false;
    if (keeper->phase != SUP_PHASE_HOLD || instance->cut != SUP_CUT_NOT) return false;
    if (instance->patience_ns == 0) instance->patience_ns = now_ns + PATIENCE_NS;
    if (now_ns >= instance->patience_ns) return false;
    if (has_unheard(instance)) instance->looks = 0;
    else instance->looks++;
    return instance->looks <= LOOKS;
}

/* Its pidfd was opened when its number meant it: that is still its own if it is our child. */
static bool runs_as_our_child(const struct sup_keeper_instance *instance)
{
    siginfo_t info = {0};
    int r = waitid(P_PIDFD, (id_t) instance->heir_pidfd, &info, WEXITED | WNOHANG | WNOWAIT);
    return r == 0 && info.si_pid == 0;
}

bool sup_keeper_succeed(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    int status;
    struct rusage usage;
    if (instance->heir == 0) return false;
    if (instance->stage != SUP_STAGE_MAIN || !runs_as_our_child(instance)) {
        sup_keeper_disinherit(instance);
        return false;
    }
    pid_t former = instance->pid;
    sup_keeper_pid_remove(keeper, instance);
    if (instance->pidfd == 0) {
        keeper->unwatched--;
    } else {
        sup_keeper_watch(keeper, instance->pidfd, SUP_WATCH_INSTANCE, 0, 0, 0, EPOLLIN);
        close(instance->pidfd);
    }
    sup_keeper_birth_change(keeper, instance, instance->heir);
    keeper->sys->wait(former, &status, WNOHANG, &usage);
    instance->pid = instance->main_pid = instance->heir;
    instance->inherited = true;
    instance->patience_ns = 0;
    instance->looks = 0;
    sup_keeper_pid_add(keeper, instance);
    sup_keeper_watch_instance(keeper, instance, instance->heir_pidfd);
    instance->heir = instance->heir_pidfd = 0;
    sup_keeper_tell(keeper, instance, SUP_TELL_MAIN);
    sup_keeper_talk(keeper);
    return true;
}

pid_t sup_keeper_group_of(const struct sup_keeper_instance *instance)
{
    if (!instance->inherited) return instance->pid; /* it leads its session */
    pid_t group = getpgid(instance->pid);
    return group > 1 && group != getpgrp() ? group : instance->pid;
}
