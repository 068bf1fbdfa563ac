/*
** script/library.h: the binding of engine/handle.h: supervisors inside the program that runs Lua.
*/
#ifndef SUP_SCRIPT_LIBRARY_H
#define SUP_SCRIPT_LIBRARY_H

#include <lua.h>

/*
** Push the module `suptree.library.native`: create(blob) -> a supervisor, or nil and a text. Its
** methods, whose failures are nil, a code and a text:
**   add(blob)            a token
**   attach(supervisor)   a token
**   remove(token)        true
**   remove_and_wait(token, ns)  true
**   serve(context)       true
**   stop(context, request)  nil, or an array of what did not stop; raises when there is no memory
**   services()           an array of { name, kind, state, pid, generation, ready, token }
**   ended()              the exit code once the tree has ended, else nil
**   listen()             events are kept for take from now on
**   take()               { fields of the event }, line for `log` or nil, number of events lost
**                        before it; or nil and whether no more can come
**   wait(ns)             until something can be taken, a signal comes, or the time is over
**   fd()                 readable while something can be taken
** Tokens are userdata that are equal for equal services. Waiting blocks this thread, never the
** tree.
*/
int sup_library_open_module(lua_State *L);

#endif
