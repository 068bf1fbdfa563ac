/*
** core/form_compare.c: do two declarations of a node differ, and must its instance restart for it?
** Values are compared as decoded: what is written as the default is equals what is not written.
*/
#include "core/form.h"

#include "core/form_check.h"
#include "core/ready.h"
#include "core/socket.h"

#include <string.h>

#define ROLE_OPTIONS (SUP_OPT_ONESHOT | SUP_OPT_TIMER)

static bool are_texts_equal(const char *a, const char *b)
{
    if (a == NULL || b == NULL) return a == b;
    return strcmp(a, b) == 0;
}

/*
** What is to be run may say in front what it is, without what does not matter (lines, names): u32
** size, that many bytes, of which the last 12 are "SPID" and a digest. Then that alone counts.
*/
static struct sup_bytes identify(const struct sup_bytes *run)
{
    uint32_t size;
    const uint32_t mark = 12;
    if (run->size < sizeof size) return *run;
    memcpy(&size, run->data, sizeof size);
    if (size < mark || size > run->size - sizeof size) return *run;
    if (memcmp(run->data + sizeof size + size - mark, "SPID", 4) != 0) return *run;
    return (struct sup_bytes){run->data, (uint32_t) sizeof size + size};
}

static bool are_bytes_equal(const struct sup_bytes *a, const struct sup_bytes *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

static bool are_runs_equal(const struct sup_bytes *a, const struct sup_bytes *b)
{
    struct sup_bytes one = identify(a), other = identify(b);
    return are_bytes_equal(&one, &other);
}

static bool are_users_equal(const struct sup_user *a, const struct sup_user *b)
{
    return a->uid == b->uid && a->gid == b->gid && are_bytes_equal(&a->groups, &b->groups) &&
           strcmp(a->name, b->name) == 0 && strcmp(a->home, b->home) == 0 &&
           strcmp(a->shell, b->shell) == 0;
}

static bool are_delays_equal(const struct sup_delay *a, const struct sup_delay *b)
{
    if (a->initial_ns == 0 && b->initial_ns == 0) return true; /* neither waits at all */
    return a->initial_ns == b->initial_ns && a->max_ns == b->max_ns && a->factor == b->factor &&
           a->jitter == b->jitter && a->reset_after_ns == b->reset_after_ns;
}

static bool are_logs_equal(const struct sup_log *a, const struct sup_log *b)
{
    return a->mode == b->mode && are_texts_equal(a->file, b->file) &&
           are_texts_equal(a->to, b->to) && a->reads == b->reads &&
           a->timestamps == b->timestamps && a->form == b->form && a->max_size == b->max_size &&
           a->max_age_ns == b->max_age_ns && a->max_files == b->max_files && a->buffer == b->buffer;
}

static bool are_healths_equal(const struct sup_health *a, const struct sup_health *b)
{
    return a->every_ns == b->every_ns && a->timeout_ns == b->timeout_ns &&
           a->start_after_ns == b->start_after_ns && a->failures == b->failures &&
           a->action == b->action && sup_ready_equal(&a->probe, &b->probe) &&
           are_runs_equal(&a->function, &b->function);
}

/* ${a} and ${b}: the fields of two specs that ${option} describes. */
static bool are_values_equal(const struct sup_option *option, const void *a, const void *b)
{
    switch (option->type) {
    case SUP_TYPE_BOOL:
        return *(const bool *) a == *(const bool *) b;
    case SUP_TYPE_COUNT:
        return *(const uint32_t *) a == *(const uint32_t *) b;
    case SUP_TYPE_NUMBER:
        return *(const double *) a == *(const double *) b;
    case SUP_TYPE_DURATION:
        return *(const int64_t *) a == *(const int64_t *) b;
    case SUP_TYPE_SIZE:
        return *(const uint64_t *) a == *(const uint64_t *) b;
    case SUP_TYPE_STRING:
    case SUP_TYPE_PATH:
        return are_texts_equal(*(const char *const *) a, *(const char *const *) b);
    case SUP_TYPE_ENUM:
        return memcmp(a, b, sizeof(int)) == 0;
    case SUP_TYPE_NAMES:
    case SUP_TYPE_COMMAND:
    case SUP_TYPE_ENV:
        return sup_strings_equal(a, b);
    case SUP_TYPE_CODES:
        return memcmp(a, b, sizeof(struct sup_codes)) == 0;
    case SUP_TYPE_SIGNAL:
        return *(const int32_t *) a == *(const int32_t *) b;
    case SUP_TYPE_DELAY:
        return are_delays_equal(a, b);
    case SUP_TYPE_READY:
        return sup_ready_equal(a, b);
    case SUP_TYPE_HEALTH:
        return are_healths_equal(a, b);
    case SUP_TYPE_LOG:
        return are_logs_equal(a, b);
    case SUP_TYPE_INTEGER:
        return *(const int32_t *) a == *(const int32_t *) b;
    case SUP_TYPE_MODE:
    case SUP_TYPE_ID:
        return *(const uint32_t *) a == *(const uint32_t *) b;
    case SUP_TYPE_USER:
        return are_users_equal(a, b);
    case SUP_TYPE_IDS:
    case SUP_TYPE_LIMITS:
    case SUP_TYPE_LADDER:
    case SUP_TYPE_COMMANDS:
    case SUP_TYPE_CGROUP:
    case SUP_TYPE_SOCKETS:
        return are_bytes_equal(a, b);
    case SUP_TYPE_BYTES:
        return option->id == SUP_OPTION_RUN || option->id == SUP_OPTION_ON_EVENT
                   ? are_runs_equal(a, b)
                   : are_bytes_equal(a, b);
    case SUP_TYPE_ENV_FILE: /* its lines stand in env */
    case SUP_TYPE_COUNT_OF:
        break;
    }
    return true;
}

struct side {
    /* its own options over the defaults: nothing inherited, nothing implied */
    struct sup_spec spec;
    struct sup_option_set written; /* what stands there */
};

static void decode_own(struct side *side, const struct sup_form_node *node)
{
    side->written = (struct sup_option_set){{0}};
    sup_spec_defaults(&side->spec, (enum sup_kind) node->kind);
    const struct sup_form_option_head *head = NULL;
    while ((head = sup_form_next_option(node, head)) != NULL) {
        const struct sup_option *option = sup_option_by_id(head->id);
        sup_require(option != NULL);
        sup_option_set_add(&side->written, head->id);
        sup_expect(sup_option_decode(option, (const unsigned char *) (head + 1), head->size,
                                     &side->spec, NULL) == 0);
    }
}

static bool is_written(const struct side *side, const struct sup_option *option)
{
    return sup_option_set_has(&side->written, option->id);
}

/* Most nodes of a reload: the very same options. */
static bool is_same(const struct sup_form_node *from, const struct sup_form_node *to)
{
    return from->kind == to->kind && from->option_bytes == to->option_bytes &&
           memcmp((const unsigned char *) from + sup_form_options_at(from),
                  (const unsigned char *) to + sup_form_options_at(to), from->option_bytes) == 0;
}

static bool does_differ(const struct sup_option *option, const struct side *from,
                        const struct side *to)
{
    bool from_has = is_written(from, option);
    bool to_has = is_written(to, option);
    if (!from_has && !to_has) return false;
    if (from_has != to_has) {
        /* Not written, it takes the supervisor's value, which need not be the default. */
        if ((option->flags & SUP_OPT_INHERITED) != 0) return true;
        /* A window of the default size is still a window. */
        if (option->id == SUP_OPTION_INTENSITY) return true;
        /* What is written of a oneshot or a timer alone makes it one. */
        if (from->spec.role != to->spec.role && (option->flags & ROLE_OPTIONS) != 0) return true;
        /* Not written, the user decides. */
        if (option->id == SUP_OPTION_NO_NEW_PRIVS) return true;
        if (option->id == SUP_OPTION_GROUPS) return true;
        if (from->spec.kind != to->spec.kind) {
            const struct side *without = from_has ? to : from;
            if (!sup_option_applies(option, without->spec.kind, false)) return true;
        }
    }
    return !are_values_equal(option, (const char *) &from->spec + option->offset,
                             (const char *) &to->spec + option->offset);
}

/* Where the output goes at launch: a pipe (kept or not), nowhere, straight through, to another. */
static enum sup_log_mode outlet(const struct sup_log *log)
{
    return log->mode == SUP_LOG_MODE_FILE ? SUP_LOG_MODE_VIEW : log->mode;
}

static bool does_exec_see_log(const struct sup_log *from, const struct sup_log *to)
{
    return outlet(from) != outlet(to) || !are_texts_equal(from->to, to->to) ||
           from->reads != to->reads;
}

/* It inherits a descriptor, or finds a socket in its environment. */
static bool says_itself(const struct sup_ready *ready)
{
    return ready->kind == SUP_READY_NOTIFY || ready->kind == SUP_READY_FD;
}

static bool does_exec_see_ready(const struct sup_ready *from, const struct sup_ready *to)
{
    return says_itself(from) || says_itself(to);
}

bool sup_form_exec_sees(const struct sup_option *option, const struct sup_spec *from,
                        const struct sup_spec *to)
{
    if (option->id == SUP_OPTION_LOG) return does_exec_see_log(&from->log, &to->log);
    if ((option->flags & ROLE_OPTIONS) != 0) return from->role != to->role;
    if (option->id == SUP_OPTION_READY) return does_exec_see_ready(&from->ready, &to->ready);
    if (option->id == SUP_OPTION_SOCKETS) return sup_sockets_differ(&from->sockets, &to->sockets);
    return (option->flags & SUP_OPT_EXEC) != 0;
}

/* What differs, or of that only what exec sees; ${seen}: how many of those are there? */
static size_t compare(const struct sup_form_node *from, const struct sup_form_node *to,
                      bool exec_only, uint16_t *changed, size_t room, size_t *seen)
{
    struct side old;
    struct side new;
    size_t count = 0;
    *seen = 0;
    if (is_same(from, to)) return 0;
    decode_own(&old, from);
    decode_own(&new, to);
    for (size_t i = 0; i < sup_option_count; i++) {
        const struct sup_option *option = &sup_options[i];
        bool is_silent = option->id == SUP_OPTION_FORMERLY || option->id == SUP_OPTION_REPLICATED;
        if (is_silent || !does_differ(option, &old, &new)) continue;
        bool is_seen = sup_form_exec_sees(option, &old.spec, &new.spec);
        if (is_seen) ++*seen;
        if (exec_only && !is_seen) continue;
        if (count < room) changed[count] = option->id;
        count++;
    }
    return count;
}

size_t sup_form_compare(const struct sup_form_node *from, const struct sup_form_node *to,
                        uint16_t *changed, size_t room, bool *exec_seen)
{
    size_t seen;
    size_t count = compare(from, to, false, changed, room, &seen);
    *exec_seen = seen > 0 || from->kind != to->kind;
    return count;
}

size_t sup_form_compare_exec(const struct sup_form_node *from, const struct sup_form_node *to,
                             uint16_t *changed, size_t room)
{
    size_t seen;
    return compare(from, to, true, changed, room, &seen);
}
