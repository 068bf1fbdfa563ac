/*
** script/control_select.c: which nodes are meant: paths ("workers/mailer", "." for the root) and
** patterns ("workers/\*", "**"), with what is below them or without. Must not know what for.
**
** `*` and `?` stand for anything but a slash, `**` alone between slashes for any number of names.
** The root has no name: only "." means it.
*/
#include "script/control_inside.h"

#include <lauxlib.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PATTERNS 1024
#define MATCH_SLICE 256 /* nodes that are looked at under one hold of the engine's mutex */
#define MATCH_STEPS 100000

/* --- patterns --------------------------------------------------------------------------------- */

static bool is_pattern(const char *text)
{
    return strpbrk(text, "*?") != NULL;
}

/* Does the name at ${name}, up to its slash, fit the part at ${part}? */
static bool fits_name(const char *part, size_t part_size, const char *name, size_t name_size)
{
    size_t p = 0, n = 0, star = SIZE_MAX, resume = 0;
    while (n < name_size) {
        if (p < part_size && part[p] == '*') {
            star = p++;
            resume = n;
        } else if (p < part_size && (part[p] == '?' || part[p] == name[n])) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++resume;
        } else {
            return false;
        }
    }
    while (p < part_size && part[p] == '*') p++;
    return p == part_size;
}

/* ${steps} bounds what a pattern full of `**` may cost. */
static bool fits(const char *pattern, const char *path, int *steps)
{
    while (*pattern != '\0') {
        size_t part = strcspn(pattern, "/"), name = strcspn(path, "/");
        const char *rest = pattern + part + (pattern[part] == '/');
        if (--*steps < 0) return false;
        if (part == 2 && memcmp(pattern, "**", 2) == 0) {
            if (*rest == '\0') return *path != '\0';
            for (const char *at = path; *at != '\0'; at += strcspn(at, "/"), at += *at == '/')
                if (fits(rest, at, steps)) return true;
            return false;
        }
        if (*path == '\0' || !fits_name(pattern, part, path, name)) return false;
        pattern = rest;
        path += name + (path[name] == '/');
    }
    return *path == '\0';
}

/* Is it the path of a replica of what has the path ${group}? */
static bool is_replica(const char *path, const char *group)
{
    size_t size = strlen(group);
    return strncmp(path, group, size) == 0 && path[size] == '@' && path[size + 1] != '\0' &&
           strspn(path + size + 1, "0123456789") == strlen(path + size + 1);
}

/* Does ${pattern} mean the node at ${path} or one that it is below? ${several}: it means what has
   replicas. */
static bool is_at_or_below(const char *pattern, const char *path, bool several)
{
    char above[SUP_CONTROL_PATH];
    int steps = MATCH_STEPS;
    if (strcmp(pattern, ".") == 0) return true;
    for (size_t i = 0; i < sizeof above; i++) {
        if (path[i] == '/' || path[i] == '\0') {
            above[i] = '\0';
            bool root = strcmp(above, ".") == 0;
            if (is_pattern(pattern) ? !root && fits(pattern, above, &steps)
                                    : strcmp(pattern, above) == 0)
                return true;
            if (several && is_replica(above, pattern)) return true;
        }
        if (path[i] == '\0') return false;
        above[i] = path[i];
    }
    return false;
}

/* --- walking ---------------------------------------------------------------------------------- */

struct wish {
    const char *text; /* Lua's */
    bool pattern;
    bool met;
};

struct selection {
    struct wish *wishes;
    size_t wish_count;
    bool below;    /* what is below comes too */
    bool covering; /* what is below another one is left out */
    sup_token *tokens;
    size_t count, room; /* all nodes; then only those that are meant */
    size_t begin;       /* of the slice */
    size_t kept;
    int inside; /* the depth of the node that those under way are below; INT_MAX: none */
    bool failed;
};

static void list_nodes(void *context, const struct sup_view *view)
{
    struct selection *selection = context;
    for (sup_token node = sup_tree_next(view->tree, 0); node != 0;
         node = sup_tree_next(view->tree, node)) {
        if (selection->count == selection->room) {
            size_t room = selection->room == 0 ? 256 : selection->room * 2;
            sup_token *tokens = realloc(selection->tokens, room * sizeof *tokens);
            selection->failed = tokens == NULL;
            if (tokens == NULL) return;
            selection->tokens = tokens;
            selection->room = room;
        }
        selection->tokens[selection->count++] = node;
    }
}

static int depth_of(const char *path)
{
    int depth = strcmp(path, ".") == 0 ? 0 : 1;
    for (; *path != '\0'; path++) depth += *path == '/';
    return depth;
}

/* ${group}: the path by which it is meant with all that are the same; NULL: it is alone. */
static bool is_wished(struct selection *selection, const char *path, const char *group)
{
    bool wished = selection->wish_count == 0;
    bool root = strcmp(path, ".") == 0;
    for (size_t i = 0; i < selection->wish_count; i++) {
        struct wish *wish = &selection->wishes[i];
        int steps = MATCH_STEPS;
        bool is =
            wish->pattern ? !root && fits(wish->text, path, &steps) : strcmp(wish->text, path) == 0;
        is = is || (group != NULL && strcmp(wish->text, group) == 0);
        if (!is) continue;
        wish->met = true;
        wished = true;
    }
    return wished;
}

/* Keep those of the slice that are meant. */
static void match_slice(void *context, const struct sup_view *view)
{
    struct selection *selection = context;
    size_t end = selection->begin + MATCH_SLICE;
    if (end > selection->count) end = selection->count;
    for (size_t i = selection->begin; i < end; i++) {
        char path[SUP_CONTROL_PATH], group[SUP_CONTROL_PATH];
        sup_token node = selection->tokens[i];
        struct sup_status status;
        if (!sup_tree_status(view->tree, node, view->now_ns, &status)) continue;
        sup_tree_path(view->tree, node, path, sizeof path);
        int depth = depth_of(path);
        if (depth <= selection->inside) selection->inside = INT_MAX;
        bool inside = depth > selection->inside && selection->inside != INT_MAX;
        bool wished =
            is_wished(selection, path, sup_control_group(view, node, path, group, sizeof group));
        if (wished && !inside && (selection->below || selection->covering))
            selection->inside = depth;
        if (inside ? selection->below || (wished && !selection->covering) : wished)
            selection->tokens[selection->kept++] = node;
    }
    selection->begin = end;
}

static void select_nodes(struct sup_engine *engine, struct selection *selection)
{
    selection->inside = INT_MAX;
    sup_engine_read(engine, list_nodes, selection);
    while (!selection->failed && selection->begin < selection->count) {
        sup_engine_read(engine, match_slice, selection);
        sched_yield(); /* who waits for the mutex has it now */
    }
}

/* --- the method ------------------------------------------------------------------------------- */

static int free_tokens(lua_State *L)
{
    struct selection *selection = lua_touserdata(L, 1);
    free(selection->tokens);
    selection->tokens = NULL;
    return 0;
}

static struct selection *push_selection(lua_State *L, size_t count)
{
    struct selection *selection =
        lua_newuserdatauv(L, sizeof *selection + count * sizeof *selection->wishes, 0);
    *selection = (struct selection){.wishes = (struct wish *) (selection + 1)};
    if (luaL_newmetatable(L, "suptree.control.selection")) {
        lua_pushcfunction(L, free_tokens);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return selection;
}

/* The texts stay in the table at ${index}. */
static void read_wishes(lua_State *L, int index, struct selection *selection)
{
    size_t count = (size_t) lua_rawlen(L, index);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, index, (lua_Integer) i + 1);
        if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "a path is not a text");
        const char *text = lua_tostring(L, -1);
        selection->wishes[i] = (struct wish){.text = text, .pattern = is_pattern(text)};
        lua_pop(L, 1);
    }
    selection->wish_count = count;
}

/*
** fits(path, paths, several) -> is the node at ${path} one of them, or below one of them? Whether
** such nodes are there is not looked at. `several`: the set of those that mean replicas.
*/
int sup_control_fits(lua_State *L)
{
    const char *path = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    bool meant = false;
    lua_settop(L, 4);
    for (lua_Integer i = 1; !meant && lua_rawgeti(L, 3, i) == LUA_TSTRING; i++) {
        const char *pattern = lua_tostring(L, -1);
        bool several = lua_istable(L, 4) && lua_getfield(L, 4, pattern) != LUA_TNIL;
        meant = is_at_or_below(pattern, path, several);
        lua_settop(L, 4);
    }
    lua_pushboolean(L, meant);
    return 1;
}

/*
** select(paths, how) -> the tokens of the nodes that are meant, in the order of the tree, each
** once; or nil and the place of the first path that means nothing. `paths` nil: every node. `how`:
** "each" of them, what is "below" as well, or "cover": none that is below another.
*/
int sup_control_select(lua_State *L, struct sup_control *control)
{
    static const char *const hows[] = {"each", "below", "cover", NULL};
    bool has_paths = !lua_isnoneornil(L, 2);
    int how = luaL_checkoption(L, 3, "each", hows);
    if (has_paths) luaL_checktype(L, 2, LUA_TTABLE);
    size_t count = has_paths ? (size_t) lua_rawlen(L, 2) : 0;
    luaL_argcheck(L, count <= MAX_PATTERNS, 2, "too many paths");
    struct selection *selection = push_selection(L, count);
    if (has_paths) read_wishes(L, 2, selection);
    selection->below = how == 1;
    selection->covering = how == 2;
    if (!has_paths || count > 0) select_nodes(control->engine, selection);
    if (selection->failed) return luaL_error(L, "not enough memory");
    for (size_t i = 0; i < selection->wish_count; i++) {
        if (selection->wishes[i].met) continue;
        lua_pushnil(L);
        lua_pushinteger(L, (lua_Integer) i + 1);
        return 2;
    }
    lua_createtable(L, (int) selection->kept, 0);
    for (size_t i = 0; i < selection->kept; i++) {
        lua_pushinteger(L, (lua_Integer) selection->tokens[i]);
        lua_rawseti(L, -2, (lua_Integer) i + 1);
    }
    return 1;
}
