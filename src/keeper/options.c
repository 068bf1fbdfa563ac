/*
** keeper/options.c: the command line. Only `suptree run` and the engine write one, so it is strict
** and short.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_kind { KIND_TEXT, KIND_DESCRIPTOR, KIND_SPEED, KIND_WORD, KIND_FLAG };

struct option_row {
    const char *name;
    enum option_kind kind;
    size_t offset;
};

#define ROW(name, kind, field) \
    { \
        name, kind, offsetof(struct sup_keeper_options, field) \
    }

static const struct option_row rows[] = {
    ROW("--blob-fd", KIND_DESCRIPTOR, blob),
    ROW("--colour", KIND_FLAG, colour),
    ROW("--control-fd", KIND_DESCRIPTOR, control),
    ROW("--control-lock-fd", KIND_DESCRIPTOR, control_lock),
    ROW("--detach", KIND_FLAG, detach),
    ROW("--events", KIND_TEXT, events),
    ROW("--host", KIND_TEXT, host),
    ROW("--host-word", KIND_WORD, host_words),
    ROW("--library", KIND_FLAG, library),
    ROW("--log-program", KIND_TEXT, log),
    ROW("--name", KIND_TEXT, name),
    ROW("--no-colour", KIND_FLAG, no_colour),
    ROW("--no-log", KIND_FLAG, no_log),
    ROW("--quiet", KIND_FLAG, quiet),
    ROW("--socket", KIND_DESCRIPTOR, socket),
    ROW("--test-cgroup", KIND_TEXT, cgroup),
    ROW("--test-eager", KIND_FLAG, eager),
    ROW("--test-slow", KIND_TEXT, slow),
    ROW("--test-speed", KIND_SPEED, speed),
};

struct complaint {
    char *message;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static int complain(const struct complaint *to,
                                                          const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(to->message, to->size, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static const struct option_row *find_row(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

/* A whole number within ${least}..${most}; false: it is none. */
static bool read_number(const char *text, long least, long most, long *number)
{
    char *end;
    errno = 0;
    *number = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *number >= least && *number <= most;
}

static int read_value(struct sup_keeper_options *options, const struct option_row *row,
                      const char *text, const struct complaint *to)
{
    void *field = (char *) options + row->offset;
    long number;
    switch (row->kind) {
    case KIND_TEXT:
        *(const char **) field = text;
        return 0;
    case KIND_DESCRIPTOR:
        if (!read_number(text, 0, INT32_MAX, &number))
            return complain(to, "%s wants the number of an open descriptor, not '%s'", row->name,
                            text);
        *(int *) field = (int) number;
        return 0;
    case KIND_SPEED:
        if (!read_number(text, 1, 1000000, &number))
            return complain(to, "%s wants a number from 1 to 1000000, not '%s'", row->name, text);
        *(int64_t *) field = number;
        return 0;
    case KIND_WORD:
        if (options->host_word_count == SUP_KEEPER_HOST_WORDS)
            return complain(to, "there are more than %d words for the host", SUP_KEEPER_HOST_WORDS);
        options->host_words[options->host_word_count++] = text;
        return 0;
    case KIND_FLAG:
        break;
    }
    *(bool *) field = true;
    return 0;
}

static int check(const struct sup_keeper_options *options, const struct complaint *to)
{
    if (options->library == (options->host != NULL))
        return complain(to, "one of --host and --library is wanted; `suptree run` starts the "
                            "keeper with what it needs");
    if (options->library && options->socket < 0)
        return complain(to, "--library needs --socket: the descriptor that leads to the peer");
    if (!options->library && (options->socket >= 0 || options->detach))
        return complain(to, "--socket and --detach go with --library alone");
    return 0;
}

int sup_keeper_options_read(struct sup_keeper_options *options, int argc, char **argv,
                            char *message, size_t size)
{
    const struct complaint to = {message, size};
    *options = (struct sup_keeper_options){
        .name = "suptree", .socket = -1, .blob = -1, .control = -1, .control_lock = -1, .speed = 1};
    for (int i = 1; i < argc; i++) {
        const struct option_row *row = find_row(argv[i]);
        if (row == NULL)
            return complain(&to, "unknown option '%s'; use `suptree run` to start a tree", argv[i]);
        if (row->kind != KIND_FLAG && i + 1 >= argc)
            return complain(&to, "%s wants a value", row->name);
        int r = read_value(options, row, row->kind == KIND_FLAG ? "" : argv[++i], &to);
        if (r < 0) return r;
    }
    return check(options, &to);
}
