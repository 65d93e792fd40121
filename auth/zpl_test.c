/* Keys as text, and the text they stand in. */
#include "zpl.h"

#include <stdlib.h>

#include <zmq.h>

#include "auth_rig.h"
#include "z85.h"

/* Aim: Z85 is libzmq's, both ways, for random keys and for the extreme ones. */
static void z85_is_libzmqs(void **state)
{
    uint8_t key[32], back[32];
    char ours[41], theirs[41];
    (void)state;
    srand(1);
    for (int round = 0; round < 1000; round++) {
        for (size_t i = 0; i < 32; i++)
            key[i] = (uint8_t)(round == 0 ? 0 : round == 1 ? 255 : rand());
        assert_string_equal(promp_z85_encode(key, ours), zmq_z85_encode(theirs, key, 32));
        assert_true(promp_z85_decode(promp_slice_str(ours), back));
        assert_memory_equal(key, back, 32);
    }
}

/* Aim: what is no key is refused: wrong lengths, foreign characters, a group beyond 32 bits. */
static void z85_refuses(void **state)
{
    static const char good[] = "p*F[^wK?[wiwv+wMXt@/MNeEaOQq]V9C8=&LksVI";
    uint8_t key[32];
    char text[64];
    (void)state;
    assert_true(promp_z85_decode(promp_slice_str(good), key));
    for (size_t size = 0; size < 40; size++)
        assert_false(promp_z85_decode(promp_slice(good, size), key));
    for (size_t at = 0; at < 40; at++) {
        strcpy(text, good);
        text[at] = at % 2 ? '"' : '~';
        assert_false(promp_z85_decode(promp_slice(text, 40), key));
        text[at] = '\0';
        assert_false(promp_z85_decode(promp_slice(text, 40), key));
    }
    strcpy(text, good);
    memcpy(text + 10, "%nSc0", 5); /* 85^5 wraps: 2^32 - 1 is %nSc0, the next is %nSc1 */
    assert_true(promp_z85_decode(promp_slice(text, 40), key));
    memcpy(text + 10, "%nSc1", 5);
    assert_false(promp_z85_decode(promp_slice(text, 40), key));
}

/* Reads all of text: "section.name=value;" for each property, "!LINE" where it is malformed. */
static const char *all(const char *text)
{
    static char out[512];
    promp_zpl_t zpl;
    promp_zpl_item_t item;
    promp_zpl_result_t result;
    size_t used = 0;
    promp_zpl_start(&zpl, promp_slice_str(text));
    *out = '\0';
    while ((result = promp_zpl_next(&zpl, &item)) == PROMP_ZPL_ITEM)
        used += (size_t)snprintf(out + used, sizeof out - used, "%.*s.%.*s=%.*s;", (int)item.section.size,
                                 (const char *)item.section.data, (int)item.name.size,
                                 (const char *)item.name.data, (int)item.value.size,
                                 (const char *)item.value.data);
    if (result == PROMP_ZPL_MALFORMED)
        snprintf(out + used, sizeof out - used, "!%u", zpl.line);
    return out;
}

/* Aim: sections, properties, both quotes, comments, deeper levels, and a last line without its end. */
static void zpl_reads(void **state)
{
    (void)state;
    assert_string_equal(all(""), "");
    assert_string_equal(all("#c\n\n  \na\n    b = \"c # d\" # e\n    f='\"'\ng = h i  # j\n    k = l"),
                        "a.b=c # d;a.f=\";.g=h i;g.k=l;");
    assert_string_equal(all("a\n    b = \"\"\n        deep = 1\n    c = 2\r\n"), "a.b=;a.c=2;");
    assert_string_equal(all("a\n    flag\n    b = 1\n"), "a.b=1;");
}

/* Aim: what is no ZPL is told with its line. */
static void zpl_refuses(void **state)
{
    (void)state;
    assert_string_equal(all("a\n   b = 1\n"), "!2");
    assert_string_equal(all("a\n\tb = 1\n"), "!2");
    assert_string_equal(all("a b\n"), "!1");
    assert_string_equal(all("a = \"b\n"), "!1");
    assert_string_equal(all("a = \"b\" c\n"), "!1");
    assert_string_equal(all("a = 1\nb = \001\n"), ".a=1;!2");
    assert_string_equal(all("= 1\n"), "!1");
}

/* Aim: what is written is read back; what does not fit or cannot be quoted is a failure, not a cut text. */
static void zpl_writes(void **state)
{
    char text[128];
    promp_zpl_out_t out = {.data = text, .room = sizeof text};
    (void)state;
    promp_zpl_line(&out, "a");
    promp_zpl_put(&out, "b", "c # 'd'");
    promp_zpl_put_number(&out, "n", UINT64_MAX);
    assert_false(out.failed);
    assert_string_equal(all(text), "a.b=c # 'd';a.n=18446744073709551615;");
    promp_zpl_out_t quote = {.data = text, .room = sizeof text};
    promp_zpl_put(&quote, "b", "\"\n    c = \"");
    assert_true(quote.failed);
    promp_zpl_out_t small = {.data = text, .room = 8};
    promp_zpl_put(&small, "b", "c");
    assert_true(small.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(z85_is_libzmqs), cmocka_unit_test(z85_refuses),
                                       cmocka_unit_test(zpl_reads), cmocka_unit_test(zpl_refuses),
                                       cmocka_unit_test(zpl_writes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
