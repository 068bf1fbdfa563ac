/*
** script/system.h: what compiling a configuration and the command line need of the system, as a Lua
** module. For the processes of suptree's own only: nothing here runs where supervision happens.
*/
#ifndef SUP_SCRIPT_SYSTEM_H
#define SUP_SCRIPT_SYSTEM_H

#include <lua.h>

/*
** Push the module `suptree.system`. Failures are nil and a text, where no more is said:
**   read_file(path)      the contents of a regular file of at most 16 MiB
**   trust(path)          true, or nil, reason, hint: see script/trust.h
**   real_path(path)      absolute and without links
**   executable()         the path of this program
**   is_terminal(fd)      boolean
**   terminal_width(fd)   its columns, or nothing
**   memfd(name)          a memory file { fd(), read(), write(bytes), seal(), close() }
**   write(fd, bytes)     all of it, blocking; true
**   die_with_parent()    be killed when the parent goes away
**   run(argv, memfd, limit_ns)  run a program under watch, see script/child.h, with the memory file
**                        for its result -> "exit", "signal" or "timeout", code, bytes of output
**                        dropped
**   exec(argv, file...)  become the program argv[1], which inherits the files and finds all signals
**                        blocked; returns only to say why not
**   version              text
*/
int sup_system_open(lua_State *L);

/* Push a file of that kind that is still empty, and return where its descriptor goes, which it
   owns from then on. May raise. */
int *sup_system_push_file(lua_State *L);

#endif
