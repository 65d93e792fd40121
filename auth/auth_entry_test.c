/* Entries of the store as text. */
#include "auth_entry.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth_rig.h"

static promp_auth_entry_t full(promp_auth_role_t role)
{
    promp_auth_entry_t entry = rig_entry("node-7.a_b", role, NULL);
    entry.expires = NOW + 1;
    entry.revoked = NOW + 2;
    entry.workers = 0;
    entry.bytes = UINT64_MAX - 1;
    strcpy(entry.labels, "gpu big a-b.c");
    entry.has_token = true;
    memcpy(entry.token, entry.key, sizeof entry.token);
    if (role == PROMP_AUTH_JOIN) {
        entry.uses = PROMP_LIMIT_TOKEN_USES;
        entry.key_expires = NOW + 3;
        strcpy(entry.as, "node-7");
        entry.renews = true;
    }
    return entry;
}

static char text[PROMP_LIMIT_KEY_FILE];

static size_t format(const promp_auth_entry_t *entry)
{
    size_t size;
    assert_code(promp_auth_entry_format(entry, text, &size, NULL), PROMP_OK);
    return size;
}

/* Aim: every field of a key and of a token comes back, set or not. */
static void round_trip(void **state)
{
    promp_auth_entry_t back;
    (void)state;
    for (int role = PROMP_AUTH_MANAGER; role <= PROMP_AUTH_JOIN; role++)
        for (int whole = 0; whole < 2; whole++) {
            promp_auth_entry_t entry =
                whole ? full((promp_auth_role_t)role) : rig_entry("x", (promp_auth_role_t)role, NULL);
            size_t size = format(&entry);
            assert_code(promp_auth_entry_parse(promp_slice(text, size), &back, NULL), PROMP_OK);
            assert_memory_equal(&entry, &back, sizeof entry);
        }
}

/* Parses the text without its line that begins with name, and with it twice. */
static void without_and_twice(const char *name, bool needed)
{
    static char changed[2 * PROMP_LIMIT_KEY_FILE];
    promp_auth_entry_t back;
    char begin[64];
    snprintf(begin, sizeof begin, "    %s = ", name);
    char *line = strstr(text, begin);
    assert_non_null(line);
    size_t size = strcspn(line, "\n") + 1, before = (size_t)(line - text);
    snprintf(changed, sizeof changed, "%.*s%s", (int)before, text, line + size);
    promp_err_t code = promp_auth_entry_parse(promp_slice_str(changed), &back, NULL);
    assert_code(code, needed ? PROMP_ERR_STORE_ENTRY : PROMP_OK);
    snprintf(changed, sizeof changed, "%.*s%.*s%s", (int)(before + size), text, (int)size, line, line + size);
    assert_code(promp_auth_entry_parse(promp_slice_str(changed), &back, NULL), PROMP_ERR_STORE_ENTRY);
    snprintf(changed, sizeof changed, "%.*s    x%s%s", (int)before, text, line + 4,
             ""); /* a name nobody knows */
    assert_code(promp_auth_entry_parse(promp_slice_str(changed), &back, NULL), PROMP_ERR_STORE_ENTRY);
}

/* Aim: a property that is needed and missing, one that is there twice, and one that is mistyped cost the entry. */
static void strict(void **state)
{
    promp_auth_entry_t token = full(PROMP_AUTH_JOIN);
    (void)state;
    format(&token);
    static const struct {
        const char *name;
        bool needed;
    } rows[] = {{"format", true},       {"name", true},     {"role", true},     {"created", true},
                {"expires", false},     {"revoked", false}, {"workers", false}, {"bytes", false},
                {"labels", false},      {"token", false},   {"grants", true},   {"uses", true},
                {"key-expires", false}, {"as", true},       {"renews", false},  {"public-key", true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        without_and_twice(rows[i].name, rows[i].needed);
}

static promp_err_t with(const char *old, const char *new)
{
    static char changed[2 * PROMP_LIMIT_KEY_FILE];
    promp_auth_entry_t back;
    char *at = strstr(text, old);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    return promp_auth_entry_parse(promp_slice_str(changed), &back, NULL);
}

/* Aim: values beyond what is allowed cost the entry: format of the future, names, roles, times, numbers, labels. */
static void values(void **state)
{
    promp_auth_entry_t entry = full(PROMP_AUTH_NODE), token = full(PROMP_AUTH_JOIN);
    (void)state;
    format(&entry);
    assert_code(with("format = \"1\"", "format = \"1\""), PROMP_OK);
    assert_code(with("format = \"1\"", "format = \"2\""), PROMP_ERR_STORE_ENTRY);
    assert_code(with("\"node-7.a_b\"", "\"../x\""), PROMP_ERR_STORE_ENTRY);
    assert_code(with("\"node-7.a_b\"", "\"\""), PROMP_ERR_STORE_ENTRY);
    assert_code(with("\"node\"", "\"root\""), PROMP_ERR_STORE_ENTRY);
    assert_code(with("\"node\"", "\"join\""), PROMP_ERR_STORE_ENTRY);
    assert_code(with("workers = \"0\"", "workers = \"-1\""), PROMP_ERR_STORE_ENTRY);
    assert_code(with("workers = \"0\"", "workers = \"99999999999999999999\""), PROMP_ERR_STORE_ENTRY);
    assert_code(with("\"gpu big a-b.c\"", "\"gpu  big\""), PROMP_ERR_STORE_ENTRY);
    assert_code(with("\"gpu big a-b.c\"", "\"gpu \""), PROMP_ERR_STORE_ENTRY);
    assert_code(with("revoked = \"2027-01-15T08:00:02Z\"", "revoked = \"soon\""), PROMP_ERR_STORE_ENTRY);
    assert_code(with("created", "uses = \"1\"\n    created"), PROMP_ERR_STORE_ENTRY);
    format(&token);
    assert_code(with("grants = \"node\"", "grants = \"join\""), PROMP_ERR_STORE_ENTRY);
    assert_code(with("uses = \"65535\"", "uses = \"0\""), PROMP_ERR_STORE_ENTRY);
    assert_code(with("uses = \"65535\"", "uses = \"65536\""), PROMP_ERR_STORE_ENTRY);
}

/* Aim: what could not be read back is not written. */
static void not_written(void **state)
{
    promp_auth_entry_t entry = full(PROMP_AUTH_NODE);
    size_t size;
    (void)state;
    strcpy(entry.name, "a b");
    assert_code(promp_auth_entry_format(&entry, text, &size, NULL), PROMP_ERR_ARGUMENT);
    entry = full(PROMP_AUTH_NODE);
    strcpy(entry.labels, "a\"\n    revoked = \"b");
    assert_code(promp_auth_entry_format(&entry, text, &size, NULL), PROMP_ERR_ARGUMENT);
    entry = full(PROMP_AUTH_NODE);
    entry.role = PROMP_AUTH_NO_ROLE;
    assert_code(promp_auth_entry_format(&entry, text, &size, NULL), PROMP_ERR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(strict),
                                       cmocka_unit_test(values), cmocka_unit_test(not_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
