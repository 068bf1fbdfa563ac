/*
** log/stamp.c: see stamp.h.
*/
#define _GNU_SOURCE
#include "log/stamp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "log/text.h"

#define TAI_EPOCH UINT64_C(4611686018427387914) /* 2^62, and the 10 s of 1970 */

static void write_iso(int64_t wall_ns, char *out, size_t size)
{
    char day[32];
    struct tm parts;
    time_t seconds = (time_t) (wall_ns / 1000000000);
    gmtime_r(&seconds, &parts);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out, size, "%.19s.%06dZ", day, (int) (wall_ns / 1000 % 1000000));
}

static void write_tai(int64_t wall_ns, char *out, size_t size)
{
    snprintf(out, size, "@%016" PRIx64 "%08x", TAI_EPOCH + (uint64_t) (wall_ns / 1000000000),
             (unsigned) (wall_ns % 1000000000));
}

void sup_stamper_init(struct sup_stamper *stamper, const struct sup_log_settings *settings,
                      const char *path, int64_t wall_ns)
{
    *stamper = (struct sup_stamper){.path = path, .is_json = settings->format == SUP_FORMAT_JSON};
    if (settings->stamps == SUP_STAMPS_TAI64N)
        write_tai(wall_ns, stamper->text, sizeof(stamper->text) - 1);
    else write_iso(wall_ns, stamper->text, sizeof(stamper->text) - 1);
    stamper->size = strlen(stamper->text);
    if (!stamper->is_json) stamper->text[stamper->size++] = ' ';
}

/* One object and its newline. Returns the bytes in ${out}; 0: no room. */
static size_t write_object(const struct sup_stamper *stamper, bool is_partial, const uint8_t *bytes,
                           size_t size, uint8_t *out, size_t room)
{
    struct sup_json json;
    if (room < 2) return 0;
    sup_json_init(&json, (char *) out, room - 1);
    sup_json_begin_object(&json);
    sup_json_key(&json, "time");
    sup_json_bytes(&json, stamper->text, stamper->size);
    sup_json_key(&json, "path");
    sup_json_string(&json, stamper->path);
    sup_json_key(&json, "line");
    sup_json_bytes(&json, (const char *) bytes, size);
    if (is_partial) {
        sup_json_key(&json, "partial");
        sup_json_bool(&json, true);
    }
    sup_json_end_object(&json);
    if (sup_json_text(&json) == NULL) return 0;
    out[json.size] = '\n';
    return json.size + 1;
}

/* The same as text: ${size} bytes, and a newline where ${ends}. */
static size_t write_text(const struct sup_stamper *stamper, bool is_begun, bool ends,
                         const uint8_t *bytes, size_t size, uint8_t *out, size_t room)
{
    size_t head = is_begun ? 0 : stamper->size;
    if (head + size + ends > room) return 0;
    memcpy(out, stamper->text, head);
    memcpy(out + head, bytes, size);
    if (ends) out[head + size] = '\n';
    return head + size + ends;
}

/* The next line, or a part of it, of ${size} bytes. */
struct part {
    size_t size; /* that are shown */
    size_t used; /* with the newline */
    bool ends;
};

/* False: the end of the line has not come, and it is not asked for without. */
static bool find_part(const struct sup_stamper_wish *wish, size_t from, struct part *part)
{
    const uint8_t *bytes = wish->bytes + from;
    size_t size = wish->size - from;
    const uint8_t *newline = memchr(bytes, '\n', size);
    *part = (struct part){.size = newline == NULL ? size : (size_t) (newline - bytes)};
    if (part->size > SUP_STAMP_PIECE) {
        part->size = SUP_STAMP_PIECE - sup_text_tail(bytes, SUP_STAMP_PIECE);
        part->used = part->size;
        return true;
    }
    part->used = part->size + (newline != NULL);
    part->ends = newline != NULL || wish->ends;
    return part->ends || wish->all;
}

struct sup_stamper_result sup_stamper_lay_out(const struct sup_stamper *stamper,
                                              const struct sup_stamper_wish *wish)
{
    struct sup_stamper_result result = {0};
    struct part part;
    bool is_begun = wish->is_begun;
    for (size_t i = 0; i < wish->lines && result.used < wish->size; i++) {
        if (!find_part(wish, result.used, &part)) break;
        uint8_t *out = wish->out + result.written;
        const uint8_t *bytes = wish->bytes + result.used;
        size_t room = wish->room - result.written;
        size_t got = stamper->is_json
                         ? write_object(stamper, !part.ends, bytes, part.size, out, room)
                         : write_text(stamper, is_begun, part.ends, bytes, part.size, out, room);
        result.is_tight = got == 0;
        if (got == 0) break;
        result.written += got;
        result.used += part.used;
        is_begun = !part.ends;
    }
    return result;
}
