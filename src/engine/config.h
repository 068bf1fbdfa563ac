/*
** engine/config.h: the configuration blob that the tree runs and those that it ran before, in
** memory files that the keeper holds. A host that finds no usable journal begins with the first;
** `rollback` goes back along the others. Must not know what a blob means.
*/
#ifndef SUP_ENGINE_CONFIG_H
#define SUP_ENGINE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many former ones are kept at most, and how many bytes of them, the last one aside. */
#define SUP_CONFIG_FORMER_MAX 8
#define SUP_CONFIG_FORMER_BYTES ((size_t) 8 << 20)

/* Descriptors -1: none. */
struct sup_config {
    int blob;       /* what runs, as the keeper holds it */
    uint64_t print; /* tells blobs apart; 0: none is held */
    int former;     /* those before it, the last one first, one after the other */
    bool replaced;  /* a reload or a rollback has put another one in its place */
};

/*
** The bytes of the last of the blobs in ${former} (${size} bytes) that is not the one with
** ${print}; NULL: there is none. Damaged bytes are none.
*/
const void *sup_config_last(const void *former, size_t size, uint64_t print, size_t *blob_size);

/*
** Lay out in malloc()ed memory what stands before the blob that takes the place of ${current}
** (${current_size} bytes). ${next_print}: of the new one; when it is the last of ${former}, that is
** taken away, else ${current} comes to it. Returns NULL for lack of memory; ${is_back} says which.
*/
unsigned char *sup_config_follow_up(const void *former, size_t former_size, const void *current,
                                    size_t current_size, uint64_t next_print, size_t *size,
                                    bool *is_back);

/* The print of a blob of ${size} bytes; 0: it is none. */
uint64_t sup_config_print(const void *blob, size_t size);

#endif
