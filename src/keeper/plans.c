/*
** keeper/plans.c: plan sets and the nodes that use them; a node's log pipe.
** A set stays mapped while a node's plan lies in it, and while it is the newest: the host may name
** records of it later. Must not know how a plan is carried out.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

/* --- sets ----------------------------------------------------------------------------------- */

static struct sup_keeper_set **set_bucket(struct sup_keeper *keeper, int32_t number)
{
    return &keeper->by_number[(uint32_t) number % SUP_KEEPER_BUCKETS];
}

static struct sup_keeper_set *find_set(struct sup_keeper *keeper, int32_t number)
{
    struct sup_keeper_set *set = *set_bucket(keeper, number);
    while (set != NULL && set->number != number) set = set->next;
    return set;
}

static void hide_set(struct sup_keeper *keeper, struct sup_keeper_set *set)
{
    if (!set->current) return;
    struct sup_keeper_set **at = set_bucket(keeper, set->number);
    while (*at != set) at = &(*at)->next;
    *at = set->next;
    set->next = NULL;
    set->current = false;
}

static void free_set_if_unused(struct sup_keeper *keeper, struct sup_keeper_set *set)
{
    if (set == NULL || set->users > 0 || set == keeper->newest_set) return;
    hide_set(keeper, set);
    if (set->bytes != NULL) munmap((void *) (uintptr_t) set->bytes, set->size);
    memset(set, 0, sizeof *set);
    set->next = keeper->free_sets;
    keeper->free_sets = set;
}

static struct sup_keeper_set *take_set(struct sup_keeper *keeper)
{
    struct sup_keeper_set *set = keeper->free_sets;
    if (set != NULL) keeper->free_sets = set->next;
    else if (keeper->set_high < SUP_KEEPER_SETS) set = &keeper->sets[keeper->set_high++];
    else return NULL;
    memset(set, 0, sizeof *set);
    set->serial = ++keeper->set_serial;
    return set;
}

/* Map the sealed memory file ${fd}. Returns 0 or -errno: what is wrong with it. */
static int map_set(struct sup_keeper_set *set, int fd)
{
    struct stat info;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS) return -EPERM;
    if (fstat(fd, &info) < 0) return -errno;
    if (info.st_size <= 0) return -EINVAL;
    size_t size = (size_t) info.st_size;
    void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED) return -errno;
    if (!sup_plan_set_is_valid(bytes, size)) {
        munmap(bytes, size);
        return -EINVAL;
    }
    set->bytes = bytes;
    set->size = size;
    return 0;
}

void sup_keeper_plans(struct sup_keeper *keeper, int32_t number, int fd)
{
    struct sup_keeper_set *former = find_set(keeper, number);
    struct sup_keeper_set *newest = keeper->newest_set;
    struct sup_keeper_set *set = take_set(keeper);
    if (set == NULL) {
        sup_keeper_say("there is no room for another plan set; what it plans cannot start: stop "
                       "services that are not needed");
        return;
    }
    set->error = fd < 0 ? EMFILE : -map_set(set, fd);
    if (set->error != 0)
        sup_keeper_say("plan set %d cannot be used (%s); what it plans will not start", number,
                       sup_keeper_error_text(set->error));
    if (former != NULL) hide_set(keeper, former);
    set->number = number;
    set->current = true;
    set->next = *set_bucket(keeper, number);
    *set_bucket(keeper, number) = set;
    keeper->newest_set = set;
    free_set_if_unused(keeper, newest);
    if (former != newest) free_set_if_unused(keeper, former);
}

/* --- pipes ---------------------------------------------------------------------------------- */

static bool wants_pipe(const struct sup_keeper *keeper, const struct sup_keeper_node *node)
{
    if (keeper->options.no_log) return false;
    return node->mode == SUP_LOG_VIEW || node->mode == SUP_LOG_FILE || node->mode == SUP_LOG_EVENTS;
}

int sup_keeper_make_pipe(struct sup_keeper *keeper, struct sup_keeper_node *node)
{
    int ends[2];
    if (node->log_write != 0 || !wants_pipe(keeper, node)) return 0;
    int r = keeper->sys->pipe(ends);
    if (r < 0) return r;
    fcntl(ends[0], F_SETFL, O_NONBLOCK); /* for suptree-log, which shares this end */
    node->log_read = ends[0];
    node->log_write = ends[1];
    sup_keeper_logger_news(keeper, node, SUP_NEWS_SOURCE);
    return 0;
}

int sup_keeper_output_of(struct sup_keeper *keeper, const struct sup_keeper_node *node)
{
    if (node->mode == SUP_LOG_INHERIT) return STDOUT_FILENO;
    if (node->mode == SUP_LOG_TO) return sup_keeper_input_of(keeper, node->plan->log_to);
    if (!wants_pipe(keeper, node)) return SUP_SPAWN_NULL;
    return node->log_write == 0 ? -1 : node->log_write;
}

/* --- nodes ---------------------------------------------------------------------------------- */

void sup_keeper_drop_plan(struct sup_keeper *keeper, struct sup_keeper_node *node)
{
    struct sup_keeper_set *set = node->set;
    node->set = NULL;
    node->plan = NULL;
    node->name = node->file = "";
    node->settings = NULL;
    if (set == NULL) return;
    set->users--;
    free_set_if_unused(keeper, set);
}

/* Where ${number} and ${offset} lead; NULL with ${error}. */
static const struct sup_plan *find_plan(const struct sup_keeper_set *set, uint64_t offset,
                                        int *error)
{
    if (set == NULL || set->error != 0) {
        *error = set == NULL ? ENOENT : set->error;
        return NULL;
    }
    const struct sup_plan *plan = sup_plan_at(set->bytes, set->size, offset);
    *error = plan == NULL ? EINVAL : 0;
    return plan;
}

/* The settings that suptree-log sees: has ${plan} others than ${node} now? */
static bool changes_settings(const struct sup_keeper_node *node, const struct sup_plan *plan,
                             const char *name, const char *file)
{
    return node->mode != plan->log || strcmp(node->name, name) != 0 ||
           strcmp(node->file, file) != 0 || node->settings == NULL ||
           memcmp(node->settings, &plan->log_settings, sizeof *node->settings) != 0;
}

static bool same_words(const struct sup_keeper_set *a, const struct sup_plan_command *one,
                       const struct sup_keeper_set *b, const struct sup_plan_command *other)
{
    if (one->arg_count != other->arg_count) return false;
    const char *word = sup_plan_text(a->bytes, one->args);
    const char *with = sup_plan_text(b->bytes, other->args);
    for (uint32_t i = 0; i < one->arg_count; i++) {
        if (strcmp(word, with) != 0) return false;
        word += strlen(word) + 1;
        with += strlen(with) + 1;
    }
    return true;
}

/* Has ${plan} other commands for `before` than ${node} now? */
static bool changes_before(const struct sup_keeper_node *node, const struct sup_keeper_set *set,
                           const struct sup_plan *plan)
{
    const struct sup_plan_command *had, *has;
    if (node->plan == NULL) return true;
    for (uint32_t i = 0;; i++) {
        had = sup_plan_command(node->set->bytes, node->plan, SUP_COMMAND_BEFORE, i);
        has = sup_plan_command(set->bytes, plan, SUP_COMMAND_BEFORE, i);
        if (had == NULL || has == NULL) return had != has;
        if (!same_words(node->set, had, set, has)) return true;
    }
}

/* Has ${plan} of ${set} other limits than ${node} now? */
static bool changes_limits(const struct sup_keeper_node *node, const struct sup_keeper_set *set,
                           const struct sup_plan *plan)
{
    if (node->plan == NULL) return false;
    size_t size = plan->cgroup_count * sizeof(struct sup_plan_cgroup);
    const char *former = node->set->bytes, *next = set->bytes;
    return plan->cgroup_count != node->plan->cgroup_count ||
           (size > 0 && memcmp(former + node->plan->cgroup, next + plan->cgroup, size) != 0);
}

static void take_plan(struct sup_keeper *keeper, struct sup_keeper_node *node,
                      struct sup_keeper_set *set, const struct sup_plan *plan)
{
    struct sup_keeper_set *former = node->set;
    const char *name = sup_plan_text(set->bytes, plan->name);
    const char *file = plan->log == SUP_LOG_FILE ? sup_plan_text(set->bytes, plan->log_file) : "";
    bool changed = changes_settings(node, plan, name, file);
    if (changes_before(node, set, plan)) node->before_version++;
    bool has_other_limits = changes_limits(node, set, plan);
    set->users++;
    node->set = set;
    node->plan = plan;
    node->name = name;
    node->file = file;
    node->settings = &plan->log_settings;
    node->mode = plan->log;
    if (former != NULL) {
        former->users--;
        free_set_if_unused(keeper, former);
    }
    if (node->log_write != 0 && changed && wants_pipe(keeper, node))
        sup_keeper_logger_news(keeper, node, SUP_NEWS_SETTINGS);
    /* Lack of descriptors shows when the node is to be started: then it is tried again. */
    sup_keeper_make_pipe(keeper, node);
    if ((plan->flags & SUP_PLAN_INPUT) == 0) sup_keeper_drop_input(node);
    if (has_other_limits) sup_keeper_limits_changed(keeper, node);
}

void sup_keeper_plan(struct sup_keeper *keeper, uint64_t token, int32_t number, uint64_t offset)
{
    struct sup_keeper_node *node = sup_keeper_node_find(keeper, token);
    if (node == &keeper->host_output || node == &keeper->events) return;
    if (node == NULL) node = sup_keeper_node_add(keeper, token);
    if (node == NULL) {
        sup_keeper_say("there is no room for node %u; it cannot start: there can be %d at a time",
                       (unsigned) token, SUP_WIRE_MAX_INSTANCES);
        return;
    }
    struct sup_keeper_set *set = find_set(keeper, number);
    const struct sup_plan *plan = find_plan(set, offset, &node->plan_error);
    if (plan != NULL) take_plan(keeper, node, set, plan);
    else sup_keeper_drop_plan(keeper, node);
}

void sup_keeper_node_leave(struct sup_keeper *keeper, struct sup_keeper_node *node)
{
    if (node->state != SUP_NODE_LEAVING || node->instances > 0) return;
    if (node->log_write != 0) close(node->log_write);
    node->log_write = 0;
    sup_keeper_drop_input(node);
    node->state = SUP_NODE_DRAINING;
    if (node->log_read != 0) sup_keeper_logger_news(keeper, node, SUP_NEWS_GONE);
    else sup_keeper_node_drained(keeper, node);
}

void sup_keeper_node_drained(struct sup_keeper *keeper, struct sup_keeper_node *node)
{
    sup_keeper_cgroup_forget(keeper, node);
    if (node->log_read != 0) close(node->log_read);
    sup_keeper_drop_plan(keeper, node);
    sup_keeper_node_free(keeper, node);
}

void sup_keeper_unplan(struct sup_keeper *keeper, uint64_t token)
{
    struct sup_keeper_node *node = sup_keeper_node_find(keeper, token);
    if (node == NULL || node == &keeper->host_output || node == &keeper->events) return;
    keeper->node_at[(uint32_t) token] = NULL;
    node->state = SUP_NODE_LEAVING;
    node->wants_output = false;
    sup_list_remove(&node->output_link);
    sup_keeper_node_leave(keeper, node);
}
