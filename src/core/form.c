/*
** core/form.c: reading a checked blob: its life, its records, and specs decoded from them.
*/
#include "core/form.h"

#include "core/form_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sup_form *sup_form_create(const void *data, size_t size, struct sup_err *err)
{
    if (sup_form_check_header(data, size, err) != 0) return NULL;
    struct sup_form *form = malloc(sizeof *form + size);
    if (form == NULL) {
        sup_form_refuse_memory(err);
        return NULL;
    }
    form->references = 1;
    form->size = size;
    memcpy(form->bytes, data, size);
    if (sup_form_check(form->bytes, size, err) == 0) return form;
    free(form);
    return NULL;
}

struct sup_form *sup_form_ref(struct sup_form *form)
{
    form->references++;
    return form;
}

void sup_form_unref(struct sup_form *form)
{
    if (form == NULL) return;
    sup_require(form->references > 0);
    if (--form->references == 0) free(form);
}

_Static_assert(offsetof(struct sup_form, bytes) % 8 == 0, "records are aligned to 8");
_Static_assert(sizeof(struct sup_form_header) == 32, "frozen form");
_Static_assert(sizeof(struct sup_form_node) == 24, "frozen form");
_Static_assert(sizeof(struct sup_form_option_head) == 8, "frozen form");

const struct sup_form_node *sup_form_root(const struct sup_form *form)
{
    const unsigned char *start = form->bytes + sizeof(struct sup_form_header);
    return (const struct sup_form_node *) (const void *) start;
}

uint64_t sup_form_checksum(const struct sup_form *form)
{
    struct sup_form_header header;
    memcpy(&header, form->bytes, sizeof header);
    return header.checksum;
}

const char *sup_form_name(const struct sup_form_node *node)
{
    return (const char *) (node + 1);
}

const char *sup_form_place(const struct sup_form_node *node)
{
    return sup_form_name(node) + node->name_size;
}

const struct sup_form_node *sup_form_first_child(const struct sup_form_node *node)
{
    return node->child_count > 0 ? sup_form_record_after(node) : NULL;
}

const struct sup_form_node *sup_form_skip(const struct sup_form_node *node)
{
    for (uint32_t left = 1; left > 0; left--) {
        left += node->child_count;
        node = sup_form_record_after(node);
    }
    return node;
}

const unsigned char *sup_form_option(const struct sup_form_node *node, uint16_t id, uint32_t *size)
{
    const struct sup_form_option_head *head = NULL;
    while ((head = sup_form_next_option(node, head)) != NULL && head->id <= id) {
        if (head->id < id) continue;
        *size = head->size;
        return (const unsigned char *) (head + 1);
    }
    *size = 0;
    return NULL;
}

static void inherit(struct sup_spec *spec, const struct sup_spec *parent)
{
    spec->timeout_ns = parent->timeout_ns;
    spec->kill_timeout_ns = parent->kill_timeout_ns;
}

/* The ladder says with which signal a stop begins, and how long it takes in all. */
static void climb(struct sup_spec *spec)
{
    uint32_t count = spec->stop.size / SUP_LADDER_BYTES;
    int32_t signal;
    int64_t last_ns;
    memcpy(&last_ns, spec->stop.data + spec->stop.size - sizeof last_ns, sizeof last_ns);
    sup_ladder_step(&spec->stop, count - 1, &signal, &spec->timeout_ns);
    spec->timeout_ns = last_ns == SUP_INFINITY_NS ? last_ns : spec->timeout_ns + last_ns;
    spec->stop_signal = spec->stop.data[0];
}

enum sup_role sup_form_role(const struct sup_form_node *node)
{
    uint32_t size;
    if (sup_form_option(node, SUP_OPTION_EVERY, &size) != NULL) return SUP_ROLE_TIMER;
    if (sup_form_option(node, SUP_OPTION_AT, &size) != NULL) return SUP_ROLE_TIMER;
    if (sup_form_option(node, SUP_OPTION_REMAIN, &size) != NULL) return SUP_ROLE_ONESHOT;
    return SUP_ROLE_SERVICE;
}

/* What is expected to end is tried again after a failure, and may take its time. */
static void imply_role(const struct sup_form_node *node, struct sup_spec *spec)
{
    uint32_t size;
    bool is_timer = spec->role == SUP_ROLE_TIMER; /* its next time comes by itself */
    if (sup_form_option(node, SUP_OPTION_RESTART, &size) == NULL)
        spec->restart = is_timer ? SUP_TEMPORARY : SUP_TRANSIENT;
    if (sup_form_option(node, SUP_OPTION_START_TIMEOUT, &size) == NULL)
        spec->start_timeout_ns = SUP_INFINITY_NS;
}

/* What one option implies for another that is not written. */
static void apply_implied(const struct sup_form_node *node, struct sup_spec *spec)
{
    uint32_t size;
    if (spec->has_intensity && sup_form_option(node, SUP_OPTION_ON_THRESHOLD, &size) == NULL)
        spec->on_threshold = SUP_ON_ESCALATE;
    if (spec->strategy == SUP_REST_FOR_ONE) spec->stop_order = SUP_STOP_REVERSE;
    if (spec->role != SUP_ROLE_SERVICE) imply_role(node, spec);
    if (spec->stop.size > 0) climb(spec);
}

void sup_form_decode(const struct sup_form_node *node, const struct sup_spec *parent,
                     struct sup_spec *spec)
{
    sup_spec_defaults(spec, (enum sup_kind) node->kind);
    spec->name = sup_form_name(node);
    spec->place = sup_form_place(node);
    if (parent != NULL) inherit(spec, parent);
    const struct sup_form_option_head *head = NULL;
    while ((head = sup_form_next_option(node, head)) != NULL) {
        const struct sup_option *option = sup_option_by_id(head->id);
        const unsigned char *data = (const unsigned char *) (head + 1);
        sup_require(option != NULL);
        sup_expect(sup_option_decode(option, data, head->size, spec, NULL) == 0);
    }
    apply_implied(node, spec);
}
