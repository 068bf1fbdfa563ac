/*
** log/text.c: see text.h.
*/
#define _GNU_SOURCE
#include "log/text.h"

#include <stdbool.h>
#include <string.h>

static bool is_plain(uint8_t byte)
{
    return (byte >= 0x20 && byte < 0x7f) || byte == '\t';
}

/* Bytes of the character that ${lead} starts; 0: it starts none. */
static size_t lead_size(uint8_t lead)
{
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead <= 0xdf) return 2;
    if (lead >= 0xe0 && lead <= 0xef) return 3;
    if (lead >= 0xf0 && lead <= 0xf4) return 4;
    return 0;
}

/* Size of the printable character of several bytes at ${bytes}; 0: it is none. */
static size_t wide_size(const uint8_t *bytes, size_t size)
{
    size_t need = lead_size(bytes[0]);
    if (need < 2 || need > size) return 0;
    for (size_t i = 1; i < need; i++)
        if ((bytes[i] & 0xc0) != 0x80) return 0;
    uint8_t second = bytes[1];
    switch (bytes[0]) {
    case 0xc2: /* U+0080 to U+009F are controls: U+009B is another ESC [ */
        return second >= 0xa0 ? need : 0;
    case 0xe0: /* too long a form */
        return second >= 0xa0 ? need : 0;
    case 0xed: /* surrogates */
        return second < 0xa0 ? need : 0;
    case 0xf0:
        return second >= 0x90 ? need : 0;
    case 0xf4: /* beyond U+10FFFF */
        return second < 0x90 ? need : 0;
    default:
        return need;
    }
}

static size_t escape_byte(char *out, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    out[0] = '\\';
    out[1] = 'x';
    out[2] = digits[byte >> 4];
    out[3] = digits[byte & 15];
    return 4;
}

size_t sup_text_escape(char *out, const uint8_t *bytes, size_t size)
{
    size_t written = 0;
    size_t at = 0;
    while (at < size) {
        size_t plain = at;
        while (plain < size && is_plain(bytes[plain])) plain++;
        memcpy(out + written, bytes + at, plain - at);
        written += plain - at;
        at = plain;
        if (at == size) break;
        size_t wide = wide_size(bytes + at, size - at);
        if (wide == 0) {
            written += escape_byte(out + written, bytes[at++]);
            continue;
        }
        memcpy(out + written, bytes + at, wide);
        written += wide;
        at += wide;
    }
    return written;
}

size_t sup_text_tail(const uint8_t *bytes, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        uint8_t byte = bytes[size - back];
        if ((byte & 0xc0) == 0x80) continue;
        return lead_size(byte) > back ? back : 0;
    }
    return 0;
}
