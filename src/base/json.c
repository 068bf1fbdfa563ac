/*
** base/json.c: writing JSON, bounded. Knows nothing of what is written.
*/
#include "base/json.h"

#include "base/err.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 512

/* --- memory ----------------------------------------------------------------------------------- */

void sup_json_init(struct sup_json *json, char *buf, size_t size)
{
    sup_require(size > 0);
    *json = (struct sup_json){.data = buf, .capacity = size};
    buf[0] = '\0';
}

void sup_json_init_growing(struct sup_json *json, size_t limit)
{
    *json = (struct sup_json){.limit = limit > 0 ? limit : 1};
}

void sup_json_finish(struct sup_json *json)
{
    if (json->limit > 0) free(json->data);
    *json = (struct sup_json){0};
}

void sup_json_reset(struct sup_json *json)
{
    struct sup_json empty = {.data = json->data, .capacity = json->capacity, .limit = json->limit};
    *json = empty;
    if (json->data != NULL) json->data[0] = '\0';
}

const char *sup_json_text(const struct sup_json *json)
{
    if (json->failed || json->depth > 0 || json->has_key) return NULL;
    return json->data != NULL ? json->data : "";
}

/* Room for ${size} bytes and the NUL. */
static bool reserve(struct sup_json *json, size_t size)
{
    if (json->failed) return false;
    if (json->capacity - json->size > size) return true;
    if (json->limit == 0 || size >= json->limit - json->size) {
        json->failed = true;
        return false;
    }
    size_t need = json->size + size + 1;
    size_t capacity = json->capacity > 0 ? json->capacity : FIRST_CAPACITY;
    while (capacity < need && capacity <= SIZE_MAX / 2) capacity *= 2;
    if (capacity < need || capacity > json->limit) capacity = json->limit;
    char *data = realloc(json->data, capacity);
    if (data == NULL) {
        json->failed = true;
        return false;
    }
    json->data = data;
    json->capacity = capacity;
    return true;
}

static void put_one(struct sup_json *json, char c)
{
    if (!reserve(json, 1)) return;
    json->data[json->size++] = c;
    json->data[json->size] = '\0';
}

static void put(struct sup_json *json, const char *bytes, size_t size)
{
    if (!reserve(json, size)) return;
    memcpy(json->data + json->size, bytes, size);
    json->size += size;
    json->data[json->size] = '\0';
}

/* --- structure -------------------------------------------------------------------------------- */

static uint64_t level_bit(const struct sup_json *json)
{
    return UINT64_C(1) << (json->depth - 1);
}

static bool is_in_object(const struct sup_json *json)
{
    return json->depth > 0 && (json->objects & level_bit(json)) != 0;
}

static void put_comma(struct sup_json *json)
{
    if (json->depth == 0) return;
    if ((json->filled & level_bit(json)) != 0) put_one(json, ',');
    json->filled |= level_bit(json);
}

/* What stands before each value. */
static void begin_value(struct sup_json *json)
{
    if (json->has_key) {
        json->has_key = false;
        return;
    }
    sup_expect(json->failed || !is_in_object(json));
    put_comma(json);
}

static void begin_level(struct sup_json *json, const char *bracket, bool is_object)
{
    begin_value(json);
    put(json, bracket, 1);
    if (json->depth == SUP_JSON_MAX_DEPTH) {
        json->failed = true;
        return;
    }
    json->depth++;
    json->filled &= ~level_bit(json);
    if (is_object) json->objects |= level_bit(json);
    else json->objects &= ~level_bit(json);
}

static void end_level(struct sup_json *json, const char *bracket, bool is_object)
{
    if (json->failed) return;
    if (!sup_expect(json->depth > 0 && is_in_object(json) == is_object && !json->has_key)) {
        json->failed = true;
        return;
    }
    put(json, bracket, 1);
    json->depth--;
}

void sup_json_begin_object(struct sup_json *json)
{
    begin_level(json, "{", true);
}

void sup_json_end_object(struct sup_json *json)
{
    end_level(json, "}", true);
}

void sup_json_begin_array(struct sup_json *json)
{
    begin_level(json, "[", false);
}

void sup_json_end_array(struct sup_json *json)
{
    end_level(json, "]", false);
}

/* --- strings ---------------------------------------------------------------------------------- */

/* The length of the UTF-8 character at ${at}, of ${room} bytes; 0: it is none. */
static size_t measure_character(const unsigned char *at, size_t room)
{
    unsigned char first = at[0];
    size_t length = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (first > 0xF4 || length == 0 || length > room) return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xC0) != 0x80) return 0;
    if (first == 0xE0 && at[1] < 0xA0) return 0; /* longer than need be */
    if (first == 0xED && at[1] > 0x9F) return 0; /* half of a surrogate pair */
    if (first == 0xF0 && at[1] < 0x90) return 0; /* longer than need be */
    if (first == 0xF4 && at[1] > 0x8F) return 0; /* beyond U+10FFFF */
    return length;
}

static void put_escaped(struct sup_json *json, unsigned char c)
{
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                   ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    char text[8];
    int size;
    if (c < sizeof letters && letters[c] != '\0')
        size = snprintf(text, sizeof text, "\\%c", letters[c]);
    else size = snprintf(text, sizeof text, "\\u%04x", c);
    put(json, text, (size_t) size);
}

static bool must_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\' || c == 0x7F;
}

/* Up to where nothing changes, from ${at} on. */
static size_t measure_plain(const unsigned char *bytes, size_t at, size_t size)
{
    while (at < size && !must_escape(bytes[at])) {
        size_t length = bytes[at] < 0x80 ? 1 : measure_character(bytes + at, size - at);
        if (length == 0) break;
        at += length;
    }
    return at;
}

/* In one piece, as it is. */
static void put_plain(struct sup_json *json, const char *text, size_t size)
{
    if (!reserve(json, size + 2)) return;
    char *at = json->data + json->size;
    *at = '"';
    memcpy(at + 1, text, size);
    at[size + 1] = '"';
    at[size + 2] = '\0';
    json->size += size + 2;
}

static void put_quoted(struct sup_json *json, const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *) text;
    if (measure_plain(bytes, 0, size) == size) {
        put_plain(json, text, size);
        return;
    }
    put(json, "\"", 1);
    for (size_t at = 0; at < size && !json->failed;) {
        size_t plain = measure_plain(bytes, at, size);
        if (plain > at) put(json, text + at, plain - at);
        at = plain;
        if (at == size) break;
        if (must_escape(bytes[at])) put_escaped(json, bytes[at]);
        else put(json, "\\ufffd", 6);
        at++;
    }
    put(json, "\"", 1);
}

void sup_json_key(struct sup_json *json, const char *key)
{
    sup_expect(json->failed || (is_in_object(json) && !json->has_key));
    put_comma(json);
    put_quoted(json, key, strlen(key));
    put_one(json, ':');
    json->has_key = true;
}

void sup_json_bytes(struct sup_json *json, const char *text, size_t size)
{
    begin_value(json);
    put_quoted(json, text, size);
}

void sup_json_string(struct sup_json *json, const char *text)
{
    if (text == NULL) sup_json_null(json);
    else sup_json_bytes(json, text, strlen(text));
}

/* --- other values ----------------------------------------------------------------------------- */

void sup_json_raw(struct sup_json *json, const char *text, size_t size)
{
    begin_value(json);
    put(json, text, size);
}

/* The digits of ${value} in front of ${end}; returns the first. */
static char *write_digits(char *end, uint64_t value)
{
    do {
        *--end = (char) ('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return end;
}

static void put_integer(struct sup_json *json, bool negative, uint64_t value)
{
    char text[24];
    char *end = text + sizeof text, *at = write_digits(end, value);
    if (negative) *--at = '-';
    sup_json_raw(json, at, (size_t) (end - at));
}

void sup_json_integer(struct sup_json *json, int64_t value)
{
    put_integer(json, value < 0, value < 0 ? 0 - (uint64_t) value : (uint64_t) value);
}

void sup_json_unsigned(struct sup_json *json, uint64_t value)
{
    put_integer(json, false, value);
}

/* A locale may have written another decimal point, of several bytes even. */
static size_t restore_point(char *text)
{
    size_t out = 0;
    for (size_t in = 0; text[in] != '\0'; in++) {
        bool is_plain = strchr("0123456789+-e", text[in]) != NULL;
        if (is_plain) text[out++] = text[in];
        else if (out > 0 && text[out - 1] != '.') text[out++] = '.';
    }
    text[out] = '\0';
    return out;
}

/* A number below 1e12 with at most three decimals, as most are: those need no printf. */
static bool put_short_number(struct sup_json *json, double value)
{
    char text[32];
    char *end = text + sizeof text, *at = end;
    double size = fabs(value);
    if (size >= 1e12 || (value == 0 && signbit(value))) return false;
    uint64_t thousands = (uint64_t) (size * 1000 + 0.5);
    if ((double) thousands / 1000 != size) return false;
    uint64_t whole = thousands / 1000, rest = thousands % 1000;
    if (rest > 0) {
        int digits = 3;
        for (; rest % 10 == 0; rest /= 10) digits--;
        for (; digits > 0; digits--, rest /= 10) *--at = (char) ('0' + rest % 10);
        *--at = '.';
    }
    at = write_digits(at, whole);
    if (value < 0) *--at = '-';
    sup_json_raw(json, at, (size_t) (end - at));
    return true;
}

void sup_json_number(struct sup_json *json, double value)
{
    char text[40];
    if (!isfinite(value)) {
        sup_json_null(json);
        return;
    }
    if (put_short_number(json, value)) return;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    size_t size = restore_point(text);
    sup_json_raw(json, text, size);
}

void sup_json_bool(struct sup_json *json, bool value)
{
    sup_json_raw(json, value ? "true" : "false", value ? 4 : 5);
}

void sup_json_null(struct sup_json *json)
{
    sup_json_raw(json, "null", 4);
}

void sup_json_line_end(struct sup_json *json)
{
    sup_expect(json->failed || json->depth == 0);
    put(json, "\n", 1);
}

/* --- key and value in one --------------------------------------------------------------------- */

void sup_json_put_string(struct sup_json *json, const char *key, const char *text)
{
    sup_json_key(json, key);
    sup_json_string(json, text);
}

void sup_json_put_integer(struct sup_json *json, const char *key, int64_t value)
{
    sup_json_key(json, key);
    sup_json_integer(json, value);
}

void sup_json_put_number(struct sup_json *json, const char *key, double value)
{
    sup_json_key(json, key);
    sup_json_number(json, value);
}

void sup_json_put_bool(struct sup_json *json, const char *key, bool value)
{
    sup_json_key(json, key);
    sup_json_bool(json, value);
}
