/*
** spec/c/api_text_test.c: what is written as text, what is refused and with which words, and the
** values of errors.
*/
#include "lib_api.h"

#include <locale.h>
#include <math.h>
#include <sys/stat.h>

/* --- errors ----------------------------------------------------------------------------------- */

static void each_error_has_words_of_its_own(void)
{
    for (int error = SUP_SUCCESS; error <= SUP_ERR_GAVE_UP; error++) {
        const char *text = sup_error_text((enum sup_error) error);
        CHECK(text != NULL && strlen(text) > 7);
        for (int other = SUP_SUCCESS; other < error; other++)
            CHECK(strcmp(text, sup_error_text((enum sup_error) other)) != 0);
    }
    CHECK_TEXT(sup_error_text((enum sup_error) 1000), "unknown error");
    CHECK_TEXT(sup_error_text((enum sup_error) - 1), "unknown error");
    CHECK_TEXT(sup_error_text(SUP_ERR_WRONG_SUPERVISOR),
               "wrong supervisor for this service token, no service removed");
}

static void nothing_is_not_a_supervisor(void)
{
    uint64_t token = 5;
    size_t count = 5;
    struct sup_unstopped_service *left;
    struct sup_supervisor *shop = sup_new_simple("shop");
    struct sup_process process = {.name = "web", .argv = OPTIONS("true")};
    struct api_counter counter = {0};
    struct sup_service service = {api_serve_until_asked, NULL, "worker", &counter, NULL};
    CHECK_INT(sup_add(NULL, &service, &token), SUP_ERR_INVALID);
    CHECK_INT(token, 0);
    CHECK_HAS(sup_last_error(), "a supervisor is needed");
    CHECK_INT(sup_add_process(NULL, &process, NULL), SUP_ERR_INVALID);
    CHECK_INT(sup_add_supervisor(NULL, shop, NULL), SUP_ERR_INVALID);
    CHECK_INT(sup_add_supervisor(shop, NULL, NULL), SUP_ERR_INVALID);
    CHECK_INT(sup_remove(NULL, 1), SUP_ERR_INVALID);
    CHECK_INT(sup_remove_and_wait(NULL, 1, 0), SUP_ERR_INVALID);
    CHECK(sup_services(NULL, &count) == NULL);
    CHECK_INT(count, 0);
    CHECK_INT(sup_serve(NULL), SUP_ERR_INVALID);
    CHECK_INT(sup_serve_background(NULL, NULL), SUP_ERR_INVALID);
    CHECK_INT(sup_stop(NULL, NULL, &left, &count), SUP_ERR_INVALID);
    CHECK(left == NULL);
    CHECK_INT(sup_poll(NULL, 600), 0);
    CHECK_INT(sup_fd(NULL), -1);
    CHECK_TEXT(sup_name(NULL), "");
    sup_free(NULL);
    sup_free(shop);
}

static void what_is_missing_is_named(void)
{
    struct sup_supervisor *shop = sup_new_simple("shop");
    struct api_counter counter = {0};
    struct sup_service nobody = {.name = "nobody"};
    struct sup_service unnamed = {.serve = api_serve_until_asked, .data = &counter};
    struct sup_process idle = {.name = "idle"},
                       empty = {.name = "empty", .argv = &(const char *){NULL}};
    CHECK(sup_new(NULL, NULL) == NULL);
    CHECK_HAS(sup_last_error(), "needs a name");
    CHECK_INT(sup_add(shop, NULL, NULL), SUP_ERR_INVALID);
    CHECK_INT(sup_add(shop, &nobody, NULL), SUP_ERR_INVALID);
    CHECK_INT(sup_add(shop, &unnamed, NULL), SUP_ERR_INVALID);
    CHECK_HAS(sup_last_error(), "needs a name and a function");
    CHECK_INT(sup_add_process(shop, NULL, NULL), SUP_ERR_INVALID);
    CHECK_INT(sup_add_process(shop, &idle, NULL), SUP_ERR_INVALID);
    CHECK_INT(sup_add_process(shop, &empty, NULL), SUP_ERR_INVALID);
    CHECK_HAS(sup_last_error(), "needs a name and a program");
    CHECK_INT(sup_remove_and_wait(shop, 0, -1), SUP_ERR_INVALID);
    CHECK_INT(sup_remove_and_wait(shop, 0, NAN), SUP_ERR_INVALID);
    CHECK_HAS(sup_last_error(), "the time to wait");
    sup_free(shop);
}

static void the_last_error_is_of_this_thread_and_stays(void)
{
    struct sup_supervisor *shop = sup_new_simple("shop");
    CHECK_INT(sup_remove(shop, 0), SUP_ERR_WRONG_SUPERVISOR);
    CHECK_INT(api_add_sleeper(shop, "web", NULL), SUP_SUCCESS);
    CHECK_TEXT(sup_last_error(), "wrong supervisor for this service token, no service removed");
    sup_free(shop);
}

/* --- options ---------------------------------------------------------------------------------- */

static void options_of_a_supervisor_are_read(void)
{
    static const struct {
        const char *name, *value;
    } good[] = {
        {"failure_decay", "30s"},     {"failure_decay", "1.5"},
        {"failure_decay", "1h30m"},   {"failure_threshold", "5"},
        {"failure_threshold", "3.5"}, {"failure_threshold", "1e3"},
        {"failure_backoff", "0"},     {"timeout", "infinity"},
        {"timeout", "500ms"},         {"strategy", "one_for_all"},
        {"backoff_jitter", "true"},   {"backoff_jitter", "false"},
        {"max_children", "100"},      {"stop_order", "reverse"},
        {"kill_timeout", "2s"},       {"description", "the shop: where one buys things"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        sup_test_case("%s = %s", good[i].name, good[i].value);
        struct sup_settings settings = {.options = OPTIONS(good[i].name, good[i].value)};
        struct sup_supervisor *shop = sup_new("shop", &settings);
        if (!CHECK(shop != NULL)) printf("%s\n", sup_last_error());
        sup_free(shop);
    }
}

static void options_that_cannot_be_used_are_named_with_what_they_want(void)
{
    static const struct {
        const char *name, *value, *words;
    } bad[] = {
        {"failure_treshold", "5",
         "shop.failure_treshold: unknown option, did you mean \"failure_threshold\"?"},
        {"colour", "red", "shop.colour: unknown option"},
        {"command", "x", "shop.command: unknown option"},
        {"restart", "permanent", "shop.restart: unknown option"},
        {"timeout", "soon", "shop.timeout: \"soon\" is not a time such as \"10s\""},
        {"timeout", "", "shop.timeout: \"\" is not a time"},
        {"timeout", "-1", "shop.timeout"},
        {"timeout", "nan", "shop.timeout"},
        {"timeout", "0x10", "shop.timeout"},
        {"timeout", NULL, "shop.timeout: has no value"},
        {"failure_decay", "0", "shop.failure_decay"},
        {"failure_decay", "infinity", "shop.failure_decay"},
        {"failure_threshold", "many", "shop.failure_threshold: \"many\" is not a number"},
        {"failure_threshold", "-1", "shop.failure_threshold"},
        {"failure_threshold", "inf", "shop.failure_threshold"},
        {"max_children", "1.5", "shop.max_children"},
        {"max_children", "99999999999", "shop.max_children"},
        {"strategy", "all",
         "shop.strategy: \"all\" is not one of one_for_one, one_for_all, rest_for_one"},
        {"backoff_jitter", "yes", "shop.backoff_jitter: \"yes\" is not true or false"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sup_test_case("%s = %s", bad[i].name, bad[i].value == NULL ? "(nothing)" : bad[i].value);
        struct sup_settings settings = {.options = OPTIONS(bad[i].name, bad[i].value)};
        CHECK(sup_new("shop", &settings) == NULL);
        CHECK_HAS(sup_last_error(), bad[i].words);
    }
}

static void options_of_services_are_read(void)
{
    static const struct {
        const char *name, *value, *words; /* NULL: good */
    } cases[] = {
        {"restart", "transient", NULL},
        {"restart_delay", "2s", NULL},
        {"restart_delay", "0.5", NULL},
        {"restart_delay", "initial=1s", NULL},
        {"restart_delay", "initial=1s max=30s factor=1.5 jitter=0.1 reset_after=2m", NULL},
        {"restart_delay", " max=2m  initial=100s ", NULL},
        {"restart_delay", "initial=2m", NULL}, /* max is no less than that */
        {"stop_signal", "INT", NULL},
        {"stop_signal", "SIGUSR1", NULL},
        {"stop_signal", "15", NULL},
        {"success_exit", "0 3 255", NULL},
        {"ready", "2s", NULL},
        {"ready", "/tmp/ready", NULL},
        {"before", "./migrate up", NULL},
        {"after_exit", "rm -f x", NULL},
        {"limits", "nofile=1024", NULL},
        {"limits", "nofile=1024:2048 core=0 stack=8MiB:unlimited", NULL},
        {"cgroup", "memory_max=64MiB cpu_max=50% pids_max=100 swap_max=max required=true", NULL},
        {"cgroup", "cpu_max=1.5", NULL},
        {"cgroup", "required=true memory_max",
         "web.cgroup: \"required=true memory_max\" is not a list"},
        {"cgroup", "memory=64MiB", "web.cgroup"},
        {"cgroup", "memory_max=100", "web.cgroup: its memory_max is less than 64KiB"},
        {"cgroup", "cpu_weight=0", "web.cgroup: its cpu_weight must be"},
        {"cgroup", "cpu_max=1..5", "web.cgroup"},
        {"umask", "027", NULL},
        {"nice", "-5", NULL},
        {"user", "0", NULL},
        {"user", "root", NULL},
        {"groups", "root 12345", NULL},
        {"sockets", "http=127.0.0.1:8080 admin=unix:/run/admin.sock any=80", NULL},
        {"sockets", "http=localhost:80", "web.sockets"},
        {"sockets", "http=80 http=81", "web.sockets"},
        {"sockets", "8080", "web.sockets"},
        {"restart", "always",
         "web.restart: \"always\" is not one of permanent, transient, temporary"},
        {"restart_delay", "often", "web.restart_delay: \"often\" is not a time, or words such as"},
        {"restart_delay", "max=3s", "web.restart_delay"},
        {"restart_delay", "initial=1s colour=red", "web.restart_delay"},
        {"restart_delay", "initial=1s factor=", "web.restart_delay"},
        {"restart_delay", "initial=10s max=1s", "web.restart_delay"},
        {"restart_delay", "initial=1s factor=0.5", "web.restart_delay"},
        {"stop_signal", "HURRY", "web.stop_signal: \"HURRY\" is not a signal such as \"TERM\""},
        {"success_exit", "0 300", "web.success_exit: \"0 300\" is not a list of exit codes"},
        {"success_exit", "zero", "web.success_exit"},
        {"ready", "never", "web.ready: \"never\" is not"},
        {"ready", "manual", NULL},
        {"ready", "tcp 5432", NULL},
        {"ready", "http http://127.0.0.1:8080/health", NULL},
        {"ready", "log port %d+", NULL},
        {"ready", "exec pg_isready -q", NULL},
        {"health", "probe=exec pg_isready -q", NULL},
        {"ready", "tcp 0", "web.ready"},
        {"ready", "tcp", "web.ready: \"tcp\" is not a condition such as \"2s\""},
        {"ready", "unix run/x", "web.ready"},
        {"health", "probe=tcp 5432", NULL},
        {"health", "every=1m timeout=1s failures=5 action=event probe=unix /run/x", NULL},
        {"health", "every=0 probe=tcp 5432", "web.health: its every must be greater than 0"},
        {"health", "every=1m", "web.health: \"every=1m\" is not words such as"},
        {"health", "colour=red probe=tcp 5432", "web.health"},
        {"health", "probe=manual", "web.health: its probe cannot be looked at again and again"},
        {"limits", "nofile", "web.limits"},
        {"limits", "colour=5", "web.limits"},
        {"limits", "nofile=20:10", "web.limits"},
        {"umask", "99", "web.umask"},
        {"nice", "1.5", "web.nice"},
        {"nice", "50", "web.nice"},
        {"user", "no-such-user-at-all",
         "web.user: \"no-such-user-at-all\" is not a user of this machine"},
        {"group", "no-such-group-at-all", "web.group"},
        {"groups", "root no-such-group-at-all", "web.groups"},
        {"command", "true", "web.command: \"true\" is not for here: it is a member of the struct"},
        {"memory", "1MiB", "web.memory: unknown option"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sup_test_case("%s = %s", cases[i].name, cases[i].value);
        struct sup_supervisor *shop = sup_new_simple("shop");
        enum sup_error error =
            api_add_shell(shop, "web", "exit 0", OPTIONS(cases[i].name, cases[i].value), NULL);
        CHECK_INT(error, cases[i].words == NULL ? SUP_SUCCESS : SUP_ERR_INVALID);
        if (cases[i].words != NULL) CHECK_HAS(sup_last_error(), cases[i].words);
        sup_free(shop);
    }
}

static void names_are_checked(void)
{
    static const char *const bad[] = {"", "no name", "a/b", ".", "..", "caf\xc3\xa9"};
    char name[200];
    struct sup_supervisor *shop = sup_new_simple("shop");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sup_test_case("\"%s\"", bad[i]);
        CHECK(sup_new_simple(bad[i]) == NULL);
        CHECK_INT(api_add_sleeper(shop, bad[i], NULL), SUP_ERR_INVALID);
        CHECK(sup_last_error()[0] != '\0');
    }
    memset(name, 'x', sizeof name);
    name[129] = '\0';
    CHECK_INT(api_add_sleeper(shop, name, NULL), SUP_ERR_INVALID);
    name[128] = '\0';
    CHECK_INT(api_add_sleeper(shop, name, NULL), SUP_SUCCESS);
    CHECK_TEXT(api_look(shop, name).name, name);
    CHECK_INT(api_add_sleeper(shop, "A-z_0.9@x", NULL), SUP_SUCCESS);
    sup_free(shop);
}

static void numbers_have_a_point_in_every_locale(void)
{
    static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
    for (size_t i = 0; i < sizeof locales / sizeof *locales; i++)
        if (setlocale(LC_ALL, locales[i]) != NULL) break;
    struct sup_settings settings = {
        .options = OPTIONS("failure_threshold", "3.5", "failure_decay", "1.5")};
    struct sup_supervisor *shop = sup_new("shop", &settings);
    CHECK(shop != NULL);
    setlocale(LC_ALL, "C");
    sup_free(shop);
}

/* --- processes -------------------------------------------------------------------------------- */

static void read_file(const char *path, char *buf, size_t size)
{
    FILE *file = fopen(path, "r");
    MUST(file != NULL);
    buf[fread(buf, 1, size - 1, file)] = '\0';
    fclose(file);
}

static void a_process_has_its_folder_and_its_environment(void)
{
    char folder[] = "/tmp/suptree-api.XXXXXX", path[64], text[512];
    MUST(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/out", folder);
    setenv("SUPTREE_TEST_INHERITED", "old", 1);
    struct sup_supervisor *shop = sup_new_simple("shop");
    struct sup_process process = {
        .name = "web",
        .argv = OPTIONS("/bin/sh", "-c",
                        "echo \"$PWD $ONE|$TWO $SUPTREE_TEST_INHERITED $SUPTREE_PATH "
                        "$SUPTREE_GENERATION\" >new && mv new out; exec sleep 1000"),
        .env = OPTIONS("TWO=2 = two", "ONE=1", "SUPTREE_TEST_INHERITED=new"),
        .cwd = folder,
    };
    CHECK_INT(sup_add_process(shop, &process, NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    EVENTUALLY(access(path, F_OK) == 0);
    read_file(path, text, sizeof text);
    CHECK_HAS(text, " 1|2 = two new web 1\n");
    CHECK_HAS(text, folder);
    sup_free(shop);
    unlink(path);
    rmdir(folder);
}

static void a_folder_or_environment_that_cannot_be_is_refused(void)
{
    struct sup_supervisor *shop = sup_new_simple("shop");
    struct sup_process lost = {.name = "web", .argv = OPTIONS("true"), .cwd = "/no/such/folder"};
    struct sup_process strange = {.name = "web",
                                  .argv = OPTIONS("true"),
                                  .env = OPTIONS("NO_VALUE")};
    CHECK_INT(sup_add_process(shop, &lost, NULL), SUP_ERR_INVALID);
    CHECK_HAS(sup_last_error(), "/no/such/folder cannot be used: No such file or directory");
    CHECK_INT(sup_add_process(shop, &strange, NULL), SUP_ERR_INVALID);
    sup_free(shop);
}

static void without_its_keeper_serve_says_what_is_missing_and_may_be_tried_again(void)
{
    char keeper[4096];
    struct sup_supervisor *shop = sup_new_simple("shop");
    snprintf(keeper, sizeof keeper, "%s", getenv("SUPTREE_KEEPER"));
    CHECK_INT(api_add_sleeper(shop, "web", NULL), SUP_SUCCESS);
    setenv("SUPTREE_KEEPER", "/no/such/keeper", 1);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_ERR_REFUSED);
    CHECK_HAS(sup_last_error(), "SUPTREE_KEEPER: /no/such/keeper cannot be run");
    setenv("SUPTREE_KEEPER", "/bin/false", 1); /* one that ends at once */
    CHECK_INT(sup_serve_background(shop, NULL), SUP_ERR_REFUSED);
    CHECK(sup_last_error()[0] != '\0');
    setenv("SUPTREE_KEEPER", keeper, 1);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    EVENTUALLY(api_is_running(shop, "web"));
    sup_free(shop);
}

int main(int argc, char **argv)
{
    static const struct sup_test tests[] = {
        TEST(each_error_has_words_of_its_own),
        TEST(nothing_is_not_a_supervisor),
        TEST(what_is_missing_is_named),
        TEST(the_last_error_is_of_this_thread_and_stays),
        TEST(options_of_a_supervisor_are_read),
        TEST(options_that_cannot_be_used_are_named_with_what_they_want),
        TEST(options_of_services_are_read),
        TEST(names_are_checked),
        TEST(numbers_have_a_point_in_every_locale),
        TEST(a_process_has_its_folder_and_its_environment),
        TEST(a_folder_or_environment_that_cannot_be_is_refused),
        TEST(without_its_keeper_serve_says_what_is_missing_and_may_be_tried_again),
    };
    api_use_keeper();
    return sup_test_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
