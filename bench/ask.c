/*
** bench/ask.c: how long short commands take, from their start to their end, by turns.
**
**   ask ROUNDS COMMAND... [-- COMMAND...]...
**
** Their output goes to /dev/null; each must end with 0. Prints a line "P50 P90" for each command,
** in nanoseconds. W7: a status on 1,000 services, the start of the client included, beside the
** start of nothing.
*/
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_COMMANDS 16
#define MOST_ROUNDS 10000
#define NS INT64_C(1000000000)

extern char **environ;

static int64_t took[MOST_COMMANDS][MOST_ROUNDS];

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;
    return (x > y) - (x < y);
}

/* Run it once; its time. Ends the program when it cannot be run, or says no. */
static int64_t run(char **command, const posix_spawn_file_actions_t *actions)
{
    pid_t pid;
    int status;
    int64_t began = now_ns();
    int error = posix_spawnp(&pid, command[0], actions, NULL, command, environ);
    if (error != 0) {
        fprintf(stderr, "ask: cannot run %s: %s\n", command[0], strerror(error));
        exit(1);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    int64_t ended = now_ns();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return ended - began;
    fprintf(stderr, "ask: %s ended with wait status %d, not with 0\n", command[0], status);
    exit(1);
}

/* Cut the words at each "--"; returns how many commands there are. */
static int split(char **words, char ***commands)
{
    int count = 0;
    commands[count++] = words;
    for (; *words != NULL; words++) {
        if (strcmp(*words, "--") != 0) continue;
        *words = NULL;
        if (count == MOST_COMMANDS) return -1;
        commands[count++] = words + 1;
    }
    for (int i = 0; i < count; i++)
        if (commands[i][0] == NULL) return -1;
    return count;
}

int main(int argc, char **argv)
{
    char **commands[MOST_COMMANDS];
    posix_spawn_file_actions_t actions;
    int rounds = argc > 2 ? atoi(argv[1]) : 0;
    int count = rounds > 0 && rounds <= MOST_ROUNDS ? split(argv + 2, commands) : -1;
    if (count < 1) {
        fputs("usage: ask ROUNDS COMMAND... [-- COMMAND...]...\n", stderr);
        return 2;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    for (int round = -1; round < rounds; round++) /* the first one warms up */
        for (int i = 0; i < count; i++) {
            int64_t time = run(commands[i], &actions);
            if (round >= 0) took[i][round] = time;
        }
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < count; i++) {
        qsort(took[i], (size_t) rounds, sizeof took[i][0], compare);
        printf("%" PRId64 " %" PRId64 "\n", took[i][rounds / 2], took[i][rounds * 9 / 10]);
    }
    return 0;
}
