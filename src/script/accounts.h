/*
** script/accounts.h: users and groups of this machine, as a Lua module. Looked up when a
** configuration is compiled, so that nothing that holds processes ever asks a network for a name.
*/
#ifndef SUP_SCRIPT_ACCOUNTS_H
#define SUP_SCRIPT_ACCOUNTS_H

#include <lua.h>

/*
** Push the module `suptree.accounts`; both block on the databases of users and groups:
**   user(name or number)   { name, uid, gid, home, shell, groups = { gid, ... } }, or nil: unknown
**   group(name or number)  its number, or nil: there is no such group. Any number is one
*/
int sup_accounts_open(lua_State *L);

#endif
