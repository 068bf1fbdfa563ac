/*
** base/calendar.c: reading times as in crontab, and the next of them. Must not know what is run
** then.
*/
#include "base/calendar.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define DAY_S INT64_C(86400)
#define HOUR_S 3600
#define MINUTE_S 60
#define ALL_HOURS 0xffffffu
#define BACK_S (3 * HOUR_S)
#define FAR_DAYS (8 * 366 + 2) /* 29 February may be that far away */

/* --- reading ---------------------------------------------------------------------------------- */

struct field {
    unsigned min, max;
    const char *names; /* of three letters each, the first stands for min; NULL: none */
    const char *fault;
};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

static const struct field fields[FIELDS] = {
    {0, 59, NULL, "its minute is not made of numbers from 0 to 59"},
    {0, 23, NULL, "its hour is not made of numbers from 0 to 23"},
    {1, 31, NULL, "its day of the month is not made of numbers from 1 to 31"},
    {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec",
     "its month is not made of numbers from 1 to 12 or names, jan to dec"},
    {0, 7, "sunmontuewedthufrisat",
     "its day of the week is not made of numbers from 0 to 7 or names, sun to sat"},
};

static bool read_name(const char **at, const struct field *field, unsigned *value)
{
    size_t count = field->names == NULL ? 0 : strlen(field->names) / 3;
    for (size_t i = 0; i < count; i++) {
        if (strncasecmp(*at, field->names + 3 * i, 3) != 0) continue;
        *at += 3;
        *value = field->min + (unsigned) i;
        return !isalpha((unsigned char) **at);
    }
    return false;
}

static bool read_number(const char **at, unsigned *value)
{
    const char *start = *at;
    *value = 0;
    for (; isdigit((unsigned char) **at) && *at - start < 3; ++*at)
        *value = *value * 10 + (unsigned) (**at - '0');
    return *at > start && !isdigit((unsigned char) **at);
}

static bool read_value(const char **at, const struct field *field, unsigned *value)
{
    bool is_good =
        isalpha((unsigned char) **at) ? read_name(at, field, value) : read_number(at, value);
    return is_good && *value >= field->min && *value <= field->max;
}

/* A number, a range or "*", with or without a step. */
static bool read_item(const char **at, const struct field *field, uint64_t *bits)
{
    unsigned first = field->min, last = field->max, step = 1;
    bool is_range = **at == '*';
    if (is_range) {
        ++*at;
    } else {
        if (!read_value(at, field, &first)) return false;
        last = first;
        is_range = **at == '-';
        if (is_range) ++*at;
        if (is_range && !read_value(at, field, &last)) return false;
    }
    if (**at == '/') {
        ++*at;
        if (!read_number(at, &step) || step == 0) return false;
        if (!is_range) last = field->max; /* "5/15": from 5 on */
    }
    if (first > last) return false;
    for (unsigned i = first; i <= last; i += step) *bits |= UINT64_C(1) << i;
    return true;
}

static bool read_field(const char **at, const struct field *field, uint64_t *bits)
{
    *bits = 0;
    for (;;) {
        if (!read_item(at, field, bits)) return false;
        if (**at != ',') break;
        ++*at;
    }
    return **at == '\0' || **at == ' ' || **at == '\t';
}

static const char *skip_blanks(const char *at)
{
    while (*at == ' ' || *at == '\t') at++;
    return at;
}

static const char *find_word(const char *text)
{
    static const char *const words[][2] = {{"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},
                                           {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
                                           {"@monthly", "0 0 1 * *"},  {"@yearly", "0 0 1 1 *"},
                                           {"@annually", "0 0 1 1 *"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i][0]) == 0) return words[i][1];
    return NULL;
}

static bool is_there(const struct sup_calendar *calendar)
{
    static const uint8_t lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!calendar->any_day && !calendar->any_weekday) return true; /* there is always a Monday */
    for (unsigned month = 0; month < 12; month++) {
        if ((calendar->months >> (month + 1) & 1) == 0) continue;
        uint32_t days = (uint32_t) ((UINT64_C(1) << (lengths[month] + 1)) - 2);
        if ((calendar->days & days) != 0) return true;
    }
    return false;
}

const char *sup_calendar_parse(const char *text, struct sup_calendar *calendar)
{
    uint64_t bits[FIELDS];
    const char *at = skip_blanks(text);
    *calendar = (struct sup_calendar){0};
    if (*at == '@') at = find_word(at);
    if (at == NULL) return "is not one of @hourly, @daily, @weekly, @monthly and @yearly";
    for (int i = 0; i < FIELDS; i++) {
        at = skip_blanks(at);
        if (*at == '\0') return "has not five fields: minute, hour, day, month, day of the week";
        if (i == DAY) calendar->any_day = *at == '*';
        if (i == WEEKDAY) calendar->any_weekday = *at == '*';
        if (!read_field(&at, &fields[i], &bits[i])) return fields[i].fault;
    }
    if (*skip_blanks(at) != '\0')
        return "has more than five fields: minute, hour, day, month, day of the week";
    calendar->minutes = bits[MINUTE];
    calendar->hours = (uint32_t) bits[HOUR];
    calendar->days = (uint32_t) bits[DAY];
    calendar->months = (uint16_t) bits[MONTH];
    calendar->weekdays = (uint8_t) ((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f);
    return is_there(calendar) ? NULL : "names a day that does not exist";
}

/* --- zones ------------------------------------------------------------------------------------ */

static int32_t local_offset(const struct sup_zone *zone, int64_t utc_s)
{
    struct tm tm;
    time_t time = (time_t) utc_s;
    (void) zone;
    return localtime_r(&time, &tm) == NULL ? 0 : (int32_t) tm.tm_gmtoff;
}

static int32_t no_offset(const struct sup_zone *zone, int64_t utc_s)
{
    (void) zone;
    (void) utc_s;
    return 0;
}

const struct sup_zone sup_zone_local = {local_offset};
const struct sup_zone sup_zone_utc = {no_offset};

static int32_t offset_at(const struct sup_zone *zone, int64_t utc_s)
{
    return zone->offset(zone, utc_s);
}

/* --- days ------------------------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Month and day of the month of ${day}, counted from 1 January 1970. */
static void split_day(int64_t day, unsigned *month, unsigned *day_of_month)
{
    int64_t z = day + 719468; /* from 1 March 0000 */
    int64_t era = floor_div(z, 146097);
    unsigned doe = (unsigned) (z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    *day_of_month = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
}

static bool fits_day(const struct sup_calendar *calendar, int64_t day)
{
    unsigned month, day_of_month;
    split_day(day, &month, &day_of_month);
    int64_t weekday = (day + 4) - 7 * floor_div(day + 4, 7); /* 1970 began on a Thursday */
    bool by_day = (calendar->days >> day_of_month & 1) != 0;
    bool by_weekday = (calendar->weekdays >> weekday & 1) != 0;
    if ((calendar->months >> month & 1) == 0) return false;
    if (calendar->any_day || calendar->any_weekday) return by_day && by_weekday;
    return by_day || by_weekday;
}

/* --- local times ------------------------------------------------------------------------------ */

/* The first second in (${low}, ${high}] at which the zone is ${offset} ahead. */
static int64_t find_change(const struct sup_zone *zone, int64_t low, int64_t high, int32_t offset)
{
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (offset_at(zone, middle) == offset) high = middle;
        else low = middle;
    }
    return high;
}

/* The first second after ${after_s} that is ${local_s} there, or stands for it; NEVER: none. */
static int64_t resolve(const struct sup_zone *zone, int64_t local_s, int64_t after_s, bool twice)
{
    int32_t before = offset_at(zone, local_s - 2 * DAY_S);
    int32_t behind = offset_at(zone, local_s + 2 * DAY_S);
    int64_t early = local_s - before, late = local_s - behind;
    bool is_early = offset_at(zone, early) == before, is_late = offset_at(zone, late) == behind;
    if (!is_early && !is_late) early = late = find_change(zone, late, early, behind);
    else if (!is_early) early = late;
    else if (!is_late || !twice) late = early;
    if (early > after_s) return early;
    return late > after_s ? late : SUP_CALENDAR_NEVER;
}

/* A day on which the clocks may change: every time of it is looked at. */
static int64_t next_in_changing_day(const struct sup_calendar *calendar,
                                    const struct sup_zone *zone, int64_t day, int64_t after_s)
{
    int64_t best = SUP_CALENDAR_NEVER;
    bool twice = calendar->hours == ALL_HOURS;
    for (int hour = 0; hour < 24; hour++) {
        if ((calendar->hours >> hour & 1) == 0) continue;
        for (int minute = 0; minute < 60; minute++) {
            if ((calendar->minutes >> minute & 1) == 0) continue;
            int64_t local_s = day * DAY_S + hour * HOUR_S + minute * MINUTE_S;
            int64_t at_s = resolve(zone, local_s, after_s, twice);
            if (at_s < best) best = at_s;
        }
    }
    return best;
}

static int64_t next_in_plain_day(const struct sup_calendar *calendar, int32_t offset, int64_t day,
                                 int64_t after_s)
{
    for (int hour = 0; hour < 24; hour++) {
        int64_t hour_s = day * DAY_S + hour * HOUR_S - offset;
        if ((calendar->hours >> hour & 1) == 0 || hour_s + HOUR_S <= after_s) continue;
        for (int minute = 0; minute < 60; minute++) {
            int64_t at_s = hour_s + minute * MINUTE_S;
            if ((calendar->minutes >> minute & 1) != 0 && at_s > after_s) return at_s;
        }
    }
    return SUP_CALENDAR_NEVER;
}

static int64_t next_in_day(const struct sup_calendar *calendar, const struct sup_zone *zone,
                           int64_t day, int64_t after_s)
{
    int32_t before = offset_at(zone, (day - 2) * DAY_S);
    int32_t behind = offset_at(zone, (day + 3) * DAY_S);
    if (before == behind) return next_in_plain_day(calendar, before, day, after_s);
    return next_in_changing_day(calendar, zone, day, after_s);
}

int64_t sup_calendar_next(const struct sup_calendar *calendar, const struct sup_zone *zone,
                          int64_t after_s)
{
    int64_t today = floor_div(after_s + offset_at(zone, after_s), DAY_S);
    for (int64_t day = today - 1; day < today + FAR_DAYS; day++) {
        if (!fits_day(calendar, day)) continue;
        int64_t at_s = next_in_day(calendar, zone, day, after_s);
        if (at_s != SUP_CALENDAR_NEVER) return at_s;
    }
    return SUP_CALENDAR_NEVER;
}

int64_t sup_calendar_due(const struct sup_calendar *calendar, const struct sup_zone *zone,
                         int64_t now_s, int64_t due_s, int64_t last_s)
{
    bool is_back = last_s > now_s && last_s - now_s <= BACK_S;
    int64_t next_s = sup_calendar_next(calendar, zone, is_back ? last_s : now_s);
    return due_s != 0 && due_s < next_s ? due_s : next_s;
}
