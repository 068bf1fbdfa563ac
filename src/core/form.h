/*
** core/form.h: the config blob (FROZEN FORM, version 1): a declared tree as checksummed bytes.
**
** check, plan, reload, rollback, simulate, recovery and `add` all speak blobs. A blob is position
** independent and host-endian (it never leaves the machine):
**
**   struct sup_form_header
**   nodes in preorder, each:
**     struct sup_form_node
**     name NUL, place NUL
**     options: { u16 id, u16 0, u32 size, bytes } padded to 8, ids ascending, only what was written
**   padded to 8
**
** Two nodes are equal for a reload when their option bytes are equal: values are encoded
** canonically.
*/
#ifndef SUP_CORE_FORM_H
#define SUP_CORE_FORM_H

#include "base/err.h"
#include "core/options.h"
#include "core/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUP_FORM_MAGIC UINT32_C(0x424c5053) /* "SPLB" */
#define SUP_FORM_VERSION 1
#define SUP_FORM_MAX_NODES 65536
#define SUP_FORM_MAX_DEPTH 64

struct sup_form_header {
    uint32_t magic;
    uint32_t version;
    uint64_t size;     /* of the whole blob */
    uint64_t checksum; /* FNV-1a 64 of everything after this header */
    uint32_t node_count;
    uint32_t reserved;
};

struct sup_form_node {
    uint32_t size; /* of this record with its name and options, without its children */
    uint32_t child_count;
    uint32_t option_bytes;
    uint16_t name_size;  /* with NUL */
    uint16_t place_size; /* with NUL */
    uint8_t kind;        /* enum sup_kind */
    uint8_t pad[7];
};

/*
** A blob in memory, shared by the specs decoded from it. Reference-counted because reloads and
** dynamic children leave specs of several blobs in one tree. Not thread-safe: it lives behind the
** tree's mutex.
*/
struct sup_form {
    unsigned references;
    size_t size;
    unsigned char bytes[]; /* starts with struct sup_form_header; 8-aligned */
};

/*
** Copy ${data}, check it whole (header, checksum, sizes, names, every option value, duplicate
** names, unknown and cyclic `after`, kinds and options that fit), and return a form with one
** reference. NULL: ${err} says what is wrong; nothing was kept. -ENOMEM is told apart by err->code.
*/
struct sup_form *sup_form_create(const void *data, size_t size, struct sup_err *err);
struct sup_form *sup_form_ref(struct sup_form *form);
void sup_form_unref(struct sup_form *form); /* NULL is harmless */

/* The root record; then walk with the functions below. Only for checked forms. */
const struct sup_form_node *sup_form_root(const struct sup_form *form);
/* The checksum in its header: forms with the same are the same. */
uint64_t sup_form_checksum(const struct sup_form *form);
/* What a service is for: what is written of a oneshot, or of a timer, makes it one. */
enum sup_role sup_form_role(const struct sup_form_node *node);
const char *sup_form_name(const struct sup_form_node *node);
const char *sup_form_place(const struct sup_form_node *node);
const struct sup_form_node *sup_form_first_child(const struct sup_form_node *node); /* NULL: none */
/* The record that follows ${node} and all below it in preorder. */
const struct sup_form_node *sup_form_skip(const struct sup_form_node *node);

/* The encoded bytes of option ${id} of ${node}; NULL: not written. */
const unsigned char *sup_form_option(const struct sup_form_node *node, uint16_t id, uint32_t *size);

/*
** Decode ${node} into ${spec}: defaults, then the inherited values of ${parent} (NULL: root), then
** its own. Cannot fail on a checked form.
*/
void sup_form_decode(const struct sup_form_node *node, const struct sup_spec *parent,
                     struct sup_spec *spec);

/*
** Does the instance have to be restarted to turn ${from} into ${to}? Writes up to ${room} ids of
** options that differ (or are on one side only) to ${changed}; returns how many differ in all.
** ${exec_seen} is set when one of them is seen by exec, or the kind differs.
*/
size_t sup_form_compare(const struct sup_form_node *from, const struct sup_form_node *to,
                        uint16_t *changed, size_t room, bool *exec_seen);
/* Does exec see the difference that ${from} and ${to} have in ${option}? */
bool sup_form_exec_sees(const struct sup_option *option, const struct sup_spec *from,
                        const struct sup_spec *to);
/* The same of those alone that exec sees. */
size_t sup_form_compare_exec(const struct sup_form_node *from, const struct sup_form_node *to,
                             uint16_t *changed, size_t room);

/* --- writing a blob ------------------------------------------------------------------------- */

/* A growing blob. Zeroed memory is an empty one. `failed` latches lack of memory. */
struct sup_form_writer {
    unsigned char *bytes;
    size_t size;
    size_t capacity;
    size_t open; /* where the node begun last starts; 0: it is ended */
    uint32_t node_count;
    bool failed;
};

/*
** Begin a node (its children follow after its options; ${child_count} must be right), add its
** options in ascending order of id, end it. finish returns the blob (free()d by the caller) and
** its size, or NULL for lack of memory; the writer is empty afterwards.
*/
void sup_form_begin(struct sup_form_writer *writer, enum sup_kind kind, const char *name,
                    const char *place, uint32_t child_count);
void sup_form_add(struct sup_form_writer *writer, uint16_t id, const void *data, size_t size);
void sup_form_end(struct sup_form_writer *writer);
unsigned char *sup_form_finish(struct sup_form_writer *writer, size_t *size);

#endif
