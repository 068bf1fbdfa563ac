/*
** core/form_writer.c: writing a blob. It writes what it is told; the checker judges it.
*/
#include "core/form.h"

#include "base/hash.h"
#include "core/form_check.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 4096

/* ${size} zeroed bytes at the end; NULL: no memory, now or before. */
static unsigned char *extend(struct sup_form_writer *writer, size_t size)
{
    if (writer->failed) return NULL;
    if (size > writer->capacity - writer->size) {
        size_t capacity = writer->capacity > 0 ? writer->capacity : FIRST_CAPACITY;
        while (capacity - writer->size < size) {
            if (capacity > SIZE_MAX / 2) goto fail;
            capacity *= 2;
        }
        unsigned char *bytes = realloc(writer->bytes, capacity);
        if (bytes == NULL) goto fail;
        writer->bytes = bytes;
        writer->capacity = capacity;
    }
    unsigned char *place = writer->bytes + writer->size;
    memset(place, 0, size);
    writer->size += size;
    return place;
fail:
    writer->failed = true;
    return NULL;
}

static struct sup_form_node *open_record(const struct sup_form_writer *writer)
{
    return (struct sup_form_node *) (void *) (writer->bytes + writer->open);
}

/* The size of ${text} with NUL, cut at what fits in 16 bits. */
static uint16_t measure(const char *text)
{
    return (uint16_t) (strnlen(text, UINT16_MAX - 1) + 1);
}

void sup_form_begin(struct sup_form_writer *writer, enum sup_kind kind, const char *name,
                    const char *place, uint32_t child_count)
{
    sup_expect(writer->open == 0 || writer->failed);
    if (writer->size == 0 && extend(writer, sizeof(struct sup_form_header)) == NULL) return;
    struct sup_form_node node = {
        .child_count = child_count,
        .name_size = measure(name),
        .place_size = measure(place),
        .kind = (uint8_t) kind,
    };
    size_t at = writer->size;
    unsigned char *bytes = extend(writer, sup_form_options_at(&node));
    if (bytes == NULL) return;
    memcpy(bytes, &node, sizeof node);
    memcpy(bytes + sizeof node, name, node.name_size - 1u);
    memcpy(bytes + sizeof node + node.name_size, place, node.place_size - 1u);
    writer->open = at;
    writer->node_count++;
}

void sup_form_add(struct sup_form_writer *writer, uint16_t id, const void *data, size_t size)
{
    struct sup_form_option_head head = {.id = id, .size = (uint32_t) size};
    if (size > UINT32_MAX / 2) writer->failed = true;
    unsigned char *bytes = extend(writer, sizeof head + sup_form_pad(size));
    if (bytes == NULL) return;
    sup_require(writer->open != 0);
    memcpy(bytes, &head, sizeof head);
    if (size > 0) memcpy(bytes + sizeof head, data, size);
}

void sup_form_end(struct sup_form_writer *writer)
{
    if (writer->failed) return;
    sup_require(writer->open != 0);
    struct sup_form_node *node = open_record(writer);
    size_t size = writer->size - writer->open;
    if (size > UINT32_MAX) writer->failed = true;
    node->size = (uint32_t) size;
    node->option_bytes = (uint32_t) (size - sup_form_options_at(node));
    writer->open = 0;
}

unsigned char *sup_form_finish(struct sup_form_writer *writer, size_t *size)
{
    unsigned char *bytes = writer->bytes;
    struct sup_form_header header = {
        .magic = SUP_FORM_MAGIC,
        .version = SUP_FORM_VERSION,
        .size = writer->size,
        .node_count = writer->node_count,
    };
    bool is_whole = !writer->failed && writer->node_count > 0;
    sup_expect(writer->failed || writer->open == 0);
    *size = is_whole ? writer->size : 0;
    *writer = (struct sup_form_writer){0};
    if (!is_whole) {
        free(bytes);
        return NULL;
    }
    header.checksum = sup_hash(bytes + sizeof header, *size - sizeof header);
    memcpy(bytes, &header, sizeof header);
    return bytes;
}
