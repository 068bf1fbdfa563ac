/*
** log/main.c: suptree-log, the process that keeps what services say. Started by suptree-keeper:
** suptree-log --socket N --rings-fd N --staging-read N --staging-write N [--quiet] [--colour].
** Owns the command line and the signals.
*/
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "log/loop.h"

static struct sup_log log_process; /* large, and its pages are touched only at need */

static int parse_fd(const char *text)
{
    char *end;
    errno = 0;
    long value = text == NULL ? -1 : strtol(text, &end, 10);
    if (value < 0 || value > 1 << 20 || errno != 0 || end == text || *end != '\0') return -1;
    return fcntl((int) value, F_SETFD, FD_CLOEXEC) < 0 ? -1 : (int) value;
}

static bool parse_options(struct sup_log_options *options, char **args)
{
    for (char **arg = args + 1; *arg != NULL; arg++) {
        if (strcmp(*arg, "--quiet") == 0) options->is_quiet = true;
        else if (strcmp(*arg, "--colour") == 0) options->is_coloured = true;
        else if (strcmp(*arg, "--socket") == 0 && arg[1] != NULL)
            options->socket = parse_fd(*++arg);
        else if (strcmp(*arg, "--rings-fd") == 0 && arg[1] != NULL)
            options->rings_fd = parse_fd(*++arg);
        else if (strcmp(*arg, "--staging-read") == 0 && arg[1] != NULL)
            options->staging_read = parse_fd(*++arg);
        else if (strcmp(*arg, "--staging-write") == 0 && arg[1] != NULL)
            options->staging_write = parse_fd(*++arg);
        else return false;
    }
    return options->socket >= 0 && options->rings_fd >= 0 && options->staging_read >= 0 &&
           options->staging_write >= 0;
}

/*
** A terminal's Ctrl-C reaches the whole foreground group, this process too, which has to outlive
** the services: it ends by QUIT or by the end of the keeper. Writing goes on from the background,
** to readers that left, and beyond the limit of file sizes, where the error is handled.
*/
static void ignore_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTTOU, SIGXFSZ};
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) signal(ignored[i], SIG_IGN);
}

static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void) setrlimit(RLIMIT_NOFILE, &limit);
}

/* So that no file or pipe of ours gets the number of a standard stream that the caller closed. */
static void fill_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) < 0) return;
}

int main(int argc, char **argv)
{
    struct sup_log_options options = {.socket = -1,
                                      .rings_fd = -1,
                                      .staging_read = -1,
                                      .staging_write = -1,
                                      .output_fd = STDOUT_FILENO};
    (void) argc;
    ignore_signals();
    raise_descriptors();
    fill_standard_streams();
    if (!parse_options(&options, argv)) {
        fputs("usage: suptree-log --socket N --rings-fd N --staging-read N --staging-write N "
              "[--quiet] [--colour]\n"
              "suptree-log is started by suptree-keeper, with open descriptors; "
              "use `suptree run` instead\n",
              stderr);
        return 2;
    }
    int code = sup_log_init(&log_process, &options);
    if (code < 0) {
        fprintf(stderr, "suptree-log: cannot start: %s; check the limits of this user\n",
                strerror(-code));
        return 1;
    }
    code = sup_log_run(&log_process);
    sup_log_finish(&log_process);
    return code;
}
