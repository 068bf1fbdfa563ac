/*
** spec/c/lib_keeper.c: see lib_keeper.h.
*/
#include "lib_keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_ARGUMENTS 24
#define HEARTBEAT_MS 200

/* --- failing -------------------------------------------------------------------------------- */

#define REASON_SIZE 1024
#define SHOWN 4000 /* bytes at the end of what the keeper has said */

static struct stage *current; /* of this process, to tidy up after a failure */
static char *reason;          /* why a case failed; shared with the process that runs the cases */

static void show_said(void)
{
    static char text[1 << 20];
    if (current == NULL) return;
    size_t size = stage_read_file(stage_path(current, STAGE_SAID), text, sizeof text);
    const char *end = size > SHOWN ? text + size - SHOWN : text;
    fprintf(stderr, "--- the keeper said:%s\n%s---\n", end == text ? "" : " ...", end);
}

void stage_remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(folder);
}

static void tidy_up(void)
{
    if (current == NULL || current->keeper <= 0) return;
    for (int i = 0; i < 3; i++) kill(current->keeper, SIGTERM);
    if (current->socket >= 0) close(current->socket);
    pid_t ended = 0;
    for (int i = 0; i < 1000 && ended == 0; i++) {
        ended = waitpid(current->keeper, NULL, WNOHANG);
        stage_pause();
    }
    if (ended == 0) kill(current->keeper, SIGKILL);
    stage_remove_folder(current->folder);
}

void stage_fail(const char *file, int line, const char *format, ...)
{
    char what[REASON_SIZE / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    if (reason != NULL) snprintf(reason, REASON_SIZE, "%s:%d: %s", file, line, what);
    show_said();
    tidy_up();
    _exit(1);
}

void stage_must_equal(const char *file, int line, const char *what, int64_t got, int64_t wanted)
{
    if (got == wanted) return;
    stage_fail(file, line, "%s is %lld, not %lld", what, (long long) got, (long long) wanted);
}

int64_t stage_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

void stage_pause(void)
{
    poll(NULL, 0, 2);
}

/* --- the keeper ----------------------------------------------------------------------------- */

static const char *keeper_program(void)
{
    static char path[4096];
    const char *build = getenv("SUPTREE_BUILD");
    if (build == NULL) FAILED("SUPTREE_BUILD does not name the build folder");
    snprintf(path, sizeof path, "%s/suptree-keeper", build);
    return path;
}

static struct stage *make_stage(void)
{
    struct stage *stage =
        mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(stage != MAP_FAILED);
    stage->socket = stage->door = stage->births = -1;
    keeper_program(); /* fails here rather than in the child */
    snprintf(stage->folder, sizeof stage->folder, "/tmp/keeper-spec-XXXXXX");
    MUST(mkdtemp(stage->folder) != NULL);
    current = stage;
    return stage;
}

/* In the child: become the keeper. Without suptree-log, unless the options name one. */
static void exec_keeper(const struct stage *stage, const char **argv, const char *const *more)
{
    size_t count = 0;
    bool logs = false;
    while (argv[count] != NULL) count++;
    for (const char *const *one = more; one != NULL && *one != NULL; one++)
        logs = logs || strcmp(*one, "--log-program") == 0;
    if (!logs) argv[count++] = "--no-log";
    if (getenv("KEEPER_SPEC_SLOW") != NULL) {
        argv[count++] = "--test-slow";
        argv[count++] = "all";
    }
    setenv("KEEPER_SPEC_FOLDER", stage->folder, 1);
    for (; more != NULL && *more != NULL; more++) argv[count++] = *more;
    argv[count] = NULL;
    int said = open(stage_path(stage, STAGE_SAID), O_CREAT | O_WRONLY | O_APPEND, 0600);
    if (said < 0 || dup2(said, STDERR_FILENO) < 0) _exit(99);
    execv(argv[0], (char *const *) (uintptr_t) argv);
    _exit(99);
}

struct stage *stage_library(const char *const *more)
{
    struct stage *stage = make_stage();
    int ends[2];
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    stage->keeper = fork();
    MUST(stage->keeper >= 0);
    if (stage->keeper == 0) {
        char number[16];
        int fd = dup(ends[1]);
        snprintf(number, sizeof number, "%d", fd);
        const char *argv[MAX_ARGUMENTS] = {keeper_program(), "--library", "--socket", number};
        exec_keeper(stage, argv, more);
    }
    close(ends[1]);
    stage->socket = ends[0];
    return stage;
}

int stage_open_door(const struct stage *stage, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", stage->folder, name);
    int door = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    MUST(door >= 0);
    MUST(bind(door, (struct sockaddr *) &address, sizeof address) == 0);
    MUST(listen(door, 16) == 0);
    return door;
}

struct stage *stage_hosts(const char *mode, const char *const *more)
{
    struct stage *stage = make_stage();
    char self[4096] = "";
    MUST(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    stage->door = stage_open_door(stage, "door");
    stage->keeper = fork();
    MUST(stage->keeper >= 0);
    if (stage->keeper == 0) {
        const char *argv[MAX_ARGUMENTS] = {keeper_program(), "--host", self, "--name", "spec"};
        setenv("KEEPER_SPEC_MODE", mode, 1);
        exec_keeper(stage, argv, more);
    }
    return stage;
}

int stage_wait_end(struct stage *stage)
{
    int status = 0;
    AWAIT(waitpid(stage->keeper, &status, WNOHANG) == stage->keeper);
    stage->keeper = 0;
    return status;
}

int stage_close(struct stage *stage)
{
    stage_drop_backlog(stage);
    if (stage->keeper > 0 && stage->door >= 0)
        stage_send(stage, (struct sup_wire){.type = SUP_WIRE_BYE, .a = 0}, -1);
    if (stage->host > 0) kill(stage->host, SIGKILL);
    if (stage->socket >= 0) close(stage->socket);
    stage->socket = -1;
    int status = stage->keeper > 0 ? stage_wait_end(stage) : 0;
    if (stage->door >= 0) close(stage->door);
    if (stage->births >= 0) close(stage->births);
    stage_remove_folder(stage->folder);
    current = NULL;
    munmap(stage, sizeof *stage);
    return status;
}

/* --- puppets -------------------------------------------------------------------------------- */

void stage_knock(const char *name, int fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct sup_wire card = {.version = SUP_WIRE_VERSION, .a = getpid()};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", getenv("KEEPER_SPEC_FOLDER"),
             name);
    int door = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* not to outlive a keeper that failed */
    if (connect(door, (struct sockaddr *) &address, sizeof address) < 0) _exit(98);
    if (sup_wire_send(door, &card, fd) < 0) _exit(98);
}

_Noreturn static void play_puppet(void)
{
    stage_knock("door", 3);
    for (;;) pause();
}

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, timeout_ms) == 1;
}

pid_t stage_answer(int door, int *fd)
{
    for (;;) {
        struct sup_wire card;
        if (!is_readable(door, STAGE_SECONDS * 1000)) FAILED("nobody has knocked");
        int caller = accept4(door, NULL, NULL, SOCK_CLOEXEC);
        MUST(caller >= 0 && is_readable(caller, STAGE_SECONDS * 1000));
        int r = sup_wire_receive(caller, &card, fd);
        close(caller);
        if (r == 1 && *fd >= 0) return card.a; /* else it died at the door */
    }
}

void stage_accept(struct stage *stage)
{
    stage->host = stage_answer(stage->door, &stage->socket);
}

void stage_kill_host(struct stage *stage)
{
    kill(stage->host, SIGKILL); /* it may be dead already */
    stage_await_gone(stage->host);
    close(stage->socket);
    stage->socket = -1;
    stage->host = 0;
}

/* --- talking -------------------------------------------------------------------------------- */

void stage_send(struct stage *stage, struct sup_wire message, int fd)
{
    message.version = SUP_WIRE_VERSION;
    AWAIT(sup_wire_send(stage->socket, &message, fd) != -EAGAIN);
}

static struct sup_wire take(struct stage *stage, size_t at, int *fd)
{
    struct stage_message taken = stage->backlog[at];
    stage->count--;
    memmove(&stage->backlog[at], &stage->backlog[at + 1],
            (stage->count - at) * sizeof stage->backlog[0]);
    if (fd != NULL) *fd = taken.fd;
    else if (taken.fd >= 0) close(taken.fd);
    return taken.wire;
}

static bool fits(const struct stage_message *message, int type, uint64_t instance)
{
    return message->wire.type == type && (instance == 0 || message->wire.instance == instance);
}

/* Read what has come; waits for a moment when there is nothing. False: the keeper is gone. */
static bool read_some(struct stage *stage)
{
    if (!is_readable(stage->socket, HEARTBEAT_MS)) {
        struct sup_wire beat = {.version = SUP_WIRE_VERSION, .type = SUP_WIRE_HEARTBEAT};
        sup_wire_send(stage->socket, &beat, -1);
        return true;
    }
    for (;;) {
        MUST(stage->count < STAGE_BACKLOG);
        struct stage_message *next = &stage->backlog[stage->count];
        int r = sup_wire_receive(stage->socket, &next->wire, &next->fd);
        if (r == -EAGAIN) return true;
        if (r == 0) return false;
        if (r < 0) FAILED("receiving: %s", strerror(-r));
        stage->count++;
    }
}

struct sup_wire stage_expect(struct stage *stage, int type, uint64_t instance, int *fd)
{
    int64_t until = stage_now() + STAGE_SECONDS * INT64_C(1000000000);
    for (size_t at = 0;; at++) {
        while (at >= stage->count) {
            if (!read_some(stage) || stage_now() > until)
                FAILED("in vain waited for message %d about instance %llu", type,
                       (unsigned long long) instance);
        }
        if (fits(&stage->backlog[at], type, instance)) return take(stage, at, fd);
    }
}

static void take_births(struct stage *stage)
{
    for (size_t i = 0; i < stage->count; i++) {
        const struct sup_wire *wire = &stage->backlog[i].wire;
        if (wire->type != SUP_WIRE_FD || wire->a != SUP_FD_BIRTHS) continue;
        if (stage->births >= 0) close(stage->births);
        take(stage, i, &stage->births);
        return;
    }
    FAILED("the table of births was not given");
}

/* Some machines let us have one. True: it was given. */
static bool drop_cgroup(struct stage *stage)
{
    int fd = -1;
    for (size_t i = 0; i < stage->count; i++) {
        const struct sup_wire *wire = &stage->backlog[i].wire;
        if (wire->type != SUP_WIRE_FD || wire->a != SUP_FD_CGROUP) continue;
        take(stage, i, &fd);
        close(fd);
        return true;
    }
    return false;
}

struct sup_wire stage_greet(struct stage *stage)
{
    struct sup_wire hello = stage_expect(stage, SUP_WIRE_HELLO, 0, NULL);
    stage_expect(stage, SUP_WIRE_HELLO_END, 0, NULL);
    take_births(stage);
    hello.instance -= drop_cgroup(stage) ? 2 : 1;
    return hello;
}

pid_t stage_birth(const struct stage *stage, uint64_t instance)
{
    struct sup_birth birth;
    for (off_t at = 0; pread(stage->births, &birth, sizeof birth, at) == (ssize_t) sizeof birth;
         at += (off_t) sizeof birth)
        if (birth.pid != 0 && birth.instance == instance) return birth.pid;
    return 0;
}

size_t stage_count(const struct stage *stage, int type, uint64_t instance)
{
    size_t count = 0;
    for (size_t i = 0; i < stage->count; i++) count += fits(&stage->backlog[i], type, instance);
    return count;
}

void stage_drop_backlog(struct stage *stage)
{
    while (stage->count > 0) take(stage, stage->count - 1, NULL);
}

void stage_settle(struct stage *stage)
{
    const uint64_t probe = UINT64_C(1) << 60;
    struct sup_wire nobody = {.type = SUP_WIRE_SPAWN, .instance = probe + ++stage->seq};
    nobody.seq = stage->seq;
    nobody.node = UINT64_C(77) << 32 | 65535;
    stage_send(stage, nobody, -1);
    stage_expect(stage, SUP_WIRE_SPAWN_FAILED, nobody.instance, NULL);
    stage_ack(stage, nobody.instance);
}

/* --- plans ---------------------------------------------------------------------------------- */

struct draft {
    char *bytes;
    size_t size;
    size_t room;
};

static uint64_t put(struct draft *draft, const void *data, size_t size)
{
    uint64_t at = draft->size;
    if (draft->size + size > draft->room) {
        draft->room = (draft->size + size) * 2;
        draft->bytes = realloc(draft->bytes, draft->room);
        MUST(draft->bytes != NULL);
    }
    memcpy(draft->bytes + at, data, size);
    draft->size += size;
    return at;
}

static void pad(struct draft *draft)
{
    while (draft->size % 8 != 0) put(draft, "", 1);
}

static uint64_t put_text(struct draft *draft, const char *text)
{
    return text == NULL ? 0 : put(draft, text, strlen(text) + 1);
}

static uint64_t put_vector(struct draft *draft, const char *const *texts, uint32_t *count)
{
    uint64_t at = draft->size;
    *count = 0;
    for (; texts != NULL && *texts != NULL; texts++, ++*count) put_text(draft, *texts);
    return *count == 0 ? 0 : at;
}

static void put_commands(struct draft *draft, const struct stage_command *wish,
                         struct sup_plan *plan)
{
    struct sup_plan_command commands[SUP_PLAN_MAX_COMMANDS + 1] = {{0}};
    uint32_t count = 0;
    for (; wish != NULL && wish->kind != 0; wish++, count++) {
        const char *const argv[] = {"/bin/sh", "-c", wish->script, NULL};
        struct sup_plan_command *command = &commands[count];
        command->kind = wish->kind;
        command->args = put_vector(draft, argv, &command->arg_count);
        command->timeout_ns = wish->timeout_ns == 0 ? INT64_MAX : wish->timeout_ns;
    }
    pad(draft);
    plan->command_count = count;
    plan->commands = put(draft, commands, count * sizeof *commands);
}

static uint64_t put_plan(struct draft *draft, const struct stage_plan *wish)
{
    static const char *const only_path[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
    struct sup_plan plan = {
        .size = sizeof plan,
        .flags = wish->flags,
        .log = wish->log,
        .log_to = wish->log_to,
        .stop_signal = wish->stop_signal,
        .timeout_ns = wish->timeout_ns == 0  ? INT64_C(10000000000)
                      : wish->timeout_ns < 0 ? 0
                                             : wish->timeout_ns,
        .stop_rank = wish->rank,
        .kill_mode = wish->kill_mode,
        .uid = SUP_PLAN_KEEP,
        .gid = SUP_PLAN_KEEP,
        .umask = SUP_PLAN_KEEP,
        .nice = SUP_PLAN_KEEP_INTEGER,
        .oom_score = SUP_PLAN_KEEP_INTEGER,
    };
    plan.args = put_vector(draft, wish->argv, &plan.arg_count);
    plan.env = put_vector(draft, wish->env == NULL ? only_path : wish->env, &plan.env_count);
    plan.cwd = put_text(draft, wish->cwd);
    plan.name = put_text(draft, "service");
    plan.log_file = put_text(draft, wish->file);
    put_commands(draft, wish->commands, &plan);
    pad(draft);
    return put(draft, &plan, sizeof plan);
}

int stage_make_set(const struct stage_plan *plans, size_t count, uint64_t *offsets)
{
    struct draft draft = {0};
    struct sup_plan_set head = {.magic = SUP_PLAN_MAGIC, .version = SUP_PLAN_VERSION};
    put(&draft, &head, sizeof head);
    head.env = put_vector(&draft, plans[0].shared, &head.env_count);
    for (size_t i = 0; i < count; i++) offsets[i] = put_plan(&draft, &plans[i]);
    head.size = draft.size;
    memcpy(draft.bytes, &head, sizeof head);
    int fd = memfd_create("plans", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    MUST(fd >= 0 && write(fd, draft.bytes, draft.size) == (ssize_t) draft.size);
    MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    free(draft.bytes);
    return fd;
}

void stage_plan(struct stage *stage, uint64_t node, const struct stage_plan *plan)
{
    uint64_t offset;
    int fd = stage_make_set(plan, 1, &offset);
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_PLANS, .a = ++stage->set}, fd);
    close(fd);
    stage_send(stage,
               (struct sup_wire){.type = SUP_WIRE_PLAN,
                                 .node = node,
                                 .a = stage->set,
                                 .time_ns = (int64_t) offset},
               -1);
}

void stage_plan_shell(struct stage *stage, uint64_t node, const char *script)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    stage_plan(stage, node, &(struct stage_plan){.argv = argv});
}

void stage_spawn(struct stage *stage, uint64_t node, uint64_t instance)
{
    stage_send(stage,
               (struct sup_wire){.type = SUP_WIRE_SPAWN,
                                 .seq = ++stage->seq,
                                 .node = node,
                                 .instance = instance,
                                 .generation = (uint32_t) instance},
               -1);
}

pid_t stage_start(struct stage *stage, uint64_t node, uint64_t instance, int *pidfd)
{
    stage_spawn(stage, node, instance);
    return stage_expect(stage, SUP_WIRE_SPAWNED, instance, pidfd).a;
}

void stage_signal(struct stage *stage, uint64_t instance, int signal, int target)
{
    stage_send(stage,
               (struct sup_wire){.type = SUP_WIRE_SIGNAL,
                                 .seq = ++stage->seq,
                                 .instance = instance,
                                 .a = signal,
                                 .b = target},
               -1);
}

void stage_ack(struct stage *stage, uint64_t instance)
{
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_ACK, .instance = instance}, -1);
}

/* --- the world ------------------------------------------------------------------------------ */

const char *stage_path(const struct stage *stage, const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", stage->folder, name);
    return path;
}

size_t stage_read_file(const char *path, char *buf, size_t size)
{
    size_t at = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && at < size - 1) {
        ssize_t n = read(fd, buf + at, size - 1 - at);
        if (n <= 0) break;
        at += (size_t) n;
    }
    if (fd >= 0) close(fd);
    buf[at] = '\0';
    return at;
}

static bool has_text(const struct stage *stage, const char *name, const char *text)
{
    static char buf[65536];
    stage_read_file(stage_path(stage, name), buf, sizeof buf);
    return strstr(buf, text) != NULL;
}

void stage_await_text(const struct stage *stage, const char *name, const char *text)
{
    int64_t until = stage_now() + STAGE_SECONDS * INT64_C(1000000000);
    while (!has_text(stage, name, text)) {
        if (stage_now() > until) FAILED("'%s' never came into the file %s", text, name);
        stage_pause();
    }
}

void stage_status_line(pid_t pid, const char *key, char *buf, size_t size)
{
    char path[64], text[8192];
    snprintf(path, sizeof path, "/proc/%d/status", (int) pid);
    stage_read_file(path, text, sizeof text);
    char *at = strstr(text, key);
    buf[0] = '\0';
    if (at == NULL) return;
    at += strlen(key);
    at += strspn(at, ": \t");
    at[strcspn(at, "\n")] = '\0';
    snprintf(buf, size, "%s", at);
}

long stage_status_number(pid_t pid, const char *key)
{
    char line[256];
    stage_status_line(pid, key, line, sizeof line);
    return strtol(line, NULL, 10);
}

bool stage_is_alive(pid_t pid)
{
    char state[64];
    if (kill(pid, 0) < 0) return false;
    stage_status_line(pid, "State", state, sizeof state);
    return state[0] != 'Z' && state[0] != 'X' && state[0] != '\0';
}

void stage_await_gone(pid_t pid)
{
    AWAIT(!stage_is_alive(pid));
}

size_t stage_count_descriptors(pid_t pid)
{
    char path[64];
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int) pid);
    DIR *dir = opendir(path);
    MUST(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

size_t stage_keeper_descriptors(const struct stage *stage)
{
    size_t most = 0;
    for (int i = 0; i < 10; i++) {
        size_t count = stage_count_descriptors(stage->keeper);
        if (count > most) most = count;
        stage_pause();
    }
    return most;
}

/* --- running -------------------------------------------------------------------------------- */

static bool is_wanted(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return true;
    return argc == 1;
}

/* The last words about a case tell why it failed, whatever was printed before. */
static void print_failure(const char *name, int status)
{
    if (reason[0] != '\0') printf("FAIL %s: %s\n", name, reason);
    else if (WIFSIGNALED(status)) printf("FAIL %s: signal %d\n", name, WTERMSIG(status));
    else printf("FAIL %s: exit code %d\n", name, WEXITSTATUS(status));
}

static bool run_case(const struct stage_case *one)
{
    int status = 0;
    reason[0] = '\0';
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        one->run();
        fflush(NULL);
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (pid < 0) stage_fail(__FILE__, __LINE__, "fork: %s", strerror(errno));
    bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (well) printf("ok   %s\n", one->name);
    else print_failure(one->name, status);
    fflush(stdout);
    return well;
}

int stage_main(int argc, char **argv, const struct stage_case *cases, size_t count,
               int (*other)(const char *mode))
{
    const char *mode = getenv("KEEPER_SPEC_MODE");
    if (argc > 1 && strcmp(argv[1], "host") == 0 && mode != NULL) {
        if (strcmp(mode, "puppet") == 0) play_puppet();
        return other(mode);
    }
    int code = 0;
    reason = mmap(NULL, REASON_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (reason == MAP_FAILED) return 1;
    for (size_t i = 0; i < count; i++)
        if (is_wanted(argc, argv, cases[i].name) && !run_case(&cases[i])) code = 1;
    return code;
}
