/*
** core/options.h: the one table of all options (FROZEN FORM: a row's number never changes or comes
** back). From a row come the validator with its messages, the field in struct sup_spec, equality
** for reload, `suptree help OPTION`, the reference page and completion.
*/
#ifndef SUP_CORE_OPTIONS_H
#define SUP_CORE_OPTIONS_H

#include "base/err.h"
#include "core/option_ids.h"
#include "core/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A timer runs at most so often. */
#define SUP_EVERY_MIN_NS INT64_C(10000000)

/* The longest finite duration: 100 years, so that adding a few to a time never overflows. */
#define SUP_DURATION_MAX_NS (INT64_C(36500) * 24 * 3600 * SUP_SECOND_NS)

/* How a value is written by a person, encoded in a blob, and kept in struct sup_spec. */
enum sup_option_type {
    SUP_TYPE_BOOL,   /* u8                      -> bool */
    SUP_TYPE_COUNT,  /* u32                     -> uint32_t; whole number within min..max */
    SUP_TYPE_NUMBER, /* f64                     -> double; finite, within min..max */
    /* i64 ns                  -> int64_t; number = seconds, or "1h30m", "infinity" if allowed */
    SUP_TYPE_DURATION,
    SUP_TYPE_SIZE,   /* u64 bytes               -> uint64_t; number = bytes, or "64MiB" */
    SUP_TYPE_STRING, /* bytes and NUL           -> const char * */
    SUP_TYPE_PATH,   /* the same, made absolute relative to the config's folder */
    SUP_TYPE_ENUM,   /* u8: place in `allowed`  -> enum (int) */
    SUP_TYPE_NAMES,  /* strings with NUL        -> struct sup_strings; sibling names */
    /* strings with NUL        -> struct sup_strings; a table is argv, a string a shell line */
    SUP_TYPE_COMMAND,
    /* strings KEY=VALUE + NUL -> struct sup_strings; from a table, sorted by key */
    SUP_TYPE_ENV,
    SUP_TYPE_ENV_FILE, /* never in a blob: read at compile time and put before `env` */
    SUP_TYPE_CODES,    /* u8 each, sorted         -> struct sup_codes */
    SUP_TYPE_SIGNAL,   /* u8                      -> int32_t; "TERM", "SIGTERM" or a number */
    SUP_TYPE_DELAY,    /* i64 i64 f64 f64 i64     -> struct sup_delay; a duration or a table */
    /* u8 kind, i64 delay, text+NUL, and from SUP_READY_NOTIFY on: u32 number, u16 low and u16 high
       status, i64 timeout, i64 every (0: the usual), strings with NUL: argv
                               -> struct sup_ready; from s.ready.* */
    SUP_TYPE_READY,
    /* u8 mode, text+NUL (the file, or whose input it is), and where anything else is said: u8
       timestamps, u8 form, u32 max_files, u64 max_size, i64 max_age, u32 buffer, u8 reads
                               -> struct sup_log; { file = … }, false, "inherit" */
    SUP_TYPE_LOG,
    /* u32 failures, u8 action, u8 0: a probe, 1: a function, u16 0, i64 every, i64 timeout,
       i64 start_after, and then a value of SUP_TYPE_READY, or a captured chunk
                               -> struct sup_health */
    SUP_TYPE_HEALTH,
    SUP_TYPE_INTEGER, /* i32                   -> int32_t; whole number within min..max */
    SUP_TYPE_MODE,    /* u32, up to 0777       -> uint32_t; an octal text */
    /* u32 uid, u32 gid, u32 count, count u32 groups, name, home, shell, each with NUL
                              -> struct sup_user; looked up when the configuration is compiled */
    SUP_TYPE_USER,
    SUP_TYPE_ID,  /* u32 group             -> uint32_t; a name or number */
    SUP_TYPE_IDS, /* u32 each              -> struct sup_bytes; names or numbers of groups */
    /* u32 resource, u64 soft, u64 hard each, sorted -> struct sup_bytes; by names of setrlimit */
    SUP_TYPE_LIMITS,
    SUP_TYPE_LADDER, /* u8 signal, i64 ns each -> struct sup_bytes; { {"INT", "5s"}, ... } */
    /* u8 item, u64 value each, sorted -> struct sup_bytes; see core/cgroup.h */
    SUP_TYPE_CGROUP,
    SUP_TYPE_SOCKETS, /* see core/socket.c     -> struct sup_bytes; { http = "127.0.0.1:80" } */
    /* i64 timeout (0: the usual), u32 count, count strings with NUL, each -> struct sup_bytes;
       commands, as sup_commands_next reads them; at most `max` of them */
    SUP_TYPE_COMMANDS,
    SUP_TYPE_BYTES, /* bytes                   -> struct sup_bytes; made by the script layer */
    SUP_TYPE_COUNT_OF
};

enum sup_option_flags {
    SUP_OPT_SUPERVISOR = 1, /* a supervisor's own */
    SUP_OPT_PROCESS = 2,    /* a process has it */
    SUP_OPT_THREAD = 4,     /* a thread has it */
    SUP_OPT_CHILD = 8,      /* every node has it as a child, supervisors too; never the root */
    SUP_OPT_SERVICE = SUP_OPT_PROCESS | SUP_OPT_THREAD,
    SUP_OPT_INHERITED = 16, /* nested nodes take their supervisor's value */
    /* seen by exec: a change restarts the node; without: applied in place */
    SUP_OPT_EXEC = 32,
    SUP_OPT_INFINITY = 64,  /* a duration that may be "infinity" */
    SUP_OPT_POSITIVE = 128, /* must be greater than 0 */
    SUP_OPT_REQUIRED = 256,
    SUP_OPT_HIDDEN = 512,   /* made when a configuration is compiled; nobody writes it */
    SUP_OPT_ONESHOT = 1024, /* of services that are declared by s.oneshot alone */
    SUP_OPT_TIMER = 2048,   /* the same of s.timer */
};

struct sup_option {
    uint16_t id; /* the number in blobs; frozen */
    const char *name;
    enum sup_option_type type;
    size_t offset;              /* of the field in struct sup_spec */
    const char *default_text;   /* as a person would write it; NULL: none */
    const char *const *allowed; /* SUP_TYPE_ENUM: names in enum order, NULL at the end */
    double min, max;            /* SUP_TYPE_COUNT and SUP_TYPE_NUMBER */
    unsigned flags;
    const char *doc;    /* one line */
    const char *source; /* whose rule it is: "suture", "OTP", "s6", "systemd", "suptree" */
};

/* A set of options, by their numbers. */
struct sup_option_set {
    uint64_t bits[SUP_OPTION_ID_END / 64];
};

static inline void sup_option_set_add(struct sup_option_set *set, uint16_t id)
{
    set->bits[id / 64 % (SUP_OPTION_ID_END / 64)] |= UINT64_C(1) << id % 64;
}

static inline bool sup_option_set_has(const struct sup_option_set *set, uint16_t id)
{
    return (set->bits[id / 64 % (SUP_OPTION_ID_END / 64)] >> id % 64 & 1) != 0;
}

/* Those of ${ids}. */
static inline struct sup_option_set sup_option_set_of(const uint16_t *ids, size_t count)
{
    struct sup_option_set set = {{0}};
    for (size_t i = 0; i < count; i++) sup_option_set_add(&set, ids[i]);
    return set;
}

/* All options in alphabetical order. */
extern const struct sup_option sup_options[];
extern const size_t sup_option_count;

const struct sup_option *sup_option_find(const char *name); /* NULL: unknown */
const struct sup_option *sup_option_by_id(uint16_t id);     /* NULL: unknown */

/* May a node of ${kind} have ${option}? ${is_root}: the root has no CHILD options. */
bool sup_option_applies(const struct sup_option *option, enum sup_kind kind, bool is_root);

/* The nearest option name of that kind for "did you mean", or NULL when none is near. */
const char *sup_option_nearest(const char *name, enum sup_kind kind, bool is_root);

/* The nearest of ${count} names to ${name} (edit distance at most 1 + length/4, at most 3), or
   NULL. */
const char *sup_nearest(const char *name, const char *const *names, size_t count);

/* Fill every field of ${spec} with its default, for a node of ${kind}. */
void sup_spec_defaults(struct sup_spec *spec, enum sup_kind kind);

/*
** Parse what a person wrote. "500ms" "10s" "5m" "1h30m" "2d" "1.5s" -> ns ("infinity": INT64_MAX);
** "64MiB" "10kB" "512" -> bytes; "TERM" "SIGTERM" "15" -> signal number.
** Return false when the text is none of these or out of range.
*/
bool sup_parse_duration(const char *text, int64_t *ns);
bool sup_parse_size(const char *text, uint64_t *bytes);
bool sup_parse_signal(const char *text, int32_t *signal);

/* Seconds as a number -> ns, rounded to the nearest; false when negative, not finite or too
   large. */
bool sup_seconds_to_ns(double seconds, int64_t *ns);

/* "1.5s", "2m30s", "infinity": the shortest exact text of ${ns}. Returns ${buf}; 32 bytes
   suffice. */
char *sup_duration_text(int64_t ns, char *buf, size_t size);

/* What is wrong with ${ns} as a duration, as "its delay %s" wants it; NULL: nothing. */
const char *sup_duration_fault(int64_t ns, bool may_be_infinite, bool must_be_positive);

/* "64MiB", "4KiB", "512": the shortest exact text. Returns ${buf}; 32 bytes suffice. */
char *sup_size_text(uint64_t bytes, char *buf, size_t size);

/* ${length} bytes of a port, 1 to 65535; 0: it is none. */
uint16_t sup_parse_port(const char *text, size_t length);

/*
** ${length} bytes of an address in numbers, an IPv6 one in brackets: ${ip} takes 4 or 16 bytes.
** Returns NULL, or what is wrong with it, such as "has a host that is no address in numbers".
*/
const char *sup_parse_ip(const char *text, size_t length, bool *is_ipv6, unsigned char ip[16]);

/* "TERM", "KILL"; "RTMIN+3"; number as text else. Returns ${buf} or a constant. */
const char *sup_signal_name(int signal, char *buf, size_t size);

/*
** What ${spec} has for ${option}, about as a person would write it: "10s", "./web --port 8081",
** "{ db, cache }". Cut to ${size}, which must be 8 at least. "" for what is not set, for env, and
** for bytes. Returns ${buf}.
*/
char *sup_option_text(const struct sup_option *option, const struct sup_spec *spec, char *buf,
                      size_t size);

/* The name of a resource of setrlimit, "nofile"; "?" when unknown; and its number, -1 when
   unknown. */
const char *sup_limit_name(uint32_t resource);
int sup_limit_number(const char *name);

/* Is ${name} a legal node name: [A-Za-z0-9_.@-]+, at most 128 bytes, not "." or ".."? */
bool sup_name_is_valid(const char *name);

/* An encoded value is not what its type says: fills ${err}. Returns -EINVAL. */
int sup_option_refuse_broken(struct sup_err *err);

/*
** Check one encoded value (as it stands in a blob) against its row and store it in ${spec}. On
** failure fills ${err} with what is wrong (place is left empty) and returns -EINVAL.
** The check that Lua's validator and the blob's reader share.
*/
int sup_option_decode(const struct sup_option *option, const unsigned char *data, size_t size,
                      struct sup_spec *spec, struct sup_err *err);

#endif
