/*
** spec/c/lib_log.h: plays suptree-keeper for the real suptree-log, in a folder of its own. Every
** wait is for a condition, with a generous bound; what fails ends the test with the place and the
** reason.
*/
#ifndef SUP_SPEC_LIB_LOG_H
#define SUP_SPEC_LIB_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "wire/log.h"
#include "wire/plan.h"

#define RIG_SOURCES 64

#define CHECK(condition) ((condition) ? (void) 0 : rig_fail(__FILE__, __LINE__, "%s", #condition))
#define FAIL(...) rig_fail(__FILE__, __LINE__, __VA_ARGS__)

__attribute__((format(printf, 3, 4))) _Noreturn void rig_fail(const char *file, int line,
                                                              const char *format, ...);

struct rig_source {
    uint64_t node;
    uint32_t mode;
    int read; /* the keeper's copy */
    int write;
    char name[64];
    char file[512];
    struct sup_log_settings settings;
};

struct rig {
    pid_t pid;
    int socket;
    int rings;
    int staging[2];
    int out;       /* read end of its standard output; -1: given elsewhere */
    int out_write; /* kept open over restarts */
    bool is_quiet;
    bool is_coloured;
    char dir[64]; /* removed by rig_finish */
    char *seen;   /* what it has written so far, as text */
    size_t seen_size;
    struct rig_source sources[RIG_SOURCES];
    size_t count;
};

/* A folder, rings, a pipe for the output; nothing runs yet. */
void rig_init(struct rig *rig);

/* Write to ${fd} instead of the rig's pipe. */
void rig_output(struct rig *rig, int fd);

/* Start suptree-log and tell it every source. */
void rig_start(struct rig *rig);

/* A path in the rig's folder; from a small circle of buffers. */
const char *rig_path(const struct rig *rig, const char *name);

/* Make a pipe and announce it. Returns the source. */
struct rig_source *rig_add(struct rig *rig, uint64_t node, uint32_t mode, const char *name,
                           const char *file);

/* The same with other settings than the usual ones. */
struct rig_source *rig_add_with(struct rig *rig, uint64_t node, const char *name, const char *file,
                                const struct sup_log_settings *settings);

/* Announce an added source, with its pipe. */
void rig_tell(struct rig *rig, const struct rig_source *source);

/* Send a message without texts. */
void rig_say(struct rig *rig, enum sup_log_wire_type type, uint64_t node);

/* Write all of ${text} to ${fd}. */
void rig_write(int fd, const char *text, size_t size);
void rig_print(const struct rig_source *source, const char *text);

/* Wait until the output holds ${text}. */
void rig_expect(struct rig *rig, const char *text);

/* Does what has been read so far hold ${text}? */
bool rig_has_seen(const struct rig *rig, const char *text);

/* Forget what has been read so far. */
void rig_forget(struct rig *rig);

/* Read what the output holds now; waits up to ${timeout_ms} for the first byte. False: none, or
   end. */
bool rig_read(struct rig *rig, int timeout_ms);

/* Wait until ${file} has ${size} bytes. */
void rig_expect_size(const char *file, size_t size);

/* Wait until ${fd}, a pipe, holds ${size} bytes. */
void rig_expect_pending(int fd, size_t size);

/* Wait until it sleeps in epoll_wait; its timeout is ${timeout_ms}, or any with -2. */
void rig_expect_idle(const struct rig *rig, int timeout_ms);

/* The whole file, zero-terminated; the caller frees it. */
char *rig_slurp(const char *file, size_t *size);

/* How many old files ${file} has. */
size_t rig_count_old(const char *file);

/* All that was written to ${file}: the old ones in order, each of which has to end with a line and
   to have at most ${max_size} bytes (0: any), then itself. The caller frees it. */
char *rig_gather(const char *file, uint64_t max_size, size_t *size);

/* Copy what the ring of ${index} holds to ${bytes} (SUP_RING_BYTES). Returns how many. */
size_t rig_ring(const struct rig *rig, uint32_t index, uint32_t serial, uint8_t *bytes);

/* Wait until the ring of ${index} has had ${size} bytes. */
void rig_expect_ring(const struct rig *rig, uint32_t index, uint64_t size);

void rig_kill(struct rig *rig);

/* Wait for its end, reading its output. Returns the wait status. */
int rig_wait(struct rig *rig);

/* QUIT, then wait. */
int rig_quit(struct rig *rig);

void rig_finish(struct rig *rig);

#endif
