/*
** keeper/limits.c: the limits of a service's cgroup: handing the controllers on, writing the files,
** and what they say at the end. Must not know why a service is started.
**
** Nothing here blocks, but for lowering the memory of what runs: the kernel then takes memory back
** before it returns from the write. A process of its own does that.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CPU_PERIOD_US 100000
#define MILLION 1000000
#define MOVING_ROUNDS 4
#define MAX_ANCESTORS 64

struct file_row {
    const char *name;
    enum sup_keeper_controller controller;
    const char *usual; /* what stands there when nobody has written */
};

static const struct file_row files[] = {
    [SUP_LIMIT_CPU_MAX] = {"cpu.max", SUP_CONTROLLER_CPU, "max"},
    [SUP_LIMIT_CPU_WEIGHT] = {"cpu.weight", SUP_CONTROLLER_CPU, "100"},
    [SUP_LIMIT_IO_WEIGHT] = {"io.weight", SUP_CONTROLLER_IO, "default 100"},
    [SUP_LIMIT_MEMORY_HIGH] = {"memory.high", SUP_CONTROLLER_MEMORY, "max"},
    [SUP_LIMIT_MEMORY_LOW] = {"memory.low", SUP_CONTROLLER_MEMORY, "0"},
    [SUP_LIMIT_MEMORY_MAX] = {"memory.max", SUP_CONTROLLER_MEMORY, "max"},
    [SUP_LIMIT_PIDS_MAX] = {"pids.max", SUP_CONTROLLER_PIDS, "max"},
    [SUP_LIMIT_SWAP_MAX] = {"memory.swap.max", SUP_CONTROLLER_MEMORY, "max"},
};

static const char *const controllers[] = {
    [SUP_CONTROLLER_CPU] = "cpu",
    [SUP_CONTROLLER_IO] = "io",
    [SUP_CONTROLLER_MEMORY] = "memory",
    [SUP_CONTROLLER_PIDS] = "pids",
};

/* --- files ---------------------------------------------------------------------------------- */

/* Returns 0 or -errno. */
static int write_file(int folder, const char *path, const char *word)
{
    int fd = openat(folder, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int r = write(fd, word, strlen(word)) < 0 ? -errno : 0;
    close(fd);
    return r;
}

/* What a small file says; false: nothing. */
static bool read_file(int fd, char *text, size_t size)
{
    if (fd < 0) return false;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n < 0 ? 0 : n] = '\0';
    return n > 0;
}

/* Is ${word} one of the words of ${text}? */
static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = text; *at != '\0';) {
        size_t n = strcspn(at, " \n");
        if (n == length && strncmp(at, word, n) == 0) return true;
        at += n + strspn(at + n, " \n");
    }
    return false;
}

/* --- handing controllers on ------------------------------------------------------------------ */

/* The pid of the parent of ${pid}; 0: it has none that we could see. */
static pid_t parent_of(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    if (!read_file(open(path, O_RDONLY | O_CLOEXEC), text, sizeof text)) return 0;
    const char *end = strrchr(text, ')');
    return end == NULL || strlen(end) < 4 ? 0 : (pid_t) strtol(end + 3, NULL, 10);
}

static bool is_ours(pid_t pid)
{
    for (int i = 0; pid > 0 && i < MAX_ANCESTORS; i++) {
        if (pid == getpid()) return true;
        pid = parent_of(pid);
    }
    return false;
}

/* Move those of our processes that are in our cgroup itself into a folder below it. False: there
   are others in it. */
static bool move_ours(struct sup_keeper *keeper)
{
    static char pids[1 << 16];
    char word[16];
    bool alone = true;
    int fd = openat(keeper->cgroup.own, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    if (!read_file(fd, pids, sizeof pids)) return true;
    if (mkdirat(keeper->cgroup.folder, SUP_KEEPER_LEAF, 0755) < 0 && errno != EEXIST) return false;
    for (char *at = pids; *at != '\0';) {
        pid_t pid = (pid_t) strtol(at, &at, 10);
        at += strspn(at, "\n");
        snprintf(word, sizeof word, "%d", (int) pid);
        const char *leaf = SUP_KEEPER_LEAF "/cgroup.procs";
        bool is_moved = is_ours(pid) && write_file(keeper->cgroup.folder, leaf, word) == 0;
        keeper->cgroup.moved = keeper->cgroup.moved || is_moved;
        alone = alone && is_moved;
    }
    return alone;
}

/*
** Write "+memory" into our own cgroup. But for the root of all, it must have processes only in
** folders below: with cpu and pids alone Linux takes the word even so, but then nothing can begin
** in the folders.
*/
static int switch_on_above(struct sup_keeper *keeper, const char *word)
{
    bool is_root = faccessat(keeper->cgroup.own, "cgroup.type", F_OK, 0) < 0;
    bool alone = is_root;
    for (int round = 0; !alone && round < MOVING_ROUNDS; round++) alone = move_ours(keeper);
    return alone ? write_file(keeper->cgroup.own, "cgroup.subtree_control", word) : -EBUSY;
}

static bool is_handed_on(int folder, const char *controller)
{
    char text[256];
    int fd = openat(folder, "cgroup.subtree_control", O_RDONLY | O_CLOEXEC);
    return read_file(fd, text, sizeof text) && has_word(text, controller);
}

static int switch_on(struct sup_keeper *keeper, enum sup_keeper_controller which)
{
    struct sup_keeper_controller_state *state = &keeper->cgroup.controllers[which];
    char text[256], word[16];
    int fd = openat(keeper->cgroup.own, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
    state->why = SUP_LIMITS_NO_CONTROLLER;
    if (!read_file(fd, text, sizeof text) || !has_word(text, controllers[which])) return ENOENT;
    snprintf(word, sizeof word, "+%s", controllers[which]);
    int r = 0;
    if (!is_handed_on(keeper->cgroup.own, controllers[which])) {
        r = switch_on_above(keeper, word);
        state->above = r == 0;
    }
    if (r == 0) r = write_file(keeper->cgroup.folder, "cgroup.subtree_control", word);
    state->why = r == 0 ? SUP_LIMITS_HOLD : r == -EBUSY ? SUP_LIMITS_SHARED : SUP_LIMITS_DENIED;
    return -r;
}

/* Is the controller there in the folders of services? Switched on when it is first asked for. */
static bool has_controller(struct sup_keeper *keeper, enum sup_keeper_controller which)
{
    struct sup_keeper_controller_state *state = &keeper->cgroup.controllers[which];
    if (!state->tried) state->error = switch_on(keeper, which);
    state->tried = true;
    return state->why == SUP_LIMITS_HOLD;
}

void sup_keeper_limits_finish(struct sup_keeper *keeper)
{
    char word[16];
    for (int i = 0; i < SUP_CONTROLLERS; i++) {
        const struct sup_keeper_controller_state *state = &keeper->cgroup.controllers[i];
        snprintf(word, sizeof word, "-%s", controllers[i]);
        if (state->tried) write_file(keeper->cgroup.folder, "cgroup.subtree_control", word);
        if (state->above) write_file(keeper->cgroup.own, "cgroup.subtree_control", word);
    }
    snprintf(word, sizeof word, "%d", (int) getpid());
    if (keeper->cgroup.moved) write_file(keeper->cgroup.own, "cgroup.procs", word);
}

/* --- limits --------------------------------------------------------------------------------- */

static const struct sup_plan_cgroup *limits_of(const struct sup_keeper_node *node)
{
    const char *bytes = node->set->bytes;
    return (const void *) (bytes + node->plan->cgroup);
}

/* As the kernel reads it. */
static const char *value_text(uint32_t item, uint64_t value, char *buf, size_t size)
{
    const char *before = item == SUP_LIMIT_IO_WEIGHT ? "default " : "";
    if (value == UINT64_MAX)
        snprintf(buf, size, item == SUP_LIMIT_CPU_MAX ? "max %d" : "max", CPU_PERIOD_US);
    else if (item == SUP_LIMIT_CPU_MAX)
        snprintf(buf, size, "%" PRIu64 " %d", value / (MILLION / CPU_PERIOD_US), CPU_PERIOD_US);
    else snprintf(buf, size, "%s%" PRIu64, before, value);
    return buf;
}

/* Does what runs in the folder have more than ${value} bytes? */
static bool has_more(const struct sup_keeper *keeper, uint64_t folder, uint64_t value)
{
    char text[32];
    int fd = sup_keeper_cgroup_file(keeper, folder, "memory.current", O_RDONLY);
    return read_file(fd, text, sizeof text) && strtoull(text, NULL, 10) > value;
}

/* Returns 0 or -errno of the process that was not made. It is reaped like any stranger. */
static int write_aside(int fd, const char *word)
{
    pid_t pid = fork();
    if (pid == 0) {
        ssize_t n = write(fd, word, strlen(word));
        _exit(n < 0 ? 1 : 0);
    }
    return pid < 0 ? -errno : 0;
}

/* Set one limit of what has this folder. ${is_live}: something runs there. Returns 0 or -errno. */
static int set_one(const struct sup_keeper *keeper, uint64_t folder, uint32_t item,
                   const char *word, uint64_t value, bool is_live)
{
    int fd = sup_keeper_cgroup_file(keeper, folder, files[item].name, O_WRONLY | O_TRUNC);
    if (fd < 0) return fd;
    bool takes_back = item == SUP_LIMIT_MEMORY_MAX || item == SUP_LIMIT_MEMORY_HIGH;
    int r = 0;
    if (is_live && takes_back && has_more(keeper, folder, value)) r = write_aside(fd, word);
    else if (write(fd, word, strlen(word)) < 0) r = -errno;
    close(fd);
    return r;
}

static void note_off(struct sup_keeper_instance *instance, uint32_t item, int why, int error)
{
    if (instance->limits_off == 0) {
        instance->limits_why = (uint8_t) why;
        instance->limits_error = (int16_t) error;
    }
    instance->limits_off |= UINT32_C(1) << item;
}

static void note_all_off(const struct sup_keeper_node *node, struct sup_keeper_instance *instance,
                         int why, int error)
{
    const struct sup_plan_cgroup *limits = limits_of(node);
    for (uint32_t i = 0; i < node->plan->cgroup_count; i++)
        note_off(instance, limits[i].item, why, error);
}

static void set_wanted(struct sup_keeper *keeper, const struct sup_plan_cgroup *limit,
                       struct sup_keeper_instance *instance)
{
    char word[48];
    enum sup_keeper_controller controller = files[limit->item].controller;
    bool is_live = instance->state == SUP_INSTANCE_LIVE;
    if (!has_controller(keeper, controller)) {
        const struct sup_keeper_controller_state *state = &keeper->cgroup.controllers[controller];
        note_off(instance, limit->item, state->why, state->error);
        return;
    }
    value_text(limit->item, limit->value, word, sizeof word);
    int r = set_one(keeper, instance->folder.number, limit->item, word, limit->value, is_live);
    if (r < 0) note_off(instance, limit->item, SUP_LIMITS_REFUSED, -r);
    else instance->folder.limits |= UINT32_C(1) << limit->item;
}

void sup_keeper_limits_set(struct sup_keeper *keeper, const struct sup_keeper_node *node,
                           struct sup_keeper_instance *instance)
{
    const struct sup_plan_cgroup *limits = limits_of(node);
    uint32_t wanted = 0;
    instance->limits_off = 0;
    instance->limits_why = SUP_LIMITS_HOLD;
    for (uint32_t i = 0; i < node->plan->cgroup_count; i++) wanted |= UINT32_C(1) << limits[i].item;
    for (uint32_t item = 0; item < SUP_LIMIT_ITEMS; item++) {
        uint32_t bit = UINT32_C(1) << item;
        if ((instance->folder.limits & bit) == 0 || (wanted & bit) != 0) continue;
        set_one(keeper, instance->folder.number, item, files[item].usual, UINT64_MAX, false);
        instance->folder.limits &= ~bit;
    }
    for (uint32_t i = 0; i < node->plan->cgroup_count; i++)
        set_wanted(keeper, &limits[i], instance);
}

void sup_keeper_limits_none(const struct sup_keeper *keeper, const struct sup_keeper_node *node,
                            struct sup_keeper_instance *instance)
{
    if (instance->folder.number != 0) return;
    instance->limits_off = 0;
    note_all_off(node, instance, SUP_LIMITS_NO_CGROUP, keeper->cgroup.error);
}

int sup_keeper_limits_allow(const struct sup_keeper_node *node,
                            const struct sup_keeper_instance *instance)
{
    if (node->plan->cgroup_required == 0 || instance->limits_off == 0) return 0;
    return instance->limits_error == 0 ? ENOENT : instance->limits_error;
}

void sup_keeper_limits_changed(struct sup_keeper *keeper, struct sup_keeper_node *node)
{
    struct sup_keeper_instance *instance = node->newest;
    if (instance == NULL) return;
    uint32_t off = instance->limits_off;
    if (instance->folder.number != 0) {
        sup_keeper_limits_set(keeper, node, instance);
    } else {
        instance->limits_off = 0;
        note_all_off(node, instance,
                     keeper->cgroup.folder < 0 ? SUP_LIMITS_NO_CGROUP : SUP_LIMITS_LATER,
                     keeper->cgroup.error);
    }
    if (off != 0 || instance->limits_off != 0) sup_keeper_tell(keeper, instance, SUP_TELL_LIMITS);
}

/* --- the end -------------------------------------------------------------------------------- */

/* The number behind ${key} in a file of such lines; 0: there is none. */
static uint64_t number_of(const char *text, const char *key)
{
    size_t length = strlen(key);
    for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, key, length) == 0 && at[length] == ' ')
            return strtoull(at + length + 1, NULL, 10);
    }
    return 0;
}

void sup_keeper_limits_ended(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                             int status, long peak)
{
    char text[512];
    const uint32_t of_memory = UINT32_C(1) << SUP_LIMIT_MEMORY_MAX |
                               UINT32_C(1) << SUP_LIMIT_MEMORY_HIGH |
                               UINT32_C(1) << SUP_LIMIT_MEMORY_LOW;
    uint64_t bytes = peak < 0 ? 0 : (uint64_t) peak * 1024;
    const struct sup_keeper_controller_state *memory =
        &keeper->cgroup.controllers[SUP_CONTROLLER_MEMORY];
    bool is_counted =
        instance->folder.number != 0 && memory->tried && memory->why == SUP_LIMITS_HOLD;
    instance->memory = 0;
    if (is_counted &&
        read_file(sup_keeper_cgroup_file(keeper, instance->folder.number, "memory.events",
                                         O_RDONLY),
                  text, sizeof text) &&
        number_of(text, "oom_kill") > 0) {
        instance->cgroup_is_spent = true; /* its count is not begun anew */
        instance->memory |= SUP_EXIT_OOM | (number_of(text, "oom") > 0 ? SUP_EXIT_OOM_OWN : 0);
    }
    if (is_counted && (instance->folder.limits & of_memory) != 0) {
        instance->cgroup_is_spent = true; /* nor is its peak */
        if (read_file(sup_keeper_cgroup_file(keeper, instance->folder.number, "memory.peak",
                                             O_RDONLY),
                      text, sizeof text))
            bytes = strtoull(text, NULL, 10);
    }
    bool is_unknown = (instance->memory & SUP_EXIT_OOM) == 0 && WIFSIGNALED(status) &&
                      WTERMSIG(status) == SIGKILL;
    if (is_unknown && sup_keeper_oom_has_killed(keeper, instance->pid))
        instance->memory |= SUP_EXIT_OOM;
    instance->memory |= bytes & SUP_EXIT_PEAK;
}
