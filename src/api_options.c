/*
** api_options.c: options written as text become a blob. It knows types, not what an option means.
*/
#include "api_options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VALUE_SIZE 65536

/* The encoded value of one option. */
struct value {
    const struct sup_option *option; /* NULL: not written */
    unsigned char *bytes;            /* owned */
    size_t size;
};

struct values {
    struct value *value; /* by option id */
    size_t count;
    struct sup_err *err;
    const char *name; /* of the node */
    const char *field;
};

/* --- values ----------------------------------------------------------------------------------- */

static int refuse(const struct values *values, const char *text, const char *wanted)
{
    char place[160];
    snprintf(place, sizeof place, "%.80s.%.60s", values->name, values->field);
    return sup_err_set(values->err, -EINVAL, place, "", "\"%.120s\" is not %s", text, wanted);
}

static bool parse_time(const char *text, int64_t *ns)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end != text && *end == '\0') return sup_seconds_to_ns(seconds, ns);
    return sup_parse_duration(text, ns);
}

static size_t put(unsigned char *out, const void *bytes, size_t size)
{
    memcpy(out, bytes, size);
    return size;
}

/* Words that spaces part, each with NUL. */
static size_t put_words(unsigned char *out, const char *text)
{
    size_t size = 0;
    while (*text != '\0' && size < VALUE_SIZE - 1) {
        size_t length = strcspn(text, " ");
        if (length > VALUE_SIZE - 1 - size) length = VALUE_SIZE - 1 - size;
        memcpy(out + size, text, length);
        size += length;
        if (length > 0) out[size++] = '\0';
        text += length + strspn(text + length, " ");
    }
    return size;
}

static int put_codes(unsigned char *out, const char *text, size_t *size)
{
    bool wanted[256] = {false};
    while (*text != '\0') {
        char *end;
        long code = strtol(text, &end, 10);
        if (end == text || code < 0 || code > 255) return -EINVAL;
        wanted[code] = true;
        text = end + strspn(end, " ");
    }
    *size = 0;
    for (int code = 0; code < 256; code++)
        if (wanted[code]) out[(*size)++] = (unsigned char) code;
    return 0;
}

static int put_enum(unsigned char *out, const struct sup_option *option, const char *text)
{
    for (unsigned char i = 0; option->allowed != NULL && option->allowed[i] != NULL; i++) {
        if (strcmp(option->allowed[i], text) != 0) continue;
        *out = i;
        return 0;
    }
    return -EINVAL;
}

/* One time: always the same delay. */
static size_t put_delay(unsigned char *out, int64_t ns)
{
    int64_t reset_ns = 60 * SUP_SECOND_NS;
    double factor = 1, jitter = 0;
    size_t size = put(out, &ns, sizeof ns);
    size += put(out + size, &ns, sizeof ns);
    size += put(out + size, &factor, sizeof factor);
    size += put(out + size, &jitter, sizeof jitter);
    return size + put(out + size, &reset_ns, sizeof reset_ns);
}

/* "manual", a time after the launch, or the path of a file that appears. */
static int put_ready(unsigned char *out, const char *text, size_t *size)
{
    int64_t delay_ns = 0;
    const char *file = text[0] == '/' ? text : "";
    if (text[0] == '/') out[0] = SUP_READY_FILE;
    else if (strcmp(text, "manual") == 0) out[0] = SUP_READY_MANUAL;
    else if (parse_time(text, &delay_ns)) out[0] = SUP_READY_DELAY;
    else return -EINVAL;
    memcpy(out + 1, &delay_ns, sizeof delay_ns);
    *size = 9 + put(out + 9, file, strnlen(file, PATH_MAX) + 1);
    return 0;
}

/* "none", "inherit", or the path of a file. */
static int put_log(unsigned char *out, const char *text, size_t *size)
{
    const char *file = text[0] == '/' ? text : "";
    if (text[0] == '/') out[0] = SUP_LOG_MODE_FILE;
    else if (strcmp(text, "none") == 0) out[0] = SUP_LOG_MODE_NONE;
    else if (strcmp(text, "inherit") == 0) out[0] = SUP_LOG_MODE_INHERIT;
    else return -EINVAL;
    *size = 1 + put(out + 1, file, strnlen(file, PATH_MAX) + 1);
    return 0;
}

static int put_number(unsigned char *out, enum sup_option_type type, const char *text, size_t *size)
{
    char *end;
    double number = strtod(text, &end);
    uint32_t whole;
    if (end == text || *end != '\0') return -EINVAL;
    if (type == SUP_TYPE_NUMBER) {
        *size = put(out, &number, sizeof number);
        return 0;
    }
    if (!(number >= 0 && number <= UINT32_MAX)) return -EINVAL;
    whole = (uint32_t) number;
    if ((double) whole < number) return -EINVAL;
    *size = put(out, &whole, sizeof whole);
    return 0;
}

static int encode(struct values *values, const struct sup_option *option, const char *text,
                  unsigned char *out, size_t *size)
{
    int64_t ns;
    uint64_t bytes;
    int32_t number;
    bool yes = strcmp(text, "true") == 0;
    switch (option->type) {
    case SUP_TYPE_BOOL:
        out[0] = yes;
        *size = 1;
        return yes || strcmp(text, "false") == 0 ? 0 : refuse(values, text, "true or false");
    case SUP_TYPE_COUNT:
    case SUP_TYPE_NUMBER:
        if (put_number(out, option->type, text, size) == 0) return 0;
        return refuse(values, text, "a number that is possible here");
    case SUP_TYPE_DURATION:
        if (!parse_time(text, &ns)) return refuse(values, text, "a time such as \"10s\"");
        *size = put(out, &ns, sizeof ns);
        return 0;
    case SUP_TYPE_DELAY:
        if (!parse_time(text, &ns)) return refuse(values, text, "a time such as \"10s\"");
        *size = put_delay(out, ns);
        return 0;
    case SUP_TYPE_SIZE:
        if (!sup_parse_size(text, &bytes)) return refuse(values, text, "a size such as \"64MiB\"");
        *size = put(out, &bytes, sizeof bytes);
        return 0;
    case SUP_TYPE_ENUM:
        *size = 1;
        return put_enum(out, option, text) == 0 ? 0 : refuse(values, text, "one of its values");
    case SUP_TYPE_SIGNAL:
        if (!sup_parse_signal(text, &number))
            return refuse(values, text, "a signal such as \"TERM\"");
        out[0] = (unsigned char) number;
        *size = 1;
        return 0;
    case SUP_TYPE_STRING:
        *size = put(out, text, strnlen(text, VALUE_SIZE - 1));
        out[(*size)++] = '\0';
        return 0;
    case SUP_TYPE_NAMES:
        *size = put_words(out, text);
        return 0;
    case SUP_TYPE_CODES:
        return put_codes(out, text, size) == 0 ? 0 : refuse(values, text, "a list of exit codes");
    case SUP_TYPE_READY:
        if (put_ready(out, text, size) == 0) return 0;
        return refuse(values, text, "\"manual\", a time, or the path of a file from /");
    case SUP_TYPE_LOG:
        if (put_log(out, text, size) == 0) return 0;
        return refuse(values, text, "\"none\", \"inherit\", or the path of a file from /");
    case SUP_TYPE_PATH:
    case SUP_TYPE_COMMAND:
    case SUP_TYPE_ENV:
    case SUP_TYPE_ENV_FILE:
    case SUP_TYPE_BYTES:
    case SUP_TYPE_COUNT_OF:
        break;
    }
    return refuse(values, text, "for here: it is a member of the struct");
}

/* --- the node's values ------------------------------------------------------------------------ */

static int keep(struct values *values, const struct sup_option *option, const void *bytes,
                size_t size)
{
    struct value *value = &values->value[option->id];
    unsigned char *copy = malloc(size + 1);
    if (copy == NULL) return sup_err_set(values->err, -ENOMEM, "", "", "there is no memory");
    memcpy(copy, bytes, size);
    free(value->bytes);
    *value = (struct value){option, copy, size};
    return 0;
}

static int keep_written(struct values *values, const struct sup_node_wish *wish, const char *name,
                        const char *text, unsigned char *room)
{
    struct sup_spec spec;
    char place[160];
    size_t size = 0;
    const struct sup_option *option = sup_option_find(name);
    values->field = name;
    snprintf(place, sizeof place, "%.80s.%.60s", wish->name, name);
    if (option == NULL || !sup_option_applies(option, wish->kind, wish->is_root)) {
        const char *near = sup_option_nearest(name, wish->kind, wish->is_root);
        return sup_err_set(values->err, -EINVAL, place, near == NULL ? "" : near,
                           "there is no such option here%s",
                           near == NULL ? "" : "; did you mean the one in parentheses?");
    }
    if (text == NULL) return sup_err_set(values->err, -EINVAL, place, "", "has no value");
    int r = encode(values, option, text, room, &size);
    if (r < 0) return r;
    sup_spec_defaults(&spec, wish->kind);
    r = sup_option_decode(option, room, size, &spec, values->err);
    if (r < 0) {
        if (values->err != NULL)
            snprintf(values->err->place, sizeof values->err->place, "%s", place);
        return r;
    }
    return keep(values, option, room, size);
}

/* Strings with NUL, one after the other; in the order of ${list}. */
static int keep_list(struct values *values, uint16_t id, const char *const *list)
{
    size_t size = 0;
    for (size_t i = 0; list[i] != NULL; i++) size += strlen(list[i]) + 1;
    char *bytes = malloc(size + 1), *end = bytes;
    if (bytes == NULL) return sup_err_set(values->err, -ENOMEM, "", "", "there is no memory");
    for (size_t i = 0; list[i] != NULL; i++) end = stpcpy(end, list[i]) + 1;
    int r = keep(values, sup_option_by_id(id), bytes, size);
    free(bytes);
    return r;
}

static int compare_variables(const void *a, const void *b)
{
    const char *const *one = a, *const *other = b;
    size_t one_size = strcspn(*one, "="), other_size = strcspn(*other, "=");
    int order = memcmp(*one, *other, one_size < other_size ? one_size : other_size);
    return order != 0 ? order : (one_size > other_size) - (one_size < other_size);
}

static int keep_env(struct values *values, const char *const *env)
{
    size_t count = 0;
    while (env[count] != NULL) count++;
    const char **sorted = calloc(count + 1, sizeof *sorted);
    if (sorted == NULL) return sup_err_set(values->err, -ENOMEM, "", "", "there is no memory");
    memcpy(sorted, env, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_variables);
    int r = keep_list(values, SUP_OPTION_ENV, sorted);
    free(sorted);
    return r;
}

static int keep_cwd(struct values *values, const char *cwd)
{
    char path[PATH_MAX];
    if (realpath(cwd == NULL ? "." : cwd, path) == NULL)
        return sup_err_set(values->err, -errno, "cwd", "", "%s cannot be used: %s",
                           cwd == NULL ? "the current folder" : cwd, strerror(errno));
    return keep(values, sup_option_by_id(SUP_OPTION_CWD), path, strlen(path) + 1);
}

static int keep_all(struct values *values, const struct sup_node_wish *wish)
{
    unsigned char *room = malloc(VALUE_SIZE + PATH_MAX);
    int r = room == NULL ? sup_err_set(values->err, -ENOMEM, "", "", "there is no memory") : 0;
    for (const char *const *at = wish->options; r == 0 && at != NULL && *at != NULL;
         at += at[1] == NULL ? 1 : 2)
        r = keep_written(values, wish, at[0], at[1], room);
    free(room);
    if (r == 0 && wish->argv != NULL) r = keep_list(values, SUP_OPTION_COMMAND, wish->argv);
    if (r == 0 && wish->env != NULL) r = keep_env(values, wish->env);
    if (r == 0 && wish->kind == SUP_PROCESS) r = keep_cwd(values, wish->cwd);
    if (r == 0 && wish->run != NULL)
        r = keep(values, sup_option_by_id(SUP_OPTION_RUN), wish->run, wish->run_size);
    return r;
}

static unsigned char *write_blob(struct values *values, const struct sup_node_wish *wish,
                                 size_t *size)
{
    struct sup_form_writer writer = {0};
    sup_form_begin(&writer, wish->kind, wish->name, "", 0);
    for (size_t id = 0; id < values->count; id++) {
        const struct value *value = &values->value[id];
        if (value->option != NULL) sup_form_add(&writer, (uint16_t) id, value->bytes, value->size);
    }
    sup_form_end(&writer);
    unsigned char *blob = sup_form_finish(&writer, size);
    if (blob == NULL) sup_err_set(values->err, -ENOMEM, "", "", "there is no memory");
    return blob;
}

/* The whole must be possible as well: its name, what goes together. */
static unsigned char *checked(unsigned char *blob, size_t size, struct sup_err *err)
{
    struct sup_form *form = sup_form_create(blob, size, err);
    if (form == NULL) {
        free(blob);
        return NULL;
    }
    sup_form_unref(form);
    return blob;
}

unsigned char *sup_wish_encode(const struct sup_node_wish *wish, size_t *size, struct sup_err *err)
{
    struct values values = {.err = err, .name = wish->name, .field = ""};
    for (size_t i = 0; i < sup_option_count; i++)
        if (sup_options[i].id >= values.count) values.count = sup_options[i].id + 1u;
    values.value = calloc(values.count, sizeof *values.value);
    unsigned char *blob = NULL;
    if (values.value == NULL) sup_err_set(err, -ENOMEM, "", "", "there is no memory");
    else if (keep_all(&values, wish) == 0) blob = write_blob(&values, wish, size);
    if (blob != NULL) blob = checked(blob, *size, err);
    for (size_t id = 0; values.value != NULL && id < values.count; id++)
        free(values.value[id].bytes);
    free(values.value);
    return blob;
}
