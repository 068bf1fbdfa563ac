/*
** base/calendar.h: times of the calendar that come again, as in crontab: "30 3 * * mon-fri". Pure:
** which second follows another one depends on the expression and the zone alone.
**
** Five fields: minute 0-59, hour 0-23, day of the month 1-31, month 1-12 or jan-dec, day of the
** week 0-7 (0 and 7: Sunday) or sun-sat. A field is "*", a number, a range "1-5", either with a
** step, all or every second "*" "/2", or a list of these with commas. When day of the month and day
** of the week are both given (neither begins with "*"), one of them must fit; else both. Or one of
** @hourly @daily @midnight @weekly @monthly @yearly @annually.
**
** When the clocks change: a time that does not exist is that of the change itself; of one that
** comes twice only the first counts, unless the hour is "*" or all hours.
*/
#ifndef SUP_BASE_CALENDAR_H
#define SUP_BASE_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#define SUP_CALENDAR_NEVER INT64_MAX

struct sup_calendar {
    uint64_t minutes; /* bits */
    uint32_t hours, days;
    uint16_t months;
    uint8_t weekdays; /* bit 0: Sunday */
    bool any_day, any_weekday;
};

/* Where the calendar is read. */
struct sup_zone {
    /* Seconds by which local time is ahead of UTC at ${utc_s}, a Unix time. */
    int32_t (*offset)(const struct sup_zone *zone, int64_t utc_s);
};

/* The zone of this process (TZ, /etc/localtime), which is read once. */
extern const struct sup_zone sup_zone_local;
extern const struct sup_zone sup_zone_utc;

/* Read ${text}. NULL, or what is wrong with it, a constant: "its hour is not from 0 to 23". */
const char *sup_calendar_parse(const char *text, struct sup_calendar *calendar);

/* The first second after ${after_s} (Unix times) that fits; SUP_CALENDAR_NEVER: there is none. */
int64_t sup_calendar_next(const struct sup_calendar *calendar, const struct sup_zone *zone,
                          int64_t after_s);

/*
** The time that comes next when it is ${now_s}, whatever became of the clock since ${due_s} was
** said to be next (0: nothing was) and ${last_s} came (0: none did). One that is over, as the clock
** went on meanwhile, is still next. When the clock went back by three hours at most, what has come
** does not come again; when by more, it was wrong before, and what it shows now counts.
*/
int64_t sup_calendar_due(const struct sup_calendar *calendar, const struct sup_zone *zone,
                         int64_t now_s, int64_t due_s, int64_t last_s);

#endif
