/*
** spec/c/lib_api.h: what the tests of the library for C share. In a header, as only they see
** suptree.h.
*/
#ifndef SUP_SPEC_LIB_API_H
#define SUP_SPEC_LIB_API_H

#include "suptree.h"

#include "lib_test.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define API_PATIENCE 40000 /* looks, a few milliseconds apart */

#define EVENTUALLY(condition) \
    do { \
        bool came = false; \
        for (int looks = 0; !(came = (condition)) && looks < API_PATIENCE; looks++) \
            poll(NULL, 0, 3); \
        if (!came) fprintf(stderr, "it did not come to pass: %s\n", #condition); \
        MUST(came); \
    } while (0)

#define OPTIONS(...) \
    (const char *const[]) \
    { \
        __VA_ARGS__, NULL \
    }

static inline void api_use_keeper(void)
{
    char path[4096];
    const char *build = getenv("SUPTREE_BUILD");
    MUST(build != NULL);
    snprintf(path, sizeof path, "%s/suptree-keeper", build);
    setenv("SUPTREE_KEEPER", path, 1);
}

/* --- processes -------------------------------------------------------------------------------- */

static inline enum sup_error api_add_shell(struct sup_supervisor *supervisor, const char *name,
                                           const char *line, const char *const *options,
                                           uint64_t *token)
{
    const char *argv[] = {"/bin/sh", "-c", line, NULL};
    struct sup_process process = {.name = name, .argv = argv, .options = options};
    return sup_add_process(supervisor, &process, token);
}

static inline enum sup_error api_add_sleeper(struct sup_supervisor *supervisor, const char *name,
                                             uint64_t *token)
{
    static const char *const sleeper[] = {"sleep", "1000", NULL};
    struct sup_process process = {.name = name, .argv = sleeper};
    return sup_add_process(supervisor, &process, token);
}

static inline bool api_lives(int32_t pid)
{
    char path[64], state = 'X';
    snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 'X';
    fclose(file);
    return state != 'Z' && state != 'X';
}

static inline int32_t api_parent(int32_t pid)
{
    char path[64];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    FILE *file = fopen(path, "r");
    MUST(file != NULL);
    MUST(fscanf(file, "%*d (%*[^)]) %*c %d", &parent) == 1);
    fclose(file);
    return parent;
}

static inline int api_count_entries(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    MUST(dir != NULL);
    while (readdir(dir) != NULL) count++;
    closedir(dir);
    return count;
}

static inline int api_count_threads(void)
{
    return api_count_entries("/proc/self/task");
}

static inline void *api_do_nothing(void *nothing)
{
    return nothing;
}

/* How many there are when the library has none. A sanitizer has one of its own, from the first that
   is made. */
static inline int api_count_own_threads(void)
{
    pthread_t first;
    MUST(pthread_create(&first, NULL, api_do_nothing, NULL) == 0);
    pthread_join(first, NULL);
    return api_count_threads();
}

/* --- looking ---------------------------------------------------------------------------------- */

/* The service ${name}; its name is "" when there is none. */
static inline struct sup_service_status api_look(struct sup_supervisor *supervisor,
                                                 const char *name)
{
    size_t count;
    struct sup_service_status found = {.name = "", .state = ""};
    struct sup_service_status *list = sup_services(supervisor, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0) found = list[i];
    free(list);
    return found;
}

static inline bool api_is(struct sup_supervisor *supervisor, const char *name, const char *state)
{
    return strcmp(api_look(supervisor, name).state, state) == 0;
}

static inline bool api_is_running(struct sup_supervisor *supervisor, const char *name)
{
    return api_is(supervisor, name, "running");
}

/* --- functions as services -------------------------------------------------------------------- */

struct api_counter {
    _Atomic int serves, stops;
};

static inline enum sup_result api_serve_until_asked(void *data, struct sup_context *context)
{
    struct api_counter *counter = data;
    counter->serves++;
    while (sup_context_sleep(context, 1000)) continue;
    return sup_context_stopping(context) ? SUP_RETURNED : SUP_FAILED;
}

static inline void api_note_stop(void *data)
{
    struct api_counter *counter = data;
    counter->stops++;
}

/* --- events ----------------------------------------------------------------------------------- */

#define API_EVENTS 4096

struct api_event {
    char type[24], path[64], reason[128], context[32];
    double time, count, threshold;
    uint64_t seq;
    uint32_t generation;
    bool restarting;
};

/* For sup_settings::data, with api_hear_log and api_hear_event. */
struct api_heard {
    char log[8192];
    struct api_event events[API_EVENTS];
    size_t count;
};

static inline void api_hear_log(void *data, const char *line)
{
    struct api_heard *heard = data;
    size_t size = strlen(heard->log);
    snprintf(heard->log + size, sizeof heard->log - size, "%s\n", line);
}

static inline void api_hear_event(void *data, const struct sup_happening *event)
{
    struct api_heard *heard = data;
    if (heard->count == API_EVENTS) return;
    struct api_event *note = &heard->events[heard->count++];
    *note = (struct api_event){.time = event->time,
                               .count = event->count,
                               .threshold = event->threshold,
                               .seq = event->seq,
                               .generation = event->generation,
                               .restarting = event->restarting};
    snprintf(note->type, sizeof note->type, "%s", event->type);
    snprintf(note->path, sizeof note->path, "%s", event->path);
    snprintf(note->reason, sizeof note->reason, "%.120s", event->reason);
    snprintf(note->context, sizeof note->context, "%.30s", event->context);
}

/* A supervisor whose events and lines go to ${heard}. */
static inline struct sup_supervisor *api_new(const char *name, const char *const *options,
                                             struct api_heard *heard)
{
    struct sup_settings settings = {.options = options,
                                    .log = api_hear_log,
                                    .on_event = api_hear_event,
                                    .data = heard};
    struct sup_supervisor *supervisor = sup_new(name, &settings);
    MUST(supervisor != NULL);
    return supervisor;
}

/* The ${number}th event of the type about ${path} (NULL: any), from 1; NULL: not yet. */
static inline const struct api_event *api_event(const struct api_heard *heard, const char *type,
                                                const char *path, size_t number)
{
    for (size_t i = 0; i < heard->count; i++) {
        const struct api_event *event = &heard->events[i];
        if (strcmp(event->type, type) != 0 || (path != NULL && strcmp(event->path, path) != 0))
            continue;
        if (--number == 0) return event;
    }
    return NULL;
}

static inline size_t api_count_events(const struct api_heard *heard, const char *type,
                                      const char *path)
{
    size_t count = 0;
    while (api_event(heard, type, path, count + 1) != NULL) count++;
    return count;
}

#endif
