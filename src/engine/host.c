/*
** engine/host.c: the host's process: set-up, run, end. Must not know what a tree does.
*/
#include "engine/host.h"

#include "base/err.h"
#include "engine/crash.h"
#include "engine/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define EXIT_CONFIG 78
#define EXIT_LOST 70
#define LAST_WORDS_MS 5000

/* --- the process ------------------------------------------------------------------------------ */

/* The keeper passes on what a signal means; a reader that is gone is no reason to die. */
static void ignore_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        sigaction(ignored[i], &ignore, NULL);
}

/* A pidfd for each service. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* --- the engine ------------------------------------------------------------------------------- */

size_t sup_engine_finish(struct sup_engine *engine)
{
    sup_inbox_close(&engine->inbox);
    size_t left = sup_thread_finish(engine);
    sup_prober_destroy(engine->prober);
    sup_loop_finish(engine);
    sup_orphan_finish(engine);
    sup_inbox_finish(&engine->inbox);
    sup_output_finish(&engine->lines);
    sup_output_finish(&engine->events);
    sup_tap_finish(&engine->tap);
    if (engine->rings >= 0) close(engine->rings);
    if (engine->cgroups >= 0) close(engine->cgroups);
    if (engine->births >= 0) close(engine->births);
    if (engine->kept_output >= 0) close(engine->kept_output);
    sup_listeners_finish(engine);
    sup_link_finish(&engine->link);
    sup_crash_set_journal(NULL);
    sup_recorder_finish(&engine->recorder);
    sup_config_finish(engine);
    sup_heap_finish(&engine->watches);
    sup_notify_finish(engine);
    sup_slots_finish(&engine->slots);
    sup_notes_finish(&engine->door.notes);
    sup_plan_env_finish(&engine->plan_env);
    sup_tree_destroy(engine->tree);
    pthread_mutex_destroy(&engine->mutex);
    if (engine->facts.control >= 0) close(engine->facts.control);
    if (engine->facts.control_lock >= 0) close(engine->facts.control_lock);
    return left;
}

int sup_engine_init(struct sup_engine *engine, const struct sup_host_options *options)
{
    *engine = (struct sup_engine){
        .name = options->name,
        .reload_asked = options->reload_asked,
        .context = options->context,
        .facts = {.name = options->name, .control = -1, .control_lock = -1},
    };
    engine->config.blob = engine->config.former = -1;
    engine->recorder.fd = engine->lines.fd = engine->events.fd = engine->orphan_epoll = -1;
    engine->tap.fd = -1;
    engine->rings = engine->cgroups = engine->births = engine->kept_output = -1;
    engine->drivers[SUP_PROCESS] = &sup_process_driver;
    engine->drivers[SUP_THREAD] = &sup_thread_driver;
    sup_notify_init(engine);
    sup_door_init(&engine->door);
    tzset();
    sup_thread_init(engine, options->threads);
    pthread_mutex_init(&engine->mutex, NULL);
    sup_link_init(&engine->link, options->socket);
    int r = sup_plan_env_init(&engine->plan_env, environ);
    return r < 0 ? r : sup_loop_init(engine);
}

int sup_engine_rings(const struct sup_engine *engine)
{
    return engine->rings;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void say_bye(struct sup_engine *engine, int code)
{
    struct sup_wire bye = {.type = SUP_WIRE_BYE, .a = code};
    if (!engine->link.lost) sup_link_send(&engine->link, &bye, -1);
    sup_link_drain(&engine->link, LAST_WORDS_MS);
}

int sup_engine_end(struct sup_engine *engine)
{
    sup_tell_unstopped(engine);
    sup_engine_commit(engine);
    sup_output_drain(&engine->lines, LAST_WORDS_MS / 5);
    sup_output_drain(&engine->events, LAST_WORDS_MS / 5);
    if (engine->orphaned) return EXIT_LOST;
    say_bye(engine, engine->code);
    return engine->code;
}

/* BYE only where another host would fare no better. */
static int end_badly(struct sup_engine *engine, int code, const struct sup_err *err)
{
    char text[512];
    fprintf(stderr, "suptree: %s\n", sup_err_text(err, text, sizeof text));
    sup_output_drain(&engine->lines, LAST_WORDS_MS / 5);
    if (code == EXIT_CONFIG) say_bye(engine, code);
    return code;
}

static int run_engine(struct sup_engine *engine, const struct sup_host_options *options)
{
    struct sup_err err = {.code = 0};
    int code = sup_recovery_run(engine, &err);
    if (code != 0) return end_badly(engine, code, &err);
    if (options->opened != NULL) options->opened(options->context, engine);
    sup_loop_run(engine);
    code = sup_engine_end(engine);
    sup_inbox_refuse(&engine->inbox); /* who still waits hears it while somebody can tell him */
    if (options->closing != NULL) options->closing(options->context);
    return code;
}

int sup_host_run(const struct sup_host_options *options)
{
    struct sup_engine *engine = malloc(sizeof *engine);
    int code = EXIT_LOST;
    size_t left = 0;
    ignore_signals();
    sup_crash_catch();
    raise_descriptor_limit();
    fcntl(options->socket, F_SETFD, FD_CLOEXEC);
    int r = engine == NULL ? -ENOMEM : sup_engine_init(engine, options);
    if (r == 0) code = run_engine(engine, options);
    else
        fprintf(stderr, "suptree: the host cannot be set up: %s; it is tried again\n",
                strerror(-r));
    if (engine != NULL) left = sup_engine_finish(engine);
    free(engine);
    close(options->socket);
    if (left > 0) {
        fflush(NULL);
        _exit(code); /* what still runs must not see how the process is taken apart */
    }
    return code;
}
