/*
** simulate/check_meter.c: what counts, and what follows when too much does. The count is folded
** here from the times of counted failures alone, step by step and over the whole list.
** Invariants 4, 5, 6, 15.
*/
#include "sim.h"

#include <math.h>

void meter_reset(struct meter *meter)
{
    meter->count = 0;
    meter->stamp_count = 0;
    meter->pause_count = 0;
    meter->overflowed = meter->unsure = false;
}

void meter_clear(struct meter *meter)
{
    meter->count = 0;
    meter->stamp_count = 0;
    meter->overflowed = meter->unsure = false;
}

/* Keep the newest ${room} of ${count} times. */
static uint32_t keep_newest(int64_t *times, uint32_t count, uint32_t room)
{
    uint32_t surplus = count > room ? count - room : 0;
    for (uint32_t i = surplus; i < count; i++) times[i - surplus] = times[i];
    return count - surplus;
}

void meter_change(struct meter *meter, const struct traits *from, const struct traits *to)
{
    if (from->max_pauses != to->max_pauses) {
        meter->pause_count = keep_newest(meter->pauses, meter->pause_count, from->max_pauses);
        meter->pause_count = keep_newest(meter->pauses, meter->pause_count, to->max_pauses);
    }
    if (from->has_intensity != to->has_intensity) {
        meter->stamp_count = 0;
        meter->overflowed = true;
    }
    if (!to->has_intensity || !from->has_intensity || from->intensity == to->intensity) return;
    uint32_t room = (from->intensity < to->intensity ? from->intensity : to->intensity) + 1;
    meter->stamp_count = keep_newest(meter->stamps, meter->stamp_count, room);
}

static double halve(double count, int64_t decay_ns, int64_t elapsed_ns)
{
    if (elapsed_ns <= 0) return count;
    return count * exp2(-(double) elapsed_ns / (double) decay_ns);
}

static double window_count(const struct meter *meter, const struct traits *traits, int64_t now_ns)
{
    uint32_t inside = 0;
    for (uint32_t i = 0; i < meter->stamp_count; i++) {
        if (now_ns - meter->stamps[i] <= traits->period_ns) inside++;
    }
    /* one more than allowed is all that a window has to remember */
    return inside > traits->intensity ? traits->intensity + 1 : inside;
}

/* The count at ${now_ns}; right after a failure that is the count with it. */
static double read_count(const struct meter *meter, const struct traits *traits, int64_t now_ns)
{
    if (traits->has_intensity) return window_count(meter, traits, now_ns);
    return halve(meter->count, traits->decay_ns, now_ns - meter->last_ns);
}

/* The naive fold: every failure so far, each halved on its own. */
static double fold_all(const struct meter *meter, const struct traits *traits, int64_t now_ns)
{
    double sum = 0;
    if (traits->has_intensity) return window_count(meter, traits, now_ns);
    for (uint32_t i = 0; i < meter->stamp_count; i++) {
        sum += pow(0.5, (double) (now_ns - meter->stamps[i]) / (double) traits->decay_ns);
    }
    return sum;
}

static bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * (1 + fabs(a));
}

static bool is_tripped(const struct meter *meter, const struct traits *traits, int64_t now_ns)
{
    return read_count(meter, traits, now_ns) > traits->threshold;
}

static bool is_borderline(const struct meter *meter, const struct traits *traits, int64_t now_ns)
{
    double count = read_count(meter, traits, now_ns);
    if (meter->unsure) return true;
    return count != floor(count) && is_near(count, traits->threshold);
}

static uint32_t recent_pauses(const struct shadow *supervisor, int64_t now_ns)
{
    const struct meter *meter = &supervisor->meter;
    uint32_t recent = 0;
    for (uint32_t i = 0; i < meter->pause_count; i++) {
        if (now_ns - meter->pauses[i] <= supervisor->traits.within_ns) recent++;
    }
    return recent;
}

/* What the law wants after the failure that was just counted. */
static enum answer find_answer(const struct sim *sim, const struct shadow *supervisor)
{
    const struct traits *traits = &supervisor->traits;
    if (supervisor->paused) return ANSWER_HELD;
    if (!is_tripped(&supervisor->meter, traits, sim->now_ns)) return ANSWER_RESTART;
    if (traits->on_threshold == SUP_ON_GIVE_UP) return ANSWER_GIVE_UP;
    if (traits->on_threshold == SUP_ON_ESCALATE) return ANSWER_ESCALATE;
    bool used_up =
        traits->max_pauses != 0 && recent_pauses(supervisor, sim->now_ns) >= traits->max_pauses;
    return used_up ? ANSWER_ESCALATE : ANSWER_PAUSE;
}

/* A failure of ${node} that counts: one unit for its supervisor. */
void check_counted(struct sim *sim, struct shadow *node)
{
    struct shadow *parent = node->parent;
    if (parent == NULL || shadow_is_going_down(parent)) return;
    struct meter *meter = &parent->meter;
    double before = read_count(meter, &parent->traits, sim->now_ns);
    if (!parent->traits.has_intensity) {
        meter->count = halve(meter->count, parent->traits.decay_ns, sim->now_ns - meter->last_ns);
        meter->count += 1;
        meter->last_ns = sim->now_ns;
    }
    while (parent->traits.has_intensity && meter->stamp_count > 0 &&
           sim->now_ns - meter->stamps[0] > parent->traits.period_ns) {
        meter->stamp_count = keep_newest(meter->stamps, meter->stamp_count, meter->stamp_count - 1);
    }
    if (meter->stamp_count == STAMPS) {
        meter->overflowed = true;
        meter->stamp_count = keep_newest(meter->stamps, STAMPS, STAMPS - 1);
    }
    meter->stamps[meter->stamp_count++] = sim->now_ns;
    double after = read_count(meter, &parent->traits, sim->now_ns);
    if (!isfinite(after) || after < 0 || after > before + 1 + 1e-9) {
        sim_violate(sim, 4, "%s: the count goes from %g to %g", sim_name(sim, parent), before,
                    after);
    }
    bool is_many = sim->input->type == SUP_IN_HOST_DIED || sim->input->type == SUP_IN_TICK;
    if (is_many)
        meter->unsure_step = sim->steps; /* the supervisor may have been taken down before */
    node->failure_due = true;
    node->automatic = true;
    if (node->traits.restart == SUP_TEMPORARY) parent->ended_step = sim->steps; /* it stays down */
    node->held_by_pause = parent->paused;
    parent->licences++;
    parent->answer = find_answer(sim, parent);
    if (is_tripped(meter, &parent->traits, sim->now_ns)) parent->tripped_step = sim->steps;
}

/* --- what follows ---------------------------------------------------------------------------- */

static void check_count_shown(struct sim *sim, const struct shadow *supervisor, double count,
                              double threshold)
{
    double folded = read_count(&supervisor->meter, &supervisor->traits, sim->now_ns);
    if (!supervisor->meter.unsure && !is_near(folded, count)) {
        sim_violate(sim, 4, "%s counts %.12g, the fold over its failures gives %.12g",
                    sim_name(sim, supervisor), count, folded);
    }
    if (!is_near(supervisor->traits.threshold, threshold)) {
        sim_violate(sim, 4, "%s compares with %g, its threshold is %g", sim_name(sim, supervisor),
                    threshold, supervisor->traits.threshold);
    }
}

/* It is why the last reload is taken back, which comes before giving up and escalating. */
static bool is_rolled_back(const struct sim *sim, const struct shadow *node)
{
    struct sup_status status;
    if (sim->uncertain == 0) return false;
    if (!sup_tree_status(sim->tree, node->token, sim->now_ns, &status)) return sim->reloads > 0;
    return status.cause == SUP_CAUSE_ROLLBACK || sim->reloads > 0;
}

void check_failed(struct sim *sim, struct shadow *node, const struct sup_event *event)
{
    struct shadow *parent = node->parent;
    if (!node->failure_due || parent == NULL) {
        sim_violate(sim, 4, "%s: a failure is counted that was none", sim_name(sim, node));
        return;
    }
    node->failure_due = false;
    bool is_retried = node->traits.restart != SUP_TEMPORARY;
    if (!is_retried) node->automatic = false;
    bool is_alone = sim->input->type == SUP_IN_ENDED || sim->input->type == SUP_IN_LAUNCH_FAILED;
    if (event->restarting && is_alone) sim->failed = node;
    sim->touched |= UINT64_C(1) << parent->slot;
    check_count_shown(sim, parent, event->count, event->threshold);
    if (is_borderline(&parent->meter, &parent->traits, sim->now_ns)) return;
    enum answer answer = parent->answer;
    if (event->restarting != (is_retried && answer == ANSWER_RESTART)) {
        sim_violate(sim, 4, "%s: `failed` says that it is %srestarted", sim_name(sim, node),
                    event->restarting ? "" : "not ");
    }
    if (is_rolled_back(sim, node)) return;
    if (answer == ANSWER_PAUSE && !parent->paused) {
        sim_violate(sim, 5, "%s should have paused", sim_name(sim, parent));
    }
    if (answer == ANSWER_ESCALATE && parent->escalated_step != sim->steps) {
        sim_violate(sim, 15, "%s should have escalated", sim_name(sim, parent));
    }
    if (answer == ANSWER_GIVE_UP && node->gave_up_step != sim->steps) {
        sim_violate(sim, 15, "%s should have given up on %s", sim_name(sim, parent),
                    sim_name(sim, node));
    }
}

/* Those that are too old are forgotten, even when a reload makes the time longer afterwards. */
static void note_pause(struct shadow *supervisor, int64_t now_ns)
{
    struct meter *meter = &supervisor->meter;
    uint32_t recent = recent_pauses(supervisor, now_ns);
    uint32_t room = recent < STAMPS ? recent : STAMPS - 1;
    meter->pause_count = keep_newest(meter->pauses, meter->pause_count, room);
    meter->pauses[meter->pause_count++] = now_ns;
}

/* A round that stops its members when the pause begins goes on; only its launches wait. */
static void note_who_falls(struct sim *sim, const struct shadow *supervisor)
{
    each_shadow(sim, child)
    {
        if (child->parent == supervisor)
            child->fell_before = shadow_state(sim, child) == SUP_STATE_STOPPING;
    }
}

void check_backoff(struct sim *sim, struct shadow *node, const struct sup_event *event)
{
    const struct traits *traits = &node->traits;
    if (node->paused) sim_violate(sim, 5, "%s: a pause within a pause", sim_name(sim, node));
    if (node->tripped_step != sim->steps && !node->meter.unsure) {
        sim_violate(sim, 5, "%s pauses although its meter did not trip", sim_name(sim, node));
    } else if (!node->meter.unsure && node->answer != ANSWER_PAUSE) {
        sim_violate(sim, 15, "%s pauses where it should not", sim_name(sim, node));
    }
    check_count_shown(sim, node, event->count, event->threshold);
    int64_t pause_ns = event->until_ns - sim->now_ns;
    int64_t longest_ns =
        traits->jitters ? traits->backoff_ns + traits->backoff_ns / 2 : traits->backoff_ns;
    if (pause_ns < traits->backoff_ns || pause_ns > longest_ns) {
        sim_violate(sim, 5, "%s pauses for %lld ns", sim_name(sim, node), (long long) pause_ns);
    }
    node->paused = true;
    node->has_drained = false;
    node->resume_ns = event->until_ns;
    note_pause(node, sim->now_ns);
    note_who_falls(sim, node);
}

void check_resume(struct sim *sim, struct shadow *node)
{
    if (!node->paused) sim_violate(sim, 5, "%s resumes and was not paused", sim_name(sim, node));
    if (sim->input->type != SUP_IN_TICK || sim->now_ns < node->resume_ns) {
        sim_violate(sim, 5, "%s resumes before its time", sim_name(sim, node));
    }
    node->paused = false;
    each_shadow(sim, child)
    {
        if (child->parent == node) child->held_by_pause = false;
    }
    meter_clear(&node->meter);
    node->licences++;
}

void check_gave_up(struct sim *sim, struct shadow *node)
{
    node->gave_up_step = sim->steps;
    node->automatic = false;
    if (node->parent != NULL && node->parent->meter.unsure) return;
    if (node->parent == NULL || node->parent->tripped_step != sim->steps ||
        node->parent->answer != ANSWER_GIVE_UP) {
        sim_violate(sim, 15, "%s was given up although nothing says so", sim_name(sim, node));
    }
}

void check_escalated(struct sim *sim, struct shadow *node, const struct sup_event *event)
{
    node->escalated_step = sim->steps;
    check_count_shown(sim, node, event->count, event->threshold);
    if (node->meter.unsure) return;
    if (node->tripped_step != sim->steps || node->answer != ANSWER_ESCALATE) {
        sim_violate(sim, 15, "%s escalates although nothing says so", sim_name(sim, node));
    }
}

/* --- what the tree says ---------------------------------------------------------------------- */

/* Extended by a later failure (extend_backoff): from now on, by the same rule. */
static bool may_be_extended(const struct shadow *node, const struct sim *sim, int64_t resume_ns)
{
    int64_t pause_ns = resume_ns - sim->now_ns, backoff_ns = node->traits.backoff_ns;
    return node->traits.extends && node->tripped_step == sim->steps && pause_ns >= backoff_ns &&
           pause_ns <= backoff_ns + backoff_ns / 2;
}

static bool must_be_extended(const struct shadow *node, const struct sim *sim)
{
    return node->paused && node->traits.extends && node->tripped_step == sim->steps &&
           node->answer == ANSWER_HELD && sim->reloads == 0 &&
           !is_borderline(&node->meter, &node->traits, sim->now_ns);
}

void check_meter(struct sim *sim, struct shadow *node, const struct sup_status *status)
{
    bool is_paused = status->state == SUP_STATE_PAUSED;
    if (node->paused && shadow_is_stopped_now(sim, node)) node->paused = false; /* discarded */
    if (is_paused != node->paused || (status->resumes_ns != 0) != node->paused) {
        sim_violate(sim, 5, "%s says it is %spaused", sim_name(sim, node), is_paused ? "" : "not ");
    }
    if (node->paused && status->resumes_ns != node->resume_ns) {
        if (sim->reloads == 0 && !may_be_extended(node, sim, status->resumes_ns)) {
            sim_violate(sim, 5, "%s: its pause was moved", sim_name(sim, node));
        }
        node->resume_ns = status->resumes_ns;
    }
    if (must_be_extended(node, sim) && status->resumes_ns < sim->now_ns + node->traits.backoff_ns) {
        sim_violate(sim, 5, "%s: its pause should have been extended", sim_name(sim, node));
    }
    if (node->instance == 0 || sim->steps % 4 != 0) return;
    double folded = read_count(&node->meter, &node->traits, sim->now_ns);
    bool is_unsure = node->meter.unsure || node->meter.unsure_step == sim->steps;
    if (!is_unsure && !is_near(folded, status->count)) {
        sim_violate(sim, 4, "%s shows a count of %.12g, the fold gives %.12g", sim_name(sim, node),
                    status->count, folded);
    }
    if (sim->steps % 32 != 0 || node->meter.overflowed || is_unsure || node->meter.stamp_count == 0)
        return;
    double whole = fold_all(&node->meter, &node->traits, sim->now_ns);
    if (!is_near(whole, status->count)) {
        sim_violate(sim, 4, "%s shows a count of %.12g, the fold over all gives %.12g",
                    sim_name(sim, node), status->count, whole);
    }
}
