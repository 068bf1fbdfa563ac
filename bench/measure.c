/*
** bench/measure.c: runs a supervisor, whichever, and measures it from outside.
**
**   measure restart KILLS FLOOR... -- COMMAND...
**                                       W1: of one service: kill -9 to the new one's first
**                                       instruction, by turns under the one and the other
**   measure many COUNT IDLE COMMAND...  W2: COUNT services from nothing; memory; switches in IDLE
**   seconds
**                                       W3: all killed at once until all are back; W5: TERM to the
**                                       end
**   measure rate SECONDS COMMAND...     W4: starts of a service that ends at once
**
** COMMAND must start bench/service, which tells its starts through the FIFO that BENCH_STAMPS
** names; the FIFO is made here. Prints "key value" lines; times are in nanoseconds. Memory and
** switches are those of the command's process and of its children whose name begins with "suptree".
*/
#include "stamp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 4096
#define PATIENCE_MS 60000 /* nothing for so long: the measurement has failed */
#define NS INT64_C(1000000000)

extern char **environ;

struct measure {
    struct measure *other; /* that runs beside it; NULL: none */
    char folder[64];
    char fifo[96];
    int stamps;
    pid_t command;
    int count;        /* services */
    pid_t pids[MOST]; /* of the living, by index */
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS + now.tv_nsec;
}

static void sleep_ns(int64_t ns)
{
    struct timespec rest = {.tv_sec = ns / NS, .tv_nsec = ns % NS};
    while (nanosleep(&rest, &rest) < 0 && errno == EINTR) continue;
}

static void clean(const struct measure *m)
{
    unlink(m->fifo);
    rmdir(m->folder);
}

/* End with a message; the command is not left behind. */
__attribute__((format(printf, 2, 3), noreturn)) static void fail(struct measure *m,
                                                                 const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("measure: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    struct measure *all[] = {m, m->other};
    for (int i = 0; i < 2 && all[i] != NULL; i++) {
        if (all[i]->command > 0) {
            kill(all[i]->command, SIGTERM);
            kill(all[i]->command, SIGTERM);
            waitpid(all[i]->command, NULL, 0);
        }
        clean(all[i]);
    }
    exit(1);
}

/* --- the command and its services ------------------------------------------------------------- */

static void make_fifo(struct measure *m)
{
    strcpy(m->folder, "/tmp/suptree-bench.XXXXXX");
    if (mkdtemp(m->folder) == NULL) {
        perror("measure: a folder in /tmp");
        exit(1);
    }
    snprintf(m->fifo, sizeof m->fifo, "%s/stamps", m->folder);
    /* Open for both ways, so that it never ends and no service waits for a reader. */
    if (mkfifo(m->fifo, 0600) < 0 || (m->stamps = open(m->fifo, O_RDWR | O_CLOEXEC)) < 0)
        fail(m, "cannot make %s: %s", m->fifo, strerror(errno));
    setenv(BENCH_STAMPS, m->fifo, 1);
}

static void start(struct measure *m, char **command)
{
    int error = posix_spawnp(&m->command, command[0], NULL, NULL, command, environ);
    if (error != 0) {
        m->command = 0;
        fail(m, "cannot run %s: %s", command[0], strerror(error));
    }
}

/* The next stamp; false: none came within ${wait_ms}. */
static bool next_stamp(struct measure *m, struct bench_stamp *stamp, int wait_ms)
{
    struct pollfd ready = {.fd = m->stamps, .events = POLLIN};
    if (poll(&ready, 1, wait_ms) <= 0) return false;
    if (read(m->stamps, stamp, sizeof *stamp) != (ssize_t) sizeof *stamp) fail(m, "a broken stamp");
    if (stamp->index < 0 || stamp->index >= MOST) fail(m, "a stamp of service %d", stamp->index);
    m->pids[stamp->index] = stamp->pid;
    return true;
}

/* One stamp of each of the services; returns the last one's time. */
static int64_t all_stamps(struct measure *m)
{
    int64_t last = 0;
    for (int i = 0; i < m->count; i++) {
        struct bench_stamp stamp;
        if (!next_stamp(m, &stamp, PATIENCE_MS))
            fail(m, "only %d of %d services have started", i, m->count);
        if (stamp.ns > last) last = stamp.ns;
    }
    for (int i = 0; i < m->count; i++)
        if (m->pids[i] == 0) fail(m, "service %d has not started, another one twice", i);
    return last;
}

/* TERM until the end, in nanoseconds. */
static int64_t stop(struct measure *m)
{
    int status;
    int64_t began = now_ns();
    kill(m->command, SIGTERM);
    if (waitpid(m->command, &status, 0) != m->command) fail(m, "the command got lost");
    int64_t took = now_ns() - began;
    m->command = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail(m, "the command ended with wait status %d, not with 0", status);
    return took;
}

/* --- looking at processes --------------------------------------------------------------------- */

/* The number after ${key} in a file of "Key: number" lines; -1: not there. */
static int64_t read_key(const char *path, const char *key)
{
    char line[256];
    int64_t number = -1;
    FILE *file = fopen(path, "re");
    if (file == NULL) return -1;
    while (number < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0) number = strtoll(line + strlen(key), NULL, 10);
    fclose(file);
    return number;
}

static int64_t memory_kib(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    return read_key(path, "Pss:");
}

/* Context switches of all threads, asked for or not. */
static int64_t switches(pid_t pid)
{
    char path[300];
    int64_t sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;) {
        if (task->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/status", pid, task->d_name);
        sum += read_key(path, "voluntary_ctxt_switches:");
        sum += read_key(path, "nonvoluntary_ctxt_switches:");
    }
    if (tasks != NULL) closedir(tasks);
    return sum;
}

static bool is_ours(pid_t pid, char *name, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    bool ours = fgets(name, (int) size, file) != NULL && strncmp(name, "suptree", 7) == 0;
    name[strcspn(name, "\n")] = '\0';
    fclose(file);
    return ours;
}

struct helper {
    pid_t pid;
    char name[32];
    int64_t switches;
};

/* The command's process and its helpers; returns how many. */
static size_t find_helpers(const struct measure *m, struct helper *helpers, size_t room)
{
    char path[64], word[16];
    size_t count = 1;
    helpers[0] = (struct helper){.pid = m->command, .name = "command"};
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", m->command, m->command);
    FILE *file = fopen(path, "re");
    while (file != NULL && count < room && fscanf(file, "%15s", word) == 1) {
        struct helper *helper = &helpers[count];
        helper->pid = (pid_t) atoi(word);
        if (is_ours(helper->pid, helper->name, sizeof helper->name)) count++;
    }
    if (file != NULL) fclose(file);
    return count;
}

static void measure_idle(struct measure *m, int seconds)
{
    struct helper helpers[8];
    size_t count = find_helpers(m, helpers, sizeof helpers / sizeof helpers[0]);
    int64_t kib = 0;
    for (size_t i = 0; i < count; i++) kib += memory_kib(helpers[i].pid);
    printf("pss_kib %" PRId64 "\n", kib);
    if (seconds == 0) return;
    sleep_ns(2 * NS); /* what the start has left to do is done */
    for (size_t i = 0; i < count; i++) helpers[i].switches = switches(helpers[i].pid);
    sleep_ns(seconds * NS);
    for (size_t i = 0; i < count; i++)
        printf("wake_%s %" PRId64 "\n", helpers[i].name,
               switches(helpers[i].pid) - helpers[i].switches);
}

/* --- the measurements ------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;
    return (x > y) - (x < y);
}

struct restarts {
    pid_t pid;
    int64_t took[MOST];
};

static void kill_once(struct measure *m, struct restarts *restarts, int number)
{
    struct bench_stamp stamp;
    int64_t killed = now_ns();
    kill(restarts->pid, SIGKILL);
    if (!next_stamp(m, &stamp, PATIENCE_MS)) fail(m, "the service did not come back");
    restarts->pid = stamp.pid;
    restarts->took[number] = stamp.ns - killed;
}

static void print_restarts(const char *who, struct restarts *restarts, int kills)
{
    qsort(restarts->took, (size_t) kills, sizeof restarts->took[0], compare);
    printf("%srestart_p50 %" PRId64 "\n", who, restarts->took[kills / 2]);
    printf("%srestart_p99 %" PRId64 "\n", who, restarts->took[(kills * 99 + 99) / 100 - 1]);
}

static void measure_restart(struct measure *floor, struct measure *own, int kills)
{
    static struct restarts by_floor, by_own;
    struct bench_stamp stamp;
    unsigned chance = 20240229;
    if (!next_stamp(floor, &stamp, PATIENCE_MS)) fail(floor, "the floor's service has not started");
    by_floor.pid = stamp.pid;
    if (!next_stamp(own, &stamp, PATIENCE_MS)) fail(own, "the service has not started");
    by_own.pid = stamp.pid;
    for (int i = 0; i < kills; i++) {
        chance = chance * 1664525u + 1013904223u;
        sleep_ns(NS / 100 + chance % (NS / 30));
        kill_once(floor, &by_floor, i);
        sleep_ns(NS / 100 + chance / 7 % (NS / 30));
        kill_once(own, &by_own, i);
    }
    print_restarts("floor_", &by_floor, kills);
    print_restarts("", &by_own, kills);
    stop(floor);
    stop(own);
}

static void measure_many(struct measure *m, int idle, int64_t began)
{
    printf("start %" PRId64 "\n", all_stamps(m) - began);
    measure_idle(m, idle);
    pid_t victims[MOST];
    memcpy(victims, m->pids, sizeof victims);
    memset(m->pids, 0, sizeof m->pids);
    began = now_ns();
    for (int i = 0; i < m->count; i++) kill(victims[i], SIGKILL);
    printf("back %" PRId64 "\n", all_stamps(m) - began);
    printf("stop %" PRId64 "\n", stop(m));
    for (int i = 0; i < m->count; i++)
        if (kill(m->pids[i], 0) == 0) fail(m, "service %d has outlived the stop", i);
}

static void measure_rate(struct measure *m, int seconds)
{
    struct bench_stamp stamp;
    int64_t starts = 0;
    if (!next_stamp(m, &stamp, PATIENCE_MS)) fail(m, "the service has not started");
    int64_t began = stamp.ns;
    while (stamp.ns - began < seconds * NS) {
        if (!next_stamp(m, &stamp, PATIENCE_MS)) fail(m, "the service did not come back");
        starts++;
    }
    printf("rate %.1f\n", (double) starts * (double) NS / (double) (stamp.ns - began));
    stop(m);
}

static int usage(void)
{
    fputs("usage: measure restart KILLS FLOOR... -- COMMAND... | many COUNT IDLE COMMAND... | "
          "rate SECONDS COMMAND...\n",
          stderr);
    return 2;
}

/* The words after "--", which is replaced by the end of those before it; NULL: there is none. */
static char **split(char **words)
{
    for (; *words != NULL; words++) {
        if (strcmp(*words, "--") != 0) continue;
        *words = NULL;
        return words + 1;
    }
    return NULL;
}

static int run_restart(int kills, char **words)
{
    static struct measure floor = {.count = 1}, own = {.count = 1};
    char **command = split(words);
    if (command == NULL || *command == NULL || *words == NULL) return usage();
    floor.other = &own;
    own.other = &floor;
    make_fifo(&floor);
    start(&floor, words);
    make_fifo(&own);
    start(&own, command);
    measure_restart(&floor, &own, kills);
    clean(&floor);
    clean(&own);
    return 0;
}

int main(int argc, char **argv)
{
    static struct measure m;
    int number = argc > 3 ? atoi(argv[2]) : 0;
    bool many = argc > 4 && strcmp(argv[1], "many") == 0;
    bool rate = argc > 3 && strcmp(argv[1], "rate") == 0;
    if (number < 1 || number > MOST) return usage();
    if (strcmp(argv[1], "restart") == 0) return run_restart(number, argv + 3);
    if (!many && !rate) return usage();
    m.count = many ? number : 1;
    make_fifo(&m);
    int64_t began = now_ns();
    start(&m, argv + (many ? 4 : 3));
    if (many) measure_many(&m, atoi(argv[3]), began);
    else measure_rate(&m, number);
    clean(&m);
    return 0;
}
