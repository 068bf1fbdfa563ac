/*
** base/json.h: writing JSON, bounded: into a buffer of the caller or into one that grows up to a
** limit. What has been written is always whole UTF-8; what does not fit latches `failed`, and the
** text is then not to be used.
**
** Nothing here blocks. Only a growing writer allocates. Misuse (a value without key in an object,
** an end too many) is a broken promise.
*/
#ifndef SUP_BASE_JSON_H
#define SUP_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUP_JSON_MAX_DEPTH 64

struct sup_json {
    char *data;       /* NUL-terminated; NULL: nothing was written yet */
    size_t size;      /* without the NUL */
    size_t capacity;  /* with the NUL */
    size_t limit;     /* a growing one: the most bytes with NUL; 0: the buffer is the caller's */
    uint64_t objects; /* bit per level: an object, not an array */
    uint64_t filled;  /* bit per level: something stands there, so a comma comes first */
    unsigned depth;
    bool has_key; /* a key stands there and waits for its value */
    bool failed;  /* no room, no memory, or nested too deep */
};

/* Write to ${buf}, which stays the caller's. ${size} must be 1 at least. */
void sup_json_init(struct sup_json *json, char *buf, size_t size);

/* Write to memory that grows to at most ${limit} bytes; sup_json_finish() frees it. */
void sup_json_init_growing(struct sup_json *json, size_t limit);

/* Free what a growing writer holds. Zeroed memory is harmless. */
void sup_json_finish(struct sup_json *json);

/* Begin a new text in the same memory. */
void sup_json_reset(struct sup_json *json);

/* The text, NUL-terminated; NULL: failed, or something is still open. */
const char *sup_json_text(const struct sup_json *json);

void sup_json_begin_object(struct sup_json *json);
void sup_json_end_object(struct sup_json *json);
void sup_json_begin_array(struct sup_json *json);
void sup_json_end_array(struct sup_json *json);
void sup_json_key(struct sup_json *json, const char *key);

/* Bytes that are no UTF-8 become U+FFFD, one for each. NULL is written as null. */
void sup_json_string(struct sup_json *json, const char *text);
void sup_json_bytes(struct sup_json *json, const char *text, size_t size);
void sup_json_integer(struct sup_json *json, int64_t value);
void sup_json_unsigned(struct sup_json *json, uint64_t value);
/* The shortest text that reads back as the same double; infinite or not a number: null. */
void sup_json_number(struct sup_json *json, double value);
void sup_json_bool(struct sup_json *json, bool value);
void sup_json_null(struct sup_json *json);
/* ${text} is one JSON value already. */
void sup_json_raw(struct sup_json *json, const char *text, size_t size);

/* A line end after a whole value: JSON lines. */
void sup_json_line_end(struct sup_json *json);

/* key and value in one. */
void sup_json_put_string(struct sup_json *json, const char *key, const char *text);
void sup_json_put_integer(struct sup_json *json, const char *key, int64_t value);
void sup_json_put_number(struct sup_json *json, const char *key, double value);
void sup_json_put_bool(struct sup_json *json, const char *key, bool value);

#endif
