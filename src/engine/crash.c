/*
** engine/crash.c: the handler of faults. What it reads is a global because a handler has no
** argument; it only stores one number, then lets the fault take its course.
*/
#include "engine/crash.h"

#include "core/journal.h"
#include "engine/workers.h"

#include <signal.h>

static struct sup_journal_header *_Atomic journal;

void sup_crash_set_journal(void *memory)
{
    atomic_store(&journal, memory);
}

static void on_fault(int signal)
{
    struct sup_journal_header *header = atomic_load(&journal);
    const struct sup_thread *thread = sup_worker_here();
    if (header != NULL && thread != NULL) atomic_store(&header->crashing, thread->instance);
    raise(signal); /* the default now; taken when this handler returns */
}

void sup_crash_catch(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction action = {.sa_handler = on_fault,
                               .sa_flags = (int) (SA_ONSTACK | SA_RESETHAND)};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigaction(faults[i], &action, NULL);
}
