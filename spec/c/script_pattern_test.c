/* The patterns that are matched without Lua, against those of Lua. */
#include "base/pattern.h"

#include "lib_test.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#define STEPS 100000

static bool finds(const char *pattern, const char *text)
{
    return sup_pattern_find(pattern, text, strlen(text), STEPS) == SUP_PATTERN_FOUND;
}

static void what_people_write(void)
{
    CHECK(finds("listening", "now listening on port 80"));
    CHECK(finds("^Ready", "Ready."));
    CHECK(!finds("^Ready", "not Ready."));
    CHECK(finds("port %d+$", "on port 8080"));
    CHECK(!finds("port %d+$", "on port 8080."));
    CHECK(finds("%[%u+%] up", "[INFO] up"));
    CHECK(finds("%f[%w]up%f[%W]", "it is up now"));
    CHECK(!finds("%f[%w]up%f[%W]", "it is upper now"));
    CHECK(finds("(%w+)=%1", "a=b x=x"));
    CHECK(finds("%b()", "f(a(b)c)"));
    CHECK(finds("", ""));
    CHECK(finds("a-b", "aaab"));
    CHECK(finds("[^%s]+", " x"));
    CHECK(finds("[]]", "]"));
    CHECK(finds("%.", "a.b"));
    CHECK(!finds("%.", "ab"));
}

static void what_is_broken_or_too_long_says_so(void)
{
    static const char *const broken[] = {"%",  "[a",  "(a", ")",    "%1",
                                         "%b", "%bx", "%f", "(%1)", "[%"};
    char text[201], nested[1000];
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        sup_test_case("%s", broken[i]);
        enum sup_pattern_result result = sup_pattern_find(broken[i], "a", 1, STEPS);
        CHECK(result == SUP_PATTERN_BROKEN ||
              (strcmp(broken[i], "(a") == 0 && result == SUP_PATTERN_FOUND));
    }
    sup_test_case(NULL);
    memset(text, 'a', 200);
    text[200] = '\0';
    CHECK(sup_pattern_find("a*a*a*a*a*a*a*a*b", text, 200, STEPS) == SUP_PATTERN_TOO_LONG);
    CHECK(sup_pattern_find(".-.-.-.-.-.-b$", text, 200, STEPS) == SUP_PATTERN_TOO_LONG);
    for (size_t i = 0; i < 300; i++) memcpy(nested + 2 * i, "a*", 3);
    CHECK(sup_pattern_find(nested, text, 200, STEPS) == SUP_PATTERN_TOO_LONG);
}

/* 1, 0, or -1: it is no pattern. */
static int find_in_lua(lua_State *L, const char *pattern, const char *text)
{
    lua_settop(L, 0);
    lua_getglobal(L, "string");
    lua_getfield(L, -1, "match"); /* find looks for some as they are */
    lua_pushstring(L, text);
    lua_pushstring(L, pattern);
    if (lua_pcall(L, 2, 1, 0) != LUA_OK) return -1;
    return !lua_isnil(L, -1);
}

static void random_patterns_are_matched_as_in_lua(void)
{
    static const char *const parts[] = {"a",     "b",       ".",  "%a", "%d", "%W", "[ab]",
                                        "[^a]",  "*",       "+",  "-",  "?",  "(",  ")",
                                        "()",    "^",       "$",  "%1", "%2", "%%", "%b()",
                                        "%f[a]", "[a-c%d]", "[]", "]",  "[",  "1"};
    static const char letters[] = "aab(1) %";
    struct sup_test_chance chance = {11};
    lua_State *L = luaL_newstate();
    MUST(L != NULL);
    luaL_openlibs(L);
    size_t found = 0;
    for (int round = 0; round < 100000; round++) {
        char pattern[64] = "", text[16];
        for (size_t i = sup_test_below(&chance, 7); i > 0; i--)
            strcat(pattern, parts[sup_test_below(&chance, sizeof parts / sizeof *parts)]);
        size_t size = sup_test_below(&chance, sizeof text);
        for (size_t i = 0; i < size; i++)
            text[i] = letters[sup_test_below(&chance, sizeof letters - 1)];
        text[size] = '\0';
        int wanted = find_in_lua(L, pattern, text);
        enum sup_pattern_result result = sup_pattern_find(pattern, text, size, STEPS);
        sup_test_case("%s in %s", pattern, text);
        if (wanted >= 0) CHECK_INT(result, wanted);
        else CHECK(result != SUP_PATTERN_NONE); /* an open ( is found out by who asks for it */
        found += wanted == 1;
    }
    sup_test_case(NULL);
    CHECK(found > 10000);
    lua_close(L);
}

TEST_MAIN(TEST(what_people_write), TEST(what_is_broken_or_too_long_says_so),
          TEST(random_patterns_are_matched_as_in_lua))
