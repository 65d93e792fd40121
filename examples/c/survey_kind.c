#include "survey_kind.h"

#include <stdbool.h>
#include <string.h>

typedef struct {
    const char *kind;
    uint16_t at;
    uint8_t size;
    const char *magic;
} magic_t;

#define MAGIC(kind, at, bytes)                                                                               \
    {                                                                                                        \
        kind, at, sizeof(bytes) - 1, bytes                                                                   \
    }

/* The first that fits counts. */
static const magic_t magics[] = {
    MAGIC("ar archive", 0, "!<arch>\n"),
    MAGIC("ar archive, thin", 0, "!<thin>\n"),
    MAGIC("zip", 0, "PK\3\4"),
    MAGIC("zip", 0, "PK\5\6"),
    MAGIC("gzip", 0, "\x1f\x8b"),
    MAGIC("xz", 0,
          "\xfd"
          "7zXZ\0"),
    MAGIC("zstd", 0, "\x28\xb5\x2f\xfd"),
    MAGIC("bzip2", 0, "BZh"),
    MAGIC("lz4", 0, "\x04\x22\x4d\x18"),
    MAGIC("7-zip", 0, "7z\xbc\xaf\x27\x1c"),
    MAGIC("tar", 257, "ustar"),
    MAGIC("png", 0, "\x89PNG\r\n\x1a\n"),
    MAGIC("jpeg", 0, "\xff\xd8\xff"),
    MAGIC("gif", 0, "GIF87a"),
    MAGIC("gif", 0, "GIF89a"),
    MAGIC("pdf", 0, "%PDF-"),
    MAGIC("PE program", 0, "MZ"),
    MAGIC("Mach-O", 0, "\xcf\xfa\xed\xfe"),
    MAGIC("Java class", 0, "\xca\xfe\xba\xbe"),
    MAGIC("WebAssembly", 0, "\0asm"),
    MAGIC("SQLite", 0, "SQLite format 3\0"),
    MAGIC("font", 0, "OTTO"),
    MAGIC("font", 0, "\0\1\0\0\0"),
    MAGIC("message catalogue", 0, "\xde\x12\x04\x95"),
    MAGIC("terminfo", 0, "\x1a\x01"),
    MAGIC("terminfo", 0, "\x1e\x02"),
    MAGIC("script", 0, "#!"),
};

/* The type field of an ELF header; both byte orders. */
static const char *elf_kind(const uint8_t *head, size_t size)
{
    if (size < 18)
        return "ELF";
    unsigned type = head[5] == 2 ? (unsigned)head[16] << 8 | head[17] : (unsigned)head[17] << 8 | head[16];
    switch (type) {
    case 1:
        return "ELF object";
    case 2:
        return "ELF program";
    case 3:
        return "ELF shared object";
    case 4:
        return "ELF core";
    default:
        return "ELF";
    }
}

/* CPython writes its version, 0x0d 0x0a, and then flags of which at most the lowest two bits are set. */
static bool is_python_bytecode(const uint8_t *head, size_t size)
{
    return size >= 16 && head[2] == '\r' && head[3] == '\n' && head[4] <= 3 && !head[5] && !head[6] &&
           !head[7];
}

/* Length of the UTF-8 character at p, 0 for none; cut is set when it only lacks its end. */
static size_t utf8_length(const uint8_t *p, size_t size, bool *cut)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    if (n < 2)
        return n;
    uint32_t code = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (i == size) {
            *cut = true;
            return 0;
        }
        if (p[i] >> 6 != 2)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    return code < least[n] || code > 0x10ffff || code >> 11 == 0x1b ? 0 : n;
}

static const char *text_kind(const uint8_t *head, size_t size)
{
    bool ascii = true, cut = false;
    for (size_t i = 0, n; i < size; i += n) {
        if (head[i] < ' ' && !strchr("\t\n\v\f\r\x1b\b", head[i] ? head[i] : 1))
            return "data";
        n = utf8_length(head + i, size - i, &cut);
        if (n == 0)
            return cut ? "UTF-8 text" : "data";
        ascii = ascii && n == 1;
    }
    return ascii ? "ASCII text" : "UTF-8 text";
}

const char *survey_kind(const uint8_t *head, size_t size)
{
    if (size == 0)
        return "empty";
    if (size > SURVEY_KIND_BYTES)
        size = SURVEY_KIND_BYTES;
    if (size >= 4 && memcmp(head,
                            "\x7f"
                            "ELF",
                            4) == 0)
        return elf_kind(head, size);
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        const magic_t *m = &magics[i];
        if (size >= (size_t)m->at + m->size && memcmp(head + m->at, m->magic, m->size) == 0)
            return m->kind;
    }
    if (is_python_bytecode(head, size))
        return "Python bytecode";
    return text_kind(head, size);
}
