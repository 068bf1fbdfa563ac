/*
** api_options.h: what a C program writes as text, as the blob of one node.
*/
#ifndef SUP_API_OPTIONS_H
#define SUP_API_OPTIONS_H

#include "base/err.h"
#include "core/form.h"
#include "core/options.h"

/* What stands in a node beside its written options; NULL or 0: nothing. */
struct sup_node_wish {
    enum sup_kind kind;
    const char *name;
    const char *const *options; /* names and values in turn, NULL at the end */
    const char *const *argv;
    const char *const *env;
    const char *cwd;
    const void *run;
    size_t run_size;
    bool is_root;
};

/* The blob, free()d by the caller. NULL: ${err}. */
unsigned char *sup_wish_encode(const struct sup_node_wish *wish, size_t *size, struct sup_err *err);

/* Room for any encoded value. */
#define SUP_VALUE_SIZE 65536
#define SUP_VALUE_ROOM (SUP_VALUE_SIZE + 4096)

/*
** Encode ${text} into ${out}, which has SUP_VALUE_ROOM bytes; ${size} gets how many are used. NULL:
** good; else what ought to stand there, a constant. Ranges are checked where blobs are.
*/
const char *sup_value_encode(const struct sup_option *option, const char *text, unsigned char *out,
                             size_t *size);

/* A user, and the number of a group, by name or number (api_accounts.c). 0, or -ENOENT: there is
   none of that name. */
int sup_user_encode(unsigned char *out, const char *text, size_t *size);
int sup_group_encode(unsigned char *out, const char *text, size_t *size);

#endif
