/*
** core/form_check.h: checking a blob, in two parts: form_check.c looks at each record by itself,
** form_siblings.c at what the children of one supervisor say of each other. Private to form*.c.
**
** The bytes are hostile until the check has passed: nothing is read that has not been found to lie
** inside them.
*/
#ifndef SUP_CORE_FORM_CHECK_H
#define SUP_CORE_FORM_CHECK_H

#include "base/err.h"
#include "core/form.h"

#define SUP_FORM_NONE UINT32_MAX

/* A record, found by the first pass. Numbers are places in sup_form_scan::entries (preorder). */
struct sup_form_entry {
    const struct sup_form_node *node;
    uint32_t parent; /* SUP_FORM_NONE: the root */
    uint32_t first;  /* its first child; SUP_FORM_NONE: none */
    uint32_t next;   /* its next sibling; SUP_FORM_NONE: none */
    uint32_t rank;   /* its place among its siblings sorted by name; set by the second part */
};

struct sup_form_scan {
    struct sup_form_entry *entries;
    uint32_t count;
    struct sup_err *err;
};

/*
** Check ${bytes} (8-aligned, header included) whole. Returns 0, -EINVAL (what is wrong is in
** ${err}) or -ENOMEM.
*/
int sup_form_check(const unsigned char *bytes, size_t size, struct sup_err *err);

/* Check the header alone. Returns 0 or -EINVAL. */
int sup_form_check_header(const void *bytes, size_t size, struct sup_err *err);

/* Check what all siblings say of each other. Returns 0, -EINVAL or -ENOMEM. */
int sup_form_check_siblings(struct sup_form_scan *scan);

/* Check that no two nodes listen on the same address. Returns 0, -EINVAL or -ENOMEM. */
int sup_form_check_sockets(struct sup_form_scan *scan);

/*
** Fill scan->err for node ${index}, with "PLACE: shop.web.OPTION" as place (${option} NULL: the
** node itself). Returns -EINVAL.
*/
__attribute__((format(printf, 5, 6))) int sup_form_refuse(const struct sup_form_scan *scan,
                                                          uint32_t index, const char *option,
                                                          const char *hint, const char *format,
                                                          ...);

/* For want of memory. Returns -ENOMEM. */
int sup_form_refuse_memory(struct sup_err *err);

/* --- the parts of a record ----------------------------------------------------------------- */

struct sup_form_option_head {
    uint16_t id;
    uint16_t zero;
    uint32_t size; /* of the value; it is padded to 8 */
};

static inline size_t sup_form_pad(size_t size)
{
    return (size + 7) & ~(size_t) 7;
}

/* From the start of ${node} to its options. */
static inline size_t sup_form_options_at(const struct sup_form_node *node)
{
    return sup_form_pad(sizeof *node + node->name_size + node->place_size);
}

static inline const struct sup_form_node *sup_form_record_after(const struct sup_form_node *node)
{
    return (const struct sup_form_node *) (const void *) ((const unsigned char *) node +
                                                          node->size);
}

/* Walk the options: NULL first; returns NULL after the last one. For sound records only. */
static inline const struct sup_form_option_head *sup_form_next_option(
    const struct sup_form_node *node, const struct sup_form_option_head *head)
{
    const unsigned char *start = (const unsigned char *) node + sup_form_options_at(node);
    const unsigned char *at =
        head == NULL ? start : (const unsigned char *) (head + 1) + sup_form_pad(head->size);
    if (at >= start + node->option_bytes) return NULL;
    return (const struct sup_form_option_head *) (const void *) at;
}

#endif
