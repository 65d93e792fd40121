#include <sodium.h>

#include "auth_joined.h"
#include "auth_time.h"
#include "auth_token.h"
#include "z85.h"
#include "zpl.h"

#define FORMAT "1" /* raised when an older program would misread a new file. It then refuses the file. */

typedef bool take_f(promp_auth_joined_t *joined, promp_slice_t value);

static bool copy(char *to, promp_slice_t value, bool valid)
{
    if (valid) {
        memcpy(to, value.data, value.size);
        to[value.size] = '\0';
    }
    return valid;
}

static bool take_format(promp_auth_joined_t *joined, promp_slice_t value)
{
    (void)joined;
    return promp_zpl_is(value, FORMAT);
}

static bool take_name(promp_auth_joined_t *joined, promp_slice_t value)
{
    return copy(joined->name, value, promp_auth_key_name_valid(value));
}

static bool take_address(promp_auth_joined_t *joined, promp_slice_t value)
{
    return copy(joined->address, value, promp_auth_address_valid(value));
}

static bool take_identity(promp_auth_joined_t *joined, promp_slice_t value)
{
    size_t size;
    return value.size == 2 * sizeof joined->broker.b &&
           sodium_hex2bin(joined->broker.b, sizeof joined->broker.b, (const char *)value.data, value.size,
                          NULL, &size, NULL) == 0 &&
           size == sizeof joined->broker.b;
}

static bool take_key(promp_auth_joined_t *joined, promp_slice_t value)
{
    return promp_z85_decode(value, joined->key) && promp_auth_key_valid(joined->key);
}

static bool take_next(promp_auth_joined_t *joined, promp_slice_t value)
{
    joined->has_next = true;
    return promp_z85_decode(value, joined->next) && promp_auth_key_valid(joined->next);
}

static bool take_from(promp_auth_joined_t *joined, promp_slice_t value)
{
    return promp_auth_time_parse(value, &joined->from);
}

static const struct {
    const char *section, *name;
    bool must;
    take_f *take;
} properties[] = {
    {"metadata", "format", true, take_format}, {"metadata", "name", false, take_name},
    {"broker", "address", true, take_address}, {"broker", "identity", false, take_identity},
    {"broker", "public-key", true, take_key},  {"next", "public-key", false, take_next},
    {"next", "from", false, take_from},
};

#define PROPERTIES (sizeof properties / sizeof *properties)

/* seen has a bit for each property that was there. */
static bool take(promp_auth_joined_t *joined, const promp_zpl_item_t *item, unsigned *seen)
{
    for (size_t i = 0; i < PROPERTIES; i++) {
        if (!promp_zpl_is(item->section, properties[i].section) ||
            !promp_zpl_is(item->name, properties[i].name))
            continue;
        if (*seen & 1u << i)
            return false;
        *seen |= 1u << i;
        return properties[i].take(joined, item->value);
    }
    return false;
}

promp_err_t promp_auth_joined_parse(promp_slice_t text, promp_auth_joined_t *joined, promp_error_t *error)
{
    promp_zpl_t zpl;
    promp_zpl_item_t item;
    promp_zpl_result_t result;
    unsigned seen = 0;

    *joined = (promp_auth_joined_t){0};
    promp_zpl_start(&zpl, text);
    while ((result = promp_zpl_next(&zpl, &item)) == PROMP_ZPL_ITEM) {
        if (!take(joined, &item, &seen)) {
            result = PROMP_ZPL_MALFORMED;
            break;
        }
    }
    if (result == PROMP_ZPL_MALFORMED)
        return promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0, "line %u", zpl.line);
    for (size_t i = 0; i < PROPERTIES; i++)
        if (properties[i].must && !(seen & 1u << i))
            return promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0, "it has no %s", properties[i].name);
    if (joined->from && !joined->has_next)
        return promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0, "a time without a next key");
    return PROMP_OK;
}

static bool is_writable(const promp_auth_joined_t *joined)
{
    return promp_auth_address_valid(promp_slice_str(joined->address)) && promp_auth_key_valid(joined->key) &&
           (!joined->name[0] || promp_auth_key_name_valid(promp_slice_str(joined->name))) &&
           (joined->has_next ? promp_auth_key_valid(joined->next) : !joined->from) && joined->from >= 0 &&
           joined->from <= PROMP_AUTH_TIME_MAX;
}

promp_err_t promp_auth_joined_format(const promp_auth_joined_t *joined, char *text, size_t *size,
                                     promp_error_t *error)
{
    char z85[PROMP_Z85_KEY + 1], time[PROMP_AUTH_TIME_TEXT], id[33];
    promp_zpl_out_t out = {.data = text, .room = PROMP_LIMIT_KEY_FILE};

    if (!is_writable(joined))
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "what is known about a broker");
    promp_zpl_line(&out, "#   The broker that promp has joined here. Its key is not for everybody's eyes.");
    promp_zpl_line(&out, "metadata");
    promp_zpl_put(&out, "format", FORMAT);
    if (joined->name[0])
        promp_zpl_put(&out, "name", joined->name);
    promp_zpl_line(&out, "broker");
    promp_zpl_put(&out, "address", joined->address);
    if (!promp_id_is_none(&joined->broker))
        promp_zpl_put(&out, "identity", promp_id_text(&joined->broker, id));
    promp_zpl_put(&out, "public-key", promp_z85_encode(joined->key, z85));
    if (joined->has_next) {
        promp_zpl_line(&out, "next");
        promp_zpl_put(&out, "public-key", promp_z85_encode(joined->next, z85));
        if (joined->from)
            promp_zpl_put(&out, "from", promp_auth_time_text(joined->from, time));
    }
    *size = out.size;
    return out.failed ? promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "it does not fit") : PROMP_OK;
}

bool promp_auth_joined_take_next(promp_auth_joined_t *joined, promp_slice_t key, int64_t from, int64_t now)
{
    from = promp_max64(0, promp_min64(from, PROMP_AUTH_TIME_MAX));
    if (!key.size) {
        if (!joined->has_next || joined->from <= now)
            return false;
        joined->has_next = false;
        joined->from = 0;
        return true;
    }
    if (memcmp(key.data, joined->key, sizeof joined->key) == 0)
        return false; /* another process has found the change already */
    if (joined->has_next && joined->from == from && memcmp(key.data, joined->next, sizeof joined->next) == 0)
        return false;
    memcpy(joined->next, key.data, sizeof joined->next);
    joined->has_next = true;
    joined->from = from;
    return true;
}
