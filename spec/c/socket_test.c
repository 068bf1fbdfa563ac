/*
** socket_test.c: addresses of sockets, and their encoded values, sound and hostile.
*/
#include "core/options.h"
#include "core/socket.h"
#include "lib_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The one way to write ${text}; NULL: it is none. */
static const char *canonical(const char *text)
{
    static char buf[SUP_SOCKET_ADDRESS_ROOM];
    struct sup_socket_address address;
    const char *hint;
    if (sup_socket_address_parse(text, &address, &hint) != NULL) return NULL;
    return sup_socket_address_text(&address, buf);
}

static void addresses_have_one_form(void)
{
    static const char *const pairs[][2] = {
        {"8080", "*:8080"},
        {"*:8080", "*:8080"},
        {"tcp:127.0.0.1:080", "127.0.0.1:80"},
        {"[::1]:1", "[::1]:1"},
        {"[0:0::1]:65535", "[::1]:65535"},
        {"udp:53", "udp:*:53"},
        {"udp:[::]:53", "udp:[::]:53"},
        {"unix:/run/a.sock", "unix:/run/a.sock"},
        {"unix:@a b", "unix:@a b"},
    };
    static const char *const faulty[] = {
        "",       "0",        "65536",      "123456",   "-1",  "80 ",   "localhost:80",
        "::1:80", "[::1]",    "[::1:80",    "1.2.3:80", ":80", "unix:", "unix:@",
        "unix:a", "unix:/a/", "unix:/a\nb", "sctp:80",
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        CHECK_TEXT(canonical(pairs[i][0]), pairs[i][1]);
    for (size_t i = 0; i < sizeof faulty / sizeof *faulty; i++) CHECK(canonical(faulty[i]) == NULL);
    char path[] = "unix:/1234567890123456789012345678901234567890123456789012345678901234567890"
                  "123456789012345678901234567890123456";
    CHECK_INT(strlen(path) - 5, SUP_SOCKET_PATH_MAX);
    CHECK_TEXT(canonical(path), path);
    char longer[sizeof path + 1];
    snprintf(longer, sizeof longer, "%s7", path);
    CHECK(canonical(longer) == NULL);
}

static size_t put(unsigned char *out, const char *name, const char *address, uint32_t backlog)
{
    const uint32_t numbers[] = {backlog, SUP_NO_ID, SUP_NO_ID, SUP_NO_ID};
    size_t size = strlen(name) + 1;
    memcpy(out, name, size);
    memcpy(out + size, address, strlen(address) + 1);
    size += strlen(address) + 1;
    memcpy(out + size, numbers, sizeof numbers);
    size += sizeof numbers;
    out[size++] = 0;
    return size;
}

static int check(const unsigned char *data, size_t size)
{
    struct sup_err err;
    return sup_sockets_check(data, size, &err);
}

static void values_are_read_in_order(void)
{
    unsigned char bytes[512];
    size_t size = put(bytes, "a", "unix:/a", 1);
    size_t first = size;
    size += put(bytes + size, "b", "*:80", 7);
    struct sup_bytes sockets = {bytes, (uint32_t) size};
    struct sup_bytes one = {bytes, (uint32_t) first};
    struct sup_socket socket;
    uint32_t at = 0;
    CHECK_INT(check(bytes, size), 0);
    CHECK_INT(sup_sockets_count(&sockets), 2);
    MUST(sup_sockets_next(&sockets, &at, &socket));
    CHECK_TEXT(socket.name, "a");
    MUST(sup_sockets_next(&sockets, &at, &socket));
    CHECK_TEXT(socket.address, "*:80");
    CHECK_INT(socket.backlog, 7);
    CHECK(!sup_sockets_next(&sockets, &at, &socket));
    CHECK(sup_sockets_differ(&sockets, &one));
    CHECK(!sup_sockets_differ(&one, &one));
}

static void broken_values_are_refused(void)
{
    unsigned char bytes[4096];
    CHECK(check(bytes, put(bytes, "b", "80", 1)) < 0);   /* not the one way to write it */
    CHECK(check(bytes, put(bytes, "b", "*:80", 0)) < 0); /* no backlog */
    CHECK(check(bytes, put(bytes, "", "*:80", 1)) < 0);
    CHECK(check(bytes, put(bytes, "a:b", "*:80", 1)) < 0); /* LISTEN_FDNAMES would break */
    size_t size = put(bytes, "b", "*:80", 1);
    CHECK(check(bytes, size + put(bytes + size, "a", "*:81", 1)) < 0); /* not sorted */
    CHECK(check(bytes, size + put(bytes + size, "b", "*:81", 1)) < 0); /* twice */
    size = 0;
    for (int i = 0; i <= SUP_SOCKETS_MAX; i++) {
        char name[16], address[16];
        snprintf(name, sizeof name, "n%02d", i);
        snprintf(address, sizeof address, "*:%d", 100 + i);
        size += put(bytes + size, name, address, 1);
        CHECK((check(bytes, size) == 0) == (i < SUP_SOCKETS_MAX));
    }
}

/* Whatever is cut off or turned over: no byte beyond the value is read. */
static void survives_damage(void)
{
    unsigned char sample[64];
    size_t size = put(sample, "web", "[::1]:80", 5);
    for (size_t cut = 0; cut < size; cut++) {
        unsigned char *exact = malloc(cut + (cut == 0));
        MUST(exact != NULL);
        memcpy(exact, sample, cut);
        CHECK((check(exact, cut) == 0) == (cut == 0));
        free(exact);
    }
    for (size_t at = 0; at < size * 8; at++) {
        unsigned char *exact = malloc(size);
        MUST(exact != NULL);
        memcpy(exact, sample, size);
        exact[at / 8] ^= (unsigned char) (1u << at % 8);
        struct sup_bytes sockets = {exact, (uint32_t) size};
        if (check(exact, size) == 0) CHECK_INT(sup_sockets_count(&sockets), 1);
        free(exact);
    }
}

TEST_MAIN(TEST(addresses_have_one_form), TEST(values_are_read_in_order),
          TEST(broken_values_are_refused), TEST(survives_damage))
