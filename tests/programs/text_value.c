#include "text_value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t text_hex(char *text)
{
    size_t n = strlen(text) / 2;
    if (strlen(text) % 2)
        return (size_t)-1;
    for (size_t i = 0; i < n; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return (size_t)-1;
        text[i] = (char)(high << 4 | low);
    }
    text[n] = 0;
    return n;
}

static promp_value_t *read_list(char ***words)
{
    promp_value_t *list = promp_value_list();
    while (list && **words && strcmp(**words, "]") != 0) {
        promp_value_t *item = text_value_read(words);
        if (!item || promp_value_append(list, &item) != PROMP_OK)
            promp_value_free(&list);
    }
    if (list)
        ++*words;
    return list;
}

static promp_value_t *read_dict(char ***words)
{
    promp_value_t *dict = promp_value_dict();
    while (dict && **words && strcmp(**words, "}") != 0) {
        promp_value_t *key = text_value_read(words), *item = key ? text_value_read(words) : NULL;
        if (!item || promp_value_insert(dict, &key, &item) != PROMP_OK) {
            promp_value_free(&key);
            promp_value_free(&dict);
        }
    }
    if (dict)
        ++*words;
    return dict;
}

static promp_value_t *read_bigint(char *text)
{
    bool negative = *text == '-';
    text += negative;
    size_t n = text_hex(text);
    return n == (size_t)-1 ? NULL : promp_value_bigint(negative, (uint8_t *)text, n);
}

promp_value_t *text_value_read(char ***words)
{
    char *word = **words;
    if (!word)
        return NULL;
    ++*words;
    uint64_t bits;
    double number;
    size_t n;
    switch (*word++) {
    case 'n':
        return promp_value_none();
    case 't':
        return promp_value_bool(true);
    case 'f':
        return promp_value_bool(false);
    case 'i':
        return promp_value_int(strtoll(word, NULL, 10));
    case 'I':
        return read_bigint(word);
    case 'd':
        bits = strtoull(word, NULL, 16);
        memcpy(&number, &bits, sizeof number);
        return promp_value_float(number);
    case 'b':
        n = text_hex(word);
        return n == (size_t)-1 ? NULL : promp_value_bytes(word, n);
    case 's':
        n = text_hex(word);
        return n == (size_t)-1 ? NULL : promp_value_str(word, n);
    case '[':
        return read_list(words);
    case '{':
        return read_dict(words);
    default:
        return NULL;
    }
}

static void write_hex(FILE *out, const promp_value_t *value)
{
    size_t size;
    const uint8_t *data = promp_value_data(value, &size);
    for (size_t i = 0; i < size; i++)
        fprintf(out, "%02x", data[i]);
}

/* Depth is bounded by the limit on values (64). */
void text_value_write(FILE *out, const promp_value_t *value)
{
    uint64_t bits;
    double number;
    switch (promp_value_type(value)) {
    case PROMP_VALUE_NONE:
        fputs("n", out);
        break;
    case PROMP_VALUE_BOOL:
        fputs(promp_value_as_bool(value) ? "t" : "f", out);
        break;
    case PROMP_VALUE_INT:
        fprintf(out, "i%" PRId64, promp_value_as_int(value));
        break;
    case PROMP_VALUE_BIGINT:
        fputs(promp_value_is_negative(value) ? "I-" : "I", out);
        write_hex(out, value);
        break;
    case PROMP_VALUE_FLOAT:
        number = promp_value_as_float(value);
        memcpy(&bits, &number, sizeof bits);
        fprintf(out, "d%016" PRIx64, bits);
        break;
    case PROMP_VALUE_BYTES:
        fputs("b", out);
        write_hex(out, value);
        break;
    case PROMP_VALUE_STR:
        fputs("s", out);
        write_hex(out, value);
        break;
    case PROMP_VALUE_LIST:
        fputs("[", out);
        for (size_t i = 0; i < promp_value_count(value); i++) {
            fputs(" ", out);
            text_value_write(out, promp_value_at(value, i));
        }
        fputs(" ]", out);
        break;
    case PROMP_VALUE_DICT:
        fputs("{", out);
        for (size_t i = 0; i < promp_value_count(value); i++) {
            fputs(" ", out);
            text_value_write(out, promp_value_key_at(value, i));
            fputs(" ", out);
            text_value_write(out, promp_value_at(value, i));
        }
        fputs(" }", out);
        break;
    }
}

static promp_value_t *copy_items(const promp_value_t *value, bool dict)
{
    promp_value_t *copy = dict ? promp_value_dict() : promp_value_list();
    for (size_t i = 0; copy && i < promp_value_count(value); i++) {
        promp_value_t *key = dict ? text_value_copy(promp_value_key_at(value, i)) : NULL;
        promp_value_t *item = text_value_copy(promp_value_at(value, i));
        promp_err_t e = dict ? promp_value_insert(copy, &key, &item) : promp_value_append(copy, &item);
        if (e != PROMP_OK)
            promp_value_free(&copy);
    }
    return copy;
}

promp_value_t *text_value_copy(const promp_value_t *value)
{
    size_t size;
    const uint8_t *data;
    switch (promp_value_type(value)) {
    case PROMP_VALUE_NONE:
        return promp_value_none();
    case PROMP_VALUE_BOOL:
        return promp_value_bool(promp_value_as_bool(value));
    case PROMP_VALUE_INT:
        return promp_value_int(promp_value_as_int(value));
    case PROMP_VALUE_BIGINT:
        data = promp_value_data(value, &size);
        return promp_value_bigint(promp_value_is_negative(value), data, size);
    case PROMP_VALUE_FLOAT:
        return promp_value_float(promp_value_as_float(value));
    case PROMP_VALUE_BYTES:
        data = promp_value_data(value, &size);
        return promp_value_bytes(data, size);
    case PROMP_VALUE_STR:
        data = promp_value_data(value, &size);
        return promp_value_str((const char *)data, size);
    case PROMP_VALUE_LIST:
        return copy_items(value, false);
    case PROMP_VALUE_DICT:
        return copy_items(value, true);
    }
    return NULL;
}

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i ^ i >> 8 ^ i >> 16 ^ i >> 24);
}

void pattern_fill(uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = pattern(i);
}

size_t pattern_check(const uint8_t *data, size_t size)
{
    size_t i = 0;
    while (i < size && data[i] == pattern(i))
        i++;
    return i;
}
