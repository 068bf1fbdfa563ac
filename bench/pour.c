/*
** bench/pour.c: how fast lines get into a file (W6).
**
**   pour lines MIB WRITE                  write MIB MiB of lines of 100 bytes, WRITE bytes at a
**   time
**   pour time MIB MORE FILE COMMAND...    run COMMAND, which has to bring those lines, each MORE
**                                         bytes longer, into FILE; print "pour BYTES_PER_SECOND" of
**                                         those lines, from the first byte in the file to the last
*/
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE 100
#define NS INT64_C(1000000000)
#define PATIENCE_NS (120 * NS)
#define LOOK_NS 200000 /* between two looks at the file */

extern char **environ;

static int64_t count_lines(int mib)
{
    return (INT64_C(1) << 20) * mib / LINE;
}

static int write_lines(int mib, int size)
{
    int64_t left = count_lines(mib) * LINE, number = 0;
    char *lines = malloc((size_t) size + LINE);
    if (size < LINE || lines == NULL) return 2;
    size_t filled = 0;
    while (left > 0) {
        while (filled < (size_t) size && number < count_lines(mib)) {
            int head = sprintf(lines + filled, "line %012" PRId64 " ", number++);
            memset(lines + filled + head, 'x', (size_t) (LINE - 1 - head));
            lines[filled + LINE - 1] = '\n';
            filled += LINE;
        }
        size_t part = filled < (size_t) size ? filled : (size_t) size;
        ssize_t done = write(STDOUT_FILENO, lines, part);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return 1;
        filled -= (size_t) done;
        memmove(lines, lines + done, filled);
        left -= done;
    }
    free(lines);
    return 0;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS + now.tv_nsec;
}

/* When ${file} has had ${size} bytes; -1: it never came so far. */
static int64_t await_size(const char *file, int64_t size)
{
    const struct timespec rest = {.tv_nsec = LOOK_NS};
    struct stat status;
    for (int64_t until = now_ns() + PATIENCE_NS; now_ns() < until; nanosleep(&rest, NULL))
        if (stat(file, &status) == 0 && status.st_size >= size) return now_ns();
    return -1;
}

static int measure(int mib, int more, const char *file, char **command)
{
    pid_t pid;
    int64_t lines = count_lines(mib);
    int error = posix_spawnp(&pid, command[0], NULL, NULL, command, environ);
    if (error != 0) {
        fprintf(stderr, "pour: cannot run %s: %s\n", command[0], strerror(error));
        return 1;
    }
    int64_t began = await_size(file, 1);
    int64_t ended = began < 0 ? -1 : await_size(file, lines * (LINE + more));
    kill(pid, SIGTERM);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
    if (ended < 0) {
        fprintf(stderr, "pour: %s did not get all lines\n", file);
        return 1;
    }
    printf("pour %.0f\n",
           (double) (lines * LINE) * (double) NS / (double) (ended > began ? ended - began : 1));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "lines") == 0)
        return write_lines(atoi(argv[2]), atoi(argv[3]));
    if (argc > 5 && strcmp(argv[1], "time") == 0)
        return measure(atoi(argv[2]), atoi(argv[3]), argv[4], argv + 5);
    fputs("usage: pour lines MIB WRITE | time MIB MORE FILE COMMAND...\n", stderr);
    return 2;
}
