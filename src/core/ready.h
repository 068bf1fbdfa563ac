/*
** core/ready.h: conditions of readiness as values: read from a blob, compared, told, and taken
** apart for whoever looks at them. The same conditions serve as probes of `health`.
**
** Pure: nothing here looks anything up.
*/
#ifndef SUP_CORE_READY_H
#define SUP_CORE_READY_H

#include "base/err.h"
#include "core/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUP_READY_FD_MIN 3
#define SUP_READY_FD_MAX 255
#define SUP_READY_PATH_MAX 107 /* of a unix socket: sun_path with its NUL has 108 bytes */
#define SUP_READY_URL_MAX 1024
#define SUP_READY_TIMEOUT_NS (2 * SUP_SECOND_NS)      /* of one look, where none is said */
#define SUP_READY_EXEC_TIMEOUT_NS (5 * SUP_SECOND_NS) /* of one command, where none is said */

/* Output that is looked at must stay for a while: the buffer of a service with s.ready.log. */
#define SUP_READY_LOG_BUFFER (1u << 20)

/*
** Where a look goes: tcp and http. Without ${host} (""): this machine, 127.0.0.1 and then ::1.
*/
struct sup_address {
    char host[46]; /* numeric, no brackets; "" */
    bool is_ipv6;
    uint16_t port;
    const char *path; /* of a URL, its query included: in its text; "" stands for "/" */
};

/*
** Take apart "5432", "localhost:5432", "127.0.0.1:5432", "[::1]:5432"; an URL
** "http://127.0.0.1:8080/health?full=1". Returns NULL, or what is wrong with it, and then what to
** do about it in ${hint}. Both are constants.
*/
const char *sup_address_parse(const char *text, struct sup_address *address, const char **hint);
const char *sup_url_parse(const char *text, struct sup_address *address, const char **hint);

/*
** Read the encoded value (SUP_TYPE_READY in core/options.h), hostile bytes. 0, or -EINVAL with
** ${err} filled, its place left empty. ${ready} points into ${data}.
*/
int sup_ready_decode(const unsigned char *data, size_t size, struct sup_ready *ready,
                     struct sup_err *err);

/* The same for `health` (SUP_TYPE_HEALTH). */
int sup_health_decode(const unsigned char *data, size_t size, struct sup_health *health,
                      struct sup_err *err);

bool sup_ready_equal(const struct sup_ready *a, const struct sup_ready *b);

/* Does somebody look from outside, again and again, until it holds: may it be a probe of health? */
bool sup_ready_is_probe(enum sup_ready_kind kind);

/* "tcp 127.0.0.1:5432", "delay 2s": cut to ${size}, 8 at least. Returns ${buf}. */
char *sup_ready_text(const struct sup_ready *ready, char *buf, size_t size);

#endif
