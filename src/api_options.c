/*
** api_options.c: what a C program writes becomes the blob of one node. It knows no types of values.
*/
#include "api_options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
};

/* --- one option ------------------------------------------------------------------------------- */

/* "one of permanent, transient, temporary" */
static const char *list_allowed(const struct sup_option *option, char *buf, size_t size)
{
    size_t used = (size_t) snprintf(buf, size, "one of");
    for (size_t i = 0; option->allowed[i] != NULL && used < size; i++)
        used += (size_t) snprintf(buf + used, size - used, "%s %s", i == 0 ? "" : ",",
                                  option->allowed[i]);
    return buf;
}

static int refuse(const struct values *values, const struct sup_option *option, const char *place,
                  const char *text, const char *wanted)
{
    char list[128];
    if (option->type == SUP_TYPE_ENUM) wanted = list_allowed(option, list, sizeof list);
    return sup_err_set(values->err, -EINVAL, place, "", "\"%.120s\" is not %s", text, wanted);
}

static int refuse_unknown(const struct values *values, const struct sup_node_wish *wish,
                          const char *place, const char *name)
{
    const char *near = sup_option_nearest(name, wish->kind, wish->is_root);
    if (near == NULL) return sup_err_set(values->err, -EINVAL, place, "", "unknown option");
    return sup_err_set(values->err, -EINVAL, place, "", "unknown option, did you mean \"%s\"?",
                       near);
}

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
    snprintf(place, sizeof place, "%.80s.%.60s", wish->name, name);
    if (option == NULL || !sup_option_applies(option, wish->kind, wish->is_root))
        return refuse_unknown(values, wish, place, name);
    if (text == NULL) return sup_err_set(values->err, -EINVAL, place, "", "has no value");
    const char *wanted = sup_value_encode(option, text, room, &size);
    if (wanted != NULL) return refuse(values, option, place, text, wanted);
    sup_spec_defaults(&spec, wish->kind);
    int r = sup_option_decode(option, room, size, &spec, values->err);
    if (r == 0) return keep(values, option, room, size);
    if (values->err != NULL) snprintf(values->err->place, sizeof values->err->place, "%s", place);
    return r;
}

/* --- the members of the struct ---------------------------------------------------------------- */

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

/* --- the node --------------------------------------------------------------------------------- */

static int keep_all(struct values *values, const struct sup_node_wish *wish)
{
    unsigned char *room = malloc(SUP_VALUE_ROOM);
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
    struct values values = {.err = err};
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
