/*
** base/hash.h: FNV-1a with 64 bits: the checksum of blobs, snapshots and records. It finds torn and
** damaged bytes; it is no defence against somebody who wants it to fit.
*/
#ifndef SUP_BASE_HASH_H
#define SUP_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define SUP_HASH_START UINT64_C(0xcbf29ce484222325)

/* Go on hashing: ${hash} is SUP_HASH_START or an earlier result. */
static inline uint64_t sup_hash_more(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *) data;
    for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static inline uint64_t sup_hash(const void *data, size_t size)
{
    return sup_hash_more(SUP_HASH_START, data, size);
}

#endif
