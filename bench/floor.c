/*
** bench/floor.c: what every figure stands beside: a bare loop of posix_spawn and waitpid.
**
**   floor COUNT PROGRAM [ARGUMENT]
**
** Starts PROGRAM INDEX [ARGUMENT] COUNT times, and each again as soon as it has ended. It gives
** them what suptree gives: a session of their own, a clean signal mask, /dev/null as input, and a
** pipe of their own, made once, as output. It decides nothing, keeps no record, reads no pipe,
** holds no pidfd. TERM is passed on to all; when all have ended it ends.
*/
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 4096

extern char **environ;

static pid_t pids[MOST]; /* 0: none. File scope: the handler reads them */
static int outputs[MOST];
static int count;
static volatile sig_atomic_t stopping;

static void pass_on(int signal)
{
    stopping = 1;
    for (int i = 0; i < count; i++)
        if (pids[i] > 0) kill(pids[i], signal);
}

static void start(int index, char *program, char *argument)
{
    char number[16];
    char *argv[] = {program, number, argument, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    snprintf(number, sizeof number, "%d", index);
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, outputs[index], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, outputs[index], STDERR_FILENO);
    int error = posix_spawn(&pids[index], program, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        fprintf(stderr, "floor: cannot start %s: error %d\n", program, error);
        _exit(1);
    }
    if (stopping) kill(pids[index], SIGTERM);
}

static int index_of(pid_t pid)
{
    for (int i = 0; i < count; i++)
        if (pids[i] == pid) return i;
    return -1;
}

static void prepare(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < count; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0) {
            perror("floor: pipe");
            _exit(1);
        }
        outputs[i] = ends[1];
    }
    struct sigaction action = {.sa_handler = pass_on};
    sigaction(SIGTERM, &action, NULL);
}

int main(int argc, char **argv)
{
    count = argc > 2 ? atoi(argv[1]) : 0;
    if (count < 1 || count > MOST) {
        fprintf(stderr, "usage: floor COUNT PROGRAM [ARGUMENT]; COUNT from 1 to %d\n", MOST);
        return 2;
    }
    prepare();
    for (int i = 0; i < count; i++) start(i, argv[2], argc > 3 ? argv[3] : NULL);
    for (;;) {
        pid_t pid = waitpid(-1, NULL, 0);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) return 0;
        int index = index_of(pid);
        if (index < 0) continue;
        pids[index] = 0;
        if (!stopping) start(index, argv[2], argc > 3 ? argv[3] : NULL);
    }
}
