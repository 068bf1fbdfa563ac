/*
** spec/c/lib_form.c: writing blobs in tests.
*/
#include "lib_form.h"

#include "base/hash.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static void begin(struct sup_form_writer *w, enum sup_kind kind, const char *name, uint32_t count)
{
    char place[32];
    snprintf(place, sizeof place, "test.lua:%u", (unsigned) w->node_count + 1);
    sup_form_begin(w, kind, name, place, count);
}

void supervisor(struct sup_form_writer *w, const char *name, uint32_t child_count)
{
    begin(w, SUP_SUPERVISOR, name, child_count);
}

void process(struct sup_form_writer *w, const char *name)
{
    begin(w, SUP_PROCESS, name, 0);
}

void thread(struct sup_form_writer *w, const char *name)
{
    begin(w, SUP_THREAD, name, 0);
}

void plain_process(struct sup_form_writer *w, const char *name)
{
    process(w, name);
    put_command(w);
    sup_form_end(w);
}

void plain_thread(struct sup_form_writer *w, const char *name)
{
    thread(w, name);
    put_run(w);
    sup_form_end(w);
}

void plain_supervisor(struct sup_form_writer *w, const char *name, uint32_t child_count)
{
    supervisor(w, name, child_count);
    sup_form_end(w);
}

void put_u8(struct sup_form_writer *w, uint16_t id, unsigned value)
{
    unsigned char byte = (unsigned char) value;
    sup_form_add(w, id, &byte, 1);
}

void put_u32(struct sup_form_writer *w, uint16_t id, uint32_t value)
{
    sup_form_add(w, id, &value, sizeof value);
}

void put_ns(struct sup_form_writer *w, uint16_t id, int64_t ns)
{
    sup_form_add(w, id, &ns, sizeof ns);
}

void put_double(struct sup_form_writer *w, uint16_t id, double value)
{
    sup_form_add(w, id, &value, sizeof value);
}

void put_text(struct sup_form_writer *w, uint16_t id, const char *text)
{
    sup_form_add(w, id, text, strlen(text) + 1);
}

void put_words(struct sup_form_writer *w, uint16_t id, const char *words)
{
    char text[512];
    size_t size = strlen(words);
    memcpy(text, words, size + 1);
    for (size_t i = 0; i < size; i++)
        if (text[i] == ' ') text[i] = '\0';
    sup_form_add(w, id, text, size > 0 ? size + 1 : 0);
}

void put_command(struct sup_form_writer *w)
{
    put_words(w, SUP_OPTION_COMMAND, "true");
}

void put_run(struct sup_form_writer *w)
{
    sup_form_add(w, SUP_OPTION_RUN, "run", 3);
}

void write_shop(struct sup_form_writer *w)
{
    supervisor(w, "shop", 3);
    put_u8(w, SUP_OPTION_STRATEGY, SUP_REST_FOR_ONE);
    put_double(w, SUP_OPTION_FAILURE_THRESHOLD, 3.5);
    put_ns(w, SUP_OPTION_TIMEOUT, 20 * SUP_SECOND_NS);
    sup_form_end(w);
    process(w, "db");
    put_ns(w, SUP_OPTION_TIMEOUT, 30 * SUP_SECOND_NS);
    put_words(w, SUP_OPTION_COMMAND, "postgres -D data");
    put_u8(w, SUP_OPTION_STOP_SIGNAL, SIGINT);
    sup_form_end(w);
    supervisor(w, "workers", 2);
    put_ns(w, SUP_OPTION_KILL_TIMEOUT, SUP_INFINITY_NS);
    put_words(w, SUP_OPTION_AFTER, "db");
    sup_form_end(w);
    plain_process(w, "mailer");
    plain_thread(w, "sweeper");
    process(w, "web");
    put_words(w, SUP_OPTION_AFTER, "db workers");
    put_words(w, SUP_OPTION_RESTART_WITH, "db");
    put_command(w);
    put_text(w, SUP_OPTION_CWD, "/srv");
    put_words(w, SUP_OPTION_ENV, "PORT=8080 X=");
    sup_form_add(w, SUP_OPTION_DONE_EXIT, "\3\4", 2);
    sup_form_end(w);
}

void fix_checksum(unsigned char *bytes, size_t size)
{
    struct sup_form_header header;
    memcpy(&header, bytes, sizeof header);
    header.checksum = sup_hash(bytes + sizeof header, size - sizeof header);
    memcpy(bytes, &header, sizeof header);
}
