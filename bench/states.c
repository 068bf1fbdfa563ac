/*
** bench/states.c: what Lua states and threads cost by themselves: the floors of W9 and W10.
**
**   states same SECONDS     a state, a function that raises in it, its end, over and over: "rate N"
**   states thread SECONDS   the same, each time on a new thread
**   states hold COUNT       so many threads that sleep, with a state each: "start NS",
**                           "pss_kib N" (in all), "stop NS"
*/
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STACK ((size_t) 1 << 20)

static long long now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (long long) time.tv_sec * 1000000000 + time.tv_nsec;
}

static void *run_once(void *context)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    if (luaL_dostring(L, "error 'as it must'") == LUA_OK) abort();
    lua_close(L);
    return context;
}

static long long pss_kib(void)
{
    char line[256];
    long long kib = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Pss: %lld", &kib) == 1) break;
    if (file != NULL) fclose(file);
    return kib;
}

static int measure_rate(double seconds, int on_threads)
{
    long long began = now_ns(), count = 0;
    while ((double) (now_ns() - began) < seconds * 1e9) {
        pthread_t thread;
        if (!on_threads) run_once(NULL);
        else if (pthread_create(&thread, NULL, run_once, NULL) != 0) return 1;
        else pthread_join(thread, NULL);
        count++;
    }
    printf("rate %.0f\n", (double) count * 1e9 / (double) (now_ns() - began));
    return 0;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static int held, over;

static void *hold_one(void *context)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    pthread_mutex_lock(&mutex);
    held++;
    pthread_cond_broadcast(&change);
    while (!over) pthread_cond_wait(&change, &mutex);
    pthread_mutex_unlock(&mutex);
    lua_close(L);
    return context;
}

static int hold(int count)
{
    pthread_t *threads = calloc((size_t) count, sizeof *threads);
    pthread_attr_t attributes;
    long long before = pss_kib(), began = now_ns();
    if (threads == NULL) return 1;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], &attributes, hold_one, NULL) != 0) return 1;
    pthread_mutex_lock(&mutex);
    while (held < count) pthread_cond_wait(&change, &mutex);
    pthread_mutex_unlock(&mutex);
    printf("start %lld\n", now_ns() - began);
    printf("pss_kib %lld\n", pss_kib() - before);
    began = now_ns();
    pthread_mutex_lock(&mutex);
    over = 1;
    pthread_cond_broadcast(&change);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
    printf("stop %lld\n", now_ns() - began);
    free(threads);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "same") == 0) return measure_rate(atof(argv[2]), 0);
    if (argc == 3 && strcmp(argv[1], "thread") == 0) return measure_rate(atof(argv[2]), 1);
    if (argc == 3 && strcmp(argv[1], "hold") == 0) return hold(atoi(argv[2]));
    fputs("usage: states same|thread SECONDS, states hold COUNT\n", stderr);
    return 2;
}
