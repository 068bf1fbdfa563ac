/*
** core/cgroup.c: the items of the option `cgroup`.
*/
#include "core/cgroup.h"

#include "core/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MILLION UINT64_C(1000000)
#define LEAST_CPU (MILLION / 100)
#define MOST_CPU (MILLION * 10000)

enum item_kind { ITEM_SIZE, ITEM_CORES, ITEM_WEIGHT, ITEM_COUNT, ITEM_BOOL };

static const struct {
    const char *name;
    enum item_kind kind;
} items[] = {
    [SUP_CGROUP_CPU_MAX] = {"cpu_max", ITEM_CORES},
    [SUP_CGROUP_CPU_WEIGHT] = {"cpu_weight", ITEM_WEIGHT},
    [SUP_CGROUP_IO_WEIGHT] = {"io_weight", ITEM_WEIGHT},
    [SUP_CGROUP_MEMORY_HIGH] = {"memory_high", ITEM_SIZE},
    [SUP_CGROUP_MEMORY_LOW] = {"memory_low", ITEM_SIZE},
    [SUP_CGROUP_MEMORY_MAX] = {"memory_max", ITEM_SIZE},
    [SUP_CGROUP_PIDS_MAX] = {"pids_max", ITEM_COUNT},
    [SUP_CGROUP_REQUIRED] = {"required", ITEM_BOOL},
    [SUP_CGROUP_SWAP_MAX] = {"swap_max", ITEM_SIZE},
};

_Static_assert(sizeof items / sizeof items[0] == SUP_CGROUP_ITEMS, "every item has a row");

const char *sup_cgroup_name(unsigned item)
{
    return item < SUP_CGROUP_ITEMS ? items[item].name : "?";
}

int sup_cgroup_number(const char *name)
{
    for (unsigned item = 0; item < SUP_CGROUP_ITEMS; item++)
        if (strcmp(name, items[item].name) == 0) return (int) item;
    return -1;
}

const char *sup_cgroup_hint(unsigned item)
{
    static const char *const hints[] = {
        [ITEM_SIZE] = "Write bytes as a number, a text such as \"64MiB\", or \"max\".",
        [ITEM_CORES] = "Write a number of cores such as 1.5, a text such as \"50%\" of one, or "
                       "\"max\".",
        [ITEM_WEIGHT] = "Write a whole number from 1 to 10000; 100 is the usual one.",
        [ITEM_COUNT] = "Write how many processes and threads there may be, or \"max\".",
        [ITEM_BOOL] = "Write true or false.",
    };
    return hints[items[item].kind];
}

const char *sup_cgroup_fault(unsigned item, uint64_t value)
{
    bool is_max = value == SUP_CGROUP_NO_LIMIT;
    switch (items[item].kind) {
    case ITEM_SIZE:
        if (!is_max && value > INT64_MAX) return "is too large";
        return item == SUP_CGROUP_MEMORY_MAX && value < 65536
                   ? "is less than 64KiB, in which no program can start"
                   : NULL;
    case ITEM_CORES:
        if (!is_max && value < LEAST_CPU) return "is less than 0.01, a hundredth of a core";
        return !is_max && value > MOST_CPU ? "is more than 10000 cores" : NULL;
    case ITEM_WEIGHT:
        return value < 1 || value > 10000 ? "must be a whole number from 1 to 10000" : NULL;
    case ITEM_COUNT:
        if (value == 0) return "is 0, with which nothing can start";
        return !is_max && value > INT32_MAX ? "is too large" : NULL;
    case ITEM_BOOL:
        break;
    }
    return value > 1 ? "must be true or false" : NULL;
}

static bool parse_cores(const char *text, uint64_t *value)
{
    char *end;
    if (text[0] == '\0' || text[strspn(text, "0123456789.%")] != '\0') return false;
    /* "1.5" whatever the locale: by hand, as there is nothing but digits and one point. */
    double number = 0, unit = 1;
    bool has_point = false, has_digit = false;
    for (end = (char *) text; *end != '\0' && *end != '%'; end++) {
        if (*end == '.' && has_point) return false;
        has_point = has_point || *end == '.';
        if (*end == '.') continue;
        has_digit = true;
        number = number * 10 + (*end - '0');
        if (has_point) unit *= 10;
    }
    if (!has_digit || (*end == '%' && end[1] != '\0')) return false;
    return sup_cgroup_from_number(SUP_CGROUP_CPU_MAX, number / unit / (*end == '%' ? 100 : 1),
                                  value);
}

static bool parse_whole(const char *text, uint64_t *value)
{
    size_t length = strlen(text);
    if (length == 0 || length > 18 || text[strspn(text, "0123456789")] != '\0') return false;
    *value = strtoull(text, NULL, 10);
    return true;
}

bool sup_cgroup_parse(unsigned item, const char *text, uint64_t *value)
{
    enum item_kind kind = items[item].kind;
    bool may_be_max = kind == ITEM_SIZE || kind == ITEM_CORES || kind == ITEM_COUNT;
    if (may_be_max && strcmp(text, "max") == 0) {
        *value = SUP_CGROUP_NO_LIMIT;
        return true;
    }
    switch (kind) {
    case ITEM_SIZE:
        return sup_parse_size(text, value);
    case ITEM_CORES:
        return parse_cores(text, value);
    case ITEM_WEIGHT:
    case ITEM_COUNT:
        return parse_whole(text, value);
    case ITEM_BOOL:
        break;
    }
    *value = strcmp(text, "true") == 0;
    return *value == 1 || strcmp(text, "false") == 0;
}

bool sup_cgroup_from_number(unsigned item, double number, uint64_t *value)
{
    double scaled = items[item].kind == ITEM_CORES ? number * (double) MILLION + 0.5 : number;
    if (!(scaled >= 0 && scaled < 9e18)) return false;
    *value = (uint64_t) scaled;
    return items[item].kind == ITEM_CORES || !((double) *value < scaled);
}

static char *cores_text(uint64_t value, char *buf, size_t size)
{
    snprintf(buf, size, "%llu.%06llu", (unsigned long long) (value / MILLION),
             (unsigned long long) (value % MILLION));
    size_t length = strlen(buf);
    while (buf[length - 1] == '0') buf[--length] = '\0';
    if (buf[length - 1] == '.') buf[length - 1] = '\0';
    return buf;
}

char *sup_cgroup_text(unsigned item, uint64_t value, char *buf, size_t size)
{
    enum item_kind kind = items[item].kind;
    if (value == SUP_CGROUP_NO_LIMIT) {
        snprintf(buf, size, "max");
        return buf;
    }
    if (kind == ITEM_CORES) return cores_text(value, buf, size);
    if (kind == ITEM_SIZE) return sup_size_text(value, buf, size);
    if (kind == ITEM_BOOL) snprintf(buf, size, "%s", value == 1 ? "true" : "false");
    else snprintf(buf, size, "%llu", (unsigned long long) value);
    return buf;
}

bool sup_cgroup_value(const struct sup_bytes *cgroup, unsigned item, uint64_t *value)
{
    for (uint32_t i = 0; i < cgroup->size; i += (uint32_t) SUP_CGROUP_BYTES) {
        if (cgroup->data[i] != item) continue;
        memcpy(value, cgroup->data + i + 1, sizeof *value);
        return true;
    }
    return false;
}
