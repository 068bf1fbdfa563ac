/*
** keeper/main.c: suptree-keeper, the process that holds what was started.
**
**   suptree-keeper --host PROGRAM --name NAME [--blob-fd N] [--control-fd N --control-lock-fd N]
**                  [--events FILE] [--quiet] [--colour|--no-colour] [--host-word WORD]...
**   suptree-keeper --library --socket N [--detach] [--no-log]
**
** --detach: be no child of the program that uses the library. Also: --no-log (no suptree-log:
** output of services goes to /dev/null). For tests alone: --log-program PROGRAM instead of
** suptree-log, --test-speed N divides the keeper's own delays by N, --test-slow TYPE takes file
** systems of TYPE ("all": of every one) for such as may hang, --test-eager starts hosts and
** suptree-log again without delay, --test-cgroup FOLDER takes a folder for that of our cgroup: its
** files are written, nothing is started in it.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define USAGE_CODE 2
#define SYSTEM_CODE 70
#define MOVED_TO 32

extern char **environ;

/* Every descriptor below 3 leads somewhere, so that no pipe of ours becomes one of them. */
static int open_standard(void)
{
    for (;;) {
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd < 0) return -errno;
        if (fd <= STDERR_FILENO) {
            fcntl(fd, F_SETFD, 0);
            continue;
        }
        close(fd);
        return 0;
    }
}

/* Move the ${count} descriptors that were handed to us (-1: none) out of the way, and close all
   others. */
static int keep_only(int *const fds[], size_t count)
{
    unsigned next = 3; /* what has not been looked at begins here */
    int moved = MOVED_TO - 1;
    for (size_t i = 0; i < count; i++) {
        if (*fds[i] < 0) continue;
        moved = fcntl(*fds[i], F_DUPFD_CLOEXEC, moved + 1);
        if (moved < 0) return -errno;
        *fds[i] = moved;
    }
    for (size_t i = 0; i < count; i++) {
        if (*fds[i] < 0) continue;
        unsigned kept = (unsigned) *fds[i];
        if (kept > next && syscall(SYS_close_range, next, kept - 1, 0) < 0) return -errno;
        next = kept + 1;
    }
    return syscall(SYS_close_range, next, ~0U, 0) < 0 ? -errno : 0;
}

/*
** Become a stranger to the program that uses the library: it must not meet us when it waits for
** children of its own. It knows that we have ended when a second descriptor of the socket, which
** nobody else has, is closed by our end.
*/
static int detach(int socket)
{
    pid_t pid = fork();
    if (pid < 0) return -errno;
    if (pid > 0) _exit(0);
    return fcntl(socket, F_DUPFD_CLOEXEC, MOVED_TO) < 0 ? -errno : 0;
}

static int run(struct sup_keeper_options *options)
{
    const char *what = "use the descriptors that it was started with";
    int error = open_standard();
    int *const handed[] = {&options->socket, &options->blob, &options->control,
                           &options->control_lock};
    if (error == 0) error = keep_only(handed, sizeof handed / sizeof handed[0]);
    if (error == 0 && options->detach) error = detach(options->socket);
    /* The terminal's signals are for the program that uses the library. */
    if (options->library) setsid();
    struct sup_keeper *keeper = NULL;
    if (error == 0) keeper = sup_keeper_create(options, &sup_sys_linux, environ, &error, &what);
    if (keeper != NULL) return sup_keeper_run(keeper);
    sup_keeper_say("cannot %s (%s); nothing was started", what, sup_keeper_error_text(-error));
    return SYSTEM_CODE;
}

int main(int argc, char **argv)
{
    struct sup_keeper_options options;
    char message[512];
    if (sup_keeper_options_read(&options, argc, argv, message, sizeof message) < 0) {
        sup_keeper_say("%s", message);
        return USAGE_CODE;
    }
    return run(&options);
}
