/*
** script/cut.c: cutting short what runs. A hook looks now and then whether that is wanted, and from
** then on raises at every instruction. Coroutines that are made meanwhile inherit it.
*/
#include "script/cut.h"

#include "script/socket.h"

#include <lauxlib.h>
#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

#define LOOK_EVERY 1000 /* instructions */

static volatile sig_atomic_t timed_out;
static volatile sig_atomic_t asked_twice;

bool sup_cut_is_asked(void)
{
    return *sup_socket_interrupted() != 0;
}

void sup_cut_forget(void)
{
    *sup_socket_interrupted() = 0;
    timed_out = asked_twice = 0;
}

static void on_interrupt(int number)
{
    if (*sup_socket_interrupted() != 0 && asked_twice != 0) {
        signal(number, SIG_DFL);
        raise(number);
    }
    asked_twice = *sup_socket_interrupted();
    *sup_socket_interrupted() = 1;
}

static void on_alarm(int number)
{
    (void) number;
    timed_out = 1;
    *sup_socket_interrupted() = 1;
}

static void look(lua_State *L, lua_Debug *debug)
{
    (void) debug;
    if (!sup_cut_is_asked()) return;
    lua_sethook(L, look, LUA_MASKCOUNT, 1);
    lua_pushstring(L, timed_out ? "it took longer than --timeout allows" : "interrupted");
    lua_error(L);
}

static void set_alarm(double seconds)
{
    struct itimerval timer = {.it_value = {(time_t) seconds, 0}};
    timer.it_value.tv_usec = (suseconds_t) ((seconds - (double) timer.it_value.tv_sec) * 1e6);
    if (seconds > 0 && timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0)
        timer.it_value.tv_usec = 1;
    setitimer(ITIMER_REAL, &timer, NULL);
}

static int add_traceback(lua_State *L)
{
    if (lua_type(L, 1) == LUA_TSTRING) luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

static void catch_signals(void)
{
    struct sigaction on_int = {.sa_handler = on_interrupt}, on_alrm = {.sa_handler = on_alarm};
    sigemptyset(&on_int.sa_mask);
    sigemptyset(&on_alrm.sa_mask);
    sigaction(SIGINT, &on_int, NULL);
    sigaction(SIGALRM, &on_alrm, NULL);
}

static int run(lua_State *L)
{
    double seconds = luaL_optnumber(L, 2, 0);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_pushcfunction(L, add_traceback);
    lua_insert(L, 1);
    catch_signals();
    set_alarm(seconds);
    lua_sethook(L, look, LUA_MASKCOUNT, LOOK_EVERY);
    int status = lua_pcall(L, 0, LUA_MULTRET, 1);
    lua_sethook(L, NULL, 0, 0);
    set_alarm(0);
    lua_pushboolean(L, status == LUA_OK);
    lua_replace(L, 1);
    const char *why = timed_out ? "timeout" : sup_cut_is_asked() ? "interrupted" : "error";
    sup_cut_forget();
    if (status == LUA_OK) return lua_gettop(L);
    lua_pushstring(L, why);
    return 3;
}

int sup_cut_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"run", run}, {NULL, NULL}};
    catch_signals();
    luaL_newlib(L, functions);
    return 1;
}
