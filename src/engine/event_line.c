/*
** engine/event_line.c: the fields of the schema as JSON, in one piece.
*/
#include "engine/event_line.h"

#include "base/json.h"

#include <math.h>
#include <string.h>

struct json_line {
    struct sup_json json;
    size_t limit; /* of one text */
};

static void put_text(void *self, const char *name, const char *value)
{
    struct json_line *line = self;
    size_t size = strlen(value);
    sup_json_key(&line->json, name);
    if (size > line->limit) {
        size = line->limit;
        while (size > 0 && ((unsigned char) value[size] & 0xc0) == 0x80) size--;
    }
    sup_json_bytes(&line->json, value, size);
}

static void put_number(void *self, const char *name, double value)
{
    struct json_line *line = self;
    bool is_time = strcmp(name, "time") == 0 || strcmp(name, "until") == 0;
    sup_json_put_number(&line->json, name, is_time ? round(value * 1000) / 1000 : value);
}

static void put_integer(void *self, const char *name, int64_t value)
{
    struct json_line *line = self;
    sup_json_put_integer(&line->json, name, value);
}

static void put_boolean(void *self, const char *name, bool value)
{
    struct json_line *line = self;
    sup_json_put_bool(&line->json, name, value);
}

size_t sup_event_line(const struct sup_told *told, int64_t wall_offset_ns, char *buf)
{
    struct json_line line;
    const struct sup_field_sink sink = {put_text, put_number, put_integer, put_boolean, &line};
    double offset_s = (double) wall_offset_ns / (double) SUP_SECOND_NS;
    double time = (double) (told->effect->event.time_ns + wall_offset_ns) / (double) SUP_SECOND_NS;
    for (size_t limit = 2048; limit >= 32; limit /= 4) {
        line.limit = limit;
        sup_json_init(&line.json, buf, SUP_EVENT_LINE);
        sup_json_begin_object(&line.json);
        sup_event_fields(told, time, offset_s, &sink);
        sup_json_end_object(&line.json);
        if (sup_json_text(&line.json) != NULL) return line.json.size;
    }
    return 0;
}
