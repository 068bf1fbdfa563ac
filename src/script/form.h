/*
** script/form.h: writing and looking into config blobs, as a Lua module.
*/
#ifndef SUP_SCRIPT_FORM_H
#define SUP_SCRIPT_FORM_H

#include <lua.h>

/*
** Push the module `suptree.form`:
**   encode(nodes)   nodes in preorder, each { kind = 0 | 1 | 2, name, place, children = count,
**                   options = { { id, bytes }, … in ascending order of id } } -> blob, or nil,
**                   place, reason, hint when the finished blob does not stand its check
**   summary(blob)   { name, supervisors, processes, threads } (the root counts), or nil, place,
**                   reason, hint
**   hash(bytes)     FNV-1a 64 as an integer
** Misuse raises.
*/
int sup_form_open(lua_State *L);

#endif
