/*
** core/cgroup.h: what stands in the option `cgroup`: the limits of a service's cgroup, their names,
** ranges, and how people write them. Must not know how a limit is set.
*/
#ifndef SUP_CORE_CGROUP_H
#define SUP_CORE_CGROUP_H

#include "core/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In alphabetical order of their names; the numbers stand in blobs (FROZEN). */
enum sup_cgroup_item {
    SUP_CGROUP_CPU_MAX,    /* millionths of a core */
    SUP_CGROUP_CPU_WEIGHT, /* 1..10000, as the next; 100 is the usual one */
    SUP_CGROUP_IO_WEIGHT,
    SUP_CGROUP_MEMORY_HIGH, /* bytes, as the next two */
    SUP_CGROUP_MEMORY_LOW,
    SUP_CGROUP_MEMORY_MAX,
    SUP_CGROUP_PIDS_MAX,
    SUP_CGROUP_REQUIRED, /* 1: without these limits it must not start */
    SUP_CGROUP_SWAP_MAX, /* bytes */
    SUP_CGROUP_ITEMS
};

#define SUP_CGROUP_BYTES \
    ((size_t) 9) /* of an item in struct sup_spec::cgroup: u8 item, u64 value */
#define SUP_CGROUP_NO_LIMIT UINT64_MAX /* "max" */

/* "memory_max"; "?" when unknown. */
const char *sup_cgroup_name(unsigned item);
int sup_cgroup_number(const char *name); /* -1: unknown */

/* What a person may write for ${item}: "a size such as \"64MiB\", or \"max\"". */
const char *sup_cgroup_hint(unsigned item);

/* Can ${item} have ${value}? NULL, or what is wrong, behind the name of the item. */
const char *sup_cgroup_fault(unsigned item, uint64_t value);

/*
** What a person wrote as a text ("64MiB", "50%", "1.5", "max") or a number. False: it is no such
** value; the range is not looked at.
*/
bool sup_cgroup_parse(unsigned item, const char *text, uint64_t *value);
bool sup_cgroup_from_number(unsigned item, double number, uint64_t *value);

/* "64MiB", "1.5", "max". Returns ${buf}; 32 bytes suffice. */
char *sup_cgroup_text(unsigned item, uint64_t value, char *buf, size_t size);

/* The value of ${item} in a checked list; false: it was not said. */
bool sup_cgroup_value(const struct sup_bytes *cgroup, unsigned item, uint64_t *value);

#endif
