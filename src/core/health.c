/*
** core/health.c: reading the encoded value of `health`, hostile bytes.
*/
#include "core/options.h"
#include "core/ready.h"

#include <errno.h>
#include <string.h>

#define HEAD 32u /* u32 failures, u8 action, u8 form, u16 zero, i64 every, i64 timeout, i64 start */
#define HINT "Write { probe = s.ready.tcp(80), every = \"10s\", timeout = \"2s\", failures = 3 }."

static int check_time(int64_t ns, const char *name, bool may_be_zero, struct sup_err *err)
{
    const char *fault = sup_duration_fault(ns, false, !may_be_zero);
    return fault == NULL ? 0 : sup_err_set(err, -EINVAL, "", HINT, "its %s %s", name, fault);
}

static int decode_probe(const unsigned char *data, size_t size, struct sup_health *health,
                        struct sup_err *err)
{
    int r = sup_ready_decode(data, size, &health->probe, err);
    if (r < 0) return r;
    if (sup_ready_is_probe(health->probe.kind)) return 0;
    return sup_err_set(err, -EINVAL, "", HINT,
                       "its probe cannot be looked at again and again; tcp, unix, http, exec and "
                       "functions can");
}

int sup_health_decode(const unsigned char *data, size_t size, struct sup_health *health,
                      struct sup_err *err)
{
    struct sup_health read = {0};
    if (size <= HEAD || data[4] > SUP_HEALTH_EVENT || data[5] > 1 || data[6] != 0 || data[7] != 0)
        return sup_option_refuse_broken(err);
    memcpy(&read.failures, data, 4);
    read.action = (enum sup_health_action) data[4];
    memcpy(&read.every_ns, data + 8, 8);
    memcpy(&read.timeout_ns, data + 16, 8);
    memcpy(&read.start_after_ns, data + 24, 8);
    if (read.failures < 1 || read.failures > SUP_HEALTH_FAILURES_MAX)
        return sup_err_set(err, -EINVAL, "", HINT,
                           "its failures must be a whole number from 1 to %d",
                           SUP_HEALTH_FAILURES_MAX);
    int r = check_time(read.every_ns, "every", false, err);
    if (r == 0) r = check_time(read.timeout_ns, "timeout", false, err);
    if (r == 0) r = check_time(read.start_after_ns, "start_after", true, err);
    if (r == 0 && data[5] == 0) r = decode_probe(data + HEAD, size - HEAD, &read, err);
    if (data[5] == 1) read.function = (struct sup_bytes){data + HEAD, (uint32_t) (size - HEAD)};
    if (r == 0) *health = read;
    return r;
}
