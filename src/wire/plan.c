/*
** wire/plan.c: reading a plan set that somebody else has written. Every offset and count is taken
** for hostile until it was checked here; what is checked cannot change, the set is sealed.
*/
#include "wire/plan.h"

#include <errno.h>
#include <string.h>

#define MAX_SIGNAL 64

/* Does a string begin at ${offset} and end before ${size}? */
static bool is_text(const char *bytes, uint64_t size, uint64_t offset)
{
    if (offset < sizeof(struct sup_plan_set) || offset >= size) return false;
    return memchr(bytes + offset, '\0', (size_t) (size - offset)) != NULL;
}

/* Do ${count} strings, one after the other, begin at ${offset} and end before ${size}? */
static bool is_vector(const char *bytes, uint64_t size, uint64_t offset, uint32_t count)
{
    if (count == 0) return true;
    if (offset < sizeof(struct sup_plan_set) || offset >= size || count > size) return false;
    const char *at = bytes + offset;
    const char *end = bytes + size;
    for (uint32_t i = 0; i < count; i++) {
        if (at >= end) return false;
        const char *nul = memchr(at, '\0', (size_t) (end - at));
        if (nul == NULL) return false;
        at = nul + 1;
    }
    return true;
}

bool sup_plan_set_is_valid(const void *set, size_t size)
{
    const struct sup_plan_set *header = set;
    if (set == NULL || size < sizeof *header || (uintptr_t) set % 8 != 0) return false;
    if (header->magic != SUP_PLAN_MAGIC || header->version != SUP_PLAN_VERSION) return false;
    if (header->size < sizeof *header || header->size > size) return false;
    return is_vector(set, header->size, header->env, header->env_count);
}

/* Are the plain numbers of ${plan} within what they can mean? */
static bool has_sane_numbers(const struct sup_plan *plan)
{
    bool process = (plan->flags & SUP_PLAN_NO_PROCESS) == 0;
    if ((plan->flags & ~(uint32_t) SUP_PLAN_FLAGS) != 0) return false;
    if (plan->group_count > SUP_PLAN_MAX_GROUPS || plan->limit_count > SUP_PLAN_MAX_LIMITS)
        return false;
    if (plan->command_count > SUP_PLAN_MAX_COMMANDS) return false;
    if (plan->socket_count > SUP_PLAN_MAX_SOCKETS) return false;
    if (plan->kill_mode > SUP_KILL_PROCESS) return false;
    if (plan->umask != SUP_PLAN_KEEP && plan->umask > 0777) return false;
    if (process && plan->arg_count == 0) return false;
    if (plan->log > SUP_LOG_TO) return false;
    if (plan->log == SUP_LOG_FILE && plan->log_file == 0) return false;
    if (plan->log_settings.stamps >= SUP_STAMPS_COUNT) return false;
    if (plan->log_settings.format >= SUP_FORMAT_COUNT || plan->log_settings.max_age_ns < 0)
        return false;
    if (plan->watchdog_ns < 0 || plan->ready_fd > SUP_PLAN_READY_FD_MAX) return false;
    if (plan->ready_fd != 0 && plan->ready_fd < SUP_PLAN_READY_FD_MIN) return false;
    if (plan->stop_signal < 0 || plan->stop_signal > MAX_SIGNAL) return false;
    return plan->timeout_ns >= 0;
}

/* Is each item known, and behind the one before? */
static bool are_limits_sane(const char *bytes, const struct sup_plan *plan)
{
    if (plan->cgroup_required > 1) return false;
    if (plan->cgroup_count == 0) return true; /* the offset may mean nothing */
    const struct sup_plan_cgroup *items = (const void *) (bytes + plan->cgroup);
    for (uint32_t i = 0; i < plan->cgroup_count; i++) {
        if (items[i].item >= SUP_LIMIT_ITEMS) return false;
        if (i > 0 && items[i].item <= items[i - 1].item) return false;
    }
    return true;
}

static bool is_text_or_absent(const char *bytes, uint64_t size, uint64_t offset)
{
    return offset == 0 || is_text(bytes, size, offset);
}

/* Do ${count} items of ${item} bytes at ${offset} end before ${size}? */
static bool is_array(uint64_t size, uint64_t offset, uint32_t count, size_t item)
{
    if (count == 0) return true;
    if (offset % 8 != 0 || offset < sizeof(struct sup_plan_set) || offset >= size) return false;
    return count <= (size - offset) / item;
}

static const struct sup_plan_command *commands_of(const void *set, const struct sup_plan *plan)
{
    return (const void *) ((const char *) set + plan->commands);
}

static bool are_commands(const void *set, uint64_t size, const struct sup_plan *plan)
{
    if (!is_array(size, plan->commands, plan->command_count, sizeof(struct sup_plan_command)))
        return false;
    if (plan->command_count == 0) return true; /* the offset may mean nothing */
    const struct sup_plan_command *commands = commands_of(set, plan);
    for (uint32_t i = 0; i < plan->command_count; i++) {
        const struct sup_plan_command *command = &commands[i];
        if (command->kind < SUP_COMMAND_BEFORE || command->kind >= SUP_COMMAND_KINDS) return false;
        if (command->arg_count == 0 || command->timeout_ns <= 0) return false;
        if (!is_vector(set, size, command->args, command->arg_count)) return false;
    }
    return true;
}

const struct sup_plan *sup_plan_at(const void *set, size_t size, uint64_t offset)
{
    if (size < sizeof(struct sup_plan_set)) return NULL;
    const struct sup_plan_set *header = set;
    uint64_t end = header->size < size ? header->size : size;
    if (offset % 8 != 0 || offset < sizeof *header || offset > end ||
        end - offset < sizeof(struct sup_plan))
        return NULL;
    const struct sup_plan *plan = (const void *) ((const char *) set + offset);
    if (plan->size != sizeof *plan || !has_sane_numbers(plan)) return NULL;
    if (!is_vector(set, end, plan->args, plan->arg_count) ||
        !is_vector(set, end, plan->env, plan->env_count) ||
        !is_array(end, plan->groups, plan->group_count, sizeof(uint32_t)) ||
        !is_array(end, plan->limits, plan->limit_count, sizeof(struct sup_plan_limit)) ||
        !is_array(end, plan->cgroup, plan->cgroup_count, sizeof(struct sup_plan_cgroup)) ||
        !is_array(end, plan->sockets, plan->socket_count, sizeof(uint64_t)) ||
        !are_limits_sane(set, plan))
        return NULL;
    if (!is_text(set, end, plan->name) || !is_text_or_absent(set, end, plan->cwd) ||
        !is_text_or_absent(set, end, plan->log_file) || !are_commands(set, end, plan))
        return NULL;
    return plan;
}

const struct sup_plan_command *sup_plan_command(const void *set, const struct sup_plan *plan,
                                                enum sup_plan_command_kind kind, uint32_t index)
{
    const struct sup_plan_command *commands = commands_of(set, plan);
    for (uint32_t i = 0; i < plan->command_count; i++)
        if (commands[i].kind == (uint32_t) kind && index-- == 0) return &commands[i];
    return NULL;
}

const char *sup_plan_text(const void *set, uint64_t offset)
{
    return offset == 0 ? NULL : (const char *) set + offset;
}

int sup_plan_vector(const void *set, uint64_t offset, uint32_t count, char **out, size_t room)
{
    if (count > room || count > INT32_MAX) return -E2BIG;
    /* execve takes char *const[] for history's sake; nobody writes through these. */
    char *at = (char *) (uintptr_t) set + offset;
    for (uint32_t i = 0; i < count; i++) {
        out[i] = at;
        at += strlen(at) + 1;
    }
    return (int) count;
}
