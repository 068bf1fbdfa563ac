/*
** Escaping of service text for the terminal, and the making of lines, without any process.
*/
#define _GNU_SOURCE
#include "lib_log.h"

#include <string.h>

#include "log/text.h"

static void check_escape(const char *text, const char *expected)
{
    char out[1024];
    size_t size = sup_text_escape(out, (const uint8_t *) text, strlen(text));
    out[size] = '\0';
    if (strcmp(out, expected) != 0) FAIL("escaped to \"%s\" instead of \"%s\"", out, expected);
}

static void escapes_controls_and_broken_characters(void)
{
    check_escape("", "");
    check_escape("plain text ~", "plain text ~");
    check_escape("a\tb", "a\tb");
    check_escape("\x1b[2J", "\\x1b[2J");
    check_escape("\x07\x7f\r", "\\x07\\x7f\\x0d");
    check_escape("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
                 "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
    check_escape("\xc2\x9b"
                 "31m",
                 "\\xc2\\x9b"
                 "31m"); /* U+009B: a one-character ESC [ */
    check_escape("\x9b"
                 "31m",
                 "\\x9b"
                 "31m");
    check_escape("\xc0\x9b", "\\xc0\\x9b"); /* too long a form of ESC */
    check_escape("\xe0\x80\x9b", "\\xe0\\x80\\x9b");
    check_escape("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* a surrogate */
    check_escape("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
    check_escape("\xe2\x82", "\\xe2\\x82");
    check_escape("\xe2\x1b", "\\xe2\\x1b");
}

static void lets_no_control_through_whatever_comes(void)
{
    uint8_t bytes[4];
    char out[sizeof(bytes) * SUP_TEXT_GROWTH];
    for (uint32_t i = 0; i < 1u << 24; i += 7) {
        memcpy(bytes, &i, sizeof(bytes));
        bytes[3] = (uint8_t) (0x80 + i % 64);
        size_t size = sup_text_escape(out, bytes, sizeof(bytes));
        CHECK(size <= sizeof(out));
        for (size_t k = 0; k < size; k++) {
            uint8_t byte = (uint8_t) out[k];
            CHECK((byte >= 0x20 && byte != 0x7f) || byte == '\t');
            if (k + 1 < size && byte == 0xc2) CHECK((uint8_t) out[k + 1] >= 0xa0);
        }
    }
}

static void finds_unfinished_characters(void)
{
    CHECK(sup_text_tail((const uint8_t *) "", 0) == 0);
    CHECK(sup_text_tail((const uint8_t *) "abc", 3) == 0);
    CHECK(sup_text_tail((const uint8_t *) "a\xc3", 2) == 1);
    CHECK(sup_text_tail((const uint8_t *) "a\xc3\xbc", 3) == 0);
    CHECK(sup_text_tail((const uint8_t *) "\xf0\x9f\x98", 3) == 3);
    CHECK(sup_text_tail((const uint8_t *) "\xf0\x9f\x98\x80", 4) == 0);
    CHECK(sup_text_tail((const uint8_t *) "\x80\x80\x80\x80", 4) == 0);
}

int main(void)
{
    escapes_controls_and_broken_characters();
    lets_no_control_through_whatever_comes();
    finds_unfinished_characters();
    return 0;
}
