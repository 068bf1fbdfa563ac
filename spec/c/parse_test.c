/* How people write names, durations, sizes and signals, and what is nearest to what they wrote. */
#include "core/options.h"

#include "lib_test.h"

#include <signal.h>
#include <string.h>

/* --- nearest names ---------------------------------------------------------------------------- */

static void nearest_names(void)
{
    CHECK_TEXT(sup_option_nearest("retsart", SUP_PROCESS, false), "restart");
    CHECK_TEXT(sup_option_nearest("comand", SUP_PROCESS, false), "command");
    CHECK_TEXT(sup_option_nearest("Timeout", SUP_PROCESS, false), "timeout");
    CHECK_TEXT(sup_option_nearest("failure_treshhold", SUP_SUPERVISOR, true), "failure_threshold");
    CHECK_TEXT(sup_option_nearest("comand", SUP_SUPERVISOR, true), NULL);
    CHECK_TEXT(sup_option_nearest("restrt", SUP_SUPERVISOR, true), NULL);
    CHECK_TEXT(sup_option_nearest("qqqqqqqq", SUP_PROCESS, false), NULL);
    CHECK_TEXT(sup_option_nearest("", SUP_PROCESS, false), NULL);
    static const char *const names[] = {"db", "web", "worker", "x"};
    CHECK_TEXT(sup_nearest("bd", names, 4), "db");
    CHECK_TEXT(sup_nearest("wbe", names, 4), "web");
    CHECK_TEXT(sup_nearest("workr", names, 4), "worker");
    CHECK_TEXT(sup_nearest("web", names, 4), "web");
    CHECK_TEXT(sup_nearest("y", names, 4), NULL);
    CHECK_TEXT(sup_nearest("web", names, 0), NULL);
    char longest[4096];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    CHECK_TEXT(sup_nearest(longest, names, 4), NULL);
    const char *other = longest;
    CHECK_TEXT(sup_nearest("aaaa", &other, 1), NULL);
}

static void names_of_nodes(void)
{
    char name[130];
    memset(name, 'n', sizeof name);
    name[129] = '\0';
    CHECK(!sup_name_is_valid(name));
    name[128] = '\0';
    CHECK(sup_name_is_valid(name));
    CHECK(sup_name_is_valid("Web-1_a.b@c"));
    CHECK(sup_name_is_valid("..."));
    static const char *const bad[] = {"", ".", "..", "a/b", "a b", "\xc3\xbc", "a\n", "a:b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK(!sup_name_is_valid(bad[i]));
}

/* --- durations, sizes, signals ---------------------------------------------------------------- */

#define S SUP_SECOND_NS

static void durations(void)
{
    static const struct {
        const char *text;
        int64_t ns; /* -1: refused */
    } cases[] = {
        {"500ms", S / 2},
        {"10s", 10 * S},
        {"5m", 300 * S},
        {"1h30m", 5400 * S},
        {"2d", 172800 * S},
        {"1.5s", 3 * S / 2},
        {"0s", 0},
        {"0ms", 0},
        {"1d2h3m4s5ms6us7ns", 93784 * S + 5006007},
        {"1.5h", 5400 * S},
        {"0.5d", 43200 * S},
        {"0.000000001s", 1},
        {"0.0000000004s", 0},
        {"0.0000000005s", 1},
        {"0.99999999999s", S},
        {"1m0.25s", 60 * S + S / 4},
        {"007s", 7 * S},
        {"infinity", SUP_INFINITY_NS},
        {"36500d", SUP_DURATION_MAX_NS},
        {"", -1},
        {"10", -1},
        {"s", -1},
        {"-1s", -1},
        {"+1s", -1},
        {" 1s", -1},
        {"1s ", -1},
        {"1 s", -1},
        {"1S", -1},
        {"1sec", -1},
        {"1s1s", -1},
        {"1s1m", -1},
        {"1ms1s", -1},
        {"1.5h30m", -1},
        {"1.s", -1},
        {".5s", -1},
        {"1..5s", -1},
        {"1e3s", -1},
        {"inf", -1},
        {"Infinity", -1},
        {"infinitys", -1},
        {"36500d1ns", -1},
        {"36501d", -1},
        {"9999999999999999999999s", -1},
        {"9223372036854775807ns", -1},
        {"3153600000.5s", -1},
        {"1h30", -1},
        {"1msm", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sup_test_case("\"%s\"", cases[i].text);
        int64_t ns = -2;
        bool is_read = sup_parse_duration(cases[i].text, &ns);
        CHECK(is_read == (cases[i].ns >= 0));
        if (is_read) CHECK_INT(ns, cases[i].ns);
    }
}

static void seconds_as_numbers(void)
{
    int64_t ns;
    CHECK(sup_seconds_to_ns(0, &ns) && ns == 0);
    CHECK(sup_seconds_to_ns(0.1, &ns) && ns == S / 10);
    CHECK(sup_seconds_to_ns(9.66, &ns) && ns == 9660000000);
    CHECK(sup_seconds_to_ns(1e9 + 0.25, &ns) && ns == 1000000000 * S + S / 4);
    CHECK(sup_seconds_to_ns(0.4e-9, &ns) && ns == 0);
    CHECK(sup_seconds_to_ns(0.6e-9, &ns) && ns == 1);
    CHECK(sup_seconds_to_ns(3153600000.0, &ns) && ns == SUP_DURATION_MAX_NS);
    CHECK(!sup_seconds_to_ns(3153600001.0, &ns));
    CHECK(!sup_seconds_to_ns(-1e-9, &ns));
    CHECK(!sup_seconds_to_ns(1e300, &ns));
    CHECK(!sup_seconds_to_ns(1e300 * 1e300, &ns));
    CHECK(!sup_seconds_to_ns(0 * (1e300 * 1e300), &ns));
}

static void durations_as_text(void)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {S, "1s"},
        {3 * S / 2, "1.5s"},
        {150 * S, "2m30s"},
        {300 * S, "5m"},
        {5400 * S, "1h30m"},
        {172800 * S, "2d"},
        {S / 2, "500ms"},
        {1500000, "1.5ms"},
        {1500, "1.5us"},
        {7, "7ns"},
        {60 * S + 1, "1m0.000000001s"},
        {SUP_INFINITY_NS, "infinity"},
        {-S, "-1s"},
        {SUP_DURATION_MAX_NS, "36500d"},
        {SUP_DURATION_MAX_NS - 1, "36499d23h59m59.999999999s"},
    };
    char buf[32];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_TEXT(sup_duration_text(cases[i].ns, buf, sizeof buf), cases[i].text);
    CHECK(strlen(sup_duration_text(INT64_MIN, buf, sizeof buf)) < sizeof buf - 1);
    CHECK_TEXT(sup_duration_text(5400 * S, buf, 4), "1h3");
}

static void every_duration_reads_back(void)
{
    struct sup_test_chance chance = {4};
    char buf[32];
    for (int round = 0; round < 200000; round++) {
        int64_t ns = (int64_t) (sup_test_random(&chance) % (uint64_t) SUP_DURATION_MAX_NS);
        ns >>= sup_test_below(&chance, 62);
        if (sup_test_below(&chance, 2) == 0) ns -= ns % (S / 1000);
        int64_t back = -1;
        sup_duration_text(ns, buf, sizeof buf);
        sup_test_case("%lld ns is \"%s\"", (long long) ns, buf);
        if (!CHECK(sup_parse_duration(buf, &back)) || !CHECK_INT(back, ns)) return;
    }
}

static void sizes(void)
{
    static const struct {
        const char *text;
        int64_t bytes; /* -1: refused */
    } cases[] = {
        {"512", 512},
        {"512B", 512},
        {"10kB", 10000},
        {"10KB", 10000},
        {"64MiB", 64 << 20},
        {"1.5GiB", INT64_C(3) << 29},
        {"0.5kB", 500},
        {"2TB", 2000000000000},
        {"0", 0},
        {"", -1},
        {"MiB", -1},
        {"-1", -1},
        {"1.5", -1},
        {"0.0001kB", -1},
        {"1.", -1},
        {"64 MiB", -1},
        {"64M", -1},
        {"64mib", -1},
        {"1e3", -1},
        {"9223372036854775807", INT64_MAX},
        {"9223372036854775808", -1},
        {"99999999TiB", -1},
        {"8388607.999999TiB", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sup_test_case("\"%s\"", cases[i].text);
        uint64_t bytes = 0;
        bool is_read = sup_parse_size(cases[i].text, &bytes);
        CHECK(is_read == (cases[i].bytes >= 0));
        if (is_read) CHECK_INT(bytes, cases[i].bytes);
    }
}

static void signals(void)
{
    int32_t number;
    char buf[16];
    CHECK(sup_parse_signal("TERM", &number) && number == SIGTERM);
    CHECK(sup_parse_signal("SIGTERM", &number) && number == SIGTERM);
    CHECK(sup_parse_signal("15", &number) && number == SIGTERM);
    CHECK(sup_parse_signal("RTMIN", &number) && number == SIGRTMIN);
    CHECK(sup_parse_signal("SIGRTMIN+3", &number) && number == SIGRTMIN + 3);
    CHECK(sup_parse_signal("RTMAX-2", &number) && number == SIGRTMAX - 2);
    CHECK(sup_parse_signal("RTMAX", &number) && number == SIGRTMAX);
    static const char *const bad[] = {
        "",       "SIG",     "term",     "0",   "65",         "-1",      "TERMS",
        "RTMIN+", "RTMIN-1", "RTMIN+99", "15x", "SIGSIGTERM", "RTMAX+1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sup_test_case("\"%s\"", bad[i]);
        CHECK(!sup_parse_signal(bad[i], &number));
    }
    sup_test_case(NULL);
    CHECK_TEXT(sup_signal_name(SIGKILL, buf, sizeof buf), "KILL");
    CHECK_TEXT(sup_signal_name(SIGRTMIN, buf, sizeof buf), "RTMIN");
    CHECK_TEXT(sup_signal_name(SIGRTMIN + 3, buf, sizeof buf), "RTMIN+3");
    CHECK_TEXT(sup_signal_name(32, buf, sizeof buf), "32");
    CHECK_TEXT(sup_signal_name(999, buf, sizeof buf), "999");
    for (int signal = 1; signal <= SIGRTMAX; signal++) {
        const char *name = sup_signal_name(signal, buf, sizeof buf);
        sup_test_case("%s", name);
        CHECK(sup_parse_signal(name, &number) && number == signal);
    }
}

TEST_MAIN(TEST(nearest_names), TEST(names_of_nodes), TEST(durations), TEST(seconds_as_numbers),
          TEST(durations_as_text), TEST(every_duration_reads_back), TEST(sizes), TEST(signals))
