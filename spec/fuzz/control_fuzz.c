/*
** spec/fuzz/control_fuzz.c: a fuzz target for what is read from a control socket, see control.lua
** beside it. For libFuzzer: script/fuzz. Without it (SUP_FUZZ_DRIVER) it changes the requests of a
** folder at random: control_fuzz FOLDER RUNS [SEED].
*/
#include "script/control_inside.h"
#include "script/state.h"

#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_CAP ((size_t) 512 << 20)
#define HARNESS "spec/fuzz/control.lua"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int add_traceback(lua_State *L)
{
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

static void die(lua_State *L, const char *what)
{
    fprintf(stderr, "%s: %s\n", what, L == NULL ? "no memory" : lua_tostring(L, -1));
    abort();
}

/* The function of the harness stays at index 2, above the traceback. */
static lua_State *start(void)
{
    lua_State *L = sup_state_create(MEMORY_CAP);
    if (L == NULL) die(L, HARNESS);
    lua_pushcfunction(L, add_traceback);
    if (luaL_loadfile(L, HARNESS) != LUA_OK) die(L, HARNESS);
    lua_pushcfunction(L, sup_control_fits);
    if (lua_pcall(L, 1, 1, 1) != LUA_OK) die(L, HARNESS);
    return L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *L;
    if (L == NULL) L = start();
    lua_pushvalue(L, 2);
    lua_pushlstring(L, (const char *) data, size);
    if (lua_pcall(L, 1, 0, 1) != LUA_OK) die(L, "control_fuzz");
    return 0;
}

#ifdef SUP_FUZZ_DRIVER

#include <dirent.h>
#include <time.h>

#define MOST_SEEDS 64
#define SEED_SIZE 4096

static struct {
    size_t size;
    char bytes[SEED_SIZE];
} seeds[MOST_SEEDS];
static size_t seed_count;

static void read_seeds(const char *folder)
{
    DIR *listing = opendir(folder);
    char path[1024];
    for (const struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (file == NULL || seed_count == MOST_SEEDS) continue;
        seeds[seed_count].size = fread(seeds[seed_count].bytes, 1, SEED_SIZE, file);
        seed_count++;
        fclose(file);
    }
    if (listing != NULL) closedir(listing);
}

static size_t below(size_t bound)
{
    return bound == 0 ? 0 : (size_t) random() % bound;
}

/* One request or several, with a few bytes turned into others, or pieces of another put in. */
static size_t make_input(uint8_t *input, size_t room)
{
    size_t size = 1, pieces = 1 + below(4);
    input[0] = (uint8_t) random();
    for (size_t i = 0; i < pieces && size + SEED_SIZE + 1 < room; i++) {
        size_t seed = below(seed_count), from = below(4) == 0 ? below(seeds[seed].size) : 0;
        memcpy(input + size, seeds[seed].bytes + from, seeds[seed].size - from);
        size += seeds[seed].size - from;
    }
    for (size_t i = below(6); i > 0; i--) {
        static const char marks[] = "\"{}[]:,\n\\0\xff\x01 e-";
        input[1 + below(size - 1)] =
            (uint8_t) (below(2) == 0 ? random() : marks[below(sizeof marks)]);
    }
    return size;
}

int main(int argc, char **argv)
{
    static uint8_t input[8 * SEED_SIZE];
    if (argc > 1) read_seeds(argv[1]);
    if (argc < 3 || seed_count == 0) {
        fprintf(stderr, "Usage: control_fuzz FOLDER RUNS [SEED]\n");
        return 2;
    }
    unsigned seed = argc > 3 ? (unsigned) strtoul(argv[3], NULL, 10) : (unsigned) time(NULL);
    printf("seed %u\n", seed);
    fflush(stdout);
    srandom(seed);
    for (long left = strtol(argv[2], NULL, 10); left > 0; left--)
        LLVMFuzzerTestOneInput(input, make_input(input, sizeof input));
    return 0;
}

#endif
