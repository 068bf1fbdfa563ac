/*
** engine/handle_records.c: what was added to a handle, and the blob that it makes. Called with the
** lock of all handles held. Must not know of threads and engines.
*/
#include "engine/handle_inside.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

struct sup_handle *sup_handle_root(struct sup_handle *handle)
{
    while (handle->parent != NULL) handle = handle->parent;
    return handle;
}

bool sup_handle_is_above(const struct sup_handle *above, const struct sup_handle *below)
{
    while (below != NULL && below != above) below = below->parent;
    return below != NULL;
}

/* Serials ascend. */
struct sup_record *sup_record_find(struct sup_handle *handle, uint32_t serial)
{
    size_t low = 0, high = handle->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (handle->records[middle].serial < serial) low = middle + 1;
        else high = middle;
    }
    return low < handle->count && handle->records[low].serial == serial ? &handle->records[low]
                                                                        : NULL;
}

struct sup_record *sup_record_by_name(struct sup_handle *handle, const char *name)
{
    for (size_t i = 0; i < handle->count; i++)
        if (strcmp(handle->records[i].name, name) == 0) return &handle->records[i];
    return NULL;
}

sup_service_token sup_record_token(const struct sup_handle *handle, const struct sup_record *record)
{
    return (uint64_t) handle->serial << 32 | record->serial;
}

const unsigned char *sup_record_blob(const struct sup_record *record)
{
    return record->child == NULL ? record->blob : record->child->blob;
}

static bool reserve_place(struct sup_handle *handle)
{
    if (handle->count + handle->reserved == handle->room) {
        size_t room = handle->room == 0 ? 8 : handle->room * 2;
        struct sup_record *records = realloc(handle->records, room * sizeof *records);
        if (records == NULL) return false;
        handle->records = records;
        handle->room = room;
    }
    handle->reserved++;
    return true;
}

bool sup_record_prepare(struct sup_handle *handle, const void *blob, size_t size,
                        struct sup_handle *child, struct sup_record *record)
{
    *record = (struct sup_record){.child = child, .size = size};
    if (!reserve_place(handle)) return false;
    if (child == NULL) record->blob = malloc(size);
    if (record->blob != NULL) memcpy(record->blob, blob, size);
    if (child != NULL || record->blob != NULL) {
        const struct sup_form_node *node =
            (const void *) (sup_record_blob(record) + sizeof(struct sup_form_header));
        struct sup_spec spec;
        sup_form_decode(node, NULL, &spec);
        record->kind = spec.kind;
        record->role = spec.role;
        record->name = strdup(sup_form_name(node));
    }
    if (record->name != NULL) return true;
    sup_record_discard(handle, record);
    return false;
}

struct sup_record *sup_record_place(struct sup_handle *handle, const struct sup_record *record)
{
    struct sup_record *placed = &handle->records[handle->count++];
    handle->reserved--;
    *placed = *record;
    placed->serial = ++handle->last_record;
    if (placed->child == NULL) return placed;
    placed->child->references++;
    placed->child->parent = handle;
    return placed;
}

void sup_record_discard(struct sup_handle *handle, struct sup_record *record)
{
    handle->reserved--;
    free(record->blob);
    free(record->name);
}

struct sup_handle *sup_record_drop(struct sup_handle *handle, struct sup_record *record)
{
    struct sup_handle *child = record->child;
    size_t place = (size_t) (record - handle->records);
    if (child != NULL) child->parent = NULL;
    free(record->blob);
    free(record->name);
    memmove(record, record + 1, (--handle->count - place) * sizeof *record);
    return child;
}

/* --- one blob --------------------------------------------------------------------------------- */

struct merging {
    unsigned char *bytes; /* NULL: only counting */
    size_t size;
    uint32_t nodes;
};

static void append(struct merging *merging, const void *bytes, size_t size)
{
    if (merging->bytes != NULL) memcpy(merging->bytes + merging->size, bytes, size);
    merging->size += size;
}

static void append_nodes(struct merging *merging, const unsigned char *blob, size_t size)
{
    struct sup_form_header header;
    memcpy(&header, blob, sizeof header);
    append(merging, blob + sizeof header, size - sizeof header);
    merging->nodes += header.node_count;
}

static void append_handle(struct merging *merging, const struct sup_handle *handle)
{
    size_t at = merging->size;
    append_nodes(merging, handle->blob, handle->size);
    if (merging->bytes != NULL) {
        struct sup_form_node node;
        memcpy(&node, merging->bytes + at, sizeof node);
        node.child_count = (uint32_t) handle->count;
        memcpy(merging->bytes + at, &node, sizeof node);
    }
    for (size_t i = 0; i < handle->count; i++) {
        const struct sup_record *record = &handle->records[i];
        if (record->child != NULL) append_handle(merging, record->child);
        else append_nodes(merging, record->blob, record->size);
    }
}

unsigned char *sup_handle_merge(const struct sup_handle *handle, size_t *size)
{
    struct merging merging = {.size = sizeof(struct sup_form_header)};
    append_handle(&merging, handle);
    merging.bytes = malloc(merging.size);
    if (merging.bytes == NULL) return NULL;
    merging.size = sizeof(struct sup_form_header);
    merging.nodes = 0;
    append_handle(&merging, handle);
    struct sup_form_header header = {
        .magic = SUP_FORM_MAGIC,
        .version = SUP_FORM_VERSION,
        .size = merging.size,
        .checksum = sup_hash(merging.bytes + sizeof header, merging.size - sizeof header),
        .node_count = merging.nodes,
    };
    memcpy(merging.bytes, &header, sizeof header);
    *size = merging.size;
    return merging.bytes;
}

/* --- nodes ------------------------------------------------------------------------------------ */

/* The children of ${node} in the tree are the records, in their order. */
void sup_handle_resolve(struct sup_handle *handle, const struct sup_tree *tree, sup_token node)
{
    struct sup_status status;
    size_t at = 0;
    handle->node = node;
    for (sup_token next = sup_tree_next(tree, node); next != 0 && at < handle->count;
         next = sup_tree_next(tree, next)) {
        if (!sup_tree_status(tree, next, 0, &status) || status.parent != node) continue;
        struct sup_record *record = &handle->records[at++];
        record->node = next;
        if (record->child == NULL) continue;
        record->child->state = SUP_HANDLE_NEW;
        sup_handle_resolve(record->child, tree, next);
    }
}

/* --- those that leave ------------------------------------------------------------------------- */

/* Those of whom nothing lives any more make room. Without memory it is as if it had ended. */
static void note_leaver(struct sup_handle *handle, const struct sup_tree *tree,
                        const struct sup_record *record)
{
    struct sup_status status;
    size_t kept = 0;
    for (size_t i = 0; i < handle->leaver_count; i++)
        if (sup_tree_status(tree, handle->leavers[i].node, 0, &status))
            handle->leavers[kept++] = handle->leavers[i];
    handle->leaver_count = kept;
    if (kept == handle->leaver_room) {
        size_t room = kept == 0 ? 4 : kept * 2;
        struct sup_leaver *leavers = realloc(handle->leavers, room * sizeof *leavers);
        if (leavers == NULL) return;
        handle->leavers = leavers;
        handle->leaver_room = room;
    }
    handle->leavers[handle->leaver_count++] = (struct sup_leaver){record->serial, record->node};
}

sup_token sup_handle_leaver(const struct sup_handle *handle, uint32_t serial)
{
    for (size_t i = 0; i < handle->leaver_count; i++)
        if (handle->leavers[i].serial == serial) return handle->leavers[i].node;
    return 0;
}

struct sup_handle *sup_handle_forget(struct sup_handle *handle, const struct sup_tree *tree,
                                     sup_token node)
{
    for (size_t i = 0; i < handle->count; i++) {
        struct sup_record *record = &handle->records[i];
        if (record->node == node) {
            note_leaver(handle, tree, record);
            struct sup_handle *child = sup_record_drop(handle, record);
            if (child != NULL) child->state = SUP_HANDLE_STOPPED;
            return child;
        }
        struct sup_handle *dropped =
            record->child == NULL ? NULL : sup_handle_forget(record->child, tree, node);
        if (dropped != NULL) return dropped;
    }
    return NULL;
}
