/*
** script/enter.h: becoming a program in the place of a service: with its environment, folder, user
** and limits. For `suptree exec`; nothing here runs where supervision happens.
*/
#ifndef SUP_SCRIPT_ENTER_H
#define SUP_SCRIPT_ENTER_H

#include <lua.h>

/*
** Push the module `suptree.enter`:
**   exec(argv, env, settings)  become argv[1], looked up in PATH of `env` (an array of KEY=VALUE).
**                              Returns only to say why not: nil, step ("user", "cwd", "exec", …),
**                              text; the process is then half changed and had better end.
** Fields of `settings`, all optional: cwd (a path), umask, nice, oom_score, uid and gid (numbers),
** groups (an array of numbers), no_new_privs (a boolean), limits (name -> { soft, hard }, a number
** each, or "infinity"; names as in ulimit's documentation: nofile, core, as, nproc, …). Misuse
** raises.
*/
int sup_enter_open(lua_State *L);

/* The name of a limit among those of `settings`; NULL: it has none. */
const char *sup_enter_limit_name(int resource);

#endif
