/*
** script/trust.h: may this file be believed? A configuration decides what runs with our rights, so
** nobody but root and us may be able to change it.
*/
#ifndef SUP_SCRIPT_TRUST_H
#define SUP_SCRIPT_TRUST_H

#include "base/err.h"

/*
** Check ${path} (links followed) and every folder above it: owned by root or by us, and written by
** nobody else. A sticky folder, such as /tmp, is fine above what is ours; so is a group that holds
** nobody but its owner. Returns 0, -EACCES with reason and hint, or another -errno with both.
** Blocks on the file system and on the databases of users and groups.
*/
int sup_trust_check(const char *path, struct sup_err *err);

#endif
