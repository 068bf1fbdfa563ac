/*
** script/library.c: the binding of supervisors. It knows no declaration and calls nobody back: that
** is lua/suptree/library.lua.
*/
#include "script/library.h"

#include "engine/handle.h"
#include "script/thread.h"

#include <lauxlib.h>
#include <stdlib.h>

#define HANDLE_TYPE "suptree supervisor handle"
#define TOKEN_TYPE "suptree service token"

static const char token_cache; /* its address: a table of tokens by number, weak */

struct box {
    struct sup_handle *handle; /* NULL once released */
};

static struct sup_handle *check_handle(lua_State *L, int index)
{
    struct box *box = luaL_checkudata(L, index, HANDLE_TYPE);
    luaL_argcheck(L, box->handle != NULL, index, "the supervisor was released");
    return box->handle;
}

/* --- tokens ----------------------------------------------------------------------------------- */

static int push_token(lua_State *L, sup_service_token token)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &token_cache);
    if (lua_rawgeti(L, -1, (lua_Integer) token) != LUA_TUSERDATA) {
        lua_pop(L, 1);
        sup_service_token *box = lua_newuserdatauv(L, sizeof *box, 0);
        *box = token;
        luaL_setmetatable(L, TOKEN_TYPE);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, (lua_Integer) token);
    }
    lua_remove(L, -2);
    return 1;
}

static sup_service_token check_token(lua_State *L, int index)
{
    const sup_service_token *token = luaL_checkudata(L, index, TOKEN_TYPE);
    return *token;
}

static int token_text(lua_State *L)
{
    check_token(L, 1);
    lua_pushliteral(L, TOKEN_TYPE);
    return 1;
}

/* --- verdicts --------------------------------------------------------------------------------- */

static const char *const codes[] = {
    [SUP_DID] = "ok",
    [SUP_WRONG_SUPERVISOR] = "wrong_supervisor",
    [SUP_WAIT_OVER] = "timeout",
    [SUP_HAS_STOPPED] = "stopped",
    [SUP_SERVES_ALREADY] = "already_serving",
    [SUP_IS_NOT_ROOT] = "not_root",
    [SUP_NAME_TAKEN] = "duplicate_name",
    [SUP_MAKES_CYCLE] = "cycle",
    [SUP_NO_SUCH_SERVICE] = "not_found",
    [SUP_TOO_MANY_CHILDREN] = "too_many",
    [SUP_UNUSABLE] = "invalid",
    [SUP_NOT_DONE] = "refused",
    [SUP_MEMORY_IS_SHORT] = "no_memory",
};

static int push_refusal(lua_State *L, const struct sup_answer *answer)
{
    lua_pushnil(L);
    lua_pushstring(L, codes[answer->verdict]);
    lua_pushstring(L, answer->text);
    return 3;
}

static int push_done(lua_State *L, const struct sup_answer *answer)
{
    if (answer->verdict != SUP_DID) return push_refusal(L, answer);
    lua_pushboolean(L, 1);
    return 1;
}

/* --- making and releasing --------------------------------------------------------------------- */

static int create(lua_State *L)
{
    size_t size;
    const char *blob = luaL_checklstring(L, 1, &size);
    struct sup_err err = {0};
    char text[sizeof err + 8];
    struct box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->handle = NULL;
    luaL_setmetatable(L, HANDLE_TYPE);
    box->handle = sup_handle_create(blob, size, &sup_script_threads, &err);
    if (box->handle != NULL) return 1;
    lua_pushnil(L);
    lua_pushstring(L, sup_err_text(&err, text, sizeof text));
    return 2;
}

/* Stops a tree that runs. */
static int release(lua_State *L)
{
    struct box *box = luaL_checkudata(L, 1, HANDLE_TYPE);
    struct sup_handle *handle = box->handle;
    box->handle = NULL;
    sup_handle_release(handle);
    return 0;
}

/* --- verbs ------------------------------------------------------------------------------------ */

static int push_added(lua_State *L, const struct sup_answer *answer, sup_service_token token)
{
    return answer->verdict == SUP_DID ? push_token(L, token) : push_refusal(L, answer);
}

static int add(lua_State *L)
{
    size_t size;
    struct sup_answer answer;
    sup_service_token token;
    struct sup_handle *handle = check_handle(L, 1);
    const char *blob = luaL_checklstring(L, 2, &size);
    sup_handle_add(handle, blob, size, NULL, &token, &answer);
    return push_added(L, &answer, token);
}

static int attach(lua_State *L)
{
    struct sup_answer answer;
    sup_service_token token;
    struct sup_handle *handle = check_handle(L, 1), *child = check_handle(L, 2);
    sup_handle_add(handle, NULL, 0, child, &token, &answer);
    return push_added(L, &answer, token);
}

static int remove_service(lua_State *L)
{
    struct sup_answer answer;
    sup_handle_remove(check_handle(L, 1), check_token(L, 2), false, 0, &answer);
    return push_done(L, &answer);
}

static int remove_and_wait(lua_State *L)
{
    struct sup_answer answer;
    sup_handle_remove(check_handle(L, 1), check_token(L, 2), true, luaL_checkinteger(L, 3),
                      &answer);
    return push_done(L, &answer);
}

static int serve(lua_State *L)
{
    struct sup_answer answer;
    sup_handle_serve(check_handle(L, 1), luaL_optstring(L, 2, NULL), &answer);
    return push_done(L, &answer);
}

/* --- memory that is owned while Lua may raise ------------------------------------------------- */

static int free_owned(lua_State *L)
{
    void **owner = lua_touserdata(L, 1);
    free(*owner);
    *owner = NULL;
    return 0;
}

/* Into the owner on the top. */
static void own(lua_State *L, void *memory)
{
    void **owner = lua_touserdata(L, -1);
    *owner = memory;
}

/* An owner with nothing in it: made before there is anything to lose. */
static void make_owner(lua_State *L)
{
    void **owner = lua_newuserdatauv(L, sizeof *owner, 0);
    *owner = NULL;
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, free_owned);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, free_owned);
    lua_setfield(L, -2, "__close");
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
}

static void set_text(lua_State *L, const char *field, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, field);
}

static void set_integer(lua_State *L, const char *field, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, field);
}

static void push_left(lua_State *L, const struct sup_left *left)
{
    lua_createtable(L, 0, 4);
    set_text(L, "path", left->path);
    set_text(L, "kind", sup_kind_word(left->kind, left->role));
    set_integer(L, "generation", left->generation);
    if (left->pid != 0) set_integer(L, "pid", left->pid);
    if (left->why[0] != '\0') set_text(L, "why", left->why);
}

static int stop(lua_State *L)
{
    struct sup_answer answer;
    size_t count;
    struct sup_handle *handle = check_handle(L, 1);
    const char *context = luaL_optstring(L, 2, NULL);
    bool request = lua_toboolean(L, 3) != 0;
    make_owner(L);
    if (sup_handle_stop(handle, context, request, &answer) != SUP_DID)
        return luaL_error(L, "stop: %s %s", codes[answer.verdict], answer.text);
    if (request) return 0;
    struct sup_left *left = sup_handle_report(handle, &count);
    own(L, left);
    if (count == 0) return 0;
    lua_createtable(L, (int) count, 0);
    for (size_t i = 0; i < count; i++) {
        push_left(L, &left[i]);
        lua_rawseti(L, -2, (lua_Integer) i + 1);
    }
    return 1;
}

/* --- looking ---------------------------------------------------------------------------------- */

static void push_service(lua_State *L, const struct sup_service_info *service)
{
    lua_createtable(L, 0, 7);
    set_text(L, "name", service->name);
    set_text(L, "kind", sup_kind_word(service->kind, service->role));
    set_text(L, "state", sup_state_name(service->state));
    set_integer(L, "generation", service->generation);
    if (service->pid != 0) set_integer(L, "pid", service->pid);
    lua_pushboolean(L, service->ready);
    lua_setfield(L, -2, "ready");
    push_token(L, service->token);
    lua_setfield(L, -2, "token");
}

static int services(lua_State *L)
{
    size_t count;
    struct sup_handle *handle = check_handle(L, 1);
    make_owner(L);
    struct sup_service_info *list = sup_handle_services(handle, &count);
    own(L, list);
    if (list == NULL) return luaL_error(L, "there is no memory to list the services");
    lua_createtable(L, (int) count, 0);
    for (size_t i = 0; i < count; i++) {
        push_service(L, &list[i]);
        lua_rawseti(L, -2, (lua_Integer) i + 1);
    }
    return 1;
}

static int ended(lua_State *L)
{
    int code;
    if (sup_handle_has_ended(check_handle(L, 1), &code)) lua_pushinteger(L, code);
    else lua_pushnil(L);
    return 1;
}

/* --- events ----------------------------------------------------------------------------------- */

static int listen_to_events(lua_State *L)
{
    sup_handle_want_mail(check_handle(L, 1));
    return 0;
}

/* A sink may not raise: fields are noted first, and pushed afterwards. The texts are the mail's. */
struct field {
    const char *name, *text;
    double number;
    int64_t integer;
    enum { IS_TEXT, IS_NUMBER, IS_INTEGER, IS_BOOLEAN } type;
};

struct fields {
    size_t count;
    struct field field[40];
};

static void note(void *self, struct field field)
{
    struct fields *fields = self;
    if (fields->count < sizeof fields->field / sizeof *fields->field)
        fields->field[fields->count++] = field;
}

static void note_text(void *self, const char *name, const char *value)
{
    note(self, (struct field){.name = name, .type = IS_TEXT, .text = value});
}

static void note_number(void *self, const char *name, double value)
{
    note(self, (struct field){.name = name, .type = IS_NUMBER, .number = value});
}

static void note_integer(void *self, const char *name, int64_t value)
{
    note(self, (struct field){.name = name, .type = IS_INTEGER, .integer = value});
}

static void note_boolean(void *self, const char *name, bool value)
{
    note(self, (struct field){.name = name, .type = IS_BOOLEAN, .integer = value});
}

static void push_value(lua_State *L, const struct field *field)
{
    switch (field->type) {
    case IS_TEXT:
        lua_pushstring(L, field->text);
        break;
    case IS_NUMBER:
        lua_pushnumber(L, field->number);
        break;
    case IS_INTEGER:
        lua_pushinteger(L, (lua_Integer) field->integer);
        break;
    case IS_BOOLEAN:
        lua_pushboolean(L, field->integer != 0);
        break;
    }
}

static int take(lua_State *L)
{
    bool closed;
    struct fields fields = {.count = 0};
    const struct sup_field_sink sink = {note_text, note_number, note_integer, note_boolean,
                                        &fields};
    struct sup_mailbox *mailbox = sup_handle_mailbox(check_handle(L, 1));
    make_owner(L);
    struct sup_mail *mail = sup_mailbox_take(mailbox, &closed);
    own(L, mail);
    if (mail == NULL) {
        lua_pushnil(L);
        lua_pushboolean(L, closed);
        return 2;
    }
    sup_mail_fields(mail, &sink);
    lua_createtable(L, 0, (int) fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        push_value(L, &fields.field[i]);
        lua_setfield(L, -2, fields.field[i].name);
    }
    lua_pushstring(L, mail->log);
    lua_pushinteger(L, (lua_Integer) mail->lost);
    return 3;
}

static int wait_for_event(lua_State *L)
{
    int64_t wait_ns = luaL_optinteger(L, 2, SUP_INFINITY_NS);
    sup_mailbox_wait(sup_handle_mailbox(check_handle(L, 1)), wait_ns);
    return 0;
}

static int descriptor(lua_State *L)
{
    lua_pushinteger(L, sup_handle_mailbox(check_handle(L, 1))->fd);
    return 1;
}

/* --- the module ------------------------------------------------------------------------------- */

static void make_type(lua_State *L, const char *name, const luaL_Reg *methods)
{
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

static void make_token_cache(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &token_cache);
}

int sup_library_open_module(lua_State *L)
{
    static const luaL_Reg functions[] = {{"create", create}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"__gc", release},
        {"add", add},
        {"attach", attach},
        {"ended", ended},
        {"fd", descriptor},
        {"listen", listen_to_events},
        {"remove", remove_service},
        {"remove_and_wait", remove_and_wait},
        {"serve", serve},
        {"services", services},
        {"stop", stop},
        {"take", take},
        {"wait", wait_for_event},
        {NULL, NULL},
    };
    static const luaL_Reg token_methods[] = {{"__tostring", token_text}, {NULL, NULL}};
    make_type(L, HANDLE_TYPE, methods);
    make_type(L, TOKEN_TYPE, token_methods);
    make_token_cache(L);
    luaL_newlib(L, functions);
    return 1;
}
