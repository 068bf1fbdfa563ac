/*
** keeper/signals.c: signals to the keeper. All are blocked and read from a descriptor; what they
** mean is decided elsewhere. Dispositions are the default ones, so that children inherit no other.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* These come from our own mistakes; blocked they would kill all the same, but without a core. */
static const int own_faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};

static bool is_own_fault(int signal)
{
    for (size_t i = 0; i < sizeof own_faults / sizeof own_faults[0]; i++)
        if (own_faults[i] == signal) return true;
    return false;
}

/* Only being ignored is inherited over exec; a sanitizer's handler for a fault is left in place. */
static void take_default(int signal)
{
    struct sigaction now;
    if (sigaction(signal, NULL, &now) < 0 || (is_own_fault(signal) && now.sa_handler != SIG_IGN))
        return;
    now = (struct sigaction){.sa_handler = SIG_DFL};
    sigaction(signal, &now, NULL);
}

int sup_keeper_signals_init(void)
{
    sigset_t blocked;
    sigfillset(&blocked);
    for (int signal = 1; signal < NSIG; signal++) {
        take_default(signal);
        if (is_own_fault(signal)) sigdelset(&blocked, signal);
    }
    if (sigprocmask(SIG_SETMASK, &blocked, NULL) < 0) return -errno;
    int fd = signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

static void obey(struct sup_keeper *keeper, int signal)
{
    switch (signal) {
    case SIGCHLD:
        sup_keeper_children_ended(keeper);
        break;
    case SIGTERM:
    case SIGINT:
        sup_keeper_stop_asked(keeper, signal);
        break;
    case SIGUSR1:
        sup_keeper_logger_reopen(keeper);
        break;
    case SIGHUP:
        if (keeper->phase != SUP_PHASE_HOLD || keeper->stop_count > 0) break;
        keeper->host.owes_reload = true;
        sup_keeper_talk(keeper);
        break;
    default:
        break; /* nothing that is sent to the keeper ends it by accident */
    }
}

void sup_keeper_signals_read(struct sup_keeper *keeper)
{
    struct signalfd_siginfo got[16];
    for (;;) {
        ssize_t size = read(keeper->signals, got, sizeof got);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return;
        for (size_t i = 0; i < (size_t) size / sizeof got[0]; i++)
            obey(keeper, (int) got[i].ssi_signo);
        if ((size_t) size < sizeof got) return;
    }
}
