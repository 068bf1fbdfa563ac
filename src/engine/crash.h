/*
** engine/crash.h: a fault on a service's thread ends the whole host. The journal is told on whose
** thread it was, so that this one is charged a failure and the others are not.
*/
#ifndef SUP_ENGINE_CRASH_H
#define SUP_ENGINE_CRASH_H

/* Catch the fault signals of this process. The host only: as a library, the signals are the
   program's. */
void sup_crash_catch(void);

/* The journal that is told; NULL: none. Stays mapped until another one is named. */
void sup_crash_set_journal(void *journal);

#endif
