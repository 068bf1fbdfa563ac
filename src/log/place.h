/*
** log/place.h: opening a log file by the rules of security: no symbolic link on the way, a regular
** file of ours with one name, in folders into which the service's user cannot write. Knows nothing
** of what is written.
*/
#ifndef SUP_LOG_PLACE_H
#define SUP_LOG_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/log.h"

#define SUP_PLACE_REASON 512

/* Why a file cannot be used, for a person: what is wrong; what to do. */
struct sup_place_fault {
    int code; /* -errno */
    char text[SUP_PLACE_REASON];
};

/*
** Open the folder of the absolute ${path}, into which the user of the service that ${settings} name
** must not be able to write. ${name} becomes the part of ${path} behind it. Returns a
** descriptor for openat, renameat and the like, or -errno with ${fault}.
*/
int sup_place_open_folder(const char *path, const struct sup_log_settings *settings,
                          const char **name, struct sup_place_fault *fault);

/*
** Open ${name} in ${folder} for reading and writing, creating it with mode 0640. With ${is_loose} a
** FIFO or device will do too (for writing). Returns a descriptor, non-blocking, or -errno with
** ${fault}.
*/
int sup_place_open_file(int folder, const char *name, bool is_loose, struct sup_place_fault *fault);

/* What to do about -errno ${code} of a file or a folder. */
const char *sup_place_advice(int code);

#endif
