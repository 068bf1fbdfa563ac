/* The configuration blob: what is written is read; what does not fit together is refused. */
#include "core/form.h"

#include "lib_form.h"
#include "lib_test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S SUP_SECOND_NS

static struct sup_form_writer w;
static struct sup_err err;

/* The form of what was written to w; NULL: ${err} says why. */
static struct sup_form *take(void)
{
    size_t size;
    unsigned char *bytes = sup_form_finish(&w, &size);
    MUST(bytes != NULL);
    err = (struct sup_err){0};
    struct sup_form *form = sup_form_create(bytes, size, &err);
    CHECK((form == NULL) == (err.code != 0));
    free(bytes);
    return form;
}

/* What was written is refused with these words. */
static void refused(const char *place, const char *reason)
{
    struct sup_form *form = take();
    CHECK(form == NULL);
    CHECK_INT(err.code, -EINVAL);
    CHECK_TEXT(err.place, place);
    CHECK_HAS(err.reason, reason);
    CHECK(err.hint[0] != '\0');
    sup_form_unref(form);
}

static void taken(void)
{
    struct sup_form *form = take();
    if (!CHECK(form != NULL)) fprintf(stderr, "%s: %s\n", err.place, err.reason);
    sup_form_unref(form);
}

/* --- reading what was written ----------------------------------------------------------------- */

static void a_tree_is_walked(void)
{
    write_shop(&w);
    struct sup_form *form = take();
    MUST(form != NULL);
    const struct sup_form_node *shop = sup_form_root(form);
    const struct sup_form_node *db = sup_form_first_child(shop);
    const struct sup_form_node *workers = sup_form_skip(db);
    const struct sup_form_node *mailer = sup_form_first_child(workers);
    const struct sup_form_node *web = sup_form_skip(workers);
    CHECK_TEXT(sup_form_name(shop), "shop");
    CHECK_TEXT(sup_form_place(shop), "test.lua:1");
    CHECK_TEXT(sup_form_name(db), "db");
    CHECK_TEXT(sup_form_name(workers), "workers");
    CHECK_TEXT(sup_form_name(mailer), "mailer");
    CHECK_TEXT(sup_form_name(sup_form_skip(mailer)), "sweeper");
    CHECK_TEXT(sup_form_name(web), "web");
    CHECK_TEXT(sup_form_place(web), "test.lua:6");
    CHECK(sup_form_first_child(db) == NULL);
    CHECK(sup_form_skip(shop) == sup_form_skip(web));
    uint32_t size = 7;
    CHECK(sup_form_option(db, SUP_OPTION_STOP_SIGNAL, &size) != NULL);
    CHECK_INT(size, 1);
    CHECK(sup_form_option(db, SUP_OPTION_CWD, &size) == NULL);
    CHECK_INT(size, 0);
    CHECK(sup_form_option(db, 999, &size) == NULL);
    CHECK(sup_form_ref(form) == form);
    sup_form_unref(form);
    CHECK_TEXT(sup_form_name(shop), "shop");
    sup_form_unref(form);
    sup_form_unref(NULL);
}

static void specs_are_decoded_with_defaults_and_inheritance(void)
{
    write_shop(&w);
    struct sup_form *form = take();
    MUST(form != NULL);
    const struct sup_form_node *node = sup_form_root(form);
    struct sup_spec shop;
    struct sup_spec workers;
    struct sup_spec spec;
    sup_form_decode(node, NULL, &shop);
    CHECK(shop.kind == SUP_SUPERVISOR && shop.strategy == SUP_REST_FOR_ONE);
    CHECK(shop.stop_order == SUP_STOP_REVERSE); /* implied */
    CHECK(shop.failure_threshold == 3.5 && shop.failure_decay_ns == 30 * S);
    CHECK_INT(shop.timeout_ns, 20 * S);
    CHECK_TEXT(shop.name, "shop");
    sup_form_decode(node = sup_form_first_child(node), &shop, &spec);
    CHECK_INT(spec.timeout_ns, 30 * S);
    CHECK_INT(spec.stop_signal, SIGINT);
    CHECK_INT(spec.command.count, 3);
    CHECK_TEXT(spec.command.first, "postgres");
    CHECK_TEXT(sup_strings_next(sup_strings_next(spec.command.first)), "data");
    CHECK(sup_codes_has(&spec.success_exit, 0) && !sup_codes_has(&spec.success_exit, 1));
    sup_form_decode(node = sup_form_skip(node), &shop, &workers);
    CHECK_INT(workers.timeout_ns, 20 * S);
    CHECK(workers.failure_threshold == 5); /* the meter is not inherited */
    sup_form_decode(sup_form_first_child(node), &workers, &spec);
    CHECK_INT(spec.timeout_ns, 20 * S);
    CHECK(spec.kill_timeout_ns == SUP_INFINITY_NS);
    sup_form_decode(sup_form_skip(sup_form_first_child(node)), &workers, &spec);
    CHECK_INT(spec.run.size, 3);
    sup_form_decode(sup_form_skip(node), &shop, &spec);
    CHECK_INT(spec.after.count, 2);
    CHECK_TEXT(sup_strings_next(spec.after.first), "workers");
    CHECK_TEXT(spec.cwd, "/srv");
    CHECK_INT(spec.env.count, 2);
    CHECK(sup_codes_has(&spec.done_exit, 4));
    CHECK_INT(spec.kill_timeout_ns, 10 * S);
    sup_form_unref(form);
}

static void intensity_escalates_unless_told_otherwise(void)
{
    struct sup_spec spec;
    supervisor(&w, "a", 0);
    put_u32(&w, SUP_OPTION_INTENSITY, 3);
    sup_form_end(&w);
    struct sup_form *form = take();
    sup_form_decode(sup_form_root(form), NULL, &spec);
    CHECK(spec.has_intensity && spec.intensity == 3 && spec.period_ns == 5 * S);
    CHECK(spec.on_threshold == SUP_ON_ESCALATE);
    sup_form_unref(form);
    supervisor(&w, "a", 0);
    put_u8(&w, SUP_OPTION_ON_THRESHOLD, SUP_ON_PAUSE);
    put_u32(&w, SUP_OPTION_INTENSITY, 3);
    put_ns(&w, SUP_OPTION_PERIOD, S);
    sup_form_end(&w);
    form = take();
    sup_form_decode(sup_form_root(form), NULL, &spec);
    CHECK(spec.on_threshold == SUP_ON_PAUSE && spec.period_ns == S);
    sup_form_unref(form);
}

static void a_root_may_be_of_any_kind(void)
{
    process(&w, "web");
    put_u8(&w, SUP_OPTION_RESTART, SUP_TEMPORARY);
    put_words(&w, SUP_OPTION_AFTER, "not-to-be-checked-here");
    put_command(&w);
    sup_form_end(&w);
    taken();
    plain_thread(&w, "t");
    taken();
    plain_supervisor(&w, "s", 0);
    taken();
}

/* --- what is refused -------------------------------------------------------------------------- */

static void options_of_one_node(void)
{
    plain_supervisor(&w, "shop", 1);
    process(&w, "web");
    sup_form_end(&w);
    refused("test.lua:2: shop.web.command", "is missing");

    plain_supervisor(&w, "shop", 1);
    thread(&w, "t");
    sup_form_end(&w);
    refused("test.lua:2: shop.t.run", "is missing");

    supervisor(&w, "shop", 0);
    put_ns(&w, SUP_OPTION_FAILURE_DECAY, 0);
    sup_form_end(&w);
    refused("test.lua:1: shop.failure_decay", "must be greater than 0");

    supervisor(&w, "shop", 0);
    put_command(&w);
    sup_form_end(&w);
    refused("test.lua:1: shop.command", "a supervisor has no such option");

    thread(&w, "t");
    put_run(&w);
    put_u8(&w, 60000, 0);
    sup_form_end(&w);
    refused("test.lua:1: t", "unknown option, number 60000");

    process(&w, "p");
    put_command(&w);
    put_text(&w, SUP_OPTION_ENV_FILE, "/x");
    sup_form_end(&w);
    refused("test.lua:1: p.env_file", "cannot stand in a compiled configuration");

    process(&w, "p");
    put_text(&w, SUP_OPTION_FORMERLY, "p");
    put_command(&w);
    sup_form_end(&w);
    refused("test.lua:1: p.formerly", "is the name that the node has now");

    process(&w, "p");
    put_command(&w);
    sup_form_add(&w, SUP_OPTION_DONE_EXIT, "\3\4", 2);
    sup_form_add(&w, SUP_OPTION_TERMINATE_EXIT, "\4\5", 2);
    sup_form_end(&w);
    refused("test.lua:1: p.terminate_exit", "exit code 4");
}

static void options_that_do_not_fit_together(void)
{
    supervisor(&w, "s", 0);
    put_double(&w, SUP_OPTION_FAILURE_THRESHOLD, 5);
    put_u32(&w, SUP_OPTION_INTENSITY, 1);
    sup_form_end(&w);
    refused("test.lua:1: s.intensity", "cannot stand beside failure_threshold");

    supervisor(&w, "s", 0);
    put_ns(&w, SUP_OPTION_PERIOD, S);
    sup_form_end(&w);
    refused("test.lua:1: s.period", "without intensity");

    supervisor(&w, "s", 0);
    put_u32(&w, SUP_OPTION_MAX_PAUSES, 3);
    sup_form_end(&w);
    refused("test.lua:1: s.max_pauses", "needs the time");

    supervisor(&w, "s", 0);
    put_ns(&w, SUP_OPTION_WITHIN, S);
    sup_form_end(&w);
    refused("test.lua:1: s.within", "without max_pauses");

    supervisor(&w, "s", 0);
    put_u32(&w, SUP_OPTION_MAX_PAUSES, 3);
    put_ns(&w, SUP_OPTION_WITHIN, S);
    sup_form_end(&w);
    taken();

    supervisor(&w, "s", 2);
    put_u32(&w, SUP_OPTION_MAX_CHILDREN, 1);
    sup_form_end(&w);
    plain_process(&w, "a");
    plain_process(&w, "b");
    refused("test.lua:1: s.max_children", "is 1, but 2 children are declared");
}

static void write_significant(unsigned restart, int auto_shutdown)
{
    supervisor(&w, "s", 1);
    if (auto_shutdown >= 0) put_u8(&w, SUP_OPTION_AUTO_SHUTDOWN, (unsigned) auto_shutdown);
    sup_form_end(&w);
    process(&w, "a");
    put_u8(&w, SUP_OPTION_RESTART, restart);
    put_u8(&w, SUP_OPTION_SIGNIFICANT, 1);
    put_command(&w);
    sup_form_end(&w);
}

static void significance(void)
{
    write_significant(SUP_PERMANENT, SUP_SHUTDOWN_ANY);
    refused("test.lua:2: s.a.significant", "permanent");
    write_significant(SUP_TRANSIENT, -1);
    refused("test.lua:2: s.a.significant", "auto_shutdown = \"never\"");
    write_significant(SUP_TRANSIENT, SUP_SHUTDOWN_NEVER);
    refused("test.lua:2: s.a.significant", "auto_shutdown = \"never\"");
    write_significant(SUP_TRANSIENT, SUP_SHUTDOWN_ANY);
    taken();
    write_significant(SUP_TEMPORARY, SUP_SHUTDOWN_ALL);
    taken();
}

static void names_are_valid_and_unique(void)
{
    plain_supervisor(&w, "s", 3);
    plain_process(&w, "a");
    plain_process(&w, "b");
    plain_process(&w, "a");
    refused("test.lua:4: s.a", "the name \"a\" is taken by a sibling at test.lua:2");

    plain_supervisor(&w, "s", 2);
    plain_supervisor(&w, "a", 1);
    plain_process(&w, "a");
    plain_process(&w, "s");
    taken();

    plain_process(&w, "a/b");
    refused("compiled configuration", "name");
    plain_process(&w, "");
    refused("compiled configuration", "name");
    plain_process(&w, "..");
    refused("compiled configuration", "name");
    char name[200];
    memset(name, 'n', sizeof name);
    name[129] = '\0';
    plain_process(&w, name);
    refused("compiled configuration", "name");
    name[128] = '\0';
    plain_process(&w, name);
    taken();
}

static void process_after(const char *name, const char *after)
{
    process(&w, name);
    put_words(&w, SUP_OPTION_AFTER, after);
    put_command(&w);
    sup_form_end(&w);
}

static void after_names_siblings(void)
{
    plain_supervisor(&w, "s", 2);
    plain_process(&w, "worker");
    process_after("web", "wokrer");
    refused("test.lua:3: s.web.after", "there is no sibling \"wokrer\"");
    CHECK_TEXT(err.hint, "Did you mean \"worker\"?");

    plain_supervisor(&w, "s", 1);
    process_after("web", "s");
    refused("test.lua:2: s.web.after", "there is no sibling \"s\"");

    plain_supervisor(&w, "s", 1);
    process_after("web", "web");
    refused("test.lua:2: s.web.after", "names the node itself");

    plain_supervisor(&w, "s", 2);
    plain_process(&w, "db");
    process_after("web", "db db");
    refused("test.lua:3: s.web.after", "names \"db\" twice");

    plain_supervisor(&w, "s", 2);
    plain_process(&w, "db");
    process(&w, "web");
    put_words(&w, SUP_OPTION_RESTART_WITH, "bd");
    put_command(&w);
    sup_form_end(&w);
    refused("test.lua:3: s.web.restart_with", "there is no sibling \"bd\"");

    plain_supervisor(&w, "s", 2); /* following each other is one_for_all of two */
    for (int i = 0; i < 2; i++) {
        process(&w, i == 0 ? "a" : "b");
        put_words(&w, SUP_OPTION_RESTART_WITH, i == 0 ? "b" : "a");
        put_command(&w);
        sup_form_end(&w);
    }
    taken();

    plain_supervisor(&w, "s", 4); /* a diamond is no circle */
    plain_process(&w, "a");
    process_after("b", "a");
    process_after("c", "a");
    process_after("d", "b c a");
    taken();
}

static void circles_are_printed_whole(void)
{
    plain_supervisor(&w, "s", 2);
    process_after("db", "web");
    process_after("web", "db");
    refused("test.lua:2: s.db.after", "goes in a circle: db -> web -> db");

    plain_supervisor(&w, "s", 5);
    process_after("first", "b");
    process_after("c", "a");
    process_after("a", "x b");
    plain_process(&w, "x");
    process_after("b", "c");
    refused("test.lua:6: s.b.after", "goes in a circle: b -> c -> a -> b");
}

static void old_names_are_unique(void)
{
    plain_supervisor(&w, "s", 2);
    for (int i = 0; i < 2; i++) {
        process(&w, i == 0 ? "a" : "b");
        put_text(&w, SUP_OPTION_FORMERLY, "c");
        put_command(&w);
        sup_form_end(&w);
    }
    refused("test.lua:3: s.b.formerly", "\"c\" is the old name of the sibling at test.lua:2 too");
}

static void replica(const char *name, uint32_t number)
{
    plain_supervisor(&w, "s", 1);
    process(&w, name);
    put_command(&w);
    sup_form_add(&w, SUP_OPTION_REPLICAS, &number, sizeof number);
    sup_form_end(&w);
}

static void replicas_have_their_number_in_their_names(void)
{
    replica("web@1", 1);
    taken();
    replica("web@a@10000", 10000);
    taken();
    static const struct {
        const char *name;
        uint32_t number;
    } wrong[] = {{"web", 0},    {"web", 3}, {"web@1", 2}, {"web@11", 1},
                 {"web@01", 1}, {"@1", 1},  {"web1", 1},  {"1", 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char place[64];
        sup_test_case("%s %u", wrong[i].name, wrong[i].number);
        snprintf(place, sizeof place, "test.lua:2: s.%s.replicas", wrong[i].name);
        replica(wrong[i].name, wrong[i].number);
        refused(place, "has not become as many services as it says");
    }
}

static void services_have_no_children(void)
{
    sup_form_begin(&w, SUP_PROCESS, "p", "x", 1);
    put_command(&w);
    sup_form_end(&w);
    plain_process(&w, "q");
    refused("compiled configuration", "only supervisors have children");
}

static void depth_is_bounded(void)
{
    for (int i = 0; i < SUP_FORM_MAX_DEPTH - 1; i++) plain_supervisor(&w, "s", 1);
    plain_process(&w, "p");
    taken();
    for (int i = 0; i < SUP_FORM_MAX_DEPTH; i++) plain_supervisor(&w, "s", 1);
    plain_process(&w, "p");
    refused("compiled configuration", "64 levels");
    /* The longest place is cut, never overrun. */
    char name[129];
    memset(name, 'n', sizeof name - 1);
    name[128] = '\0';
    for (int i = 0; i < SUP_FORM_MAX_DEPTH - 1; i++) plain_supervisor(&w, name, 1);
    process(&w, "web");
    sup_form_end(&w);
    CHECK(take() == NULL);
    CHECK_HAS(err.place, "test.lua:64: ...nnn");
    CHECK_HAS(err.place, "n.web.command");
}

static void child_counts_are_those_of_the_records(void)
{
    plain_supervisor(&w, "s", 2);
    plain_process(&w, "p");
    refused("compiled configuration", "nodes are missing");
    plain_supervisor(&w, "s", 0);
    plain_process(&w, "p");
    refused("compiled configuration", "more than one root");
    plain_supervisor(&w, "s", UINT32_MAX);
    refused("compiled configuration", "nodes are missing");
}

static void options_are_ascending(void)
{
    process(&w, "p");
    put_command(&w);
    put_u8(&w, SUP_OPTION_RESTART, 0);
    sup_form_end(&w);
    refused("compiled configuration", "not in order");
    process(&w, "p");
    put_command(&w);
    put_command(&w);
    sup_form_end(&w);
    refused("compiled configuration", "not in order");
}

TEST_MAIN(TEST(a_tree_is_walked), TEST(specs_are_decoded_with_defaults_and_inheritance),
          TEST(intensity_escalates_unless_told_otherwise), TEST(a_root_may_be_of_any_kind),
          TEST(options_of_one_node), TEST(options_that_do_not_fit_together), TEST(significance),
          TEST(names_are_valid_and_unique), TEST(after_names_siblings),
          TEST(circles_are_printed_whole), TEST(old_names_are_unique),
          TEST(services_have_no_children), TEST(replicas_have_their_number_in_their_names),
          TEST(depth_is_bounded), TEST(child_counts_are_those_of_the_records),
          TEST(options_are_ascending))
