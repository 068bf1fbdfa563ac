/*
** core/parse.c: how people write durations, sizes, addresses, signals and (almost) names, and the
** way back.
** Independent of the locale.
*/
#include "core/options.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* --- durations -------------------------------------------------------------------------------- */

struct unit {
    const char *name;
    int64_t scale;
};

/* From the longest to the shortest; a text names them in this order, each at most once. */
static const struct unit time_units[] = {
    {"d", 86400 * SUP_SECOND_NS},
    {"h", 3600 * SUP_SECOND_NS},
    {"m", 60 * SUP_SECOND_NS},
    {"s", SUP_SECOND_NS},
    {"ms", 1000000},
    {"us", 1000},
    {"ns", 1},
};
#define TIME_UNITS (sizeof time_units / sizeof time_units[0])

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Read digits as a whole number of at most ${max}. Moves *text behind them. */
static bool read_whole(const char **text, int64_t max, int64_t *value)
{
    const char *at = *text;
    int64_t sum = 0;
    if (!is_digit(*at)) return false;
    for (; is_digit(*at); at++) {
        int digit = *at - '0';
        if (sum > (max - digit) / 10) return false;
        sum = sum * 10 + digit;
    }
    *text = at;
    *value = sum;
    return true;
}

/* ${digits} behind the point, in units of ${scale}, rounded to the nearest. */
static int64_t scale_fraction(const char *digits, size_t count, int64_t scale)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        int digit = digits[i] - '0';
        if (scale % 10 != 0) return sum + (digit * scale + 5) / 10;
        scale /= 10;
        sum += digit * scale;
    }
    return sum;
}

/* The unit at *text, not longer than the one at *first; *first becomes the one after it. */
static const struct unit *read_unit(const char **text, size_t *first)
{
    size_t length = strspn(*text, "dhmsnu");
    for (size_t i = *first; i < TIME_UNITS; i++) {
        if (strlen(time_units[i].name) != length) continue;
        if (strncmp(*text, time_units[i].name, length) != 0) continue;
        *text += length;
        *first = i + 1;
        return &time_units[i];
    }
    return NULL;
}

bool sup_parse_duration(const char *text, int64_t *ns)
{
    if (strcmp(text, "infinity") == 0) {
        *ns = SUP_INFINITY_NS;
        return true;
    }
    int64_t sum = 0;
    size_t first = 0;
    do {
        int64_t whole;
        if (!read_whole(&text, SUP_DURATION_MAX_NS, &whole)) return false;
        const char *fraction = text;
        size_t digits = 0;
        if (*text == '.') {
            fraction = text + 1;
            digits = strspn(fraction, "0123456789");
            if (digits == 0) return false;
            text = fraction + digits;
        }
        const struct unit *unit = read_unit(&text, &first);
        if (unit == NULL || (digits > 0 && *text != '\0')) return false;
        if (whole > (SUP_DURATION_MAX_NS - sum) / unit->scale) return false;
        sum += whole * unit->scale + scale_fraction(fraction, digits, unit->scale);
        if (sum > SUP_DURATION_MAX_NS) return false;
    } while (*text != '\0');
    *ns = sum;
    return true;
}

bool sup_seconds_to_ns(double seconds, int64_t *ns)
{
    if (!(seconds >= 0) || seconds > (double) SUP_DURATION_MAX_NS / (double) SUP_SECOND_NS)
        return false;
    int64_t whole = (int64_t) seconds;
    double rest = (seconds - (double) whole) * (double) SUP_SECOND_NS;
    *ns = whole * SUP_SECOND_NS + (int64_t) (rest + 0.5);
    return true;
}

/* Append ${whole} and ${part}/${scale} without trailing zeros, then ${name}. */
static size_t write_last(char *buf, size_t size, uint64_t value, uint64_t scale, const char *name)
{
    char digits[12] = "";
    uint64_t part = value % scale;
    size_t count = 0;
    for (uint64_t place = scale; part > 0 && count < sizeof digits - 2;) {
        if (count == 0) digits[count++] = '.';
        place /= 10;
        digits[count++] = (char) ('0' + part / place);
        part %= place;
    }
    digits[count] = '\0';
    int n = snprintf(buf, size, "%llu%s%s", (unsigned long long) (value / scale), digits, name);
    return n > 0 ? (size_t) n : 0;
}

char *sup_duration_text(int64_t ns, char *buf, size_t size)
{
    if (ns == SUP_INFINITY_NS) {
        snprintf(buf, size, "infinity");
        return buf;
    }
    char text[48];
    size_t at = 0;
    uint64_t rest = ns < 0 ? 0 - (uint64_t) ns : (uint64_t) ns;
    if (ns < 0) text[at++] = '-';
    const struct unit *unit = time_units;
    for (; unit->scale > SUP_SECOND_NS; unit++) {
        uint64_t scale = (uint64_t) unit->scale;
        if (rest >= scale)
            at += write_last(text + at, sizeof text - at, rest / scale, 1, unit->name);
        rest %= scale;
    }
    size_t sign = ns < 0 ? 1 : 0;
    if (at == sign && rest > 0)
        while (rest < (uint64_t) unit->scale) unit++;
    if (rest > 0 || at == sign)
        write_last(text + at, sizeof text - at, rest, (uint64_t) unit->scale, unit->name);
    snprintf(buf, size, "%s", text);
    return buf;
}

const char *sup_duration_fault(int64_t ns, bool may_be_infinite, bool must_be_positive)
{
    if (ns < 0) return "is negative; a duration is 0 or more";
    if (ns == 0 && must_be_positive) return "must be greater than 0";
    if (ns == SUP_INFINITY_NS) return may_be_infinite ? NULL : "cannot be \"infinity\"";
    if (ns > SUP_DURATION_MAX_NS) return "is longer than 100 years";
    return NULL;
}

/* --- sizes ------------------------------------------------------------------------------------ */

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"kB", 1000},
    {"KB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"TB", INT64_C(1000000000000)},
    {"KiB", INT64_C(1) << 10},
    {"MiB", INT64_C(1) << 20},
    {"GiB", INT64_C(1) << 30},
    {"TiB", INT64_C(1) << 40},
};

static const struct unit *find_size_unit(const char *name)
{
    for (size_t i = 0; i < sizeof size_units / sizeof size_units[0]; i++)
        if (strcmp(name, size_units[i].name) == 0) return &size_units[i];
    return NULL;
}

bool sup_parse_size(const char *text, uint64_t *bytes)
{
    int64_t whole;
    int64_t part = 0;
    int64_t divisor = 1;
    if (!read_whole(&text, INT64_MAX, &whole)) return false;
    if (*text == '.') {
        text++;
        if (!is_digit(*text)) return false;
        for (; is_digit(*text); text++, divisor *= 10) {
            if (divisor == 1000000) return false;
            part = part * 10 + (*text - '0');
        }
    }
    const struct unit *unit = find_size_unit(text);
    if (unit == NULL || whole > INT64_MAX / unit->scale) return false;
    if (unit->scale * part % divisor != 0) return false; /* not a whole number of bytes */
    *bytes = (uint64_t) (whole * unit->scale) + (uint64_t) (unit->scale * part / divisor);
    return *bytes <= INT64_MAX;
}

char *sup_size_text(uint64_t bytes, char *buf, size_t size)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes > 0 && bytes % 1024 == 0 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        unit++;
    }
    snprintf(buf, size, "%llu%s", (unsigned long long) bytes, units[unit]);
    return buf;
}

/* --- addresses -------------------------------------------------------------------------------- */

uint16_t sup_parse_port(const char *text, size_t length)
{
    unsigned port = 0;
    if (length == 0 || length > 5) return 0;
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(text[i])) return 0;
        port = port * 10 + (unsigned) (text[i] - '0');
    }
    return port > 65535 ? 0 : (uint16_t) port;
}

const char *sup_parse_ip(const char *text, size_t length, bool *is_ipv6, unsigned char ip[16])
{
    char host[INET6_ADDRSTRLEN];
    *is_ipv6 = length >= 2 && text[0] == '[' && text[length - 1] == ']';
    if (*is_ipv6) {
        text++;
        length -= 2;
    }
    if (length >= sizeof host) return "has a host that is no address in numbers";
    memcpy(host, text, length);
    host[length] = '\0';
    if (inet_pton(*is_ipv6 ? AF_INET6 : AF_INET, host, ip) == 1) return NULL;
    if (!*is_ipv6 && inet_pton(AF_INET6, host, ip) == 1)
        return "has an IPv6 address without brackets";
    return "has a host that is no address in numbers";
}

/* --- signals ---------------------------------------------------------------------------------- */

/* The second name of a number is understood, never written. */
static const struct {
    const char *name;
    int number;
} signals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},       {"QUIT", SIGQUIT}, {"ILL", SIGILL},
    {"TRAP", SIGTRAP}, {"ABRT", SIGABRT},     {"BUS", SIGBUS},   {"FPE", SIGFPE},
    {"KILL", SIGKILL}, {"USR1", SIGUSR1},     {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},
    {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},     {"TERM", SIGTERM}, {"STKFLT", SIGSTKFLT},
    {"CHLD", SIGCHLD}, {"CONT", SIGCONT},     {"STOP", SIGSTOP}, {"TSTP", SIGTSTP},
    {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},     {"URG", SIGURG},   {"XCPU", SIGXCPU},
    {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
    {"IO", SIGIO},     {"PWR", SIGPWR},       {"SYS", SIGSYS},   {"POLL", SIGPOLL},
    {"IOT", SIGIOT},
};
#define SIGNALS (sizeof signals / sizeof signals[0])

/* "RTMIN", "RTMIN+3", "RTMAX-2", "RTMAX" */
static bool parse_realtime(const char *text, int32_t *signal)
{
    int64_t offset = 0;
    bool from_max = strncmp(text, "RTMAX", 5) == 0;
    if (!from_max && strncmp(text, "RTMIN", 5) != 0) return false;
    text += 5;
    if (*text != '\0') {
        if (*text != (from_max ? '-' : '+')) return false;
        text++;
        if (!read_whole(&text, SIGRTMAX - SIGRTMIN, &offset) || *text != '\0') return false;
    }
    *signal = (int32_t) (from_max ? SIGRTMAX - offset : SIGRTMIN + offset);
    return true;
}

bool sup_parse_signal(const char *text, int32_t *signal)
{
    int64_t number;
    if (is_digit(*text)) {
        if (!read_whole(&text, SIGRTMAX, &number) || *text != '\0' || number == 0) return false;
        *signal = (int32_t) number;
        return true;
    }
    if (strncmp(text, "SIG", 3) == 0) text += 3;
    for (size_t i = 0; i < SIGNALS; i++) {
        if (strcmp(text, signals[i].name) != 0) continue;
        *signal = signals[i].number;
        return true;
    }
    return parse_realtime(text, signal);
}

const char *sup_signal_name(int signal, char *buf, size_t size)
{
    for (size_t i = 0; i < SIGNALS; i++)
        if (signals[i].number == signal) return signals[i].name;
    if (signal == SIGRTMIN) return "RTMIN";
    if (signal > SIGRTMIN && signal <= SIGRTMAX) snprintf(buf, size, "RTMIN+%d", signal - SIGRTMIN);
    else snprintf(buf, size, "%d", signal);
    return buf;
}

/* --- names ------------------------------------------------------------------------------------ */

#define NEAREST_MAX 128 /* longer names have no nearest one */

static unsigned char fold(char c)
{
    return (unsigned char) tolower((unsigned char) c);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
** How many letters must be inserted, removed, replaced or swapped with their neighbour to turn ${a}
** into ${b}, without regard to case.
*/
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][NEAREST_MAX + 1];
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *row = rows[2];
    for (size_t j = 0; j <= b_length; j++) last[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t replaced = last[j - 1] + (fold(a[i - 1]) != fold(b[j - 1]) ? 1 : 0);
            row[j] = least(replaced, least(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[b_length];
}

const char *sup_nearest(const char *name, const char *const *names, size_t count)
{
    size_t length = strlen(name);
    if (length > NEAREST_MAX) return NULL;
    size_t allowed = least(1 + length / 4, 3);
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t other = strlen(names[i]);
        if (other > length + allowed || length > other + allowed || other > NEAREST_MAX) continue;
        size_t distance = edit_distance(name, length, names[i], other);
        if (distance > allowed || (nearest != NULL && distance == allowed)) continue;
        if (distance > 0 && distance >= length && distance >= other) continue; /* all differs */
        nearest = names[i];
        if (distance == 0) break;
        allowed = distance;
    }
    return nearest;
}
