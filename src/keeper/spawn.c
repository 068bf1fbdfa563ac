/*
** keeper/spawn.c: the clone, and what the child does before it execs.
** Must not know of nodes, instances, or who asked.
*/
#include "keeper/spawn.h"

#include "wire/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_SIZE ((size_t) 64 * 1024)
#define GUARD_SIZE ((size_t) 64 * 1024) /* a whole page whatever the page size */
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"
#define FAILED_CODE 127 /* never seen by anyone: the report is */

/* The child runs on the keeper's memory: no sanitizer may keep books about it. */
#define IN_CHILD __attribute__((no_sanitize("address", "undefined", "thread"), noinline))

static int make_stack(struct sup_spawner *spawner)
{
    char *base = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return -errno;
    spawner->stack_top = base + GUARD_SIZE + STACK_SIZE;
    return mprotect(base, GUARD_SIZE, PROT_NONE) < 0 ? -errno : 0;
}

static int make_report(struct sup_spawner *spawner)
{
    void *at = mmap(NULL, sizeof *spawner->report, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return -errno;
    spawner->report = at;
    return 0;
}

/* Take the numbers for passing descriptors, so that nothing else ever gets one of them. */
static int take_places(const struct sup_sys *sys)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return -errno;
    for (int place = SUP_SPAWN_NULL; place < SUP_SPAWN_FIRST_FREE; place++) {
        int r = place == null ? 0 : sys->duplicate(null, place);
        if (r < 0) return r;
    }
    if (null >= SUP_SPAWN_FIRST_FREE) close(null);
    return 0;
}

void sup_spawner_take_reserve(struct sup_spawner *spawner)
{
    if (spawner->reserve >= 0) return;
    int fd = spawner->sys->duplicate_above(SUP_SPAWN_NULL, SUP_SPAWN_FIRST_FREE);
    spawner->reserve = fd < 0 ? -1 : fd;
}

void sup_spawner_give_way(struct sup_spawner *spawner)
{
    if (spawner->reserve >= 0) close(spawner->reserve);
    spawner->reserve = -1;
}

int sup_spawner_init(struct sup_spawner *spawner, const struct sup_sys *sys)
{
    memset(spawner, 0, sizeof *spawner);
    spawner->sys = sys;
    spawner->reserve = -1;
    int r = make_stack(spawner);
    if (r == 0) r = make_report(spawner);
    if (r == 0) r = take_places(sys);
    if (r < 0) return r;
    sup_spawner_take_reserve(spawner);
    return 0;
}

void sup_spawner_finish(struct sup_spawner *spawner)
{
    if (spawner->stack_top == NULL) return;
    if (spawner->report != NULL) munmap((void *) spawner->report, sizeof *spawner->report);
    munmap(spawner->stack_top - STACK_SIZE - GUARD_SIZE, STACK_SIZE + GUARD_SIZE);
    for (int place = SUP_SPAWN_NULL; place < SUP_SPAWN_FIRST_FREE; place++) close(place);
    sup_spawner_give_way(spawner);
    memset(spawner, 0, sizeof *spawner);
}

void sup_spawner_raise_limits(struct sup_spawner *spawner)
{
    if (getrlimit(RLIMIT_NOFILE, &spawner->limits) < 0) return;
    struct rlimit raised = {spawner->limits.rlim_max, spawner->limits.rlim_max};
    if (raised.rlim_cur == spawner->limits.rlim_cur) return;
    spawner->limits_are_raised = setrlimit(RLIMIT_NOFILE, &raised) == 0;
}

/* --- in the child --------------------------------------------------------------------------- */

IN_CHILD static const char *find_path(char *const *env)
{
    for (; *env != NULL; env++) {
        const char *e = *env;
        if (e[0] == 'P' && e[1] == 'A' && e[2] == 'T' && e[3] == 'H' && e[4] == '=') return e + 5;
    }
    return DEFAULT_PATH;
}

/* Write the folder that ${from} begins with, '/' and ${name} to ${to}; false: it does not fit. */
IN_CHILD static bool join(char *to, const char *from, size_t length, const char *name)
{
    size_t at = 0;
    if (length + 2 > PATH_MAX) return false;
    while (at < length) {
        to[at] = from[at];
        at++;
    }
    if (length > 0) to[at++] = '/';
    while (*name != '\0' && at < PATH_MAX - 1) to[at++] = *name++;
    to[at] = '\0';
    return *name == '\0';
}

/* Try ${name} in each folder of PATH, as execvp does. Returns -errno: nothing could be run. */
IN_CHILD static int search_and_exec(struct sup_spawner *spawner, const char *name)
{
    const struct sup_spawn_order *order = spawner->order;
    const char *at = find_path(order->env);
    int answer = -ENOENT;
    for (;;) {
        const char *end = at;
        while (*end != '\0' && *end != ':') end++;
        if (join(spawner->path, at, (size_t) (end - at), name)) {
            int r = spawner->sys->exec(spawner->path, order->argv, order->env);
            if (r == -EACCES) answer = r;
            else if (r != -ENOENT && r != -ENOTDIR && r != -ESTALE && r != -ENODEV &&
                     r != -ETIMEDOUT)
                return r;
        }
        if (*end == '\0') return answer;
        at = end + 1;
    }
}

IN_CHILD static int exec_program(struct sup_spawner *spawner)
{
    const struct sup_spawn_order *order = spawner->order;
    const char *name = order->argv[0];
    if (name[0] == '\0') return -ENOENT;
    for (const char *c = name; *c != '\0'; c++)
        if (*c == '/') return spawner->sys->exec(name, order->argv, order->env);
    return search_and_exec(spawner, name);
}

IN_CHILD static bool has_line(const struct sup_spawn_order *order)
{
    return order->line_at > STDERR_FILENO;
}

/* Descriptors 0 to 2, then the extras from 3 on, over the places that are not needed any more. */
IN_CHILD static int install_descriptors(struct sup_spawner *spawner)
{
    const struct sup_sys *sys = spawner->sys;
    const struct sup_spawn_order *order = spawner->order;
    int r = sys->install(order->in > 0 ? SUP_SPAWN_IN : SUP_SPAWN_NULL, STDIN_FILENO);
    if (r >= 0 && order->out >= 0) r = sys->install(SUP_SPAWN_OUT, STDOUT_FILENO);
    if (r >= 0 && order->err >= 0) r = sys->install(SUP_SPAWN_ERR, STDERR_FILENO);
    for (int i = 0; r >= 0 && i < SUP_SPAWN_EXTRAS && order->extra[i] >= 0; i++)
        r = sys->install(SUP_SPAWN_EXTRA + i, STDERR_FILENO + 1 + i);
    /* Last: the number may be that of a place that was needed until now. */
    if (r >= 0 && has_line(order)) r = sys->install(spawner->line_place, order->line_at);
    return r;
}

IN_CHILD static unsigned first_unwanted(const struct sup_spawn_order *order)
{
    unsigned first = STDERR_FILENO + 1;
    for (int i = 0; i < SUP_SPAWN_EXTRAS && order->extra[i] >= 0; i++) first++;
    return first;
}

IN_CHILD static int close_unwanted(struct sup_spawner *spawner)
{
    const struct sup_spawn_order *order = spawner->order;
    unsigned first = first_unwanted(order), last = SUP_SPAWN_REPORT - 1;
    unsigned line = has_line(order) ? (unsigned) order->line_at : 0;
    int r = 0;
    if (line < first || line > last) return spawner->sys->close_between(first, last);
    if (line > first) r = spawner->sys->close_between(first, line - 1);
    return r < 0 || line == last ? r : spawner->sys->close_between(line + 1, last);
}

IN_CHILD static void write_pid(char *text, pid_t pid)
{
    char digits[12];
    int count = 0;
    do digits[count++] = (char) ('0' + pid % 10);
    while ((pid /= 10) > 0);
    while (count > 0) *text++ = digits[--count];
    *text = '\0';
}

/* What needs rights that it is about to give up. Returns the step that failed, 0: none. */
IN_CHILD static int limit_itself(const struct sup_sys *sys, const struct sup_spawn_identity *to,
                                 int *error)
{
    for (size_t i = 0; i < to->limit_count; i++) {
        const struct rlimit limit = {to->limits[i].soft, to->limits[i].hard};
        if ((*error = sys->set_limit((int) to->limits[i].resource, &limit)) < 0)
            return SUP_STEP_LIMITS;
    }
    if (to->oom_score != NULL) {
        size_t size = 0;
        while (to->oom_score[size] != '\0') size++;
        if ((*error = sys->set_oom_score(to->oom_score, size)) < 0) return SUP_STEP_OOM_SCORE;
    }
    if (to->nice != SUP_PLAN_KEEP_INTEGER && (*error = sys->set_nice(to->nice)) < 0)
        return SUP_STEP_NICE;
    if (to->umask != SUP_PLAN_KEEP && (*error = sys->set_umask(to->umask)) < 0)
        return SUP_STEP_UMASK;
    return 0;
}

/* Groups before the user: afterwards there is no right to. Returns the step that failed. */
IN_CHILD static int become(const struct sup_sys *sys, const struct sup_spawn_identity *to,
                           int *error)
{
    if (to->has_groups && (*error = sys->set_groups(to->group_count, to->groups)) < 0)
        return SUP_STEP_GROUPS;
    if (to->gid != SUP_PLAN_KEEP && (*error = sys->set_group(to->gid)) < 0) return SUP_STEP_GROUP;
    if (to->uid != SUP_PLAN_KEEP && (*error = sys->set_user(to->uid)) < 0) return SUP_STEP_USER;
    if (to->no_new_privs && (*error = sys->forbid_new_rights()) < 0) return SUP_STEP_RIGHTS;
    if ((*error = sys->check_identity(to->uid, to->gid)) < 0) return SUP_STEP_RIGHTS;
    return 0;
}

/* Take the steps in order; returns the one that failed with its errno in ${error}. */
IN_CHILD static int take_steps(struct sup_spawner *spawner, int *error)
{
    const struct sup_sys *sys = spawner->sys;
    const struct sup_spawn_order *order = spawner->order;
    /* First of all: until here the descriptor table is the keeper's own. */
    if ((*error = sys->unshare_files(SUP_SPAWN_FIRST_FREE)) < 0) return SUP_STEP_DESCRIPTORS;
    if ((*error = sys->set_session()) < 0) return SUP_STEP_SESSION;
    if ((*error = install_descriptors(spawner)) < 0) return SUP_STEP_STDIO;
    if ((*error = close_unwanted(spawner)) < 0) return SUP_STEP_DESCRIPTORS;
    if (order->pid_text != NULL) write_pid(order->pid_text, sys->own_pid());
    if (order->listen_pid_text != NULL) write_pid(order->listen_pid_text, sys->own_pid());
    if (spawner->limits_are_raised && !order->keep_limits &&
        (*error = sys->set_limit(RLIMIT_NOFILE, &spawner->limits)) < 0)
        return SUP_STEP_LIMITS;
    int step = order->identity == NULL ? 0 : limit_itself(sys, order->identity, error);
    if (step != 0) return step;
    if (order->cwd != NULL && (*error = sys->change_folder(order->cwd)) < 0) return SUP_STEP_CWD;
    step = order->identity == NULL ? 0 : become(sys, order->identity, error);
    if (step != 0) return step;
    /* Whoever becomes another loses it: so after that. */
    if (order->dies_with != 0 && (*error = sys->die_with(order->dies_with)) < 0)
        return SUP_STEP_SESSION;
    if ((*error = sys->clear_mask()) < 0) return SUP_STEP_EXEC;
    *error = exec_program(spawner);
    return SUP_STEP_EXEC;
}

IN_CHILD static int run_child(void *argument)
{
    struct sup_spawner *spawner = argument;
    int error = 0;
    int step = take_steps(spawner, &error);
    if (spawner->is_in_background) {
        const struct sup_spawn_report report = {.step = step, .error = -error};
        spawner->sys->tell(spawner->report_place, &report, sizeof report);
    } else {
        spawner->report->error = -error;
        spawner->report->step = step;
    }
    spawner->sys->leave(FAILED_CODE);
    return FAILED_CODE;
}

/* --- in the keeper -------------------------------------------------------------------------- */

static int place(const struct sup_sys *sys, int fd, int at)
{
    return fd < 0 ? 0 : sys->duplicate(fd, at);
}

/* Put what the child needs at the places that it keeps. */
static int fill_places(const struct sup_spawner *spawner, const struct sup_spawn_order *order)
{
    const struct sup_sys *sys = spawner->sys;
    int r = order->in > 0 ? place(sys, order->in, SUP_SPAWN_IN) : 0;
    if (r >= 0) r = place(sys, order->out, SUP_SPAWN_OUT);
    if (r >= 0) r = place(sys, order->err, SUP_SPAWN_ERR);
    for (int i = 0; r >= 0 && i < SUP_SPAWN_EXTRAS && order->extra[i] >= 0; i++)
        r = place(sys, order->extra[i], SUP_SPAWN_EXTRA + i);
    if (r >= 0 && has_line(order)) r = place(sys, order->line, spawner->line_place);
    return r;
}

/* A pipe's or socket's end must not live on at a place: its reader would wait for ever. */
static void clear_places(const struct sup_spawner *spawner, const struct sup_spawn_order *order)
{
    const struct sup_sys *sys = spawner->sys;
    if (order->in > 0) sys->duplicate(SUP_SPAWN_NULL, SUP_SPAWN_IN);
    if (order->out >= 0) sys->duplicate(SUP_SPAWN_NULL, SUP_SPAWN_OUT);
    if (order->err >= 0) sys->duplicate(SUP_SPAWN_NULL, SUP_SPAWN_ERR);
    for (int i = 0; i < SUP_SPAWN_EXTRAS && order->extra[i] >= 0; i++)
        sys->duplicate(SUP_SPAWN_NULL, SUP_SPAWN_EXTRA + i);
    if (has_line(order)) sys->duplicate(SUP_SPAWN_NULL, spawner->line_place);
}

/* Memory that another user's processes might reach into is not the keeper's own. */
static int clone_flags(const struct sup_spawn_order *order)
{
    bool becomes_another = order->identity != NULL && (order->identity->uid != SUP_PLAN_KEEP ||
                                                       order->identity->gid != SUP_PLAN_KEEP);
    return (becomes_another ? 0 : CLONE_VM) | CLONE_VFORK | CLONE_FILES;
}

/* Returns the pid or -errno; the places are cleared. */
static pid_t clone_child(struct sup_spawner *spawner, const struct sup_spawn_order *order,
                         int flags)
{
    pid_t pid = 0;
    spawner->order = order;
    int made =
        spawner->sys->clone(run_child, spawner->stack_top, flags | CLONE_PARENT_SETTID | SIGCHLD,
                            spawner, order->birth != NULL ? order->birth : &pid, order->cgroup);
    spawner->order = NULL;
    clear_places(spawner, order);
    return made;
}

static int open_pidfd(struct sup_spawner *spawner, pid_t pid)
{
    int fd = spawner->sys->pidfd_open(pid);
    if ((fd == -EMFILE || fd == -ENFILE) && spawner->reserve >= 0) {
        sup_spawner_give_way(spawner);
        fd = spawner->sys->pidfd_open(pid);
    }
    return fd < 0 ? -1 : fd;
}

/* The child of a failed start is on its way out already: this waits for microseconds. */
static void forget_child(const struct sup_sys *sys, pid_t pid)
{
    int status;
    struct rusage usage;
    while (sys->wait(pid, &status, 0, &usage) == -EINTR) {}
}

static pid_t spawn_and_wait(struct sup_spawner *spawner, const struct sup_spawn_order *order,
                            int *pidfd, int *step)
{
    spawner->report->step = 0;
    pid_t made = clone_child(spawner, order, clone_flags(order));
    if (made < 0) {
        *step = SUP_STEP_CLONE;
        return made;
    }
    *step = spawner->report->step;
    if (*step == 0) {
        *pidfd = open_pidfd(spawner, made);
        return made;
    }
    if (order->birth != NULL) *order->birth = 0;
    forget_child(spawner->sys, made);
    return -spawner->report->error;
}

/* --- in the background ---------------------------------------------------------------------- */

static bool may_hang(struct sup_spawner *spawner, const struct sup_spawn_order *order)
{
    return spawner->mounts != NULL &&
           sup_mounts_may_hang(spawner->mounts, order->cwd, order->argv[0], find_path(order->env));
}

/* A pipe whose write end is in its place. Returns the read end or -errno. */
static int make_report_pipe(const struct sup_spawner *spawner)
{
    const struct sup_sys *sys = spawner->sys;
    int ends[2];
    int r = sys->pipe(ends);
    if (r < 0) return r;
    r = sys->duplicate(ends[1], spawner->report_place);
    if (r >= 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) r = -errno;
    close(ends[1]);
    if (r >= 0) return ends[0];
    close(ends[0]);
    return r;
}

static pid_t spawn_in_background(struct sup_spawner *spawner, const struct sup_spawn_order *order,
                                 int *pidfd, int *step)
{
    int report = make_report_pipe(spawner);
    pid_t made = report;
    if (report < 0) {
        clear_places(spawner, order);
    } else {
        *step = SUP_STEP_CLONE;
        spawner->is_in_background = true;
        made = clone_child(spawner, order, 0);
        spawner->is_in_background = false;
    }
    spawner->sys->duplicate(SUP_SPAWN_NULL, spawner->report_place);
    if (made > 0) {
        *pidfd = open_pidfd(spawner, made);
        *order->report = report;
    } else if (report >= 0) {
        close(report);
    }
    return made;
}

int sup_spawn_hear(int report, struct sup_spawn_report *why)
{
    ssize_t size;
    do size = read(report, why, sizeof *why);
    while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN) return -EAGAIN;
    return size == (ssize_t) sizeof *why;
}

pid_t sup_spawn(struct sup_spawner *spawner, const struct sup_spawn_order *order, int *pidfd,
                int *step)
{
    *pidfd = -1;
    *step = SUP_STEP_DESCRIPTORS;
    if (order->report != NULL) *order->report = -1;
    sup_spawner_take_reserve(spawner);
    if (spawner->reserve < 0) return -EMFILE;
    spawner->line_place = order->line_at == SUP_SPAWN_LINE ? SUP_SPAWN_SPARE : SUP_SPAWN_LINE;
    spawner->report_place = order->line_at == SUP_SPAWN_REPORT ? SUP_SPAWN_SPARE : SUP_SPAWN_REPORT;
    int r = fill_places(spawner, order);
    if (r < 0) {
        clear_places(spawner, order);
        return r;
    }
    if (order->report != NULL && may_hang(spawner, order))
        return spawn_in_background(spawner, order, pidfd, step);
    return spawn_and_wait(spawner, order, pidfd, step);
}
