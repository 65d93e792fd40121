#include "worker_text.h"

#include "utf8.h"

/* Bytes of the character at the start of text; 0: it is none. */
static size_t character(const char *text, size_t size)
{
    for (size_t n = 1; n <= 4 && n <= size; n++)
        if (promp_utf8_valid(promp_slice(text, n)))
            return n;
    return 0;
}

promp_err_t promp_worker_text_clean(const char *text, size_t limit, promp_buf_t *out)
{
    size_t size = text ? strnlen(text, limit + 4) : 0;
    if (size <= limit && promp_utf8_valid(promp_slice(text, size)))
        return promp_buf_append(out, text, size);
    size_t used = 0;
    promp_err_t err = promp_buf_reserve(out, size < limit ? size : limit);
    while (!err && used < size) {
        size_t n = character(text + used, size - used);
        if (used + (n ? n : 1) > limit)
            break;
        err = promp_buf_append(out, n ? text + used : "?", n ? n : 1);
        used += n ? n : 1;
    }
    return err;
}
