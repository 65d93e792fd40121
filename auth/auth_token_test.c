/* Tokens as lines of text. */
#include "auth_token.h"

#include <stdio.h>

#include "auth_rig.h"

static promp_auth_token_t make(bool has_next)
{
    promp_auth_token_t token = {.role = PROMP_AUTH_NODE, .expires = NOW, .has_next = has_next};
    promp_auth_entry_t broker = rig_entry("b", PROMP_AUTH_NODE, NULL),
                       next = rig_entry("n", PROMP_AUTH_NODE, NULL);
    assert_code(promp_auth_key_make(&token.key, NULL), PROMP_OK);
    memcpy(token.broker, broker.key, 32);
    if (has_next)
        memcpy(token.next, next.key, 32);
    strcpy(token.address, "tcp://broker.example:5599");
    return token;
}

/* Aim: everything comes back, with and without a next key, with white space around it, with the longest address. */
static void round_trip(void **state)
{
    char text[PROMP_LIMIT_TOKEN + 1], spaced[PROMP_LIMIT_TOKEN + 8];
    promp_auth_token_t *back;
    (void)state;
    for (int round = 0; round < 4; round++) {
        promp_auth_token_t token = make(round & 1);
        if (round & 2) {
            memset(token.address + 6, 'x', PROMP_LIMIT_ADDRESS - 6);
            memcpy(token.address + PROMP_LIMIT_ADDRESS - 6, ":65535", 7);
            token.expires = PROMP_NEVER;
            token.role = PROMP_AUTH_ADMIN;
        }
        assert_code(promp_auth_token_format(&token, text, NULL), PROMP_OK);
        snprintf(spaced, sizeof spaced, "\n  %s\r\n", text);
        assert_code(promp_auth_token_parse(promp_slice_str(spaced), &back, NULL), PROMP_OK);
        assert_memory_equal(promp_auth_key_show(back->key), promp_auth_key_show(token.key), 32);
        assert_int_equal(back->role, token.role);
        assert_true(back->expires == token.expires);
        assert_string_equal(back->address, token.address);
        assert_memory_equal(back->broker, token.broker, 32);
        assert_int_equal(back->has_next, token.has_next);
        assert_memory_equal(back->next, token.next, 32);
        promp_auth_token_destroy(&back);
        promp_auth_key_destroy(&token.key);
    }
}

static promp_err_t parse(const char *text)
{
    promp_auth_token_t *token;
    promp_err_t code = promp_auth_token_parse(promp_slice_str(text), &token, NULL);
    assert_int_equal(!code, token != NULL);
    promp_auth_token_destroy(&token);
    return code;
}

/* Aim: each single wrong, missing or added character is told as such; something else as something else. */
static void mistyped(void **state)
{
    char text[PROMP_LIMIT_TOKEN + 1], wrong[PROMP_LIMIT_TOKEN + 8];
    promp_auth_token_t token = make(true);
    (void)state;
    assert_code(promp_auth_token_format(&token, text, NULL), PROMP_OK);
    promp_auth_key_destroy(&token.key);
    const size_t size = strlen(text);
    for (size_t at = strlen(PROMP_AUTH_TOKEN_START); at < size; at++) {
        strcpy(wrong, text);
        wrong[at] = wrong[at] == 'A' ? 'B' : 'A';
        assert_code(parse(wrong), PROMP_ERR_TOKEN_CHECKSUM);
        wrong[at] = ' ';
        if (at + 1 < size)
            assert_code(parse(wrong), PROMP_ERR_TOKEN_CHECKSUM);
        wrong[at] = '\0';
        assert_code(parse(wrong), PROMP_ERR_TOKEN_CHECKSUM);
        snprintf(wrong, sizeof wrong, "%.*sA%s", (int)at, text, text + at);
        assert_code(parse(wrong), PROMP_ERR_TOKEN_CHECKSUM);
    }
    assert_code(parse(""), PROMP_ERR_TOKEN_FORMAT);
    assert_code(parse("promp1"), PROMP_ERR_TOKEN_FORMAT);
    assert_code(parse(text + 1), PROMP_ERR_TOKEN_FORMAT);
    text[5] = '2';
    assert_code(parse(text), PROMP_ERR_TOKEN_FORMAT);
}

/* Aim: addresses that a token may carry, and those it may not. */
static void addresses(void **state)
{
    static const char *const good[] = {"tcp://a:1", "tcp://10.0.0.1:65535", "tcp://[::1]:5599",
                                       "tcp://[fe80::1%eth0]:5599"};
    static const char *const bad[] = {"",
                                      "tcp://",
                                      "tcp://:1",
                                      "tcp://a",
                                      "tcp://a:",
                                      "tcp://a:0",
                                      "tcp://a:65536",
                                      "tcp://a:999999",
                                      "ipc://a:1",
                                      "tcp://a b:1",
                                      "tcp://::1:5599",
                                      "tcp://[]:1",
                                      "tcp://a:1;tcp://b:1",
                                      "tcp://*:1",
                                      "tcp://a:1x",
                                      "tcp://a\n:1",
                                      "tcp://]:1",
                                      "tcp://[a:1"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(promp_auth_address_valid(promp_slice_str(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (promp_auth_address_valid(promp_slice_str(bad[i])))
            fail_msg("%s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(mistyped),
                                       cmocka_unit_test(addresses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
