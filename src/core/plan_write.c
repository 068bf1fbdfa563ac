/*
** core/plan_write.c: a plan as JSON: every change with its fields, what they are and will be.
*/
#include "core/plan.h"

#include "base/json.h"
#include "core/node.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define PATH_SIZE 1024
#define VALUE_SIZE 1000
#define HIDDEN "***"

/* Where in the tree the walk is: the supervisors above, from the root down. */
struct level {
    sup_token node; /* 0: a new one */
    size_t path_length;
    struct sup_spec spec; /* as it will be */
};

struct writing {
    struct sup_json *json;
    const struct sup_tree *tree;
    enum sup_plan_values values;
    const struct sup_plan_note *notes;
    size_t note_count;
    char path[PATH_SIZE]; /* of the node that is written, as it will be */
    size_t depth;
    uint32_t restart, update, rename, add, remove, none;
    struct level levels[SUP_FORM_MAX_DEPTH + 1];
};

/* --- secrets --------------------------------------------------------------------------------- */

static bool contains(const char *name, size_t length, const char *word)
{
    size_t size = strlen(word);
    for (size_t at = 0; at + size <= length; at++) {
        size_t i = 0;
        while (i < size && toupper((unsigned char) name[at + i]) == word[i]) i++;
        if (i == size) return true;
    }
    return false;
}

bool sup_plan_is_secret(const char *name, size_t length)
{
    static const char *const words[] = {"PASSWORD", "PASSWD", "PASSPHRASE", "SECRET",
                                        "TOKEN",    "KEY",    "CREDENTIAL"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (contains(name, length, words[i])) return true;
    return false;
}

/* Copy ${value} to ${buf}, cut; a password as in scheme://user:password@host is left out when it is
   to be. Was one? */
static bool copy_value(char *buf, const char *value, bool hides)
{
    sup_text_copy(buf, VALUE_SIZE, value);
    char *at = strstr(buf, "://");
    if (!hides || at == NULL) return false;
    at += 3;
    char *host = memrchr(at, '@', strcspn(at, "/?# "));
    char *password = host == NULL ? NULL : memchr(at, ':', (size_t) (host - at));
    if (password == NULL) return false;
    size_t room = VALUE_SIZE - (size_t) (password + 1 - buf);
    char rest[VALUE_SIZE];
    sup_text_copy(rest, sizeof rest, host);
    snprintf(password + 1, room, "%s%s", HIDDEN, rest);
    return true;
}

/* --- fields ---------------------------------------------------------------------------------- */

/* ${old} and ${new}: NULL: not there. */
static void write_field(struct writing *w, const char *name, const char *old, const char *new,
                        bool seen_by_exec, bool hidden)
{
    char was[VALUE_SIZE], will[VALUE_SIZE];
    bool hides = w->values != SUP_PLAN_SHOW_ALL, cut = false;
    if (old != NULL) cut = copy_value(was, hidden ? HIDDEN : old, hides);
    if (new != NULL) cut = copy_value(will, hidden ? HIDDEN : new, hides) || cut;
    hidden = hidden || cut;
    sup_json_begin_object(w->json);
    sup_json_put_string(w->json, "field", name);
    if (old != NULL) sup_json_put_string(w->json, "old", was);
    if (new != NULL) sup_json_put_string(w->json, "new", will);
    sup_json_put_bool(w->json, "seen_by_exec", seen_by_exec);
    if (hidden) sup_json_put_bool(w->json, "hidden", true);
    sup_json_end_object(w->json);
}

static const char *find_variable(const struct sup_strings *env, const char *entry, size_t key)
{
    const char *at = env->first;
    for (uint32_t i = 0; i < env->count; i++, at = sup_strings_next(at))
        if (strncmp(at, entry, key) == 0 && at[key] == '=') return at + key + 1;
    return NULL;
}

/* ${entry} is "KEY=…" with ${key} bytes of KEY. */
static void write_variable(struct writing *w, const char *entry, size_t key, const char *old,
                           const char *new)
{
    char name[256];
    size_t shown = key < sizeof name - 5 ? key : sizeof name - 5;
    bool secret = sup_plan_is_secret(entry, key);
    bool hidden = w->values == SUP_PLAN_HIDE_ENV || (w->values == SUP_PLAN_HIDE_SECRETS && secret);
    memcpy(name, "env.", 4);
    memcpy(name + 4, entry, shown);
    name[4 + shown] = '\0';
    write_field(w, name, old, new, true, hidden);
}

static void write_env(struct writing *w, const struct sup_strings *old,
                      const struct sup_strings *new)
{
    const char *at = new->first;
    for (uint32_t i = 0; i < new->count; i++, at = sup_strings_next(at)) {
        size_t key = strcspn(at, "=");
        const char *was = old == NULL ? NULL : find_variable(old, at, key);
        if (was == NULL || strcmp(was, at + key + 1) != 0)
            write_variable(w, at, key, was, at + key + 1);
    }
    if (old == NULL) return;
    at = old->first;
    for (uint32_t i = 0; i < old->count; i++, at = sup_strings_next(at)) {
        size_t key = strcspn(at, "=");
        if (find_variable(new, at, key) == NULL) write_variable(w, at, key, at + key + 1, NULL);
    }
}

/* ${old} NULL: the node is new. An empty text is nothing that was set. */
static void write_option(struct writing *w, const struct sup_option *option,
                         const struct sup_spec *old, const struct sup_spec *new, bool seen_by_exec)
{
    char was[VALUE_SIZE] = "", will[VALUE_SIZE];
    if (option->id == SUP_OPTION_ENV) {
        write_env(w, old == NULL ? NULL : &old->env, &new->env);
        return;
    }
    if (old != NULL) sup_option_text(option, old, was, sizeof was);
    sup_option_text(option, new, will, sizeof will);
    write_field(w, option->name, was[0] == '\0' ? NULL : was, will[0] == '\0' ? NULL : will,
                seen_by_exec, false);
}

/* ${old}: as it is declared, ${started}: as its instance was started. */
static void write_changed(struct writing *w, const struct sup_change *change,
                          const struct sup_spec *old, const struct sup_spec *started,
                          const struct sup_spec *new)
{
    uint16_t ids[SUP_PLAN_FIELDS_MAX], seen[SUP_PLAN_FIELDS_MAX];
    bool exec_seen;
    size_t count = sup_plan_fields(change->former, change->started, change->record, ids,
                                   SUP_PLAN_FIELDS_MAX, &exec_seen);
    size_t seen_count = 0;
    if (change->started != NULL)
        seen_count =
            sup_form_compare_exec(change->started, change->record, seen, SUP_PLAN_FIELDS_MAX);
    struct sup_option_set pending = sup_option_set_of(seen, seen_count);
    if (started->kind != new->kind)
        write_field(w, "kind", sup_kind_name(started->kind), sup_kind_name(new->kind), true, false);
    for (size_t i = 0; i < count && i < SUP_PLAN_FIELDS_MAX; i++) {
        const struct sup_option *option = sup_option_by_id(ids[i]);
        if (option == NULL || !sup_option_applies(option, new->kind, w->depth == 0)) continue;
        if (option->id == SUP_OPTION_REPLICAS) continue; /* its name says it */
        const struct sup_spec *from = sup_option_set_has(&pending, ids[i]) ? started : old;
        bool is_timer = from->role == SUP_ROLE_TIMER && new->role == SUP_ROLE_TIMER;
        write_option(w, option, from, new, !is_timer && sup_form_exec_sees(option, from, new));
    }
}

static void write_declared(struct writing *w, const struct sup_form_node *record,
                           const struct sup_spec *spec)
{
    for (size_t i = 0; i < sup_option_count; i++) {
        const struct sup_option *option = &sup_options[i];
        uint32_t size;
        if (option->id == SUP_OPTION_FORMERLY || option->id == SUP_OPTION_REPLICAS ||
            option->type == SUP_TYPE_ENV_FILE || sup_form_option(record, option->id, &size) == NULL)
            continue;
        write_option(w, option, NULL, spec, (option->flags & SUP_OPT_EXEC) != 0);
    }
}

/* --- changes --------------------------------------------------------------------------------- */

/* Append ${name} to the path of the level that is open. */
static void set_path(struct writing *w, const char *name)
{
    size_t at = w->depth == 0 ? 0 : w->levels[w->depth - 1].path_length;
    if (w->depth == 0) {
        memcpy(w->path, ".", 2);
        return;
    }
    if (at > 0 && at + 1 < sizeof w->path) w->path[at++] = '/';
    sup_text_copy(w->path + at, sizeof w->path - at, name);
}

static void begin_change(struct writing *w, const char *name, const struct sup_spec *spec,
                         const char *action)
{
    set_path(w, name);
    sup_json_begin_object(w->json);
    sup_json_put_string(w->json, "path", w->path);
    sup_json_put_string(w->json, "kind", sup_kind_word(spec->kind, spec->role));
    sup_json_put_string(w->json, "action", action);
}

/* A supervisor: what follows with it as its parent is below it. */
static void go_below(struct writing *w, sup_token node, const struct sup_spec *spec)
{
    if (spec->kind != SUP_SUPERVISOR || w->depth > SUP_FORM_MAX_DEPTH) return;
    size_t length = w->depth == 0 ? 0 : strlen(w->path);
    w->levels[w->depth++] = (struct level){node, length, *spec};
}

static const struct sup_spec *spec_above(const struct writing *w)
{
    return w->depth == 0 ? NULL : &w->levels[w->depth - 1].spec;
}

static void count(uint32_t *counter, enum sup_kind kind)
{
    if (kind != SUP_SUPERVISOR) ++*counter;
}

/* Of one of several that comes or goes. */
static void write_note(struct writing *w, const struct sup_spec *spec)
{
    const char *at = spec->replica == 0 ? NULL : strrchr(w->path, '@');
    size_t length = at == NULL ? 0 : (size_t) (at - w->path);
    for (size_t i = 0; i < w->note_count && length > 0; i++) {
        const struct sup_plan_note *note = &w->notes[i];
        if (strlen(note->group) != length || memcmp(note->group, w->path, length) != 0) continue;
        sup_json_put_string(w->json, "note", note->text);
        return;
    }
}

/* ${record} and all below it are new. */
static void write_added(struct writing *w, const struct sup_form_node *record)
{
    struct sup_spec spec;
    sup_form_decode(record, spec_above(w), &spec);
    begin_change(w, sup_form_name(record), &spec, "add");
    sup_json_key(w->json, "fields");
    sup_json_begin_array(w->json);
    write_declared(w, record, &spec);
    sup_json_end_array(w->json);
    if (!spec.enabled) sup_json_put_string(w->json, "note", "does not start: enabled = false");
    else write_note(w, &spec);
    sup_json_end_object(w->json);
    count(&w->add, spec.kind);
    size_t depth = w->depth;
    go_below(w, 0, &spec);
    const struct sup_form_node *child = sup_form_first_child(record);
    for (uint32_t i = 0; i < record->child_count; i++, child = sup_form_skip(child))
        write_added(w, child);
    w->depth = depth;
}

/* ${node} and all below it go. */
static void write_removed(struct writing *w, const struct sup_node *node)
{
    begin_change(w, node->name, &node->spec, "remove");
    sup_json_key(w->json, "fields");
    sup_json_begin_array(w->json);
    sup_json_end_array(w->json);
    write_note(w, &node->spec);
    sup_json_end_object(w->json);
    count(&w->remove, node->spec.kind);
    size_t depth = w->depth;
    go_below(w, sup_node_token(node), &node->spec);
    sup_list_each(link, &node->children)
    {
        write_removed(w, sup_container(link, struct sup_node, sibling));
    }
    w->depth = depth;
}

static const char *action_of(struct writing *w, const struct sup_change *change,
                             const struct sup_node *node, bool lives)
{
    bool restarts = change->kind == SUP_CHANGE_RESTART && lives;
    if (restarts || change->kind == SUP_CHANGE_FOLLOW) {
        w->restart++;
        return "restart";
    }
    if (change->renamed) {
        w->rename++;
        return "rename";
    }
    if (change->kind == SUP_CHANGE_KEEP) {
        count(&w->none, node->spec.kind);
        return "none";
    }
    w->update++;
    return "update";
}

/* A timer's run that goes on is left alone. */
static bool is_for_next_run(const struct sup_change *change, const struct sup_node *node,
                            const struct sup_spec *new)
{
    uint16_t ids[1];
    bool is_timer = sup_node_is_timer(node) && new->role == SUP_ROLE_TIMER;
    return is_timer && sup_form_compare_exec(change->former, change->record, ids, 1) > 0;
}

/* What a person would not guess from the action; NULL: nothing. */
static const char *note_of(const struct sup_change *change, const struct sup_node *node,
                           const struct sup_spec *new, bool lives)
{
    if (node->parent == NULL && node->spec.control_group != new->control_group)
        return "control_group holds from the next run";
    bool enabled = node->spec.enabled || node->asked_up;
    if (node->held && change->kind != SUP_CHANGE_KEEP && !lives)
        return "a person has stopped it: holds when it is started";
    if (enabled && !new->enabled && !node->asked_up) return "it stops";
    if (!enabled && new->enabled && !node->held) return "it starts";
    if (is_for_next_run(change, node, new)) return "holds from its next run";
    if (change->kind == SUP_CHANGE_RESTART && !lives)
        return node->state == SUP_STATE_FAILED ? "it starts" : "holds from its next start";
    return NULL;
}

static void write_other(struct writing *w, const struct sup_change *change)
{
    char path[PATH_SIZE];
    if (change->renamed)
        sup_json_put_string(w->json, "former_path",
                            sup_tree_path(w->tree, change->node, path, sizeof path));
    if (change->kind == SUP_CHANGE_FOLLOW)
        sup_json_put_string(w->json, "because",
                            sup_tree_path(w->tree, change->other, path, sizeof path));
}

static void write_kept(struct writing *w, const struct sup_change *change)
{
    const struct sup_node *node = sup_tree_node(w->tree, change->node);
    const struct sup_spec *above = node->parent == NULL ? NULL : &node->parent->spec;
    struct sup_spec old, started, new;
    /* what a oneshot has done is done again when it is another thing */
    bool is_redone = node->state == SUP_STATE_DONE && !node->held;
    sup_form_decode(change->former, above, &old);
    sup_form_decode(change->started == NULL ? change->former : change->started, above, &started);
    sup_form_decode(change->record, spec_above(w), &new);
    is_redone = is_redone && (old.role != SUP_ROLE_SERVICE || new.role != SUP_ROLE_SERVICE);
    bool lives = node->instance != 0 || is_redone;
    begin_change(w, sup_form_name(change->record), &new, action_of(w, change, node, lives));
    sup_json_key(w->json, "fields");
    sup_json_begin_array(w->json);
    if (change->renamed)
        write_field(w, "name", node->name, sup_form_name(change->record), false, false);
    if (change->kind != SUP_CHANGE_KEEP) write_changed(w, change, &old, &started, &new);
    sup_json_end_array(w->json);
    write_other(w, change);
    const char *note = note_of(change, node, &new, lives);
    if (note != NULL) sup_json_put_string(w->json, "note", note);
    sup_json_end_object(w->json);
    go_below(w, change->node, &new);
}

static void write_summary(struct writing *w, const struct sup_changes *changes)
{
    bool kept = true;
    for (size_t i = 0; i < changes->count; i++)
        kept = kept && changes->list[i].kind == SUP_CHANGE_KEEP;
    sup_json_key(w->json, "summary");
    sup_json_begin_object(w->json);
    sup_json_put_integer(w->json, "restart", w->restart);
    sup_json_put_integer(w->json, "update", w->update);
    sup_json_put_integer(w->json, "rename", w->rename);
    sup_json_put_integer(w->json, "add", w->add);
    sup_json_put_integer(w->json, "remove", w->remove);
    sup_json_put_integer(w->json, "none", w->none);
    sup_json_put_bool(w->json, "reordered", kept && !changes->empty);
    sup_json_put_bool(w->json, "empty", changes->empty);
    sup_json_end_object(w->json);
}

void sup_plan_write(struct sup_json *json, const struct sup_tree *tree,
                    const struct sup_changes *changes, enum sup_plan_values values,
                    const struct sup_plan_note *notes, size_t note_count)
{
    struct writing w = {.json = json, .tree = tree, .values = values};
    w.notes = notes;
    w.note_count = note_count;
    sup_json_key(json, "changes");
    sup_json_begin_array(json);
    for (size_t i = 0; i < changes->count; i++) {
        const struct sup_change *change = &changes->list[i];
        while (w.depth > 0 && w.levels[w.depth - 1].node != change->parent) w.depth--;
        if (change->kind == SUP_CHANGE_ADD) write_added(&w, change->record);
        else if (change->kind == SUP_CHANGE_REMOVE)
            write_removed(&w, sup_tree_node(tree, change->node));
        else write_kept(&w, change);
    }
    sup_json_end_array(json);
    write_summary(&w, changes);
}
