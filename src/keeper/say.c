/*
** keeper/say.c: what the keeper says to people, on standard error.
** A reader that does not read must not stop the keeper: a line that does not fit is dropped.
*/
#include "keeper/keeper.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_ROOM 1024 /* below PIPE_BUF: a pipe that is ready takes it whole */

void sup_keeper_say(const char *format, ...)
{
    char line[LINE_ROOM];
    int at = snprintf(line, sizeof line, "suptree-keeper: ");
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(line + at, sizeof line - (size_t) at - 1, format, arguments);
    va_end(arguments);
    if (more < 0) return;
    size_t length = strlen(line);
    line[length++] = '\n';
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return;
    if (write(STDERR_FILENO, line, length) < 0) return; /* there is nobody to tell */
}

const char *sup_keeper_status_text(int status, char *buf, size_t size)
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        snprintf(buf, size, "was killed by signal %d (%s)", WTERMSIG(status),
                 name == NULL ? "real-time" : name);
    } else {
        snprintf(buf, size, "ended with code %d", WEXITSTATUS(status));
    }
    return buf;
}

const char *sup_keeper_delay_text(int64_t delay_ns, char *buf, size_t size)
{
    if (delay_ns <= 0) snprintf(buf, size, "now");
    else snprintf(buf, size, "in %g s", (double) (delay_ns / SUP_KEEPER_MS) / 1000.0);
    return buf;
}

const char *sup_keeper_error_text(int error)
{
    const char *text = strerrordesc_np(error);
    return text == NULL ? "unknown error" : text;
}
