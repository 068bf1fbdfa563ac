/*
** log/commands.h: what the keeper says, applied to the sources. Owns nothing: the loop does.
*/
#ifndef SUP_LOG_COMMANDS_H
#define SUP_LOG_COMMANDS_H

#include "log/loop.h"

/* Handle what is in the socket, a bounded number of messages; the rest comes in the next round. */
void sup_log_take_commands(struct sup_log *log);

/* Handle the message again for which there was no memory. */
void sup_log_resume_commands(struct sup_log *log);

/* The keeper has died: quit when its host has ended, too. Until then it stops what still writes. */
void sup_log_follow_host(struct sup_log *log);

/* Let epoll, timers and lists follow the state of ${source}; call after anything was done with
   it. */
void sup_log_settle(struct sup_log *log, struct sup_source *source);

#endif
