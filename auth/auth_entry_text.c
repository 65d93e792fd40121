#include "auth_entry.h"
#include "auth_time.h"
#include "z85.h"
#include "zpl.h"

#define FORMAT                                                                                               \
    1 /* of an entry; raised when an older program would misread a new one. It then refuses the entry. */

typedef bool take_f(promp_auth_entry_t *entry, promp_slice_t value);

static bool copy(char *to, promp_slice_t value, bool valid)
{
    if (valid) {
        memcpy(to, value.data, value.size);
        to[value.size] = '\0';
    }
    return valid;
}

static bool number(promp_slice_t value, uint64_t most, uint64_t *result)
{
    *result = 0;
    for (size_t i = 0; i < value.size; i++) {
        uint8_t digit = (uint8_t)(value.data[i] - '0');
        if (digit > 9 || *result > (UINT64_MAX - digit) / 10)
            return false;
        *result = *result * 10 + digit;
    }
    return value.size && *result <= most;
}

static bool take_format(promp_auth_entry_t *entry, promp_slice_t value)
{
    uint64_t format;
    (void)entry;
    return number(value, FORMAT, &format) && format == FORMAT;
}

static bool take_name(promp_auth_entry_t *entry, promp_slice_t value)
{
    return copy(entry->name, value, promp_auth_key_name_valid(value));
}

static bool take_role(promp_auth_entry_t *entry, promp_slice_t value)
{
    return (entry->role = promp_auth_role_find(value)) != PROMP_AUTH_NO_ROLE;
}

static bool take_created(promp_auth_entry_t *entry, promp_slice_t value)
{
    return promp_auth_time_parse(value, &entry->created);
}

static bool take_expires(promp_auth_entry_t *entry, promp_slice_t value)
{
    return promp_auth_time_parse(value, &entry->expires);
}

static bool take_revoked(promp_auth_entry_t *entry, promp_slice_t value)
{
    return promp_auth_time_parse(value, &entry->revoked);
}

static bool take_workers(promp_auth_entry_t *entry, promp_slice_t value)
{
    return number(value, PROMP_AUTH_UNLIMITED - 1, &entry->workers);
}

static bool take_bytes(promp_auth_entry_t *entry, promp_slice_t value)
{
    return number(value, PROMP_AUTH_UNLIMITED - 1, &entry->bytes);
}

static bool take_labels(promp_auth_entry_t *entry, promp_slice_t value)
{
    return copy(entry->labels, value, promp_auth_labels_valid(value));
}

static bool take_token(promp_auth_entry_t *entry, promp_slice_t value)
{
    entry->has_token = true;
    return promp_z85_decode(value, entry->token);
}

static bool take_grants(promp_auth_entry_t *entry, promp_slice_t value)
{
    entry->grants = promp_auth_role_find(value);
    return entry->grants != PROMP_AUTH_NO_ROLE && entry->grants != PROMP_AUTH_JOIN;
}

static bool take_uses(promp_auth_entry_t *entry, promp_slice_t value)
{
    uint64_t uses;
    if (!number(value, PROMP_LIMIT_TOKEN_USES, &uses) || !uses)
        return false;
    entry->uses = (uint32_t)uses;
    return true;
}

static bool take_key_expires(promp_auth_entry_t *entry, promp_slice_t value)
{
    return promp_auth_time_parse(value, &entry->key_expires);
}

static bool take_as(promp_auth_entry_t *entry, promp_slice_t value)
{
    return copy(entry->as, value, promp_auth_key_name_valid(value));
}

static bool take_renews(promp_auth_entry_t *entry, promp_slice_t value)
{
    return (entry->renews = promp_zpl_is(value, "yes"));
}

static bool take_key(promp_auth_entry_t *entry, promp_slice_t value)
{
    return promp_z85_decode(value, entry->key) && promp_auth_key_valid(entry->key);
}

typedef enum { MAY, MUST, TOKEN_MAY, TOKEN_MUST } presence_t;

static const struct {
    const char *section, *name;
    presence_t presence;
    take_f *take;
} properties[] = {
    {"metadata", "format", MUST, take_format},
    {"metadata", "name", MUST, take_name},
    {"metadata", "role", MUST, take_role},
    {"metadata", "created", MUST, take_created},
    {"metadata", "expires", MAY, take_expires},
    {"metadata", "revoked", MAY, take_revoked},
    {"metadata", "workers", MAY, take_workers},
    {"metadata", "bytes", MAY, take_bytes},
    {"metadata", "labels", MAY, take_labels},
    {"metadata", "token", MAY, take_token},
    {"metadata", "grants", TOKEN_MUST, take_grants},
    {"metadata", "uses", TOKEN_MUST, take_uses},
    {"metadata", "key-expires", TOKEN_MAY, take_key_expires},
    {"metadata", "as", TOKEN_MAY, take_as},
    {"metadata", "renews", TOKEN_MAY, take_renews},
    {"curve", "public-key", MUST, take_key},
};

#define PROPERTIES (sizeof properties / sizeof *properties)

/* seen has a bit for each property that was there. */
static bool take(promp_auth_entry_t *entry, const promp_zpl_item_t *item, unsigned *seen)
{
    for (size_t i = 0; i < PROPERTIES; i++) {
        if (!promp_zpl_is(item->section, properties[i].section) ||
            !promp_zpl_is(item->name, properties[i].name))
            continue;
        if (*seen & 1u << i)
            return false;
        *seen |= 1u << i;
        return properties[i].take(entry, item->value);
    }
    return false;
}

static promp_err_t complete(const promp_auth_entry_t *entry, unsigned seen, promp_error_t *error)
{
    const bool token = entry->role == PROMP_AUTH_JOIN;
    for (size_t i = 0; i < PROPERTIES; i++) {
        const presence_t presence = properties[i].presence;
        const bool there = seen & 1u << i;
        if (!there && (presence == MUST || (token && presence == TOKEN_MUST)))
            return promp_error_set(error, PROMP_ERR_STORE_ENTRY, 0, "it has no %s", properties[i].name);
        if (there && !token && presence >= TOKEN_MAY)
            return promp_error_set(error, PROMP_ERR_STORE_ENTRY, 0, "%s is for tokens", properties[i].name);
    }
    if (entry->renews && !entry->as[0])
        return promp_error_set(error, PROMP_ERR_STORE_ENTRY, 0, "it renews no name");
    return PROMP_OK;
}

promp_err_t promp_auth_entry_parse(promp_slice_t text, promp_auth_entry_t *entry, promp_error_t *error)
{
    static const uint8_t none[PROMP_AUTH_KEY_SIZE];
    promp_zpl_t zpl;
    promp_zpl_item_t item;
    promp_zpl_result_t result;
    unsigned seen = 0;

    promp_auth_entry_start(entry, none, PROMP_AUTH_NO_ROLE, 0);
    promp_zpl_start(&zpl, text);
    while ((result = promp_zpl_next(&zpl, &item)) == PROMP_ZPL_ITEM) {
        if (!take(entry, &item, &seen)) {
            result = PROMP_ZPL_MALFORMED;
            break;
        }
    }
    if (result == PROMP_ZPL_MALFORMED)
        return promp_error_set(error, PROMP_ERR_STORE_ENTRY, 0, "line %u", zpl.line);
    return complete(entry, seen, error);
}

static void put_time(promp_zpl_out_t *out, const char *name, int64_t seconds)
{
    char text[PROMP_AUTH_TIME_TEXT];
    if (seconds != PROMP_NEVER)
        promp_zpl_put(out, name, promp_auth_time_text(seconds, text));
}

static void put_limit(promp_zpl_out_t *out, const char *name, uint64_t limit)
{
    if (limit != PROMP_AUTH_UNLIMITED)
        promp_zpl_put_number(out, name, limit);
}

static void put_text(promp_zpl_out_t *out, const char *name, const char *text)
{
    if (*text)
        promp_zpl_put(out, name, text);
}

static void put_token(promp_zpl_out_t *out, const promp_auth_entry_t *entry)
{
    promp_zpl_put(out, "grants", promp_auth_role_text(entry->grants));
    promp_zpl_put_number(out, "uses", entry->uses);
    put_time(out, "key-expires", entry->key_expires);
    put_text(out, "as", entry->as);
    if (entry->renews)
        promp_zpl_put(out, "renews", "yes");
}

promp_err_t promp_auth_entry_format(const promp_auth_entry_t *entry, char *text, size_t *size,
                                    promp_error_t *error)
{
    char z85[PROMP_Z85_KEY + 1];
    promp_zpl_out_t out = {.data = text, .room = PROMP_LIMIT_KEY_FILE};

    promp_zpl_line(&out, "#   Entry of promp's key store; promp-auth changes it.");
    promp_zpl_line(&out, "metadata");
    promp_zpl_put_number(&out, "format", FORMAT);
    promp_zpl_put(&out, "name", entry->name);
    promp_zpl_put(&out, "role", promp_auth_role_text(entry->role));
    put_time(&out, "created", entry->created);
    put_time(&out, "expires", entry->expires);
    put_time(&out, "revoked", entry->revoked);
    put_limit(&out, "workers", entry->workers);
    put_limit(&out, "bytes", entry->bytes);
    put_text(&out, "labels", entry->labels);
    if (entry->has_token)
        promp_zpl_put(&out, "token", promp_z85_encode(entry->token, z85));
    if (entry->role == PROMP_AUTH_JOIN)
        put_token(&out, entry);
    promp_zpl_line(&out, "curve");
    promp_zpl_put(&out, "public-key", promp_z85_encode(entry->key, z85));
    *size = out.size;

    /* What cannot be read back would lock its key out. */
    promp_auth_entry_t back;
    if (out.failed || promp_auth_entry_parse(promp_slice(text, out.size), &back, NULL))
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "an entry that cannot be written");
    return PROMP_OK;
}
