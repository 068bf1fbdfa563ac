/*
** engine/engine.h: the face of the engine: it runs the core's effects through drivers and feeds the
** facts back. Threads hand in commands and look at the tree; everything else is done by the
** thread that runs the loop.
*/
#ifndef SUP_ENGINE_ENGINE_H
#define SUP_ENGINE_ENGINE_H

#include "core/tree.h"
#include "engine/inbox.h"

struct sup_engine;

/*
** Hand in a command or a fact from any thread. The input is copied; its `request` is chosen here.
** ${answer} (NULL: none wanted) is called exactly once, on the engine thread, and must not block.
** Returns 0, -ENOMEM, or -ESHUTDOWN when the tree has ended: then ${answer} is not called.
** Blocks for no longer than another thread's hand-in takes.
*/
int sup_engine_submit(struct sup_engine *engine, const struct sup_input *input,
                      sup_answer_fn *answer, void *context);

/* What does not change while the host lives. */
struct sup_said;

struct sup_facts {
    const char *name; /* of the tree */
    int control;      /* the listening control socket, the engine's; -1: none */
    int control_lock; /* the lock that its name is held by, the engine's; -1: none */
    uint32_t hosts;   /* how many have been started for this tree, this one included */
    bool safe_mode;   /* too many of them died: no thread services, no hooks */
};

const struct sup_facts *sup_engine_facts(const struct sup_engine *engine);

/* Who may be woken for events. */
enum sup_ear {
    SUP_EAR_CONTROL,
    SUP_EAR_HOOKS,
    SUP_EAR_RELOADS, /* only when the configuration may have changed */
    SUP_EAR_COUNT
};

/* How far a reader has come with the events: `next` is the number of the first that he has not
   seen. Begin with at = 0. */
struct sup_event_cursor {
    uint64_t next;
    uint64_t at;      /* the engine's own */
    enum sup_ear ear; /* who is woken when there is more */
};

/*
** Copy the next events into ${buf}, as many whole lines of JSON as fit (4096 bytes are enough for
** one), each with its newline, oldest first. ${missed} becomes how many were lost to him before
** the last of these: only so many are kept. Returns the size, 0: there is nothing new, and he will
** be woken when there is. Any thread.
*/
size_t sup_engine_events(struct sup_engine *engine, struct sup_event_cursor *cursor, char *buf,
                         size_t size, uint64_t *missed);
uint64_t sup_engine_last_event(struct sup_engine *engine); /* its number; 0: none yet */
/* ${wake} is called on the engine thread and must be quick; NULL: ${ear} is not to be woken. */
void sup_engine_wake_reader(struct sup_engine *engine, enum sup_ear ear,
                            void (*wake)(void *context), void *context);

/*
** Who runs the functions of `health`, which is not for the engine: ${ask} is called on the engine
** thread and must be quick. The judge says what he found by sup_engine_judged, from any thread;
** who does not answer in time has found nothing good. NULL: nobody does.
*/
void sup_engine_set_judge(struct sup_engine *engine,
                          void (*ask)(void *context, sup_token node, uint64_t instance),
                          void *context);
void sup_engine_judged(struct sup_engine *engine, sup_token node, uint64_t instance, bool well,
                       const char *text);

/* What a reader sees: valid only inside the call. */
struct sup_view {
    const struct sup_tree *tree;
    int64_t now_ns;
    const struct sup_engine *engine;
};

/*
** Look at the tree from any thread: ${look} runs under the engine's mutex, so it must be short:
** no I/O, no lock, no call back into the engine but by the functions below that say so.
*/
void sup_engine_read(struct sup_engine *engine,
                     void (*look)(void *context, const struct sup_view *view), void *context);

/*
** The configuration that ran before the one that runs, from any thread: its blob in malloc()ed
** memory. Returns 0, -ENOENT (there was none) or -ENOMEM.
*/
int sup_engine_former_config(struct sup_engine *engine, void **blob, size_t *size);

/* The process of ${node}; 0: none, or not one. Inside sup_engine_read only. */
int32_t sup_engine_pid(const struct sup_view *view, sup_token node);

/* Where the processes of ${node} are found. Inside sup_engine_read only. */
struct sup_engine_seat {
    int32_t pid;     /* of the main one; 0: none lives */
    uint64_t folder; /* of its cgroup, see sup_wire_folder_name; 0: none */
};
struct sup_engine_seat sup_engine_seat(const struct sup_view *view, sup_token node);

/* The folder of the services' cgroups; -1: there is none. The engine's. Any thread. */
int sup_engine_cgroups(const struct sup_engine *engine);

/*
** The limits of ${node}'s cgroup that do not hold, as bits of enum sup_cgroup_item; which, why and
** what to do is written into ${buf}: 768 bytes are enough. Inside sup_engine_read only.
*/
uint32_t sup_engine_limits_off(const struct sup_view *view, sup_token node, char *buf, size_t size);

/*
** Send ${signal} to the process of ${node}, and to nobody else. Inside sup_engine_read only.
** Returns 0, -ESRCH (none lives), -EOPNOTSUPP (it is no process), -EMFILE (there is no safe way
** just now) or -errno.
*/
int sup_engine_signal(const struct sup_view *view, sup_token node, int signal);

/* How a process is started, as a plan set of one record (wire/plan.h); `bytes` is malloc()ed. */
struct sup_plan_copy {
    unsigned char *bytes;
    size_t size;
    uint64_t offset; /* of the record */
};

/* That of ${node} if it were started now. Inside sup_engine_read only. Returns 0, -ENOENT,
   -EOPNOTSUPP (it is no process) or -ENOMEM. */
int sup_engine_plan(const struct sup_view *view, sup_token node, struct sup_plan_copy *copy);

/*
** The rings of last output, to be read with wire/rings.h; -1: there are none. The descriptor stays
** the engine's and lives as long as it. Any thread.
*/
int sup_engine_rings(const struct sup_engine *engine);

/* When the live instance of ${node} was launched; 0: none lives, or not known yet. Inside
   sup_engine_read only. */
int64_t sup_engine_launched_ns(const struct sup_view *view, sup_token node);

/* What the live instance of ${node} has said of itself (engine/said.h); NULL: nothing. Inside
   sup_engine_read only, valid there. */
const struct sup_said *sup_engine_said(const struct sup_view *view, sup_token node);

/* What is known of the health of an instance. */
struct sup_health_view {
    bool known; /* it was looked at; else the rest says nothing */
    bool well;
    uint32_t failures; /* in a row */
    int64_t at_ns;     /* the last look */
    int64_t since_ns;  /* the first with that result */
    char text[160];    /* why it is not well */
};

/* False: nobody looks. */
bool sup_engine_health(const struct sup_view *view, sup_token node, struct sup_health_view *health);
/* What is awaited until the instance is ready, and why it does not hold yet, as far as that is
   known: "tcp 5432: connection refused". False: nothing is. */
bool sup_engine_awaits(const struct sup_view *view, sup_token node, char *buf, size_t size);
/* ${at_ns} of the tree's clock as Unix time in seconds. Inside sup_engine_read only. */
double sup_engine_unix_time(const struct sup_view *view, int64_t at_ns);

#endif
