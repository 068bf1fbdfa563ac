/* The JSON writer: what it writes, that it stays inside its bounds, that numbers are exact. */
#include "base/json.h"

#include "lib_test.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_sample(struct sup_json *json)
{
    sup_json_begin_object(json);
    sup_json_put_string(json, "name", "web");
    sup_json_key(json, "list");
    sup_json_begin_array(json);
    sup_json_integer(json, 1);
    sup_json_begin_object(json);
    sup_json_end_object(json);
    sup_json_begin_array(json);
    sup_json_end_array(json);
    sup_json_null(json);
    sup_json_end_array(json);
    sup_json_put_bool(json, "up", true);
    sup_json_put_bool(json, "down", false);
    sup_json_put_number(json, "count", 2.5);
    sup_json_put_integer(json, "least", INT64_MIN);
    sup_json_key(json, "most");
    sup_json_unsigned(json, UINT64_MAX);
    sup_json_put_string(json, "none", NULL);
    sup_json_end_object(json);
    sup_json_line_end(json);
}

static const char sample[] =
    "{\"name\":\"web\",\"list\":[1,{},[],null],\"up\":true,\"down\":false,\"count\":2.5,"
    "\"least\":-9223372036854775808,\"most\":18446744073709551615,\"none\":null}\n";

static void objects_arrays_and_values(void)
{
    struct sup_json json;
    sup_json_init_growing(&json, 1 << 20);
    CHECK_TEXT(sup_json_text(&json), "");
    write_sample(&json);
    CHECK_TEXT(sup_json_text(&json), sample);
    CHECK_INT(json.size, strlen(sample));
    sup_json_reset(&json);
    CHECK_TEXT(sup_json_text(&json), "");
    write_sample(&json);
    CHECK_TEXT(sup_json_text(&json), sample);
    sup_json_finish(&json);
    sup_json_finish(&json);
}

static void whatever_the_room_it_is_whole_or_failed(void)
{
    for (size_t size = 1; size <= sizeof sample + 1; size++) {
        sup_test_case("room of %zu bytes", size);
        const char *wanted = size >= sizeof sample ? sample : NULL;
        struct sup_json json;
        char *buf = malloc(size);
        MUST(buf != NULL);
        sup_json_init(&json, buf, size);
        write_sample(&json);
        CHECK_TEXT(sup_json_text(&json), wanted);
        CHECK(memchr(buf, 0, size) != NULL);
        free(buf);
        sup_json_init_growing(&json, size);
        write_sample(&json);
        CHECK_TEXT(sup_json_text(&json), wanted);
        CHECK(json.capacity <= size);
        sup_json_finish(&json);
    }
}

static const char *quote(const char *text, size_t size)
{
    static char buf[256];
    struct sup_json json;
    sup_json_init(&json, buf, sizeof buf);
    sup_json_bytes(&json, text, size);
    return sup_json_text(&json);
}

static void strings_are_escaped(void)
{
    static const struct {
        const char *text;
        const char *wanted;
    } cases[] = {
        {"", "\"\""},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\b\t\n\f\r\x01\x1f\x7f", "\"\\b\\t\\n\\f\\r\\u0001\\u001f\\u007f\""},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\xb3",
         "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\xb3\""},
        {"\xff", "\"\\ufffd\""},
        {"a\x80z", "\"a\\ufffdz\""},
        {"\xc0\xaf", "\"\\ufffd\\ufffd\""},                       /* overlong */
        {"\xe0\x80\x80", "\"\\ufffd\\ufffd\\ufffd\""},            /* overlong */
        {"\xf0\x80\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* overlong */
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},            /* surrogate */
        {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* beyond Unicode */
        {"\xf5\x80", "\"\\ufffd\\ufffd\""},
        {"\xe2\x82", "\"\\ufffd\\ufffd\""}, /* cut off */
        {"\xe2\"", "\"\\ufffd\\\"\""},
        {"\xf4\x8f\xbf\xbf\xed\x9f\xbf", "\"\xf4\x8f\xbf\xbf\xed\x9f\xbf\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sup_test_case("string %zu", i);
        CHECK_TEXT(quote(cases[i].text, strlen(cases[i].text)), cases[i].wanted);
    }
    CHECK_TEXT(quote("a\0b", 3), "\"a\\u0000b\"");
}

static void random_bytes_are_never_read_beyond_their_end(void)
{
    struct sup_test_chance chance = {2};
    for (int round = 0; round < 20000; round++) {
        size_t size = sup_test_below(&chance, 12);
        char *text = malloc(size + (size == 0));
        MUST(text != NULL);
        for (size_t i = 0; i < size; i++) text[i] = (char) (sup_test_random(&chance) | 0x80);
        CHECK(quote(text, size) != NULL);
        free(text);
    }
}

static const char *write_number(double value)
{
    static char buf[64];
    struct sup_json json;
    sup_json_init(&json, buf, sizeof buf);
    sup_json_number(&json, value);
    return sup_json_text(&json);
}

static void numbers_are_exact_and_short(void)
{
    CHECK_TEXT(write_number(0), "0");
    CHECK_TEXT(write_number(0.1), "0.1");
    CHECK_TEXT(write_number(1.0 / 3), "0.3333333333333333");
    CHECK_TEXT(write_number(-2.5), "-2.5");
    CHECK_TEXT(write_number(1e100), "1e+100");
    CHECK_TEXT(write_number(1e300 * 1e300), "null");
    CHECK_TEXT(write_number(nan("")), "null");
    CHECK(strtod(write_number(DBL_MAX), NULL) == DBL_MAX);
    CHECK(strtod(write_number(DBL_TRUE_MIN), NULL) == DBL_TRUE_MIN);
    struct sup_test_chance chance = {3};
    for (int round = 0; round < 100000; round++) {
        uint64_t bits = sup_test_random(&chance);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value) && !CHECK(strtod(write_number(value), NULL) == value)) return;
        char text[64];
        value = (double) ((int64_t) bits >> (14 + round % 50)) / (round % 3 == 0 ? 1000 : 100);
        snprintf(text, sizeof text, "%.15g", value);
        if (strtod(text, NULL) == value && !CHECK_TEXT(write_number(value), text)) return;
    }
    CHECK_TEXT(write_number(-0.0), "-0");
    CHECK_TEXT(write_number(1795374626.61), "1795374626.61");
    CHECK_TEXT(write_number(0.001), "0.001");
    CHECK_TEXT(write_number(999999999999.999), "999999999999.999");
    CHECK_TEXT(write_number(1e12), "1000000000000");
}

static void nesting_too_deep_fails(void)
{
    struct sup_json json;
    sup_json_init_growing(&json, 1 << 20);
    for (int i = 0; i < SUP_JSON_MAX_DEPTH; i++) sup_json_begin_array(&json);
    CHECK(!json.failed);
    for (int i = 0; i < SUP_JSON_MAX_DEPTH; i++) sup_json_end_array(&json);
    CHECK_INT(strlen(sup_json_text(&json)), 2 * SUP_JSON_MAX_DEPTH);
    sup_json_reset(&json);
    for (int i = 0; i <= SUP_JSON_MAX_DEPTH; i++) sup_json_begin_array(&json);
    CHECK(json.failed);
    sup_json_integer(&json, 1);
    for (int i = 0; i <= SUP_JSON_MAX_DEPTH; i++) sup_json_end_array(&json);
    CHECK(sup_json_text(&json) == NULL);
    sup_json_finish(&json);
}

static void an_open_text_is_no_text(void)
{
    char buf[64];
    struct sup_json json;
    sup_json_init(&json, buf, sizeof buf);
    sup_json_begin_object(&json);
    CHECK(sup_json_text(&json) == NULL);
    sup_json_end_object(&json);
    CHECK_TEXT(sup_json_text(&json), "{}");
}

TEST_MAIN(TEST(objects_arrays_and_values), TEST(whatever_the_room_it_is_whole_or_failed),
          TEST(strings_are_escaped), TEST(random_bytes_are_never_read_beyond_their_end),
          TEST(numbers_are_exact_and_short), TEST(nesting_too_deep_fails),
          TEST(an_open_text_is_no_text))
