/*
** script/image.c: memory copied and put back. Must not know what the state is for.
*/
#include "script/image.h"

#include "script/arena.h"
#include "script/state.h"

#include <stdlib.h>

#ifdef SUP_SANITIZE_BUILD
#define ARENA_SIZE ((size_t) 0)
#else
#define ARENA_SIZE ((size_t) 64 << 10)
#endif

static const char libraries; /* registry: the table of modules in C, of package */

void sup_image_forget(struct sup_image *image)
{
    free(image->copy);
    image->copy = NULL;
    image->runs = 0;
}

void sup_image_finish(struct sup_image *image)
{
    sup_image_forget(image);
    sup_arena_destroy(image->arena);
    *image = (struct sup_image){.arena = NULL};
}

lua_State *sup_image_begin(struct sup_image *image, uint64_t order, size_t cap, bool *furnished)
{
    if (image->arena == NULL) image->arena = sup_arena_create(ARENA_SIZE);
    if (image->arena == NULL) return NULL;
    if (image->order != order) sup_image_forget(image);
    image->order = order;
    *furnished = image->copy != NULL;
    if (*furnished) {
        sup_arena_restore(image->arena, image->copy, image->size);
    } else {
        sup_arena_reset(image->arena, cap);
        image->L = sup_state_open(image->arena);
    }
    return image->L;
}

/* Called protected. Waste would be put back each time. */
static int prepare(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "_CLIBS");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &libraries);
    lua_gc(L, LUA_GCCOLLECT);
    return 0;
}

void sup_image_keep(struct sup_image *image)
{
    if (image->copy != NULL || ++image->runs < 2) return;
    lua_pushcfunction(image->L, prepare);
    if (lua_pcall(image->L, 0, 0, 0) == LUA_OK)
        image->copy = sup_arena_save(image->arena, &image->size);
    lua_settop(image->L, 0);
}

/* Has a module in C been loaded since? Raises nothing and takes no memory. */
static bool has_libraries(lua_State *L)
{
    bool any = lua_rawgetp(L, LUA_REGISTRYINDEX, &libraries) != LUA_TTABLE || lua_rawlen(L, -1) > 0;
    lua_settop(L, 0);
    return any;
}

void sup_image_end(struct sup_image *image)
{
    bool plain =
        image->copy != NULL && sup_arena_is_plain(image->arena) && !has_libraries(image->L);
    if (!plain) lua_close(image->L);
}
