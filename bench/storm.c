/*
** bench/storm.c: the services of script/killstorm. Each keeps private notes of what it does, which
** are held against what the supervisor says and against the log files.
**
**   storm long FOLDER NAME    writes numbered records to standard output until TERM, then notes the
**                             last number
**   storm short FOLDER NAME   ends by itself after a while, with a random status, noted before
**
** Notes go into FOLDER/NAME, a line each, written whole:
**   start GENERATION PID | last NUMBER | end GENERATION exit CODE | end GENERATION signal NUMBER
*/
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define RECORD 64
#define BURST 400 /* records: 25 KB */
#define MS 1000000L

static volatile sig_atomic_t asked_to_stop;
static int notes;
static uint64_t chance;

static void ask_to_stop(int signal)
{
    (void) signal;
    asked_to_stop = 1;
}

static unsigned below(unsigned bound)
{
    chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned) (chance >> 33) % bound;
}

static void rest(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * MS};
    while (nanosleep(&time, &time) < 0 && errno == EINTR && !asked_to_stop) continue;
}

static void write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) _exit(101);
        bytes += n;
        size -= (size_t) n;
    }
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    char line[128];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    write_all(notes, line, (size_t) n);
}

static const char *generation(void)
{
    const char *text = getenv("SUPTREE_GENERATION");
    return text != NULL ? text : "?";
}

static void write_record(const char *name, int64_t number)
{
    char record[RECORD + 1];
    int n = snprintf(record, sizeof record, "%s %" PRId64 " ", name, number);
    memset(record + n, 'x', (size_t) (RECORD - 1 - n));
    record[RECORD - 1] = '\n';
    write_all(STDOUT_FILENO, record, RECORD);
}

static int run_long(const char *name)
{
    int64_t number = 0;
    while (!asked_to_stop) {
        unsigned count = below(100) == 0 ? BURST : 1 + below(4);
        for (unsigned i = 0; i < count; i++) write_record(name, ++number);
        rest(2 + below(20));
    }
    note("last %" PRId64 "\n", number);
    return 0;
}

static int run_short(void)
{
    static const int signals[] = {SIGKILL, SIGSEGV, SIGUSR1, SIGABRT};
    sigset_t term;
    rest(20 + below(300));
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL); /* what is noted now is how it ends */
    if (below(4) == 0) {
        int number = signals[below(4)];
        note("end %s signal %d\n", generation(), number);
        signal(number, SIG_DFL); /* a sanitizer may have taken it */
        raise(number);
    }
    int code = (int) below(256);
    note("end %s exit %d\n", generation(), code);
    _exit(code);
}

int main(int argc, char **argv)
{
    char path[4096];
    struct rlimit no_core = {0, 0};
    if (argc != 4) return 2;
    setrlimit(RLIMIT_CORE, &no_core);
    snprintf(path, sizeof path, "%s/%s", argv[2], argv[3]);
    notes = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (notes < 0) return 3;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    chance = (uint64_t) now.tv_nsec ^ ((uint64_t) getpid() << 20);
    bool is_long = strcmp(argv[1], "long") == 0;
    const struct sigaction action = {.sa_handler = ask_to_stop};
    if (is_long) sigaction(SIGTERM, &action, NULL);
    note("start %s %d\n", generation(), getpid());
    int code = is_long ? run_long(argv[3]) : run_short();
    _exit(code); /* a leak checker would stop threads, and hang when a signal comes between */
}
