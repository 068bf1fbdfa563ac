/* Times of the calendar that come again: reading them, and the next one, also where the clocks
   change. */
#include "base/calendar.h"

#include "lib_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3" /* 29 Mar 2026 2:00 -> 3:00, 25 Oct 2026 3:00 -> 2:00 */
#define NEW_YORK "EST5EDT,M3.2.0,M11.1.0"
#define HALF_HOUR "LHST-10:30LHDT-11,M10.1.0,M4.1.0" /* Lord Howe: by half an hour */

static void in_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

/* "2026-03-29 01:30" of the zone's offset in minutes as Unix time. */
static int64_t utc(const char *text)
{
    struct tm tm = {0};
    MUST(strptime(text, "%Y-%m-%d %H:%M", &tm) != NULL);
    return timegm(&tm);
}

static const char *text_of(int64_t at_s)
{
    static char text[32];
    struct tm tm;
    time_t time = (time_t) at_s;
    if (at_s == SUP_CALENDAR_NEVER) return "never";
    strftime(text, sizeof text, "%Y-%m-%d %H:%M", gmtime_r(&time, &tm));
    return text;
}

/* The first ${count} times after ${from} (UTC), as UTC, joined. */
static const char *times(const char *expression, const struct sup_zone *zone, const char *from,
                         int count)
{
    static char all[512];
    struct sup_calendar calendar;
    int64_t at_s = utc(from);
    all[0] = '\0';
    MUST(sup_calendar_parse(expression, &calendar) == NULL);
    for (int i = 0; i < count; i++) {
        at_s = sup_calendar_next(&calendar, zone, at_s);
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i > 0 ? ", " : "",
                 text_of(at_s));
        if (at_s == SUP_CALENDAR_NEVER) break;
    }
    return all;
}

static const char *plain(const char *expression, const char *from, int count)
{
    return times(expression, &sup_zone_utc, from, count);
}

static void plain_times(void)
{
    CHECK_TEXT(plain("* * * * *", "2026-01-01 00:00", 2), "2026-01-01 00:01, 2026-01-01 00:02");
    CHECK_TEXT(plain("30 3 * * *", "2026-01-01 03:30", 2), "2026-01-02 03:30, 2026-01-03 03:30");
    CHECK_TEXT(plain("30 3 * * *", "2026-01-01 03:29", 1), "2026-01-01 03:30");
    CHECK_TEXT(plain("*/20 8-9 * * *", "2026-01-01 08:30", 4),
               "2026-01-01 08:40, 2026-01-01 09:00, 2026-01-01 09:20, 2026-01-01 09:40");
    CHECK_TEXT(plain("5/25,58 0 * * *", "2026-01-01 00:00", 4),
               "2026-01-01 00:05, 2026-01-01 00:30, 2026-01-01 00:55, 2026-01-01 00:58");
    CHECK_TEXT(plain(" 0\t0 1 JAN,jul *  ", "2026-01-01 00:00", 2),
               "2026-07-01 00:00, 2027-01-01 00:00");
    CHECK_TEXT(plain("0 0 * * mon-fri", "2026-01-02 00:00", 2),
               "2026-01-05 00:00, 2026-01-06 00:00");
    CHECK_TEXT(plain("0 0 * * 7", "2026-01-02 00:00", 1), "2026-01-04 00:00");
    CHECK_TEXT(plain("0 0 * * 0", "2026-01-02 00:00", 1), "2026-01-04 00:00");
    CHECK_TEXT(plain("0 0 * * 5-7", "2026-01-01 00:00", 3),
               "2026-01-02 00:00, 2026-01-03 00:00, 2026-01-04 00:00");
    CHECK_TEXT(plain("@weekly", "1969-12-25 00:00", 1), "1969-12-28 00:00");
}

static void days_of_month_and_week(void)
{
    /* both given: one of them is enough; one begins with a star: both */
    CHECK_TEXT(plain("0 0 13 * fri", "2026-02-01 00:00", 3),
               "2026-02-06 00:00, 2026-02-13 00:00, 2026-02-20 00:00");
    CHECK_TEXT(plain("0 0 */10 * mon", "2026-01-01 00:00", 1), "2026-05-11 00:00");
    CHECK_TEXT(plain("0 0 31 * *", "2026-01-31 00:00", 2), "2026-03-31 00:00, 2026-05-31 00:00");
}

static void leap_years(void)
{
    CHECK_TEXT(plain("0 0 29 2 *", "2026-01-01 00:00", 2), "2028-02-29 00:00, 2032-02-29 00:00");
    CHECK_TEXT(plain("0 0 29 2 *", "2096-03-01 00:00", 1), "2104-02-29 00:00");
    CHECK_TEXT(plain("0 0 1 3 *", "2028-02-29 12:00", 1), "2028-03-01 00:00");
    CHECK_TEXT(plain("59 23 31 12 *", "2026-12-31 23:59", 1), "2027-12-31 23:59");
}

static void words(void)
{
    CHECK_TEXT(plain("@hourly", "2026-01-01 00:00", 1), "2026-01-01 01:00");
    CHECK_TEXT(plain("@daily", "2026-01-01 00:00", 1), "2026-01-02 00:00");
    CHECK_TEXT(plain("@midnight", "2026-01-01 00:00", 1), "2026-01-02 00:00");
    CHECK_TEXT(plain("@monthly", "2026-01-01 00:00", 1), "2026-02-01 00:00");
    CHECK_TEXT(plain("@Yearly", "2026-01-01 00:00", 1), "2027-01-01 00:00");
    CHECK_TEXT(plain("@annually", "2026-01-01 00:00", 1), "2027-01-01 00:00");
}

static void what_is_no_time_is_refused(void)
{
    static const struct {
        const char *text, *fault;
    } cases[] = {
        {"", "five fields"},
        {"* * * *", "five fields"},
        {"* * * * * *", "more than five"},
        {"60 * * * *", "minute"},
        {"-1 * * * *", "minute"},
        {"1- * * * *", "minute"},
        {"1,,2 * * * *", "minute"},
        {"*/0 * * * *", "minute"},
        {"1.5 * * * *", "minute"},
        {"99999999999 * * * *", "minute"},
        {"* 24 * * *", "hour"},
        {"* 5-3 * * *", "hour"},
        {"* * 0 * *", "day of the month"},
        {"* * 32 * *", "day of the month"},
        {"* * * 13 *", "month"},
        {"* * * janu *", "month"},
        {"* * * mon *", "month"},
        {"* * * * 8", "day of the week"},
        {"* * * * jan", "day of the week"},
        {"0 0 31 2 *", "does not exist"},
        {"0 0 30 feb *", "does not exist"},
        {"0 0 31 4,6 *", "does not exist"},
        {"@often", "@hourly"},
        {"@daily now", "@hourly"},
    };
    struct sup_calendar calendar;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sup_test_case("%s", cases[i].text);
        const char *fault = sup_calendar_parse(cases[i].text, &calendar);
        MUST(fault != NULL);
        CHECK_HAS(fault, cases[i].fault);
    }
    sup_test_case(NULL);
    CHECK(sup_calendar_parse("0 0 31 2 mon", &calendar) == NULL); /* the Mondays of February */
}

static void clocks_go_forward(void)
{
    const struct sup_zone *here = &sup_zone_local;
    in_zone(BERLIN);
    /* 2:30 does not exist on 29 March: it is at the change, 3:00 CEST = 1:00 UTC */
    CHECK_TEXT(times("30 2 * * *", here, "2026-03-28 12:00", 2),
               "2026-03-29 01:00, 2026-03-30 00:30");
    CHECK_TEXT(times("*/20 2,3 * * *", here, "2026-03-29 00:00", 3),
               "2026-03-29 01:00, 2026-03-29 01:20, 2026-03-29 01:40");
    CHECK_TEXT(times("0 * * * *", here, "2026-03-28 23:30", 4),
               "2026-03-29 00:00, 2026-03-29 01:00, 2026-03-29 02:00, 2026-03-29 03:00");
    CHECK_TEXT(times("59 1 * * *", here, "2026-03-28 12:00", 1), "2026-03-29 00:59");
    in_zone(NEW_YORK);
    CHECK_TEXT(times("30 2 8 3 *", here, "2026-03-01 00:00", 2),
               "2026-03-08 07:00, 2027-03-08 07:30");
    in_zone(HALF_HOUR);
    CHECK_TEXT(times("15 2 4 10 *", here, "2026-10-01 00:00", 1), "2026-10-03 15:30");
}

static void clocks_go_back(void)
{
    const struct sup_zone *here = &sup_zone_local;
    in_zone(BERLIN);
    /* 2:30 comes twice on 25 October, at 0:30 and 1:30 UTC: the first counts */
    CHECK_TEXT(times("30 2 * * *", here, "2026-10-24 12:00", 2),
               "2026-10-25 00:30, 2026-10-26 01:30");
    CHECK_TEXT(times("0 3 * * *", here, "2026-10-24 12:00", 1), "2026-10-25 02:00");
    /* every hour is every hour */
    CHECK_TEXT(times("0 * * * *", here, "2026-10-24 23:30", 4),
               "2026-10-25 00:00, 2026-10-25 01:00, 2026-10-25 02:00, 2026-10-25 03:00");
    CHECK_TEXT(times("30 2,4 * * *", here, "2026-10-25 00:30", 1), "2026-10-25 03:30");
    in_zone(HALF_HOUR);
    CHECK_TEXT(times("*/30 1 5 4 *", here, "2026-04-04 12:00", 3),
               "2026-04-04 14:00, 2026-04-04 14:30, 2027-04-04 14:30");
}

static const char *due(const char *expression, const char *now, const char *due, const char *last)
{
    struct sup_calendar calendar;
    MUST(sup_calendar_parse(expression, &calendar) == NULL);
    return text_of(sup_calendar_due(&calendar, &sup_zone_utc, utc(now), due == NULL ? 0 : utc(due),
                                    last == NULL ? 0 : utc(last)));
}

static void the_clock_is_set(void)
{
    static const char half_past_three[] = "30 3 * * *";
    /* nothing happened to it */
    CHECK_TEXT(due(half_past_three, "2026-01-01 03:00", NULL, NULL), "2026-01-01 03:30");
    CHECK_TEXT(due(half_past_three, "2026-01-01 03:00", "2026-01-01 03:30", NULL),
               "2026-01-01 03:30");
    /* on: what is over is still next, so that it can be seen that it was missed */
    CHECK_TEXT(due(half_past_three, "2026-01-02 12:00", "2026-01-01 03:30", NULL),
               "2026-01-01 03:30");
    /* back, a little: what has run does not run again */
    CHECK_TEXT(due(half_past_three, "2026-01-01 03:20", NULL, "2026-01-01 03:30"),
               "2026-01-02 03:30");
    CHECK_TEXT(due(half_past_three, "2026-01-01 03:20", "2026-01-02 03:30", "2026-01-01 03:30"),
               "2026-01-02 03:30");
    CHECK_TEXT(due("*/5 * * * *", "2026-01-01 02:58", "2026-01-01 03:35", "2026-01-01 03:30"),
               "2026-01-01 03:35");
    /* back, by far: it was wrong */
    CHECK_TEXT(due(half_past_three, "2026-01-01 00:29", "2026-01-02 03:30", "2026-01-01 03:30"),
               "2026-01-01 03:30");
    CHECK_TEXT(due(half_past_three, "2026-01-01 00:00", "2031-01-01 03:30", "2030-12-31 03:30"),
               "2026-01-01 03:30");
}

/* The same by looking at every minute. */
static int64_t search(const struct sup_calendar *calendar, int64_t after_s)
{
    for (int64_t at_s = after_s - after_s % 60 + 60; at_s < after_s + 400 * 86400; at_s += 60) {
        struct tm tm;
        time_t time = (time_t) at_s;
        gmtime_r(&time, &tm);
        bool day = calendar->days >> tm.tm_mday & 1, weekday = calendar->weekdays >> tm.tm_wday & 1;
        bool both = calendar->any_day || calendar->any_weekday;
        if (both ? !day || !weekday : !day && !weekday) continue;
        if (!(calendar->months >> (tm.tm_mon + 1) & 1) || !(calendar->hours >> tm.tm_hour & 1))
            continue;
        if (calendar->minutes >> tm.tm_min & 1) return at_s;
    }
    return SUP_CALENDAR_NEVER;
}

static void draw_field(struct sup_test_chance *chance, char *out, unsigned min, unsigned max)
{
    unsigned a = min + (unsigned) sup_test_below(chance, max - min + 1);
    unsigned b = min + (unsigned) sup_test_below(chance, max - min + 1);
    unsigned step = 1 + (unsigned) sup_test_below(chance, 9);
    switch (sup_test_below(chance, 5)) {
    case 0:
    case 1:
        strcpy(out, "*");
        break;
    case 2:
        sprintf(out, "%u,%u", a, b);
        break;
    case 3:
        sprintf(out, "%u-%u/%u", a < b ? a : b, a < b ? b : a, step);
        break;
    default:
        sprintf(out, "*/%u", step);
        break;
    }
}

static void any_time_is_that_which_a_search_finds(void)
{
    struct sup_test_chance chance = {7};
    for (int i = 0; i < 80; i++) {
        char text[128], part[5][24];
        struct sup_calendar calendar;
        draw_field(&chance, part[0], 0, 59);
        draw_field(&chance, part[1], 0, 23);
        draw_field(&chance, part[2], 1, 31);
        draw_field(&chance, part[3], 1, 12);
        draw_field(&chance, part[4], 0, 7);
        sprintf(text, "%s %s %s %s %s", part[0], part[1], part[2], part[3], part[4]);
        if (sup_calendar_parse(text, &calendar) != NULL) continue;
        int64_t after_s = utc("2023-06-01 00:00") + (int64_t) sup_test_below(&chance, 63072000);
        int64_t wanted = search(&calendar, after_s);
        sup_test_case("%s after %s", text, text_of(after_s));
        if (wanted != SUP_CALENDAR_NEVER)
            CHECK_INT(sup_calendar_next(&calendar, &sup_zone_utc, after_s), wanted);
    }
    sup_test_case(NULL);
}

/* Whatever the zone, time goes on, and no run is more than the step and a change apart. */
static void no_run_is_lost_or_doubled_over_a_year(void)
{
    static const char *const zones[] = {BERLIN, NEW_YORK, HALF_HOUR, "UTC0"};
    struct sup_calendar calendar;
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        in_zone(zones[i]);
        sup_test_case("%s", zones[i]);
        MUST(sup_calendar_parse("30 2 * * *", &calendar) == NULL);
        int64_t at_s = utc("2026-01-01 23:00"), last_s = at_s;
        int runs = 0;
        for (; at_s < utc("2027-01-01 23:00"); last_s = at_s, runs++) {
            at_s = sup_calendar_next(&calendar, &sup_zone_local, at_s);
            CHECK(at_s > last_s && at_s <= last_s + 26 * 3600);
        }
        CHECK(runs == 365 || runs == 366);
    }
    sup_test_case(NULL);
}

TEST_MAIN(TEST(plain_times), TEST(days_of_month_and_week), TEST(leap_years), TEST(words),
          TEST(what_is_no_time_is_refused), TEST(clocks_go_forward), TEST(clocks_go_back),
          TEST(the_clock_is_set), TEST(any_time_is_that_which_a_search_finds),
          TEST(no_run_is_lost_or_doubled_over_a_year))
