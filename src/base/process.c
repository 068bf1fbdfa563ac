/*
** base/process.c: reading /proc and the files of cgroups.
*/
#include "base/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOLD 4 /* processes in one text */
#define S_IN_NS INT64_C(1000000000)

/* One process as /proc/PID/stat has it. */
struct look {
    pid_t pid;
    char name[32];
    char state;
    pid_t parent;
    int64_t cpu_ns;
    uint64_t resident;
};

struct crowd {
    pid_t pids[SUP_PROCESS_MAX];
    size_t count;
};

static bool read_at(int folder, const char *path, char *text, size_t size)
{
    int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    size_t length = 0;
    ssize_t n;
    while (length < size - 1 && (n = read(fd, text + length, size - 1 - length)) > 0)
        length += (size_t) n;
    close(fd);
    text[length] = '\0';
    return length > 0;
}

static bool read_proc(pid_t pid, const char *file, char *text, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "/proc/%d/%.100s", (int) pid, file);
    return read_at(AT_FDCWD, path, text, size);
}

/* The fields of proc(5) from the third on. */
static bool read_look(pid_t pid, struct look *look)
{
    char text[1024];
    unsigned long long user = 0, system = 0;
    long long children_user = 0, children_system = 0, resident = 0;
    int parent = 0;
    if (!read_proc(pid, "stat", text, sizeof text)) return false;
    char *name = strchr(text, '('), *end = strrchr(text, ')');
    if (name == NULL || end == NULL || end < name) return false;
    *end = '\0';
    *look = (struct look){.pid = pid};
    snprintf(look->name, sizeof look->name, "%.30s", name + 1);
    if (sscanf(end + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld %*d %*d %*d"
               " %*d %*u %*u %lld",
               &look->state, &parent, &user, &system, &children_user, &children_system,
               &resident) != 7)
        return false;
    int64_t ticks = (int64_t) (user + system) + children_user + children_system;
    look->parent = (pid_t) parent;
    look->cpu_ns = ticks * (S_IN_NS / sysconf(_SC_CLK_TCK));
    look->resident = resident < 0 ? 0 : (uint64_t) resident * (uint64_t) sysconf(_SC_PAGESIZE);
    return true;
}

/* --- who is there ----------------------------------------------------------------------------- */

static void add(struct crowd *crowd, pid_t pid)
{
    if (pid > 0 && crowd->count < SUP_PROCESS_MAX) crowd->pids[crowd->count++] = pid;
}

/* Numbers with white space between them. */
static void add_all(struct crowd *crowd, const char *text)
{
    for (const char *at = text; *at != '\0';) {
        char *end;
        long pid = strtol(at, &end, 10);
        if (end == at) return;
        add(crowd, (pid_t) pid);
        at = end + strspn(end, " \n");
    }
}

static bool read_members(const struct sup_seat *seat, struct crowd *crowd)
{
    char path[96], text[SUP_PROCESS_MAX * 8];
    if (seat->folder == NULL || seat->cgroups < 0) return false;
    snprintf(path, sizeof path, "%s/cgroup.procs", seat->folder);
    if (!read_at(seat->cgroups, path, text, sizeof text)) return false;
    add_all(crowd, text);
    return crowd->count > 0;
}

/* The children of each thread of ${pid}, where Linux was built to tell. */
static void add_children(struct crowd *crowd, pid_t pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/task", (int) pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL) return;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        char file[300];
        if (entry->d_name[0] == '.') continue;
        snprintf(file, sizeof file, "task/%s/children", entry->d_name);
        if (read_proc(pid, file, text, sizeof text)) add_all(crowd, text);
    }
    closedir(tasks);
}

/* The main process and what comes from it; or all that is in the cgroup. */
static void find(const struct sup_seat *seat, struct crowd *crowd)
{
    crowd->count = 0;
    if (read_members(seat, crowd)) return;
    add(crowd, seat->pid);
    for (size_t i = 0; i < crowd->count; i++) add_children(crowd, crowd->pids[i]);
}

/* --- what they use ---------------------------------------------------------------------------- */

static uint64_t read_number(const struct sup_seat *seat, const char *file)
{
    char path[96], text[32];
    if (seat->folder == NULL || seat->cgroups < 0) return 0;
    snprintf(path, sizeof path, "%s/%s", seat->folder, file);
    return read_at(seat->cgroups, path, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

void sup_usage_read(const struct sup_seat *seat, struct sup_usage *usage)
{
    struct crowd crowd;
    *usage = (struct sup_usage){0};
    find(seat, &crowd);
    for (size_t i = 0; i < crowd.count; i++) {
        struct look look;
        if (!read_look(crowd.pids[i], &look)) continue;
        usage->processes++;
        usage->cpu_ns += look.cpu_ns;
        usage->memory += look.resident;
    }
    uint64_t counted = read_number(seat, "memory.current");
    if (counted > 0) usage->memory = counted;
    usage->memory_peak = read_number(seat, "memory.peak");
}

/* --- why it does not end ---------------------------------------------------------------------- */

struct text {
    char *buf;
    size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text->buf + text->length, text->size - text->length, format, arguments);
    va_end(arguments);
    if (n > 0) text->length += (size_t) n;
    if (text->length >= text->size) text->length = text->size - 1;
}

/* The number behind ${key} in /proc/PID/status; -1: there is none. */
static long read_status(pid_t pid, const char *key)
{
    char text[4096];
    if (!read_proc(pid, "status", text, sizeof text)) return -1;
    const char *line = strstr(text, key);
    return line == NULL ? -1 : strtol(line + strlen(key), NULL, 10);
}

/* Where in the kernel a thread sleeps; "" where that is secret. */
static void put_channel(struct text *text, pid_t pid)
{
    char channel[64];
    if (!read_proc(pid, "wchan", channel, sizeof channel) || channel[0] == '0') return;
    channel[strcspn(channel, "\n")] = '\0';
    put(text, " (%s)", channel);
}

/* The first thread of ${pid} that is stuck in the kernel; 0: none. */
static pid_t stuck_thread(pid_t pid)
{
    char path[64];
    pid_t found = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int) pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL) return 0;
    for (struct dirent *entry; found == 0 && (entry = readdir(tasks)) != NULL;) {
        struct look look;
        pid_t thread = (pid_t) strtol(entry->d_name, NULL, 10);
        if (thread > 0 && read_look(thread, &look) && look.state == 'D') found = thread;
    }
    closedir(tasks);
    return found;
}

static void put_zombie(struct text *text, const struct look *look)
{
    struct look parent;
    pid_t thread = stuck_thread(look->pid);
    if (thread != 0) {
        put(text, "has ended but for its thread %d, which is stuck in the kernel", (int) thread);
        put_channel(text, thread);
        return;
    }
    bool known = read_look(look->parent, &parent);
    put(text, "is a zombie: it has ended, but its parent %d (%s) does not wait for it",
        (int) look->parent, known ? parent.name : "gone");
}

/* What holds one process; it was killed. */
static void put_reason(struct text *text, const struct look *look)
{
    if (look->state == 'Z' || look->state == 'X') {
        put_zombie(text, look);
        return;
    }
    if (kill(look->pid, 0) < 0 && errno == EPERM) {
        put(text, "is not ours to kill: it runs as user %ld", read_status(look->pid, "\nUid:"));
        return;
    }
    long tracer = read_status(look->pid, "\nTracerPid:");
    if (look->state == 't' && tracer > 0) {
        put(text, "is held by its debugger, process %ld", tracer);
        return;
    }
    pid_t thread = look->state == 'D' ? look->pid : stuck_thread(look->pid);
    if (thread != 0) {
        put(text, "is stuck in the kernel");
        put_channel(text, thread);
        return;
    }
    put(text, "was killed and is still in state %c", look->state);
    put_channel(text, look->pid);
}

char *sup_process_why(const struct sup_seat *seat, char *buf, size_t size)
{
    struct crowd crowd;
    struct text text = {.buf = buf, .size = size};
    size_t told = 0, more = 0;
    buf[0] = '\0';
    find(seat, &crowd);
    for (size_t i = 0; i < crowd.count; i++) {
        struct look look;
        if (!read_look(crowd.pids[i], &look)) continue;
        if (told == TOLD) {
            more++;
            continue;
        }
        put(&text, "%spid %d (%s) ", told++ == 0 ? "" : "; ", (int) look.pid, look.name);
        put_reason(&text, &look);
    }
    if (more > 0) put(&text, "; and %zu more", more);
    return buf;
}
