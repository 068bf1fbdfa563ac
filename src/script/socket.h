/*
** script/socket.h: a blocking connection to the control socket of a host, as a Lua module for
** lua/suptree/client.lua. It knows of lines, not of what they say. For the command line and the
** console only: nothing here runs where supervision happens.
*/
#ifndef SUP_SCRIPT_SOCKET_H
#define SUP_SCRIPT_SOCKET_H

#include <lua.h>
#include <signal.h>

/*
** Push the module `suptree.socket`. Failures are nil and a text, where no more is said:
**   connect(path)        a connection; or nil, text, name: "ENOENT", "ECONNREFUSED" (nobody listens
**                        there), "EACCES", …
**   now()                seconds on a clock that never goes back
**   sleep(seconds)       false: it was interrupted, and ends early
**   catch_interrupt()    from now on INT does not end the process, but every receive()
**   leave(signal)        end by this signal, as if it had never been caught
** A connection has
**   send(text)           all of it, blocking; true
**   receive(seconds)     the next line without its end; or nil and a word: "timeout", "closed",
**                        "interrupted", "unread" (see watch), or what the system says. Without
**                        seconds: no limit
**   watch(fd)            receive() also ends, as "unread", when nobody reads the pipe `fd` any more
**   fd()                 its descriptor, to be polled; it stays the connection's
**   has_line()           is a whole line there already?
**   close()              also by __gc and __close
*/
int sup_socket_open(lua_State *L);

/* The flag that INT sets, after catch_interrupt(): receive() ends while it is not 0. */
volatile sig_atomic_t *sup_socket_interrupted(void);

#endif
