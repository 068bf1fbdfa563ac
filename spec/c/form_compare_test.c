/* Which options of two declarations differ, and whether that needs a restart. */
#include "core/form.h"

#include "lib_form.h"
#include "lib_test.h"

#include <stdlib.h>
#include <string.h>

static struct sup_form_writer w;

static struct sup_form *take(void)
{
    struct sup_err err;
    size_t size;
    unsigned char *bytes = sup_form_finish(&w, &size);
    MUST(bytes != NULL);
    struct sup_form *form = sup_form_create(bytes, size, &err);
    free(bytes);
    return form;
}

/* Two processes; each option is put by ${put_from} and ${put_to} (NULL: not written). */
struct pair {
    struct sup_form *from, *to;
    uint16_t changed[8];
    size_t count;
    bool exec_seen;
};

static struct sup_form *one_process(void (*put_before)(void), void (*put_after)(void))
{
    process(&w, "p");
    if (put_before != NULL) put_before();
    put_command(&w);
    if (put_after != NULL) put_after();
    sup_form_end(&w);
    return take();
}

static void compare(struct pair *pair, struct sup_form *from, struct sup_form *to)
{
    MUST(from != NULL && to != NULL);
    pair->count = sup_form_compare(sup_form_root(from), sup_form_root(to), pair->changed, 8,
                                   &pair->exec_seen);
    sup_form_unref(from);
    sup_form_unref(to);
}

static void put_default_restart(void)
{
    put_u8(&w, SUP_OPTION_RESTART, SUP_PERMANENT);
}

static void put_transient(void)
{
    put_u8(&w, SUP_OPTION_RESTART, SUP_TRANSIENT);
}

static void put_old_name(void)
{
    put_text(&w, SUP_OPTION_FORMERLY, "q");
}

static void put_default_timeout(void)
{
    put_ns(&w, SUP_OPTION_TIMEOUT, 10 * SUP_SECOND_NS);
}

static void put_port(void)
{
    put_words(&w, SUP_OPTION_ENV, "PORT=1");
}

static void put_other_port(void)
{
    put_words(&w, SUP_OPTION_ENV, "PORT=2");
}

static void put_no_env(void)
{
    put_words(&w, SUP_OPTION_ENV, "");
}

static void put_log(unsigned mode, const char *file)
{
    char bytes[32] = {(char) mode};
    strcpy(bytes + 1, file);
    sup_form_add(&w, SUP_OPTION_LOG, bytes, strlen(file) + 2);
}

static void put_log_file(void)
{
    put_log(SUP_LOG_MODE_FILE, "/a");
}

static void put_log_other_file(void)
{
    put_log(SUP_LOG_MODE_FILE, "/b");
}

static void put_log_none(void)
{
    put_log(SUP_LOG_MODE_NONE, "");
}

static void put_log_view(void)
{
    put_log(SUP_LOG_MODE_VIEW, "");
}

static void differences_are_named(void)
{
    struct pair pair;
    compare(&pair, one_process(NULL, NULL), one_process(NULL, NULL));
    CHECK(pair.count == 0 && !pair.exec_seen);
    compare(&pair, one_process(NULL, NULL), one_process(put_default_restart, NULL));
    CHECK(pair.count == 0 && !pair.exec_seen);
    compare(&pair, one_process(NULL, put_no_env), one_process(NULL, NULL));
    CHECK(pair.count == 0 && !pair.exec_seen);
    compare(&pair, one_process(put_old_name, NULL), one_process(NULL, NULL));
    CHECK(pair.count == 0 && !pair.exec_seen);
    compare(&pair, one_process(NULL, NULL), one_process(put_transient, NULL));
    CHECK(pair.count == 1 && !pair.exec_seen && pair.changed[0] == SUP_OPTION_RESTART);
    compare(&pair, one_process(NULL, put_port), one_process(put_transient, put_other_port));
    CHECK(pair.count == 2 && pair.exec_seen);
    CHECK(pair.changed[0] == SUP_OPTION_ENV && pair.changed[1] == SUP_OPTION_RESTART);
    /* Not written, the supervisor's value holds: that is another thing than the default. */
    compare(&pair, one_process(NULL, NULL), one_process(put_default_timeout, NULL));
    CHECK(pair.count == 1 && !pair.exec_seen && pair.changed[0] == SUP_OPTION_TIMEOUT);
    compare(&pair, one_process(put_default_timeout, NULL), one_process(put_default_timeout, NULL));
    CHECK(pair.count == 0);
}

static void a_log_restarts_only_when_the_outlet_changes(void)
{
    struct pair pair;
    compare(&pair, one_process(NULL, put_log_file), one_process(NULL, put_log_other_file));
    CHECK(pair.count == 1 && !pair.exec_seen && pair.changed[0] == SUP_OPTION_LOG);
    compare(&pair, one_process(NULL, NULL), one_process(NULL, put_log_file));
    CHECK(pair.count == 1 && !pair.exec_seen);
    compare(&pair, one_process(NULL, NULL), one_process(NULL, put_log_view));
    CHECK(pair.count == 0);
    compare(&pair, one_process(NULL, put_log_none), one_process(NULL, put_log_file));
    CHECK(pair.count == 1 && pair.exec_seen);
    compare(&pair, one_process(NULL, put_log_none), one_process(NULL, NULL));
    CHECK(pair.count == 1 && pair.exec_seen);
}

static void another_kind_is_another_program(void)
{
    struct pair pair;
    plain_thread(&w, "p");
    compare(&pair, one_process(NULL, NULL), take());
    CHECK(pair.exec_seen);
    CHECK(pair.count == 2);
    CHECK(pair.changed[0] == SUP_OPTION_COMMAND && pair.changed[1] == SUP_OPTION_RUN);
}

static struct sup_form *one_thread(const char *identity, size_t size, const char *rest)
{
    unsigned char run[256];
    uint32_t count = (uint32_t) size;
    MUST(sizeof count + size + strlen(rest) < sizeof run);
    memcpy(run, &count, sizeof count);
    memcpy(run + sizeof count, identity, size);
    memcpy(run + sizeof count + size, rest, strlen(rest));
    thread(&w, "t");
    sup_form_add(&w, SUP_OPTION_RUN, run, sizeof count + size + strlen(rest));
    sup_form_end(&w);
    return take();
}

#define IDENTITY(text) text, sizeof text - 1

static void what_runs_is_what_it_says_it_is(void)
{
    struct pair pair;
    compare(&pair, one_thread(IDENTITY("/srv\0\0SPID12345678"), "code in line 3"),
            one_thread(IDENTITY("/srv\0\0SPID12345678"), "code in line 4, longer"));
    CHECK_INT(pair.count, 0);
    compare(&pair, one_thread(IDENTITY("/srv\0\0SPID12345678"), "code"),
            one_thread(IDENTITY("/srv\0\0SPID12345679"), "code"));
    CHECK(pair.count == 1 && pair.exec_seen);
    compare(&pair, one_thread(IDENTITY("/srv\0\0SPID12345678"), "code"),
            one_thread(IDENTITY("/opt\0\0SPID12345678"), "code"));
    CHECK(pair.count == 1 && pair.exec_seen);
    compare(&pair, one_thread(IDENTITY("/srv"), "code"), one_thread(IDENTITY("/srv"), "other"));
    CHECK(pair.count == 1 && pair.exec_seen);
    compare(&pair, one_thread(IDENTITY("/srv\0SPID1234567"), "code"),
            one_thread(IDENTITY("/srv\0SPID1234567"), "other"));
    CHECK(pair.count == 1 && pair.exec_seen);
}

static void more_differences_than_room_are_counted(void)
{
    uint16_t changed[2] = {0, 777};
    bool exec_seen;
    struct sup_form *from = one_process(NULL, NULL);
    struct sup_form *to = one_process(put_transient, put_port);
    MUST(from != NULL && to != NULL);
    const struct sup_form_node *old = sup_form_root(from);
    const struct sup_form_node *new = sup_form_root(to);
    CHECK_INT(sup_form_compare(old, new, changed, 1, &exec_seen), 2);
    CHECK(changed[0] == SUP_OPTION_ENV && changed[1] == 777);
    CHECK_INT(sup_form_compare(old, new, NULL, 0, &exec_seen), 2);
    sup_form_unref(from);
    sup_form_unref(to);
}

static void supervisors_are_compared_by_what_is_written(void)
{
    struct pair pair;
    plain_supervisor(&w, "s", 0);
    struct sup_form *from = take();
    supervisor(&w, "s", 0);
    put_u8(&w, SUP_OPTION_STRATEGY, SUP_REST_FOR_ONE);
    sup_form_end(&w);
    compare(&pair, from, take()); /* stop_order is implied, not changed */
    CHECK(pair.count == 1 && !pair.exec_seen && pair.changed[0] == SUP_OPTION_STRATEGY);
    plain_supervisor(&w, "s", 0);
    from = take();
    supervisor(&w, "s", 0);
    put_u32(&w, SUP_OPTION_INTENSITY, 0);
    sup_form_end(&w);
    compare(&pair, from, take());
    CHECK(pair.count == 1 && pair.changed[0] == SUP_OPTION_INTENSITY);
}

TEST_MAIN(TEST(differences_are_named), TEST(a_log_restarts_only_when_the_outlet_changes),
          TEST(another_kind_is_another_program), TEST(what_runs_is_what_it_says_it_is),
          TEST(more_differences_than_room_are_counted),
          TEST(supervisors_are_compared_by_what_is_written))
