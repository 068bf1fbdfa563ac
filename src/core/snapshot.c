/*
** core/snapshot.c: the whole tree as bytes and back. One walk serves both directions, so that what
** is written is what is read. Plain data goes as it stands; links go as tokens and in list order,
** because order is behaviour.
*/
#include "core/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_MAGIC UINT32_C(0x534c5053) /* "SPLS" */
#define SNAPSHOT_VERSION 5

/* Bytes under way: written to a growing piece of memory, or read from a fixed one. */
struct archive {
    bool writing;
    bool failed; /* no memory, or not what we wrote */
    unsigned char *bytes;
    size_t at;
    size_t room; /* writing: allocated; reading: size */
    struct sup_form **forms;
    uint32_t form_count;
};

#define PLAIN(object, type, first) \
    ((unsigned char *) (object) + offsetof(type, first)), \
        (offsetof(type, plain_end) - offsetof(type, first))

static bool make_room(struct archive *archive, size_t size)
{
    if (archive->room - archive->at >= size) return true;
    if (!archive->writing) return false;
    size_t room = 2 * archive->room + size + 4096;
    unsigned char *bytes = realloc(archive->bytes, room);
    if (bytes == NULL) return false;
    archive->bytes = bytes;
    archive->room = room;
    return true;
}

static void pass(struct archive *archive, void *data, size_t size)
{
    if (archive->failed || !make_room(archive, size)) {
        archive->failed = true;
        return;
    }
    if (size > 0 && archive->writing) memcpy(archive->bytes + archive->at, data, size);
    else if (size > 0) memcpy(data, archive->bytes + archive->at, size);
    archive->at += size;
}

static uint64_t pass_word(struct archive *archive, uint64_t value)
{
    pass(archive, &value, sizeof value);
    return archive->failed ? 0 : value;
}

/* A count that must be believable: each item takes at least a byte. */
static uint32_t pass_count(struct archive *archive, size_t value)
{
    uint64_t count = pass_word(archive, value);
    if (!archive->writing && count > archive->room) archive->failed = true;
    return archive->failed ? 0 : (uint32_t) count;
}

static void pass_deadline(struct archive *archive, struct sup_tree *tree,
                          struct sup_deadline *deadline)
{
    uint64_t set = pass_word(archive, sup_timer_is_set(&deadline->timer));
    if (set == 0) return;
    int64_t at_ns = (int64_t) pass_word(archive, (uint64_t) deadline->timer.at_ns);
    uint64_t sequence = pass_word(archive, deadline->timer.sequence);
    uint64_t phase = pass_word(archive, deadline->phase);
    if (archive->writing || archive->failed) return;
    if (sup_heap_reserve(&tree->heap, tree->heap.count + 1) < 0) {
        archive->failed = true;
        return;
    }
    deadline->phase = (enum sup_phase) phase;
    sup_heap_put(&tree->heap, &deadline->timer, at_ns, sequence);
}

/* --- forms ----------------------------------------------------------------------------------- */

static bool knows_form(const struct archive *archive, const struct sup_form *form)
{
    for (uint32_t i = archive->form_count; i-- > 0;)
        if (archive->forms[i] == form) return true;
    return false;
}

static void collect_form(struct archive *archive, struct sup_form *form)
{
    if (form == NULL || archive->failed || knows_form(archive, form)) return;
    struct sup_form **forms =
        realloc(archive->forms, (archive->form_count + 1) * sizeof *archive->forms);
    if (forms == NULL) {
        archive->failed = true;
        return;
    }
    archive->forms = forms;
    forms[archive->form_count++] = form;
}

static void collect_forms(struct archive *archive, const struct sup_tree *tree)
{
    collect_form(archive, tree->config);
    collect_form(archive, tree->reload.former);
    collect_form(archive, tree->reload.pending);
    for (uint32_t i = 0; i < tree->node_top; i++) {
        struct sup_node *node = tree->nodes[i];
        if (node == NULL) continue;
        if (node->form != tree->config) collect_form(archive, node->form);
        if (node->started_form != tree->config) collect_form(archive, node->started_form);
    }
}

static void write_forms(struct archive *archive)
{
    pass_count(archive, archive->form_count);
    for (uint32_t i = 0; i < archive->form_count; i++) {
        pass_count(archive, archive->forms[i]->size);
        pass(archive, archive->forms[i]->bytes, archive->forms[i]->size);
    }
}

static void read_forms(struct archive *archive)
{
    uint32_t count = pass_count(archive, 0);
    if (archive->failed) return;
    archive->forms = calloc((size_t) count + 1, sizeof *archive->forms);
    if (archive->forms == NULL) archive->failed = true;
    for (uint32_t i = 0; i < count && !archive->failed; i++) {
        uint32_t size = pass_count(archive, 0);
        struct sup_err err;
        struct sup_form *form = NULL;
        if (!archive->failed && archive->room - archive->at >= size)
            form = sup_form_create(archive->bytes + archive->at, size, &err);
        archive->at += size;
        if (form == NULL) archive->failed = true;
        else archive->forms[archive->form_count++] = form;
    }
}

/* A form as its place in the table, counted from 1; 0: none. */
static void pass_form(struct archive *archive, struct sup_form **form)
{
    uint64_t place = 0;
    for (uint32_t i = 0; i < archive->form_count && archive->writing; i++)
        if (archive->forms[i] == *form) place = i + 1;
    place = pass_word(archive, place);
    if (archive->writing) return;
    if (place > archive->form_count) archive->failed = true;
    *form = archive->failed || place == 0 ? NULL : sup_form_ref(archive->forms[place - 1]);
}

/* The offset must be that of a record of the form: walked, not trusted. */
static const struct sup_form_node *record_at(const struct sup_form *form, uint64_t offset)
{
    const struct sup_form_header *header = (const void *) form->bytes;
    const struct sup_form_node *record = sup_form_root(form);
    for (uint32_t i = 0; i < header->node_count; i++) {
        uint64_t at = (uint64_t) ((const unsigned char *) record - form->bytes);
        if (at == offset) return record;
        if (at > offset) break;
        record = (const void *) ((const unsigned char *) record + record->size);
    }
    return NULL;
}

static void pass_record(struct archive *archive, struct sup_form **form,
                        const struct sup_form_node **record, const struct sup_form_node *hint)
{
    pass_form(archive, form);
    if (*form == NULL) return;
    uint64_t offset =
        pass_word(archive, (uint64_t) ((const unsigned char *) *record - (*form)->bytes));
    if (archive->writing || archive->failed) return;
    /* Records mostly come in the order in which they stand: the next one is a good guess. */
    const unsigned char *bytes = (*form)->bytes;
    bool guessed = hint != NULL && (const unsigned char *) hint >= bytes &&
                   (const unsigned char *) hint < bytes + (*form)->size &&
                   (uint64_t) ((const unsigned char *) hint - bytes) == offset;
    *record = guessed ? hint : record_at(*form, offset);
    if (*record == NULL) archive->failed = true;
}

/* --- nodes ----------------------------------------------------------------------------------- */

static void pass_rings(struct archive *archive, struct sup_node *node)
{
    struct sup_rings rings = {0};
    if (!archive->writing && sup_rings_alloc(&node->spec, &rings) < 0) archive->failed = true;
    if (archive->failed) return;
    if (!archive->writing) {
        node->window_times = rings.window_times;
        node->pause_times = rings.pause_times;
    }
    size_t window = node->window_times == NULL ? 0 : (size_t) node->spec.intensity + 1;
    size_t pauses = node->pause_times == NULL ? 0 : node->spec.max_pauses;
    pass(archive, node->window_times, window * sizeof *node->window_times);
    pass(archive, node->pause_times, pauses * sizeof *node->pause_times);
}

static void write_node(struct archive *archive, struct sup_tree *tree, struct sup_node *node)
{
    size_t length = strlen(node->name) + 1;
    pass(archive, PLAIN(node, struct sup_node, index));
    pass_word(archive, sup_node_token(node->parent));
    pass_count(archive, length);
    pass(archive, node->name, length);
    pass_record(archive, &node->form, &node->record, NULL);
    pass_record(archive, &node->started_form, &node->started_record, NULL);
    pass(archive, &node->spec.timeout_ns, sizeof node->spec.timeout_ns);
    pass(archive, &node->spec.kill_timeout_ns, sizeof node->spec.kill_timeout_ns);
    pass_rings(archive, node);
    pass_deadline(archive, tree, &node->deadline);
    pass_deadline(archive, tree, &node->schedule);
}

static char *read_name(struct archive *archive)
{
    uint32_t length = pass_count(archive, 0);
    char *name = archive->failed || length == 0 ? NULL : malloc(length);
    if (name == NULL) {
        archive->failed = true;
        return NULL;
    }
    pass(archive, name, length);
    name[length - 1] = '\0';
    return name;
}

/* Has a restored node an index and a serial that can be its own? */
static bool is_placeable(const struct sup_tree *tree, const struct sup_node *node)
{
    return node->index < tree->node_top && tree->nodes[node->index] == NULL && node->serial != 0 &&
           node->serial <= tree->next_serial && node->state < SUP_STATE_COUNT;
}

static void attach(struct sup_tree *tree, struct sup_node *node, struct sup_node *parent)
{
    tree->nodes[node->index] = node;
    tree->node_count++;
    node->parent = parent;
    if (node->entered) sup_name_insert(tree, node);
    if (parent == NULL) tree->root = node;
    else sup_list_insert(node->in_leaving ? &parent->leaving : &parent->children, &node->sibling);
}

static void read_node(struct archive *archive, struct sup_tree *tree,
                      const struct sup_form_node **hint)
{
    struct sup_node *node = sup_node_blank();
    if (node == NULL) {
        archive->failed = true;
        return;
    }
    pass(archive, PLAIN(node, struct sup_node, index));
    sup_token parent_token = pass_word(archive, 0);
    struct sup_node *parent = sup_tree_node(tree, parent_token);
    node->name = read_name(archive);
    pass_record(archive, &node->form, &node->record, *hint);
    pass_record(archive, &node->started_form, &node->started_record, node->record);
    bool usable = !archive->failed && node->record != NULL && is_placeable(tree, node) &&
                  (parent == NULL) == (tree->root == NULL);
    if (!usable) {
        archive->failed = true;
        sup_node_free(node);
        return;
    }
    *hint = (const void *) ((const unsigned char *) node->record + node->record->size);
    sup_form_decode(node->record, parent == NULL ? NULL : &parent->spec, &node->spec);
    /* Inherited once: what left the tree keeps them, whatever its supervisor has now. */
    pass(archive, &node->spec.timeout_ns, sizeof node->spec.timeout_ns);
    pass(archive, &node->spec.kill_timeout_ns, sizeof node->spec.kill_timeout_ns);
    attach(tree, node, parent);
    pass_rings(archive, node);
    pass_deadline(archive, tree, &node->deadline);
    pass_deadline(archive, tree, &node->schedule);
}

/* --- links between nodes --------------------------------------------------------------------- */

static size_t list_length(const struct sup_list *list)
{
    size_t length = 0;
    sup_list_each(link, list) length++;
    return length;
}

static void write_links(struct archive *archive, struct sup_tree *tree, struct sup_node *node)
{
    pass_count(archive, list_length(&node->needs));
    sup_list_each(link, &node->needs)
    {
        struct sup_edge *edge = sup_container(link, struct sup_edge, in_needs);
        pass_word(archive, sup_node_token(edge->dependency));
        pass_word(archive, (uint64_t) edge->after | (uint64_t) edge->follow << 1);
    }
    pass_count(archive, list_length(&node->queue));
    sup_list_each(link, &node->queue)
    {
        pass_word(archive, sup_node_token(sup_container(link, struct sup_node, queued)));
    }
    pass_count(archive, list_length(&node->waiters));
    sup_list_each(link, &node->waiters)
    {
        struct sup_waiter *waiter = sup_container(link, struct sup_waiter, in_node);
        pass_word(archive, waiter->request);
        pass_word(archive, waiter->goal);
        pass_deadline(archive, tree, &waiter->deadline);
    }
}

static void read_links(struct archive *archive, struct sup_tree *tree, struct sup_node *node)
{
    for (uint32_t n = pass_count(archive, 0); n > 0 && !archive->failed; n--) {
        struct sup_node *dependency = sup_tree_node(tree, pass_word(archive, 0));
        uint64_t bits = pass_word(archive, 0);
        struct sup_edge *edge = dependency == NULL ? NULL : sup_edge_make(node, dependency);
        if (edge == NULL) archive->failed = true;
        else edge->after = bits & 1, edge->follow = bits & 2;
    }
    for (uint32_t n = pass_count(archive, 0); n > 0 && !archive->failed; n--) {
        struct sup_node *queued = sup_tree_node(tree, pass_word(archive, 0));
        if (queued == NULL || queued->parent != node || !sup_list_empty(&queued->queued))
            archive->failed = true;
        else sup_list_insert(&node->queue, &queued->queued);
    }
    for (uint32_t n = pass_count(archive, 0); n > 0 && !archive->failed; n--) {
        struct sup_waiter *waiter = sup_waiter_create(tree, node);
        if (waiter == NULL) {
            archive->failed = true;
            return;
        }
        waiter->request = pass_word(archive, 0);
        waiter->goal = (enum sup_goal) pass_word(archive, 0);
        pass_deadline(archive, tree, &waiter->deadline);
    }
}

/* Who needs a node, in order: the edges are there, only their order is passed. */
static void pass_needed_by(struct archive *archive, struct sup_tree *tree, struct sup_node *node)
{
    uint32_t count = pass_count(archive, list_length(&node->needed_by));
    struct sup_list *link = node->needed_by.next;
    for (uint32_t n = 0; n < count && !archive->failed; n++) {
        struct sup_edge *edge = sup_container(link, struct sup_edge, in_needed_by);
        sup_token token = archive->writing ? sup_node_token(edge->dependent) : 0;
        if (archive->writing) link = link->next;
        struct sup_node *dependent = sup_tree_node(tree, pass_word(archive, token));
        if (archive->writing) continue;
        edge = dependent == NULL ? NULL : sup_edge_find(dependent, node);
        if (edge == NULL) {
            archive->failed = true;
            return;
        }
        sup_list_remove(&edge->in_needed_by);
        sup_list_insert(&node->needed_by, &edge->in_needed_by);
    }
}

/* --- the whole ------------------------------------------------------------------------------- */

static void pass_header(struct archive *archive)
{
    uint64_t magic = pass_word(archive, (uint64_t) SNAPSHOT_MAGIC << 32 | SNAPSHOT_VERSION);
    uint64_t sizes = pass_word(archive, sizeof(struct sup_node) << 32 | sizeof(struct sup_tree));
    if (magic != ((uint64_t) SNAPSHOT_MAGIC << 32 | SNAPSHOT_VERSION) ||
        sizes != (sizeof(struct sup_node) << 32 | sizeof(struct sup_tree)))
        archive->failed = true;
}

static void pass_tree(struct archive *archive, struct sup_tree *tree)
{
    pass(archive, PLAIN(tree, struct sup_tree, now_ns));
    pass(archive, PLAIN(&tree->reload, struct sup_reload, pending_request));
    uint32_t length = pass_count(archive, strlen(tree->context));
    if (length >= sizeof tree->context) archive->failed = true;
    else pass(archive, tree->context, length);
    tree->next_serial = (uint32_t) pass_word(archive, tree->next_serial);
    tree->heap.next_sequence = pass_word(archive, tree->heap.next_sequence);
    uint32_t top = pass_count(archive, tree->node_top);
    uint32_t free_count = pass_count(archive, tree->free_count);
    if (!archive->writing && !archive->failed) {
        if (free_count > top || sup_tree_reserve(tree, top) < 0 || sup_names_reserve(tree, top) < 0)
            archive->failed = true;
        else {
            memset(tree->nodes, 0, top * sizeof *tree->nodes);
            tree->node_top = top;
            tree->free_count = free_count;
        }
    }
    pass(archive, tree->free_indices, free_count * sizeof *tree->free_indices);
    pass_form(archive, &tree->config);
    pass_form(archive, &tree->reload.former);
    pass_form(archive, &tree->reload.pending);
    pass_deadline(archive, tree, &tree->reload.deadline);
}

static void write_all(struct archive *archive, struct sup_tree *tree)
{
    pass_header(archive);
    collect_forms(archive, tree);
    write_forms(archive);
    pass_tree(archive, tree);
    pass_count(archive, tree->node_count);
    for (sup_token t = sup_tree_next(tree, 0); t != 0; t = sup_tree_next(tree, t))
        write_node(archive, tree, sup_tree_node(tree, t));
    for (sup_token t = sup_tree_next(tree, 0); t != 0; t = sup_tree_next(tree, t))
        write_links(archive, tree, sup_tree_node(tree, t));
    for (sup_token t = sup_tree_next(tree, 0); t != 0; t = sup_tree_next(tree, t))
        pass_needed_by(archive, tree, sup_tree_node(tree, t));
}

static void read_all(struct archive *archive, struct sup_tree *tree)
{
    const struct sup_form_node *hint = NULL;
    pass_header(archive);
    if (!archive->failed) read_forms(archive);
    if (!archive->failed) pass_tree(archive, tree);
    uint32_t count = pass_count(archive, 0);
    for (uint32_t i = 0; i < count && !archive->failed; i++) read_node(archive, tree, &hint);
    if (tree->root == NULL || tree->config == NULL) archive->failed = true;
    if (archive->failed) return;
    for (sup_token t = sup_tree_next(tree, 0); t != 0 && !archive->failed;
         t = sup_tree_next(tree, t))
        read_links(archive, tree, sup_tree_node(tree, t));
    for (sup_token t = sup_tree_next(tree, 0); t != 0 && !archive->failed;
         t = sup_tree_next(tree, t))
        pass_needed_by(archive, tree, sup_tree_node(tree, t));
    if (archive->at != archive->room) archive->failed = true;
}

unsigned char *sup_tree_save(const struct sup_tree *tree, size_t *size)
{
    struct archive archive = {.writing = true};
    write_all(&archive, (struct sup_tree *) tree); /* writing changes nothing */
    free(archive.forms);
    if (archive.failed) {
        free(archive.bytes);
        return NULL;
    }
    *size = archive.at;
    return archive.bytes;
}

struct sup_tree *sup_tree_restore(const void *data, size_t size, struct sup_err *err)
{
    struct archive archive = {.bytes = (unsigned char *) data, .room = size};
    struct sup_tree *tree = calloc(1, sizeof *tree);
    if (tree != NULL) {
        sup_list_init(&tree->graves);
        read_all(&archive, tree);
    }
    for (uint32_t i = 0; i < archive.form_count; i++) sup_form_unref(archive.forms[i]);
    free(archive.forms);
    if (tree != NULL && !archive.failed) return tree;
    sup_tree_destroy(tree);
    sup_err_set(err, tree == NULL ? -ENOMEM : -EINVAL, "snapshot", "start again from the config",
                "torn, from another version of suptree, or no memory for it");
    return NULL;
}
