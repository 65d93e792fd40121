#include "print.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth_time.h"
#include "z85.h"

enum { NAME, ROLE, STATE, EXPIRES, USES, WORKERS, BYTES, LABELS, COLUMNS };

typedef struct {
    char cell[COLUMNS][PROMP_LIMIT_KEY_LABELS + 1];
} row_t;

const char *promp_print_state(const promp_auth_store_t *store, const promp_auth_entry_t *entry, int64_t now)
{
    switch (promp_auth_store_state(store, entry, now)) {
    case PROMP_OK:
        return "valid";
    case PROMP_ERR_ACCESS_REVOKED:
    case PROMP_ERR_TOKEN_REVOKED:
        return "revoked";
    case PROMP_ERR_TOKEN_USED:
        return "used up";
    default:
        return "expired";
    }
}

static const char *time_or(int64_t seconds, const char *otherwise, char text[PROMP_AUTH_TIME_TEXT])
{
    return seconds == PROMP_NEVER ? otherwise : promp_auth_time_text(seconds, text);
}

static void put_limit(char *cell, uint64_t limit)
{
    if (limit == PROMP_AUTH_UNLIMITED)
        strcpy(cell, "-");
    else
        sprintf(cell, "%llu", (unsigned long long)limit);
}

static void fill(const promp_auth_store_t *store, const promp_auth_entry_t *entry, int64_t now, row_t *row)
{
    char time[PROMP_AUTH_TIME_TEXT];
    const bool token = entry->role == PROMP_AUTH_JOIN;
    strcpy(row->cell[NAME], entry->name);
    sprintf(row->cell[ROLE], "%s%s", token ? "token for " : "",
            promp_auth_role_text(token ? entry->grants : entry->role));
    strcpy(row->cell[STATE], promp_print_state(store, entry, now));
    strcpy(row->cell[EXPIRES], time_or(entry->expires, "never", time));
    if (token)
        sprintf(row->cell[USES], "%u of %u", (unsigned)promp_auth_store_used(store, entry),
                (unsigned)entry->uses);
    else
        strcpy(row->cell[USES], "-");
    put_limit(row->cell[WORKERS], entry->workers);
    put_limit(row->cell[BYTES], entry->bytes);
    strcpy(row->cell[LABELS], entry->labels[0] ? entry->labels : "-");
}

static void measure(const row_t *row, int width[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++)
        if (width[i] < (int)strlen(row->cell[i]))
            width[i] = (int)strlen(row->cell[i]);
}

/* The last column is not padded: no line ends in spaces. */
static void print_row(const row_t *row, const int width[COLUMNS])
{
    for (int i = 0; i < COLUMNS - 1; i++)
        printf("%-*s  ", width[i], row->cell[i]);
    puts(row->cell[COLUMNS - 1]);
}

void promp_print_table(const promp_auth_store_t *store, const promp_auth_entry_t *const *entries,
                       size_t count, int64_t now)
{
    static const row_t heading = {{"NAME", "ROLE", "STATE", "EXPIRES", "USES", "WORKERS", "BYTES", "LABELS"}};
    const char *no_colour = getenv("NO_COLOR");
    const bool bold = isatty(1) && !(no_colour && *no_colour);
    int width[COLUMNS] = {0};
    row_t row;

    measure(&heading, width);
    for (size_t i = 0; i < count; i++) {
        fill(store, entries[i], now, &row);
        measure(&row, width);
    }
    fputs(bold ? "\033[1m" : "", stdout);
    print_row(&heading, width);
    fputs(bold ? "\033[0m" : "", stdout);
    for (size_t i = 0; i < count; i++) {
        fill(store, entries[i], now, &row);
        print_row(&row, width);
    }
}

/* Strings here are names, labels, times and Z85: none has a quote, a backslash or a control character. */
static void json_text(const char *name, const char *text)
{
    if (text)
        printf(", \"%s\": \"%s\"", name, text);
    else
        printf(", \"%s\": null", name);
}

static void json_limit(const char *name, uint64_t limit)
{
    if (limit == PROMP_AUTH_UNLIMITED)
        printf(", \"%s\": null", name);
    else
        printf(", \"%s\": %llu", name, (unsigned long long)limit);
}

static void json_labels(const char *labels)
{
    fputs(", \"labels\": [", stdout);
    for (const char *at = labels; *at;) {
        int size = (int)strcspn(at, " ");
        printf("%s\"%.*s\"", at == labels ? "" : ", ", size, at);
        at += size + (at[size] == ' ');
    }
    putchar(']');
}

void promp_print_json(const promp_auth_store_t *store, const promp_auth_entry_t *entry, int64_t now)
{
    char time[PROMP_AUTH_TIME_TEXT], z85[PROMP_Z85_KEY + 1];
    printf("{\"name\": \"%s\"", entry->name);
    json_text("role", promp_auth_role_text(entry->role));
    json_text("state", promp_print_state(store, entry, now));
    json_text("key", promp_z85_encode(entry->key, z85));
    json_text("created", promp_auth_time_text(entry->created, time));
    json_text("expires", time_or(entry->expires, NULL, time));
    json_text("revoked", time_or(entry->revoked, NULL, time));
    json_limit("workers", entry->workers);
    json_limit("bytes", entry->bytes);
    json_labels(entry->labels);
    json_text("token", entry->has_token ? promp_z85_encode(entry->token, z85) : NULL);
    if (entry->role == PROMP_AUTH_JOIN) {
        json_text("grants", promp_auth_role_text(entry->grants));
        printf(", \"uses\": %u, \"used\": %u", (unsigned)entry->uses,
               (unsigned)promp_auth_store_used(store, entry));
        json_text("key_expires", time_or(entry->key_expires, NULL, time));
        json_text("as", entry->as[0] ? entry->as : NULL);
        printf(", \"renews\": %s", entry->renews ? "true" : "false");
    }
    putchar('}');
}

void promp_print_entry(const promp_auth_store_t *store, const promp_auth_entry_t *entry, int64_t now)
{
    char time[PROMP_AUTH_TIME_TEXT], z85[PROMP_Z85_KEY + 1];
    const promp_auth_entry_t *token = entry->has_token ? promp_auth_store_find(store, entry->token) : NULL;
    row_t row;

    fill(store, entry, now, &row);
    printf("name:     %s\nrole:     %s\nstate:    %s\nkey:      %s\n", row.cell[NAME], row.cell[ROLE],
           row.cell[STATE], promp_z85_encode(entry->key, z85));
    printf("created:  %s\nexpires:  %s\n", promp_auth_time_text(entry->created, time), row.cell[EXPIRES]);
    if (entry->revoked != PROMP_NEVER)
        printf("revoked:  %s\n", promp_auth_time_text(entry->revoked, time));
    printf("workers:  %s\nbytes:    %s\nlabels:   %s\n", row.cell[WORKERS], row.cell[BYTES],
           row.cell[LABELS]);
    if (entry->has_token)
        printf("joined:   with %s\n", token ? token->name : "a token that is gone");
    if (entry->role != PROMP_AUTH_JOIN)
        return;
    printf("uses:     %s\nits keys: %s, valid until %s\n", row.cell[USES],
           entry->as[0] ? entry->as : "named by the joiner", time_or(entry->key_expires, "revoked", time));
}
