/*
** keeper/limit.c: the time that commands have. Must not know what they are.
**
** Few run at a time and most end long before: so a plain list, and a time before which none of them
** is over. That is taken anew only when it has come.
*/
#include "keeper/keeper.h"

void sup_keeper_limit_begin(struct sup_keeper *keeper, struct sup_keeper_limit *limit, int64_t ns)
{
    int64_t now_ns = sup_keeper_now();
    if (ns != SUP_KEEPER_NEVER) ns = sup_keeper_time(keeper, ns);
    limit->at_ns = ns > SUP_KEEPER_NEVER - now_ns ? SUP_KEEPER_NEVER : now_ns + ns;
    sup_list_insert(&keeper->limits, &limit->link);
    if (limit->at_ns < keeper->limit_ns) keeper->limit_ns = limit->at_ns;
}

void sup_keeper_limit_end(struct sup_keeper_limit *limit)
{
    sup_list_remove(&limit->link);
}

static void be_over(struct sup_keeper *keeper, struct sup_keeper_limit *limit)
{
    sup_keeper_limit_end(limit);
    if (limit->is_probe)
        sup_keeper_probe_cut(keeper, sup_container(limit, struct sup_keeper_probe, limit));
    else
        sup_keeper_stage_cut(keeper, sup_container(limit, struct sup_keeper_instance, limit),
                             SUP_CUT_TIME);
}

void sup_keeper_limit_tick(struct sup_keeper *keeper, int64_t now_ns)
{
    if (now_ns < keeper->limit_ns) return;
    keeper->limit_ns = SUP_KEEPER_NEVER;
    sup_list_each_safe(link, &keeper->limits)
    {
        struct sup_keeper_limit *limit = sup_container(link, struct sup_keeper_limit, link);
        if (limit->at_ns <= now_ns) be_over(keeper, limit);
        else if (limit->at_ns < keeper->limit_ns) keeper->limit_ns = limit->at_ns;
    }
}
