/*
** spec/c/lib_keeper.h: a stage for the real suptree-keeper. The test plays the host: in library
** mode as its peer, in host mode through a puppet, a process that the keeper starts as its host and
** that hands its socket to the test. Every wait is for a condition, with a generous bound; what
** fails ends the case with the place and the reason.
**
** With KEEPER_SPEC_SLOW in the environment every keeper takes all file systems for slow ones.
**
** A test program's main calls stage_main, which runs each case in a process of its own and also
** plays the puppet.
*/
#ifndef SUP_SPEC_LIB_KEEPER_H
#define SUP_SPEC_LIB_KEEPER_H

#include "wire/plan.h"
#include "wire/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MUST(condition) ((condition) ? (void) 0 : stage_fail(__FILE__, __LINE__, "%s", #condition))
#define MUST_EQUAL(a, b) stage_must_equal(__FILE__, __LINE__, #a, (int64_t) (a), (int64_t) (b))
#define FAILED(...) stage_fail(__FILE__, __LINE__, __VA_ARGS__)

__attribute__((format(printf, 3, 4))) _Noreturn void stage_fail(const char *file, int line,
                                                                const char *format, ...);
void stage_must_equal(const char *file, int line, const char *what, int64_t got, int64_t wanted);

#define STAGE_SECONDS 60 /* the bound of every wait */
#define STAGE_BACKLOG 16384

struct stage_message {
    struct sup_wire wire;
    int fd;
};

struct stage {
    pid_t keeper;
    pid_t host; /* the puppet; 0: library mode, or none now */
    int socket; /* the host's end; -1 */
    int births; /* table of struct sup_birth, of the last greeting; -1 */
    int door;   /* puppets knock here; -1: library mode */
    char folder[64];
    uint64_t seq;
    int32_t set;  /* number of the last plan set */
    size_t count; /* of messages that nobody has asked for yet */
    struct stage_message backlog[STAGE_BACKLOG];
};

/*
** Start a keeper, without suptree-log unless one is named. ${more} are further options, ended by
** NULL; NULL: none.
*/
struct stage *stage_library(const char *const *more);
struct stage *stage_hosts(const char *mode, const char *const *more);
/* Stop everything: the keeper must end in time. Returns its wait status and frees the stage. */
int stage_close(struct stage *stage);
/* The keeper has to end by itself; returns its wait status. */
int stage_wait_end(struct stage *stage);

/* The next puppet comes and gives its socket; HELLO is still unread. */
void stage_accept(struct stage *stage);
/* kill -9 of the puppet, and away with its socket. */
void stage_kill_host(struct stage *stage);

void stage_send(struct stage *stage, struct sup_wire message, int fd);
/*
** Wait for a message of ${type} about ${instance} (0: any). It leaves the backlog; its descriptor
** goes to ${fd} (NULL: closed).
*/
struct sup_wire stage_expect(struct stage *stage, int type, uint64_t instance, int *fd);
/*
** Read until HELLO_END; returns HELLO. What stood between stays in the backlog, but for the table
** of births, which is always given, and the cgroup: HELLO's count is that of the others.
*/
struct sup_wire stage_greet(struct stage *stage);
/* The pid of ${instance} in the table of births; 0: it is not there. */
pid_t stage_birth(const struct stage *stage, uint64_t instance);
/* How many messages of ${type} about ${instance} (0: any) are in the backlog now. */
size_t stage_count(const struct stage *stage, int type, uint64_t instance);
void stage_drop_backlog(struct stage *stage);
/* Until the keeper has obeyed everything said so far. */
void stage_settle(struct stage *stage);

/* A command beside a service. */
struct stage_command {
    enum sup_plan_command_kind kind;
    const char *script; /* run by sh */
    int64_t timeout_ns; /* 0: never */
};

/* What a node is to run; absent members have the defaults. */
struct stage_plan {
    const char *const *argv;
    const char *const *env; /* NULL: PATH alone */
    const char *const *shared;
    const char *cwd;
    const char *file;
    uint32_t flags;
    uint32_t log;
    uint64_t log_to;
    uint32_t rank;
    int stop_signal;
    int64_t timeout_ns;                   /* 0: 10 s; < 0: at once */
    uint32_t kill_mode;                   /* enum sup_plan_kill */
    const struct stage_command *commands; /* ended by kind 0; NULL: none */
};

/* A sealed set of ${count} plans; offsets[i] is that of plan i. The descriptor is the caller's. */
int stage_make_set(const struct stage_plan *plans, size_t count, uint64_t *offsets);
void stage_plan(struct stage *stage, uint64_t node, const struct stage_plan *plan);
/* A plan that runs ${script} by sh. */
void stage_plan_shell(struct stage *stage, uint64_t node, const char *script);
void stage_spawn(struct stage *stage, uint64_t node, uint64_t instance);
/* SPAWN and wait for SPAWNED. Returns the pid; ${pidfd} as in stage_expect. */
pid_t stage_start(struct stage *stage, uint64_t node, uint64_t instance, int *pidfd);
void stage_signal(struct stage *stage, uint64_t instance, int signal, int target);
void stage_ack(struct stage *stage, uint64_t instance);

/* --- looking at the world ------------------------------------------------------------------- */

/* A path in the stage's folder; from a small circle of buffers. */
const char *stage_path(const struct stage *stage, const char *name);
/* Wait until the file ${name} of the folder contains ${text}. */
void stage_await_text(const struct stage *stage, const char *name, const char *text);
/* What the keeper says to people lands in the file "said". */
#define STAGE_SAID "said"
size_t stage_read_file(const char *path, char *buf, size_t size);
/* The line of /proc/PID/status that begins with ${key}, without it. */
void stage_status_line(pid_t pid, const char *key, char *buf, size_t size);
long stage_status_number(pid_t pid, const char *key);
/* Wait until ${pid} is no process any more. */
void stage_await_gone(pid_t pid);
void stage_remove_folder(const char *folder);
bool stage_is_alive(pid_t pid);
size_t stage_count_descriptors(pid_t pid);
/* Those of the keeper, the one in reserve included, which it gives away for moments. */
size_t stage_keeper_descriptors(const struct stage *stage);
int64_t stage_now(void);

/* Wait until ${condition} holds; it may read ${argument}. */
#define AWAIT(condition) \
    do { \
        int64_t until = stage_now() + STAGE_SECONDS * INT64_C(1000000000); \
        while (!(condition)) { \
            if (stage_now() > until) FAILED("in vain waited for: %s", #condition); \
            stage_pause(); \
        } \
    } while (0)
void stage_pause(void);

/*
** In a program that the keeper has started: give ${fd} to the test, which listens at the door
** ${name} of its folder. In the test: open such a door; wait for the next knock, returns the pid.
*/
void stage_knock(const char *name, int fd);
int stage_open_door(const struct stage *stage, const char *name);
pid_t stage_answer(int door, int *fd);

/* --- running -------------------------------------------------------------------------------- */

struct stage_case {
    const char *name;
    void (*run)(void);
};

/*
** Run every case (or those named in argv), print what fails, return the exit code. When the program
** was started as host, plays the puppet, or ${other} for a mode that is not the puppet's.
*/
int stage_main(int argc, char **argv, const struct stage_case *cases, size_t count,
               int (*other)(const char *mode));

#endif
