/* promp-protodoc - writes the tables of docs/protocol.md from messages.def, between the two marks. With --check it
 * changes nothing and fails where they differ. A program for builders; it is not installed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "message.h"

#define BEGIN "<!-- promp-protodoc: from here on made from lib/proto/messages.def -->\n"
#define END   "<!-- promp-protodoc: up to here -->\n"

typedef struct {
    const char *form; /* NULL: no more */
    const char *name;
    int tag;
    uint64_t limit;
    const char *meaning;
} field_t;

typedef struct {
    promp_message_row_t row;
    const char *meaning;
    const field_t *fields;
} message_t;

#define U8(field, doc)                 {"u8", #field, 0, 0, doc},
#define U16(field, doc)                {"u16", #field, 0, 0, doc},
#define U32(field, doc)                {"u32", #field, 0, 0, doc},
#define U64(field, doc)                {"u64", #field, 0, 0, doc},
#define ID(field, doc)                 {"id", #field, 0, 0, doc},
#define STR(field, limit, doc)         {"str", #field, 0, limit, doc},
#define PATH(field, limit, doc)        {"path", #field, 0, limit, doc},
#define STRS(field, limit, doc)        {"strs", #field, 0, limit, doc},
#define BYTES(field, limit, doc)       {"bytes", #field, 0, limit, doc},
#define RAW(field, doc)                {"raw", #field, 0, 0, doc},
#define OPT32(tag, field, doc)         {"u32", #field, tag, 0, doc},
#define OPT64(tag, field, doc)         {"u64", #field, tag, 0, doc},
#define OPTID(tag, field, doc)         {"id", #field, tag, 0, doc},
#define OPTSTR(tag, field, limit, doc) {"str", #field, tag, limit, doc},

#define PROMP_MESSAGE(NAME, name, number, from, to, states, on, max, since, meaning, fields)                 \
    static const field_t fields_of_##name[] = {fields{NULL, NULL, 0, 0, NULL}};
#include "messages.def"
#undef PROMP_MESSAGE

#define PROMP_MESSAGE(NAME, name, number, from, to, states, on, max, since, meaning, fields)                 \
    {{#NAME, number, from, to, states, PROMP_ON_##on, max, since}, meaning, fields_of_##name},
static const message_t messages[] = {
#include "messages.def"
};
#undef PROMP_MESSAGE

#define COUNT (sizeof messages / sizeof *messages)

static const char *const titles[] = {
    [PROMP_ON_LINK] = "The link",
    [PROMP_ON_NODE] = "A session's life, between manager and node",
    [PROMP_ON_SESSION] = "The session, end to end",
    [PROMP_ON_KEEPER] = "Inside a node, between agent and keeper",
    [PROMP_ON_CONTROL] = "Records of the control lane",
    [PROMP_ON_MESSAGES] = "Records of the messages lane",
    [PROMP_ON_OUTPUT] = "Records of the output lane",
    [PROMP_ON_BULK] = "Records of the bulk lane",
};

static void put_who(FILE *out, unsigned mask)
{
    static const char *const names[] = {"manager", "worker",   "node",  "keeper",
                                        "broker",  "observer", "admin", "joiner"};
    const char *comma = "";

    if (mask == PROMP_WHO_ALL) {
        fputs("anybody", out);
        return;
    }
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (mask >> i & 1) {
            fprintf(out, "%s%s", comma, names[i]);
            comma = ", ";
        }
    }
}

static void put_size(FILE *out, uint64_t size)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB"};
    unsigned unit = 0;

    while (size && size % 1024 == 0 && unit < 3) {
        size /= 1024;
        unit++;
    }
    fprintf(out, "%llu %s", (unsigned long long)size, units[unit]);
}

static void put_field(FILE *out, const field_t *field)
{
    fprintf(out, "| %s | %s", field->name, field->form);
    if (field->limit) {
        fputs(", at most ", out);
        put_size(out, field->limit);
    }
    if (field->tag)
        fprintf(out, ", optional, tag %d", field->tag);
    fprintf(out, " | %s |\n", field->meaning);
}

static void put_message(FILE *out, const message_t *message)
{
    const promp_message_row_t *row = &message->row;

    fprintf(out, "\n#### %u %s\n\n", row->type, row->name);
    put_who(out, row->from);
    fputs(" → ", out);
    put_who(out, row->to);
    if (row->states & PROMP_AT_NEW)
        fputs(row->states & PROMP_AT_UP ? "; at any time" : "; before the handshake is done", out);
    fputs("; at most ", out);
    put_size(out, row->max);
    if (row->since > 1)
        fprintf(out, "; since version %u", row->since);
    fprintf(out, "\n\n%c%s.\n",
            *message->meaning >= 'a' && *message->meaning <= 'z' ? *message->meaning - 32 : *message->meaning,
            message->meaning + 1);
    if (message->fields->form)
        fputs("\n| field | form | meaning |\n|---|---|---|\n", out);
    for (const field_t *field = message->fields; field->form; field++)
        put_field(out, field);
}

static void put_tables(FILE *out)
{
    for (unsigned on = 0; on < sizeof titles / sizeof *titles; on++) {
        bool titled = false;
        for (size_t i = 0; i < COUNT; i++) {
            if (messages[i].row.on != on)
                continue;
            if (!titled)
                fprintf(out, "\n### %s\n", titles[on]);
            titled = true;
            put_message(out, &messages[i]);
        }
    }
    fputs("\n", out);
}

/* The whole file as a string, or NULL. */
static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    long size = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
    char *text = size < 0 ? NULL : malloc((size_t)size + 1);
    rewind(file);
    if (text)
        text[fread(text, 1, (size_t)size, file)] = 0;
    fclose(file);
    return text;
}

/* The document with new tables between its marks, or NULL. */
static char *renew(const char *old)
{
    const char *begin = strstr(old, BEGIN);
    const char *end = begin ? strstr(begin, END) : NULL;
    char *text = NULL;
    size_t size;
    FILE *out = end ? open_memstream(&text, &size) : NULL;

    if (!out)
        return NULL;
    fwrite(old, 1, (size_t)(begin - old) + strlen(BEGIN), out);
    put_tables(out);
    fputs(end, out);
    if (fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}

static bool write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    bool put = fputs(text, file) >= 0;
    return !fclose(file) && put;
}

int main(int argc, char **argv)
{
    bool check = argc == 3 && strcmp(argv[1], "--check") == 0;
    const char *path = argv[argc - 1];
    int status = 2;

    if (argc != 2 && !check) {
        fputs("usage: promp-protodoc [--check] FILE\n", stderr);
        return 2;
    }
    char *old = read_file(path);
    char *new = old ? renew(old) : NULL;
    if (!old)
        perror(path);
    else if (!new)
        fprintf(stderr, "%s: the marks of promp-protodoc are missing\n", path);
    else if (strcmp(old, new) == 0)
        status = 0;
    else if (check) {
        fprintf(stderr, "%s: the tables of messages are out of date; run promp-protodoc %s\n", path, path);
        status = 1;
    } else if (write_file(path, new)) {
        status = 0;
    } else {
        perror(path);
    }
    free(old);
    free(new);
    return status;
}
