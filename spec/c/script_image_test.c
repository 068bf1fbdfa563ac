/*
** spec/c/script_image_test.c: states that are put back, and tracebacks in our words.
*/
#include "lib_test.h"
#include "script/image.h"
#include "script/traceback.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#ifdef SUP_SANITIZE_BUILD
#define RUNS 300
#define PUTS_BACK false
#else
#define RUNS 3000
#define PUTS_BACK true
#endif
#define CAP ((size_t) 1 << 20)

static int furnish(lua_State *L)
{
    luaL_openlibs(L);
    lua_pushinteger(L, 42);
    lua_setglobal(L, "answer");
    return 0;
}

static int count_collected(lua_State *L)
{
    ++*(int *) lua_touserdata(L, lua_upvalueindex(1));
    return 0;
}

/* make_userdata(): one with a finalizer that counts. */
static int make_userdata(lua_State *L)
{
    lua_newuserdatauv(L, 8, 0);
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, count_collected, 1);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    return 1;
}

struct stage {
    struct sup_image image;
    int collected, furnished;
};

/* One run of ${code}. Returns whether it was without error, which is printed. */
static bool run(struct stage *stage, uint64_t order, size_t cap, const char *code)
{
    bool furnished;
    lua_State *L = sup_image_begin(&stage->image, order, cap, &furnished);
    MUST(L != NULL);
    stage->furnished += furnished;
    if (!furnished) {
        lua_pushcfunction(L, furnish);
        MUST(lua_pcall(L, 0, 0, 0) == LUA_OK);
        sup_image_keep(&stage->image);
    }
    lua_pushlightuserdata(L, &stage->collected);
    lua_pushcclosure(L, make_userdata, 1);
    lua_setglobal(L, "make_userdata");
    bool good = luaL_loadstring(L, code) == LUA_OK && lua_pcall(L, 0, 0, 0) == LUA_OK;
    if (!good) printf("%s\n", lua_tostring(L, -1));
    lua_settop(L, 0);
    sup_image_end(&stage->image);
    return good;
}

/* What each run looks at first. */
#define LOOK \
    "assert(answer == 42 and stale == nil and string.stale == nil)\n" \
    "assert(debug.getmetatable(1) == nil)\n" \
    "assert(('x'):upper() == 'X' and package.path ~= 'x' and package.loaded.string == string)\n" \
    "assert(debug.getregistry().key1 == nil and load and math.random(1, 5))\n" \
    "assert(collectgarbage 'isrunning' and collectgarbage 'incremental' == 'incremental')\n"

/* What a run may leave behind. */
static const char *const codes[] = {
    "stale = {}",
    "string.stale = true getmetatable('').__index = {} ",
    "local g = _G for k in pairs(g) do g[k] = nil end",
    "local t = {} for i = 1, 2000 do t[i] = { tostring(i) } end stale = t",
    "stale = coroutine.wrap(function() coroutine.yield() end) stale()",
    "collectgarbage 'generational' for i = 1, 200 do stale = { stale } end",
    "collectgarbage 'stop' stale = ('x'):rep(30000)",
    "stale = make_userdata()",
    "stale = setmetatable({}, { __mode = 'k' }) for i = 1, 100 do stale[{}] = {} end",
    "package.loaded.string = nil package.path = 'x' debug.setmetatable(1, { __index = string })",
    "stale = io.tmpfile() stale:write 'x'",
    "local function deep(n) return n == 0 and 0 or 1 + deep(n - 1) end stale = deep(5000)",
    "stale = debug.getregistry() for i = 1, 50 do stale['key' .. i] = i end",
    "math.random = nil load = nil stale = string.format('%q', ('y'):rep(2000))",
};

static void each_run_finds_a_fresh_state(void)
{
    static struct stage stage;
    struct sup_test_chance chance = {3};
    char code[1024];
    for (int i = 0; i < RUNS; i++) {
        size_t choice = sup_test_below(&chance, sizeof codes / sizeof *codes);
        snprintf(code, sizeof code, "%s%s", LOOK, codes[choice]);
        sup_test_case("run %d, which leaves: %s", i, codes[choice]);
        MUST(run(&stage, 1, CAP, code));
    }
    sup_test_case(NULL);
    CHECK_INT(stage.furnished, PUTS_BACK ? RUNS - 2 : 0);
    sup_image_finish(&stage.image);
}

static void another_order_gets_a_state_of_its_own(void)
{
    static struct stage stage;
    for (int i = 0; i < 5; i++) MUST(run(&stage, 1, CAP, LOOK "stale = true"));
    int before = stage.furnished;
    for (int i = 0; i < 2; i++) MUST(run(&stage, 2, CAP, LOOK "stale = true"));
    CHECK_INT(stage.furnished, before);
    MUST(run(&stage, 2, CAP, LOOK));
    CHECK_INT(stage.furnished, before + (PUTS_BACK ? 1 : 0));
    sup_image_forget(&stage.image);
    MUST(run(&stage, 2, CAP, LOOK));
    CHECK_INT(stage.furnished, before + (PUTS_BACK ? 1 : 0));
    sup_image_finish(&stage.image);
}

static void finalizers_run_before_the_next_run(void)
{
    static struct stage stage;
    for (int i = 1; i <= 50; i++) {
        MUST(run(&stage, 1, CAP, "keep = make_userdata()"));
        CHECK_INT(stage.collected, i);
    }
    sup_image_finish(&stage.image);
}

static void the_cap_holds_in_each_run(void)
{
    static struct stage stage;
    static const char *const greedy =
        "local ok, message = pcall(string.rep, 'x', 300000)\n"
        "assert(not ok and message == 'not enough memory')\n"
        "local t = {} ok, message = pcall(function() while true do t[#t + 1] = { #t } end end)\n"
        "assert(not ok and message == 'not enough memory')\n";
    for (int i = 0; i < 20; i++) MUST(run(&stage, 1, (size_t) 200 << 10, greedy));
    sup_image_finish(&stage.image);
}

/* --- tracebacks ------------------------------------------------------------------------------- */

static int compare_tracebacks(lua_State *L)
{
    char ours[8192];
    size_t length = sup_traceback(L, 1, ours, 0, sizeof ours);
    luaL_traceback(L, L, NULL, 1);
    CHECK_TEXT(ours + 1, lua_tostring(L, -1));
    CHECK_INT(length, strlen(ours));
    return 1;
}

static void tracebacks_are_as_luas(void)
{
    static const char *const sources[] = {
        "error 'x'",
        "local function f() error 'x' end f()",
        "function named() error 'x' end named() return 1",
        "t = { m = function(self) string.rep() end } t:m() return 1",
        "string.format('%d', 'x')",
        "table.sort({ 2, 1, 3 }, function() error 'x' end)",
        "local function tail() return error 'x' end tail() return 1",
        "local function deep(n) if n == 0 then error 'x' end deep(n - 1) end deep(15)",
        "setmetatable({}, { __index = function(t, k) error(k) end }).x = nil + 1",
        "local co = coroutine.wrap(function() error 'x' end) co()",
        "for _ in function() error 'x' end do end",
    };
    lua_State *L = luaL_newstate();
    MUST(L != NULL);
    luaL_openlibs(L);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        sup_test_case("%s", sources[i]);
        lua_settop(L, 0);
        lua_pushcfunction(L, compare_tracebacks);
        MUST(luaL_loadbufferx(L, sources[i], strlen(sources[i]), "=test", "t") == LUA_OK);
        CHECK_INT(lua_pcall(L, 0, 0, 1), LUA_ERRRUN);
    }
    sup_test_case(NULL);
    lua_close(L);
}

static int note_deep_traceback(lua_State *L)
{
    static char text[8192];
    sup_traceback(L, 1, text, 0, sizeof text);
    lua_pushstring(L, text);
    return 1;
}

/* All are counted: 10 in front, those that are skipped, 11 behind. */
static void the_middle_of_a_deep_one_is_skipped(void)
{
    lua_State *L = luaL_newstate();
    MUST(L != NULL);
    luaL_openlibs(L);
    lua_pushcfunction(L, note_deep_traceback);
    MUST(luaL_loadstring(L, "local function deep(n) if n == 1 then error 'x' end deep(n - 1) end "
                            "deep(101)") == LUA_OK);
    CHECK_INT(lua_pcall(L, 0, 0, 1), LUA_ERRRUN);
    CHECK_HAS(lua_tostring(L, -1), "\n\t...\t(skipping 82 levels)\n");
    int lines = 0;
    for (const char *at = lua_tostring(L, -1); (at = strchr(at, '\n')) != NULL; at++) lines++;
    CHECK_INT(lines, 1 + 10 + 1 + 11);
    lua_close(L);
}

static int cut_traceback(lua_State *L)
{
    char small[40] = "message";
    size_t length = sup_traceback(L, 1, small, strlen(small), sizeof small);
    CHECK_INT(length, sizeof small - 1);
    CHECK_INT(strlen(small), length);
    CHECK_HAS(small, "message\nstack traceback:\n\t");
    return 1;
}

static void a_traceback_is_cut_to_its_place(void)
{
    lua_State *L = luaL_newstate();
    MUST(L != NULL);
    luaL_openlibs(L);
    lua_pushcfunction(L, cut_traceback);
    MUST(luaL_loadstring(L, "error 'x'") == LUA_OK);
    CHECK_INT(lua_pcall(L, 0, 0, 1), LUA_ERRRUN);
    lua_close(L);
}

TEST_MAIN(TEST(each_run_finds_a_fresh_state), TEST(another_order_gets_a_state_of_its_own),
          TEST(finalizers_run_before_the_next_run), TEST(the_cap_holds_in_each_run),
          TEST(tracebacks_are_as_luas), TEST(the_middle_of_a_deep_one_is_skipped),
          TEST(a_traceback_is_cut_to_its_place))
