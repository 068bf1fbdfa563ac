/*
** script/luv.h: luv as a library: found where Lua's C modules are installed, never linked, so that
** it may be missing until somebody asks for it.
*/
#ifndef SUP_SCRIPT_LUV_H
#define SUP_SCRIPT_LUV_H

#include <lua.h>
#include <luv/lhandle.h>
#include <uv.h>

/* How luv calls back: luv.h says the rules. */
typedef int sup_luv_call(lua_State *L, int arguments, int results, int flags);

struct sup_luv {
    lua_CFunction open; /* pushes the module */
    void (*set_loop)(lua_State *L, uv_loop_t *loop);
    void (*set_callback)(lua_State *L, sup_luv_call *call);
    luv_ctx_t *(*context)(lua_State *L);
};

/* Load it by package.cpath of ${L}. Raises when it is not installed or of another version. */
void sup_luv_load(lua_State *L, struct sup_luv *luv);

#endif
