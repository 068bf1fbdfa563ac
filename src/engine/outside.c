/*
** engine/outside.c: one service as those outside of the engine thread may reach it: a signal to its
** process, and how it is started. Nothing here changes the engine. Must not know who asks.
*/
#include "engine/inside.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_SIZE 1024

int sup_engine_signal(const struct sup_view *view, sup_token node, int signal)
{
    const struct sup_slot *slot = sup_slots_find(&view->engine->slots, node);
    if (slot == NULL || !slot->live) return -ESRCH;
    if (slot->kind != SUP_PROCESS) return -EOPNOTSUPP;
    if (slot->pidfd < 0) return -EMFILE; /* a pid may be another's by now */
    return syscall(SYS_pidfd_send_signal, slot->pidfd, signal, NULL, 0) == 0 ? 0 : -errno;
}

int sup_engine_plan(const struct sup_view *view, sup_token node, struct sup_plan_copy *copy)
{
    char path[PATH_SIZE];
    const struct sup_spec *spec = sup_tree_spec(view->tree, node);
    struct sup_plan_draft draft;
    *copy = (struct sup_plan_copy){.bytes = NULL};
    if (spec == NULL) return -ENOENT;
    if (spec->kind != SUP_PROCESS) return -EOPNOTSUPP;
    const struct sup_plan_wish wish = {
        .spec = spec,
        .path = sup_tree_path(view->tree, node, path, sizeof path),
    };
    sup_plan_draft_begin(&draft, &view->engine->plan_env);
    copy->offset = sup_plan_draft_add(&draft, &view->engine->plan_env, &wish);
    return sup_plan_draft_take(&draft, &copy->bytes, &copy->size);
}

struct sup_engine_seat sup_engine_seat(const struct sup_view *view, sup_token node)
{
    const struct sup_slot *slot = sup_slots_find(&view->engine->slots, node);
    bool lives = slot != NULL && slot->live && slot->kind == SUP_PROCESS;
    if (!lives) return (struct sup_engine_seat){.pid = 0};
    return (struct sup_engine_seat){.pid = slot->pid, .folder = slot->folder};
}

int sup_engine_cgroups(const struct sup_engine *engine)
{
    return engine->cgroups;
}
