/*
** core/plan.h: the difference between the running tree and a new config, as data: what `plan` shows
** is what `reload` does. Pure: makes nothing, changes nothing.
**
** Nodes are matched by path, and by `formerly`. In what exec sees, that which a living instance was
** started with is compared with the new record; in what is applied in place, the former record.
** Children that came by `add` are no part of the config and stay.
*/
#ifndef SUP_CORE_PLAN_H
#define SUP_CORE_PLAN_H

#include "core/tree.h"

enum sup_change_kind {
    SUP_CHANGE_KEEP,    /* unchanged: untouched */
    SUP_CHANGE_UPDATE,  /* a field that exec does not see: applied in place */
    SUP_CHANGE_RESTART, /* a field that exec sees: restarts once, if it lives */
    SUP_CHANGE_FOLLOW,  /* unchanged itself, restarts with `other` */
    SUP_CHANGE_ADD,     /* new; what is below it is not listed */
    SUP_CHANGE_REMOVE,  /* gone */
};

#define SUP_CHANGE_FIELDS 12
#define SUP_PLAN_FIELDS_MAX 256 /* more than there are options */

struct sup_change {
    enum sup_change_kind kind;
    sup_token node;                     /* 0 for ADD */
    sup_token parent;                   /* 0 for the root */
    sup_token other;                    /* FOLLOW: with whom */
    const struct sup_form_node *record; /* in the new form; NULL for REMOVE */
    const struct sup_form_node *former; /* what it was declared to be; NULL for ADD */
    /* what its living instance was started with; NULL: none lives, or the same as `former` */
    const struct sup_form_node *started;
    bool renamed;
    uint16_t fields[SUP_CHANGE_FIELDS]; /* option ids that differ, the first ones */
    size_t field_count;                 /* all that differ */
};

/* In preorder of the new config, removals of a supervisor's children before its children. */
struct sup_changes {
    struct sup_change *list; /* free()d by sup_changes_finish */
    size_t count;
    size_t room;
    bool empty; /* nothing but KEEP, in the same order */
};

/*
** FORTH: a person's reload. BACK: a rollback, which also undoes renames by `formerly`. SCALE: what
** was made from the running config: who has left the tree by himself stays away.
*/
enum sup_plan_way { SUP_PLAN_FORTH, SUP_PLAN_BACK, SUP_PLAN_SCALE };

/*
** What differs between what a node is and what it is to be: what exec sees, from what its instance
** was started with; everything, from what it was declared to be. As sup_form_compare.
*/
size_t sup_plan_fields(const struct sup_form_node *former, const struct sup_form_node *started,
                       const struct sup_form_node *record, uint16_t *changed, size_t room,
                       bool *exec_seen);

/*
** Compare. Returns 0; -EINVAL with ${err} when this config cannot replace the running one (the root
** renamed, a name that a dynamic child has); -ENOMEM. ${form} must outlive ${changes}.
*/
int sup_plan_make(const struct sup_tree *tree, const struct sup_form *form, enum sup_plan_way way,
                  struct sup_changes *changes, struct sup_err *err);
void sup_changes_finish(struct sup_changes *changes);

/* --- showing (plan_write.c) ------------------------------------------------------------------ */

struct sup_json;

/* What is told of values of the environment. */
enum sup_plan_values {
    SUP_PLAN_HIDE_ENV,     /* none */
    SUP_PLAN_HIDE_SECRETS, /* those whose names do not look like secrets */
    SUP_PLAN_SHOW_ALL,
};

/* What is said of replicas that come or go. */
struct sup_plan_note {
    const char *group; /* the path that means all of them: "workers/web" for workers/web@1 */
    const char *text;
};

/*
** Write ${changes}, made of ${tree} as it stands, as two members of the object that is open in
** ${json}:
**
**   "changes": [{ path, kind, action, fields: [{ field, old, new, seen_by_exec, hidden }], because,
**                 former_path, note }, …]
**   "summary": { restart, update, rename, add, remove, none, reordered, empty }
**
** action: "add" "remove" "restart" "update" "rename" "none". Nodes below an added or removed
** supervisor are listed, too. The summary counts services, and supervisors that are updated or
** renamed. Texts of values are cut at 1,000 bytes. ${notes}: of replicas, ${note_count} of them.
*/
void sup_plan_write(struct sup_json *json, const struct sup_tree *tree,
                    const struct sup_changes *changes, enum sup_plan_values values,
                    const struct sup_plan_note *notes, size_t note_count);

/* Does the name of a variable look like that of a secret? PASSWORD, SECRET, TOKEN, KEY and such in
   it. */
bool sup_plan_is_secret(const char *name, size_t length);

#endif
