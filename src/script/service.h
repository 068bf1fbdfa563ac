/*
** script/service.h: a thread service in Lua: one run of it, in a fresh state on a thread of its
** own. Only the files that make up such a service include it:
**
**   thread.c     the run: state, function, result, end; image.c a fresh state, quickly
**   service.c    what its state holds, and what it refuses
**   context.c    ctx, print, its output
**   interrupt.c  coroutines that know which one runs, and the hook that stops them
**   evloop.c     luv, on a loop of its own
**   unpack.c     captured chunks
**
** Everything here runs on the service's own thread, but for what `ask` touches under the thread's
** lock.
*/
#ifndef SUP_SCRIPT_SERVICE_H
#define SUP_SCRIPT_SERVICE_H

#include "engine/thread.h"
#include "script/image.h"

#include <lua.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <uv.h>

/* What a thread keeps for the services that run on it one after the other. */
struct sup_kept {
    struct sup_image image;
    FILE *out, *err; /* the standard streams; NULL: none yet */
    /* The one that runs; NULL: none. Changes under the thread's lock; for the signal handler. */
    struct sup_service *_Atomic service;
};

/* A loop of luv's own. */
struct sup_evloop {
    uv_loop_t loop;
    uv_async_t wake;
};

struct sup_service {
    struct sup_thread *thread;
    const struct sup_thread_order *order;
    struct sup_kept *kept;
    struct sup_run *run; /* its result; of thread.c */
    lua_State *L;
    /* The coroutine that runs; NULL: none may be interrupted. For the signal handler. */
    lua_State *_Atomic current;
    volatile sig_atomic_t interrupted; /* it is killed: every coroutine that runs raises */
    bool told;                         /* what ctx:on_stop was given has been called */

    struct sup_evloop *evloop; /* of luv; NULL: that was not required */
    bool can_wake;             /* the thread's lock */
    bool closing;              /* no more callbacks */
};

/* The service that ${L} belongs to. */
struct sup_service *sup_service_of(lua_State *L);

/* --- thread.c --------------------------------------------------------------------------------- */

/* Furnish the state if ${furnish} says so: modules are searched in a folder, and perhaps on a path
   behind its NUL, which stand before the chunk in ${run}. Returns where the chunk begins; ${left}:
   its size. May raise. */
const unsigned char *sup_service_read_places(lua_State *L, const struct sup_bytes *run,
                                             size_t *left, bool furnish);

/* --- service.c -------------------------------------------------------------------------------- */

/* Open the libraries and put ours in their places; modules are searched in ${folder} first, then by
   ${path} (as package.path). "": a configuration declares the service, so there is no such path,
   and files that others could change are refused. May raise. */
void sup_service_furnish(lua_State *L, const char *folder, const char *path);

/* --- context.c -------------------------------------------------------------------------------- */

/* Push the context, with the value on the top of the stack, which is popped, as its `args`. May
   raise. */
void sup_service_push_context(lua_State *L, const struct sup_service *service);
/* Give print, io.write and the standard streams the service's output. May raise. */
void sup_service_open_output(lua_State *L, struct sup_service *service);
/* The streams that this needs. False: no memory. */
bool sup_streams_open(struct sup_kept *kept, struct sup_thread *thread);
/* After a run: write what it left in them. False: they are no longer as they were opened, and were
   closed. May block, until the thread is killed. */
bool sup_streams_flush(struct sup_kept *kept);
void sup_streams_close(struct sup_kept *kept); /* harmless when there are none */
/* Call the function on the top of the stack, which is popped, when the service is asked to stop.
   May raise. */
void sup_service_on_stop(lua_State *L);
/* If it has been asked to stop, call what waits for that, once. May raise. */
void sup_service_check_stop(lua_State *L);
/* Sleep for the seconds or the duration at ${index}; pushes false when it is asked to stop. May
   raise. */
int sup_service_sleep(lua_State *L, int index);

/* --- interrupt.c ------------------------------------------------------------------------------ */

/* Replace coroutine.resume, wrap and close. May raise. */
void sup_interrupt_open(lua_State *L);
/* In a signal handler on the service's thread, or by itself: make what runs raise. */
void sup_interrupt(struct sup_service *service);
/* From now on ${L} runs; returns what ran before. Give that back with the same function. */
lua_State *sup_interrupt_enter(struct sup_service *service, lua_State *L);

/* --- evloop.c --------------------------------------------------------------------------------- */

/* The loader of the module luv. May raise. */
int sup_evloop_open(lua_State *L);
/* Wake the loop; with the thread's lock held. */
void sup_evloop_wake(struct sup_service *service);
/* Close what is open in the loop; the state still lives. A protected call's function; may block. */
int sup_evloop_shut(lua_State *L);
/* Drop the loop; the state is gone. */
void sup_evloop_finish(struct sup_service *service);

/* --- unpack.c --------------------------------------------------------------------------------- */

/* Push the value in the chunk (lua/suptree/chunk.lua says its form). Raises when it is damaged. */
void sup_unpack(lua_State *L, const void *bytes, size_t size);

#endif
