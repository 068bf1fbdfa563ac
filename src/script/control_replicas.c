/*
** script/control_replicas.c: what is several of the same: by which path all of them are meant, and
** what the running configuration says of that. Must not know how a template is read.
*/
#include "script/control_inside.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

const char *sup_control_group(const struct sup_view *view, sup_token node, const char *path,
                              char *buf, size_t size)
{
    const struct sup_spec *spec = sup_tree_spec(view->tree, node);
    const char *at = spec == NULL || spec->replica == 0 ? NULL : strrchr(path, '@');
    if (at == NULL || (size_t) (at - path) >= size) return NULL;
    memcpy(buf, path, (size_t) (at - path));
    buf[at - path] = '\0';
    return buf;
}

struct taking {
    uint64_t known;    /* the checksum of the configuration that the caller knows */
    uint64_t checksum; /* of the one that runs */
    void *bytes;       /* a copy; NULL: nothing is several there, or no memory */
    size_t size;
    bool failed;
};

static void take_template(void *context, const struct sup_view *view)
{
    struct taking *taking = context;
    const struct sup_form *form = sup_tree_config(view->tree);
    uint32_t size;
    taking->checksum = sup_form_checksum(form);
    if (taking->checksum == taking->known) return;
    const unsigned char *bytes = sup_form_option(sup_form_root(form), SUP_OPTION_REPLICATED, &size);
    if (bytes == NULL) return;
    taking->bytes = malloc((size_t) size + 1);
    taking->failed = taking->bytes == NULL;
    taking->size = size;
    if (taking->bytes != NULL) memcpy(taking->bytes, bytes, size);
}

static int push_bytes(lua_State *L)
{
    const struct taking *taking = lua_touserdata(L, 1);
    lua_pushlstring(L, taking->bytes, taking->size);
    return 1;
}

/*
** replicated(known) -> the number of the configuration that runs, and when that is not `known` what
** was declared there before replicas were made of it; nil: nothing has replicas
*/
int sup_control_replicated(lua_State *L)
{
    struct taking taking = {.known = (uint64_t) luaL_optinteger(L, 2, 0)};
    sup_engine_read(sup_control_of(L)->engine, take_template, &taking);
    if (taking.failed) return luaL_error(L, "not enough memory");
    lua_pushinteger(L, (lua_Integer) taking.checksum);
    if (taking.bytes == NULL) return 1;
    lua_pushcfunction(L, push_bytes);
    lua_pushlightuserdata(L, &taking);
    int status = lua_pcall(L, 1, 1, 0);
    free(taking.bytes);
    return status == LUA_OK ? 2 : lua_error(L);
}

struct sup_plan_note *sup_control_read_notes(lua_State *L, int index, size_t *count)
{
    *count = lua_istable(L, index) ? (size_t) lua_rawlen(L, index) : 0;
    struct sup_plan_note *notes = lua_newuserdatauv(L, (*count + 1) * sizeof *notes, 0);
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, index, (lua_Integer) i + 1);
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        notes[i] = (struct sup_plan_note){luaL_checkstring(L, -2), luaL_checkstring(L, -1)};
        lua_pop(L, 3); /* the table keeps them */
    }
    return notes;
}
