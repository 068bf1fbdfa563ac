/*
** engine/plans.c: laying out plan sets. Must not know the keeper's socket or when something starts.
*/
#include "engine/plans.h"

#include "core/cgroup.h"
#include "core/ready.h"
#include "core/socket.h"
#include "engine/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define PATH_VARIABLE "SUPTREE_PATH="
#define REPLICA_VARIABLE "SUPTREE_REPLICA="

/* --- what is inherited ------------------------------------------------------------------------ */

/* Meant for suptree itself: a service would take itself for the addressee. */
static bool is_private(const char *entry)
{
    static const char *const prefixes[] = {"NOTIFY_", "LISTEN_", "WATCHDOG_", "SUPTREE_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(entry, prefixes[i], strlen(prefixes[i])) == 0) return true;
    return strchr(entry, '=') == NULL;
}

static bool is_bare(const char *entry)
{
    static const char *const names[] = {"PATH=", "HOME=", "USER=", "SHELL=", "LANG="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(entry, names[i], strlen(names[i])) == 0) return true;
    return false;
}

/* The entries of ${environment} that pass, one after the other. NULL: no memory. */
static char *collect(char *const *environment, bool bare, size_t *size, uint32_t *count)
{
    size_t room = 1;
    for (char *const *e = environment; *e != NULL; e++) room += strlen(*e) + 1;
    char *bytes = malloc(room);
    if (bytes == NULL) return NULL;
    *size = 0;
    *count = 0;
    for (char *const *e = environment; *e != NULL; e++) {
        if (is_private(*e) || (bare && !is_bare(*e))) continue;
        size_t length = strlen(*e) + 1;
        memcpy(bytes + *size, *e, length);
        *size += length;
        ++*count;
    }
    return bytes;
}

int sup_plan_env_init(struct sup_plan_env *env, char *const *environment)
{
    env->shared = collect(environment, false, &env->shared_size, &env->shared_count);
    env->bare = collect(environment, true, &env->bare_size, &env->bare_count);
    if (env->shared != NULL && env->bare != NULL) return 0;
    sup_plan_env_finish(env);
    return -ENOMEM;
}

void sup_plan_env_finish(struct sup_plan_env *env)
{
    free(env->shared);
    free(env->bare);
    *env = (struct sup_plan_env){0};
}

/* --- a growing set ---------------------------------------------------------------------------- */

/* Append ${size} bytes (NULL: zeros) and return where they stand; 0 when there is no memory. */
static uint64_t append(struct sup_plan_draft *draft, const void *data, size_t size)
{
    if (draft->failed) return 0;
    if (draft->room - draft->size < size) {
        size_t room = (draft->size + size) * 2 + 1024;
        unsigned char *bytes = realloc(draft->bytes, room);
        if (bytes == NULL) {
            draft->failed = true;
            return 0;
        }
        draft->bytes = bytes;
        draft->room = room;
    }
    uint64_t place = draft->size;
    if (size == 0) return place;
    if (data != NULL) memcpy(draft->bytes + place, data, size);
    else memset(draft->bytes + place, 0, size);
    draft->size += size;
    return place;
}

static void align(struct sup_plan_draft *draft)
{
    append(draft, NULL, (8 - draft->size % 8) % 8);
}

static uint64_t append_text(struct sup_plan_draft *draft, const char *text)
{
    return append(draft, text, strlen(text) + 1);
}

void sup_plan_draft_begin(struct sup_plan_draft *draft, const struct sup_plan_env *env)
{
    struct sup_plan_set head = {.magic = SUP_PLAN_MAGIC,
                                .version = SUP_PLAN_VERSION,
                                .env_count = env->shared_count,
                                .env = env->shared_count > 0 ? sizeof head : 0};
    *draft = (struct sup_plan_draft){0};
    append(draft, &head, sizeof head);
    append(draft, env->shared, env->shared_size);
    align(draft);
}

/* --- one record ------------------------------------------------------------------------------- */

static size_t strings_size(const struct sup_strings *strings)
{
    const char *end = strings->first;
    for (uint32_t i = 0; i < strings->count; i++) end += strlen(end) + 1;
    return strings->count == 0 ? 0 : (size_t) (end - strings->first);
}

static bool same_key(const char *a, const char *b)
{
    size_t key = strcspn(a, "=");
    return strncmp(a, b, key) == 0 && b[key] == '=';
}

/* Does one of the ${count} entries that begin at ${at} set the variable that ${entry} sets? */
static bool is_overridden(const char *entry, const char *at, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++, at += strlen(at) + 1)
        if (same_key(entry, at)) return true;
    return strncmp(entry, PATH_VARIABLE, strlen(PATH_VARIABLE)) == 0;
}

/* Append the entries of a vector that none after them in ${wins} or the vector itself overrides. */
static uint32_t append_entries(struct sup_plan_draft *draft, const char *entry, uint32_t count,
                               const struct sup_strings *wins)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *next = entry + strlen(entry) + 1;
        bool overridden = is_overridden(entry, next, count - i - 1) ||
                          (wins != NULL && is_overridden(entry, wins->first, wins->count));
        if (!overridden) {
            append_text(draft, entry);
            kept++;
        }
        entry = next;
    }
    return kept;
}

/* What a shell would find of its user; with another user nothing else is passed on. */
static uint32_t append_user_env(struct sup_plan_draft *draft, const struct sup_plan_env *env,
                                const struct sup_spec *spec)
{
    const struct sup_user *user = &spec->user;
    const struct {
        const char *key, *value;
    } entries[] = {{"USER=", user->name}, {"HOME=", user->home}, {"SHELL=", user->shell}};
    static const char *const kept[] = {"PATH=", "LANG="};
    uint32_t count = 0;
    const char *entry = env->bare;
    for (uint32_t i = 0; i < env->bare_count; i++, entry += strlen(entry) + 1) {
        bool keep = strncmp(entry, kept[0], 5) == 0 || strncmp(entry, kept[1], 5) == 0;
        if (!keep || is_overridden(entry, spec->env.first, spec->env.count)) continue;
        append_text(draft, entry);
        count++;
    }
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        bool absent = entries[i].value[0] == '\0';
        if (absent || is_overridden(entries[i].key, spec->env.first, spec->env.count)) continue;
        append(draft, entries[i].key, strlen(entries[i].key));
        append_text(draft, entries[i].value);
        count++;
    }
    return count;
}

/* As systemd says it; the keeper adds LISTEN_PID. */
static uint32_t append_socket_env(struct sup_plan_draft *draft, const struct sup_spec *spec)
{
    static const char names[] = "LISTEN_FDNAMES=";
    char text[32];
    struct sup_socket socket;
    uint32_t count = sup_sockets_count(&spec->sockets);
    snprintf(text, sizeof text, "LISTEN_FDS=%u", count);
    append_text(draft, text);
    append(draft, names, sizeof names - 1);
    for (uint32_t at = 0, left = count; sup_sockets_next(&spec->sockets, &at, &socket); left--) {
        append(draft, socket.name, strlen(socket.name));
        append(draft, left > 1 ? ":" : "", 1);
    }
    return 2;
}

static uint32_t append_own_env(struct sup_plan_draft *draft, const struct sup_plan_env *env,
                               const struct sup_plan_wish *wish)
{
    const struct sup_spec *spec = wish->spec;
    uint32_t count = 1;
    if (spec->kind == SUP_THREAD) return 0;
    if (spec->user.uid != SUP_NO_ID) count += append_user_env(draft, env, spec);
    else if (!spec->inherit_env)
        count += append_entries(draft, env->bare, env->bare_count, &spec->env);
    const struct sup_strings replica_wins = {REPLICA_VARIABLE, spec->replica > 0};
    count += append_entries(draft, spec->env.first, spec->env.count, &replica_wins);
    if (spec->sockets.size > 0) count += append_socket_env(draft, spec);
    append(draft, PATH_VARIABLE, strlen(PATH_VARIABLE));
    append_text(draft, wish->path);
    if (spec->replica == 0) return count;
    char replica[sizeof REPLICA_VARIABLE + 12];
    snprintf(replica, sizeof replica, REPLICA_VARIABLE "%u", spec->replica);
    append_text(draft, replica);
    return count + 1;
}

static uint32_t log_of(enum sup_log_mode mode)
{
    switch (mode) {
    case SUP_LOG_MODE_FILE:
        return SUP_LOG_FILE;
    case SUP_LOG_MODE_NONE:
        return SUP_LOG_NONE;
    case SUP_LOG_MODE_INHERIT:
        return SUP_LOG_INHERIT;
    case SUP_LOG_MODE_TO:
        return SUP_LOG_TO;
    case SUP_LOG_MODE_VIEW:
        break;
    }
    return SUP_LOG_VIEW;
}

/* Who it runs as, and what it may take. */
static void append_identity(struct sup_plan_draft *draft, struct sup_plan *plan,
                            const struct sup_spec *spec)
{
    const struct sup_bytes *groups = spec->groups.data != NULL ? &spec->groups : &spec->user.groups;
    bool has_user = spec->user.uid != SUP_NO_ID;
    plan->uid = spec->user.uid;
    plan->gid = spec->group != SUP_NO_ID ? spec->group : spec->user.gid;
    plan->umask = spec->umask;
    plan->nice = spec->nice;
    plan->oom_score = spec->oom_score;
    plan->kill_mode = (uint32_t) spec->kill_mode;
    if (has_user || spec->groups.data != NULL) plan->flags |= SUP_PLAN_GROUPS;
    if (spec->has_no_new_privs ? spec->no_new_privs : has_user)
        plan->flags |= SUP_PLAN_NO_NEW_PRIVS;
    plan->group_count = groups->size / sizeof(uint32_t);
    if (plan->group_count > 0) {
        align(draft);
        plan->groups = append(draft, groups->data, groups->size);
    }
    plan->limit_count = spec->limits.size / (uint32_t) SUP_LIMIT_BYTES;
    align(draft);
    plan->limits = draft->size;
    for (size_t at = 0; at < spec->limits.size; at += SUP_LIMIT_BYTES) {
        struct sup_plan_limit limit = {0};
        memcpy(&limit.resource, spec->limits.data + at, sizeof limit.resource);
        memcpy(&limit.soft, spec->limits.data + at + 4, sizeof limit.soft);
        memcpy(&limit.hard, spec->limits.data + at + 12, sizeof limit.hard);
        append(draft, &limit, sizeof limit);
    }
}

_Static_assert((int) SUP_LIMIT_SWAP_MAX == (int) SUP_CGROUP_SWAP_MAX &&
                   (int) SUP_LIMIT_PIDS_MAX == (int) SUP_CGROUP_PIDS_MAX,
               "the same numbers");

static void append_cgroup(struct sup_plan_draft *draft, struct sup_plan *plan,
                          const struct sup_spec *spec)
{
    align(draft);
    plan->cgroup = draft->size;
    for (size_t at = 0; at < spec->cgroup.size; at += SUP_CGROUP_BYTES) {
        struct sup_plan_cgroup item = {.item = spec->cgroup.data[at]};
        memcpy(&item.value, spec->cgroup.data + at + 1, sizeof item.value);
        if (item.item == SUP_CGROUP_REQUIRED) {
            plan->cgroup_required = item.value == 1;
            continue;
        }
        append(draft, &item, sizeof item);
        plan->cgroup_count++;
    }
}

static bool says_how_it_is(const struct sup_spec *spec)
{
    return spec->ready.kind == SUP_READY_NOTIFY || spec->watchdog_ns != 0;
}

/* What its descriptors from 3 on are. */
static void append_sockets(struct sup_plan_draft *draft, struct sup_plan *plan,
                           const struct sup_spec *spec)
{
    struct sup_socket socket;
    align(draft);
    plan->sockets = draft->size;
    plan->sockets_shared = spec->replica > 0;
    for (uint32_t at = 0; sup_sockets_next(&spec->sockets, &at, &socket); plan->socket_count++) {
        uint64_t id = sup_listener_id(socket.address);
        append(draft, &id, sizeof id);
    }
}

/* How a process gets its environment and its input. */
static uint32_t flags_of(const struct sup_spec *spec)
{
    if (spec->kind == SUP_THREAD) return SUP_PLAN_NO_PROCESS;
    uint32_t input = spec->log.reads ? SUP_PLAN_INPUT : 0;
    uint32_t notify = says_how_it_is(spec) ? SUP_PLAN_NOTIFY : 0;
    return input | notify |
           (spec->inherit_env && spec->user.uid == SUP_NO_ID ? SUP_PLAN_SHARED_ENV : 0);
}

_Static_assert((int) SUP_TIMESTAMPS_TAI64N == (int) SUP_STAMPS_TAI64N, "the same order");
_Static_assert((int) SUP_LOG_JSON == (int) SUP_FORMAT_JSON, "the same order");
_Static_assert(SUP_LOG_BUFFER_MAX == SUP_RING_MAX_BYTES, "the same limit");

/* Whose folders the file must not be in. */
static void fill_identity(const struct sup_spec *spec, struct sup_log_settings *settings)
{
    const struct sup_bytes *groups = spec->groups.data != NULL ? &spec->groups : &spec->user.groups;
    uint32_t count = groups->size / (uint32_t) sizeof(uint32_t);
    if (spec->user.uid == SUP_NO_ID) return;
    settings->uid = spec->user.uid;
    settings->gid = spec->group != SUP_NO_ID ? spec->group : spec->user.gid;
    settings->group_count = count;
    if (count > SUP_LOG_GROUPS) count = SUP_LOG_GROUPS;
    if (count > 0) memcpy(settings->groups, groups->data, count * sizeof(uint32_t));
}

static struct sup_log_settings settings_of(const struct sup_spec *spec)
{
    const struct sup_log *log = &spec->log;
    struct sup_log_settings settings = {.buffer = log->buffer};
    if (settings.buffer == 0 && spec->ready.kind == SUP_READY_LOG)
        settings.buffer = SUP_READY_LOG_BUFFER;
    if (log->mode != SUP_LOG_MODE_FILE) return settings;
    fill_identity(spec, &settings);
    settings.max_size = log->max_size;
    settings.max_age_ns = log->max_age_ns;
    settings.max_files = log->max_files;
    settings.stamps = (uint16_t) log->timestamps;
    settings.format = (uint16_t) log->form;
    return settings;
}

static void add_command(struct sup_plan_draft *draft, struct sup_plan_command *commands,
                        struct sup_plan *plan, enum sup_plan_command_kind kind,
                        const struct sup_strings *argv, int64_t timeout_ns)
{
    if (plan->command_count == SUP_PLAN_MAX_COMMANDS) return;
    commands[plan->command_count++] = (struct sup_plan_command){
        .kind = (uint32_t) kind,
        .arg_count = argv->count,
        .args = append(draft, argv->first, strings_size(argv)),
        .timeout_ns = timeout_ns,
    };
}

static bool has_health_command(const struct sup_spec *spec)
{
    return spec->health.every_ns > 0 && spec->health.probe.kind == SUP_READY_EXEC;
}

static void append_commands(struct sup_plan_draft *draft, struct sup_plan *plan,
                            const struct sup_spec *spec)
{
    struct sup_plan_command commands[SUP_PLAN_MAX_COMMANDS];
    struct sup_strings argv;
    int64_t ns;
    for (uint32_t at = 0; sup_commands_next(&spec->before, &at, &argv, &ns);)
        add_command(draft, commands, plan, SUP_COMMAND_BEFORE, &argv,
                    sup_spec_one_before_ns(spec, ns));
    for (uint32_t at = 0; sup_commands_next(&spec->after_exit, &at, &argv, &ns);)
        add_command(draft, commands, plan, SUP_COMMAND_AFTER_EXIT, &argv,
                    sup_spec_after_exit_ns(spec));
    if (spec->ready.kind == SUP_READY_EXEC)
        add_command(draft, commands, plan, SUP_COMMAND_READY, &spec->ready.command,
                    spec->ready.timeout_ns);
    if (has_health_command(spec))
        add_command(draft, commands, plan, SUP_COMMAND_HEALTH, &spec->health.probe.command,
                    spec->health.timeout_ns);
    if (plan->command_count == 0) return;
    align(draft);
    plan->commands = append(draft, commands, plan->command_count * sizeof *commands);
}

uint64_t sup_plan_draft_add(struct sup_plan_draft *draft, const struct sup_plan_env *env,
                            const struct sup_plan_wish *wish)
{
    const struct sup_spec *spec = wish->spec;
    align(draft);
    uint64_t place = append(draft, NULL, sizeof(struct sup_plan));
    struct sup_plan plan = {
        .size = sizeof plan,
        .flags = flags_of(spec),
        .arg_count = spec->command.count,
        .log = log_of(spec->log.mode),
        .stop_signal = spec->stop_signal,
        .timeout_ns = spec->timeout_ns,
        .stop_rank = wish->stop_rank,
        .log_to = wish->log_to,
        .log_settings = settings_of(spec),
        .watchdog_ns = spec->kind == SUP_PROCESS ? spec->watchdog_ns : 0,
        .ready_fd = spec->ready.kind == SUP_READY_FD ? spec->ready.number : 0,
    };
    plan.args = append(draft, spec->command.first, strings_size(&spec->command));
    plan.env = draft->size;
    plan.env_count = append_own_env(draft, env, wish);
    plan.name = append_text(draft, wish->path);
    if (spec->cwd != NULL) plan.cwd = append_text(draft, spec->cwd);
    if (plan.log == SUP_LOG_FILE) plan.log_file = append_text(draft, spec->log.file);
    append_identity(draft, &plan, spec);
    append_commands(draft, &plan, spec);
    append_cgroup(draft, &plan, spec);
    append_sockets(draft, &plan, spec);
    align(draft);
    if (draft->failed) return 0;
    memcpy(draft->bytes + place, &plan, sizeof plan);
    return place;
}

/* --- handing over ----------------------------------------------------------------------------- */

static int write_all(int fd, const unsigned char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        bytes += n;
        size -= (size_t) n;
    }
    return 0;
}

static int make_sealed(const unsigned char *bytes, size_t size)
{
    int fd = memfd_create("suptree-plans", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    int r = write_all(fd, bytes, size);
    if (r == 0 && fcntl(fd, F_ADD_SEALS, SEALS) < 0) r = -errno;
    if (r == 0) return fd;
    close(fd);
    return r;
}

int sup_plan_draft_take(struct sup_plan_draft *draft, unsigned char **bytes, size_t *size)
{
    bool failed = draft->failed;
    uint64_t whole = draft->size;
    if (failed) free(draft->bytes);
    else memcpy(draft->bytes + offsetof(struct sup_plan_set, size), &whole, sizeof whole);
    *bytes = failed ? NULL : draft->bytes;
    *size = failed ? 0 : draft->size;
    *draft = (struct sup_plan_draft){0};
    return failed ? -ENOMEM : 0;
}

int sup_plan_draft_finish(struct sup_plan_draft *draft)
{
    unsigned char *bytes;
    size_t size;
    int r = sup_plan_draft_take(draft, &bytes, &size);
    if (r == 0) r = make_sealed(bytes, size);
    free(bytes);
    return r;
}

/* --- fingerprint ------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t print, const void *data, size_t size)
{
    const unsigned char *byte = data;
    for (size_t i = 0; i < size; i++) print = (print ^ byte[i]) * UINT64_C(0x100000001b3);
    return print;
}

static uint64_t mix_text(uint64_t print, const char *text)
{
    return text == NULL ? mix(print, "\1", 1) : mix(print, text, strlen(text) + 1);
}

static uint64_t mix_identity(uint64_t print, const struct sup_spec *spec)
{
    const struct sup_user *user = &spec->user;
    const int64_t numbers[] = {user->uid,
                               user->gid,
                               spec->group,
                               spec->umask,
                               spec->nice,
                               spec->oom_score,
                               spec->no_new_privs,
                               (int64_t) spec->kill_mode,
                               spec->has_no_new_privs,
                               spec->groups.data != NULL};
    print = mix(print, numbers, sizeof numbers);
    print = mix(print, user->groups.data, user->groups.size);
    print = mix(print, spec->groups.data, spec->groups.size);
    print = mix(print, spec->limits.data, spec->limits.size);
    print = mix(print, spec->cgroup.data, spec->cgroup.size);
    print = mix_text(print, user->name);
    print = mix_text(print, user->home);
    return mix_text(print, user->shell);
}

static uint64_t mix_command(uint64_t print, const struct sup_strings *argv, int64_t timeout_ns)
{
    print = mix(print, &timeout_ns, sizeof timeout_ns);
    return mix(print, argv->first, strings_size(argv));
}

static uint64_t mix_commands(uint64_t print, const struct sup_spec *spec)
{
    bool ready = spec->ready.kind == SUP_READY_EXEC, health = has_health_command(spec);
    print = mix(print, spec->before.data, spec->before.size);
    if (spec->before.size > 0)
        print = mix(print, &spec->start_timeout_ns, sizeof spec->start_timeout_ns);
    print = mix(print, "\1", 1);
    print = mix(print, spec->after_exit.data, spec->after_exit.size);
    print = mix(print, &ready, sizeof ready);
    if (ready) print = mix_command(print, &spec->ready.command, spec->ready.timeout_ns);
    if (!health) return print;
    return mix_command(print, &spec->health.probe.command, spec->health.timeout_ns);
}

uint64_t sup_plan_print(const struct sup_plan_wish *wish)
{
    const struct sup_spec *spec = wish->spec;
    const int64_t numbers[] = {spec->command.count,
                               spec->env.count,
                               spec->inherit_env,
                               spec->stop_signal,
                               spec->timeout_ns,
                               (int64_t) spec->log.mode,
                               spec->watchdog_ns,
                               spec->ready.kind == SUP_READY_NOTIFY,
                               spec->ready.kind == SUP_READY_FD ? spec->ready.number : 0};
    const struct sup_log_settings settings = settings_of(spec);
    uint64_t print = mix(UINT64_C(0xcbf29ce484222325), numbers, sizeof numbers);
    print = mix(print, &settings, sizeof settings);
    print = mix(print, &wish->log_to, sizeof wish->log_to);
    print = mix(print, &spec->log.reads, sizeof spec->log.reads);
    print = mix(print, spec->command.first, strings_size(&spec->command));
    print = mix(print, spec->env.first, strings_size(&spec->env));
    print = mix(print, spec->sockets.data, spec->sockets.size);
    print = mix_text(print, wish->path);
    print = mix_text(print, spec->cwd);
    print = mix_identity(print, spec);
    print = mix_commands(print, spec);
    print = mix_text(print, spec->log.mode == SUP_LOG_MODE_FILE ? spec->log.file : NULL);
    return print == 0 ? 1 : print;
}
