/*
** log/rotate.h: old files: giving a file its time behind its name, and removing the oldest. Knows
** their names; writes no byte.
*/
#ifndef SUP_LOG_ROTATE_H
#define SUP_LOG_ROTATE_H

#include <stdint.h>

#include "log/file.h"

/*
** Rename ${file}, which is open, so that its name is free; then remove old files beyond max_files.
** When another file has its name by now, nothing is renamed. Returns 0, or -errno with ${fault}.
*/
int sup_rotate(const struct sup_file *file, int64_t wall_ns, struct sup_place_fault *fault);

#endif
