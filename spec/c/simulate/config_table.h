/*
** simulate/config_table.h: the values that options take in runs: few, on a grid of whole and half
** seconds, so that moments coincide.
*/
#ifndef SIMULATE_CONFIG_TABLE_H
#define SIMULATE_CONFIG_TABLE_H

#include "config.h"

#define CONFIG_INFINITE (-1.0) /* as a duration */

struct option_row {
    const char *name;
    unsigned kinds; /* bits by enum sup_kind */
    unsigned rare;  /* written once in so many nodes */
    unsigned count;
    double values[6];
};

/* What a declaration has beside the options of enum option. */
enum { EXTRA_AFTER = OPT_COUNT, EXTRA_WITH, EXTRA_FORMERLY, EXTRA_COMMAND, EXTRA_RUN, EXTRA_COUNT };

extern const struct option_row config_rows[OPT_COUNT];
/* The rows of the core's table, after config_init(). */
extern const struct sup_option *config_options[EXTRA_COUNT];

#endif
