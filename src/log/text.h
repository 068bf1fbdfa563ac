/*
** log/text.h: makes the text of services harmless for a terminal. Pure.
*/
#ifndef SUP_LOG_TEXT_H
#define SUP_LOG_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define SUP_TEXT_GROWTH 4 /* a byte becomes at most this many */

/*
** Write ${size} bytes to ${out} (room for SUP_TEXT_GROWTH times as many): valid UTF-8 and tab as
** they are, every byte of a control character (the C1 ones included) or of broken UTF-8 as \xHH.
** Returns how many bytes were written.
*/
size_t sup_text_escape(char *out, const uint8_t *bytes, size_t size);

/* How many bytes at the end of ${bytes} are the begin of a character that is not whole yet: 0 to
   3. */
size_t sup_text_tail(const uint8_t *bytes, size_t size);

#endif
