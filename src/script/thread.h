/*
** script/thread.h: thread services in Lua, for the driver of threads.
*/
#ifndef SUP_SCRIPT_THREAD_H
#define SUP_SCRIPT_THREAD_H

#include "engine/thread.h"

/*
** Each instance runs in a fresh state that has its own cap of memory. The order's `run` is what
** lua/suptree/declaration.lua encodes: the folder of modules, and a captured chunk.
*/
extern const struct sup_thread_ops sup_script_threads;

#endif
