/*
** main.c: the program suptree. The verb `host` is the engine, which runs no Lua but that of thread
** services; all others are said in Lua: lua/suptree/cli.
*/
#include "engine/host.h"
#include "script/control.h"
#include "script/hooks.h"
#include "script/state.h"
#include "script/thread.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USAGE_CODE 2
#define SYSTEM_CODE 70
#define MEMORY_CAP ((size_t) 512 << 20)

static int refuse_host(void)
{
    fputs("suptree: host is started by suptree-keeper: suptree host --socket N --name NAME; you "
          "want \"suptree run\"\n",
          stderr);
    return USAGE_CODE;
}

/* A descriptor as a number, or -1. */
static int read_descriptor(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    return end != text && *end == '\0' && number >= 0 && number <= INT_MAX ? (int) number : -1;
}

/* What lives beside the engine, each on a thread of its own; without memory for it the tree is
   supervised alone. */
struct beside {
    struct sup_control *control;
    struct sup_hooks *hooks;
};

static void open_beside(void *context, struct sup_engine *engine)
{
    struct beside *beside = context;
    sup_hooks_opened(beside->hooks, engine);
    if (beside->control != NULL) sup_control_opened(beside->control, engine);
}

static void close_beside(void *context)
{
    struct beside *beside = context;
    if (beside->control != NULL) sup_control_closing(beside->control);
    sup_hooks_closing(beside->hooks);
}

static void ask_for_reload(void *context)
{
    struct beside *beside = context;
    if (beside->control != NULL) sup_control_asked(beside->control);
}

static int run_beside(struct sup_host_options *options, const struct sup_control_source *source)
{
    struct beside beside = {sup_control_create(source), sup_hooks_create()};
    options->reload_asked = ask_for_reload;
    options->opened = open_beside;
    options->closing = close_beside;
    options->context = &beside;
    int code = sup_host_run(options);
    sup_control_destroy(beside.control);
    sup_hooks_destroy(beside.hooks);
    return code;
}

static int run_host(int count, char **words)
{
    struct sup_host_options options = {.socket = -1, .threads = &sup_script_threads};
    struct sup_control_source source = {.file = NULL};
    for (int i = 0; i + 1 < count; i += 2) {
        if (strcmp(words[i], "--socket") == 0) options.socket = read_descriptor(words[i + 1]);
        else if (strcmp(words[i], "--name") == 0) options.name = words[i + 1];
        else if (strcmp(words[i], "--file") == 0) source.file = words[i + 1];
        else if (strcmp(words[i], "--named") == 0) source.named = strcmp(words[i + 1], "yes") == 0;
        else if (strcmp(words[i], "--watch") == 0) source.watch = strcmp(words[i + 1], "yes") == 0;
        else return refuse_host();
    }
    if (count % 2 != 0 || options.socket < 0 || options.name == NULL) return refuse_host();
    return run_beside(&options, &source);
}

static int run_script(int count, char **words)
{
    lua_State *L = sup_state_create(MEMORY_CAP);
    if (L == NULL) {
        fputs("suptree: there is no memory to start; free some and try again\n", stderr);
        return SYSTEM_CODE;
    }
    int code = sup_state_run(L, "suptree.cli.main", count, words);
#ifdef __SANITIZE_ADDRESS__ /* which looks for leaks; else to free it takes longer than a verb */
    sup_state_destroy(L);
#endif
    return code;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "host") == 0) return run_host(argc - 2, argv + 2);
    return run_script(argc - 1, argc > 0 ? argv + 1 : argv);
}
