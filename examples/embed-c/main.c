/*
** A program that supervises its own helpers: a process, and a function on a thread that fails now and then.
**
**     cc main.c $(pkg-config --cflags --libs suptree) -o shop && ./shop
*/
#include <stdio.h>
#include <string.h>
#include <suptree.h>

struct shop {
    struct sup_supervisor *supervisor;
    int failures;
};

static enum sup_result serve(void *data, struct sup_context *context)
{
    (void) data;
    sup_context_log(context, "run %u", sup_context_generation(context));
    sup_context_sleep(context, 0.05);
    return sup_context_fail(context, "out of luck");
}

static void print_line(void *data, const char *line)
{
    (void) data;
    puts(line);
}

static void count_failures(void *data, const struct sup_happening *event)
{
    struct shop *shop = data;
    if (strcmp(event->type, "failed") == 0 && ++shop->failures == 4)
        sup_stop(shop->supervisor, "seen enough", NULL, NULL);
}

int main(void)
{
    struct shop shop = {NULL, 0};
    const char *options[] = {"failure_threshold", "5", "failure_backoff", "2s", NULL};
    const char *flaky[] = {"/bin/sh", "-c", "sleep 0.05; exit 3", NULL};
    struct sup_settings settings = {options, print_line, count_failures, &shop};
    struct sup_process process = {.name = "flaky", .argv = flaky};
    struct sup_service service = {.name = "worker", .serve = serve};

    shop.supervisor = sup_new("shop", &settings);
    if (shop.supervisor == NULL ||
        sup_add_process(shop.supervisor, &process, NULL) != SUP_SUCCESS ||
        sup_add(shop.supervisor, &service, NULL) != SUP_SUCCESS ||
        sup_serve(shop.supervisor) != SUP_SUCCESS) {
        fprintf(stderr, "%s\n", sup_last_error());
        return 1;
    }
    printf("%s has stopped\n", sup_name(shop.supervisor));
    sup_free(shop.supervisor);
    return 0;
}
