/*
** spec/c/lib_form.h: writing blobs in tests in a few words.
**
**     struct sup_form_writer w = {0};
**     supervisor(&w, "shop", 1);
**     sup_form_end(&w);
**     process(&w, "web");
**     put_command(&w);
**     put_text(&w, SUP_OPTION_CWD, "/srv");
**     sup_form_end(&w);
**     bytes = sup_form_finish(&w, &size);
*/
#ifndef SUP_SPEC_LIB_FORM_H
#define SUP_SPEC_LIB_FORM_H

#include "core/form.h"

/* Begin a node; its place is "test.lua:N" with the N-th node of the blob. */
void supervisor(struct sup_form_writer *w, const char *name, uint32_t child_count);
void process(struct sup_form_writer *w, const char *name);
void thread(struct sup_form_writer *w, const char *name);
/* Whole ones, with nothing but what is required. */
void plain_process(struct sup_form_writer *w, const char *name);
void plain_thread(struct sup_form_writer *w, const char *name);
void plain_supervisor(struct sup_form_writer *w, const char *name, uint32_t child_count);

void put_u8(struct sup_form_writer *w, uint16_t id, unsigned value);
void put_u32(struct sup_form_writer *w, uint16_t id, uint32_t value);
void put_ns(struct sup_form_writer *w, uint16_t id, int64_t ns);
void put_double(struct sup_form_writer *w, uint16_t id, double value);
void put_text(struct sup_form_writer *w, uint16_t id, const char *text);
/* "db web": strings apart by blanks */
void put_words(struct sup_form_writer *w, uint16_t id, const char *words);
/* What is required of a process and of a thread. Options stand in the order of their numbers. */
void put_command(struct sup_form_writer *w);
void put_run(struct sup_form_writer *w);

/* A tree of six nodes of all kinds, with options of most types. */
void write_shop(struct sup_form_writer *w);

/* Make the checksum of changed bytes fit again. */
void fix_checksum(unsigned char *bytes, size_t size);

#endif
