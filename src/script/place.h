/*
** script/place.h: where control sockets are: the folders, the lock that holds a name, the listening
** socket. The module suptree.place. Must not know what is said over a socket.
**
** FOLDER/NAME.sock is the socket, FOLDER/NAME.lock a file that whoever lives by that name has
** locked, with the pid of its keeper in it.
*/
#ifndef SUP_SCRIPT_PLACE_H
#define SUP_SCRIPT_PLACE_H

#include "base/err.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SUP_PLACE_PATH 256 /* room for any path here; sockets have much shorter ones */

/* What a tree holds while it lives. */
struct sup_claim {
    int socket; /* listening; close-on-exec; the caller's */
    int lock;   /* the same */
    char path[SUP_PLACE_PATH];
    pid_t holder; /* who has the name already; 0: nobody, or unknown */
};

/* The folder of this user's own trees, whether it is there or not. Returns ${buf}. */
char *sup_place_own(char *buf, size_t size);

/*
** Make the socket of a tree called ${name}, in the folder of this user. With ${group} (-1: none)
** its members may connect. Not to be called while other threads run: the umask is changed for a
** moment. Returns 0; -EBUSY: ${claim}->holder lives by this name; else -errno with ${err}.
*/
int sup_place_claim(struct sup_claim *claim, const char *name, gid_t group, struct sup_err *err);

/* Take the socket and the lock away: the tree has ended. Only what ${socket} and ${lock} stand
   for is removed. */
void sup_place_leave(int socket, int lock);

/* The module. */
int sup_place_open_module(lua_State *L);

#endif
