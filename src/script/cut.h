/*
** script/cut.h: running Lua of a person's that Ctrl-C, or a limit of time, can cut short. For the
** console only: it takes SIGINT, SIGALRM and the timer of the process.
*/
#ifndef SUP_SCRIPT_CUT_H
#define SUP_SCRIPT_CUT_H

#include <lua.h>
#include <stdbool.h>

/*
** Push the module `suptree.cut`:
**   run(f, seconds)   call f; true and its results; or false, the error, "interrupted" or "timeout"
**                     or "error". seconds: nil, or how long it may take. What catches errors cannot
**                     hold it: they are raised again, out to here. A Ctrl-C just before it counts.
**                     A second Ctrl-C, while C code does not listen, ends the process.
*/
int sup_cut_open(lua_State *L);

/* Has a person asked to cut? */
bool sup_cut_is_asked(void);
void sup_cut_forget(void);

#endif
