#include "survey_screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "survey_report.h"

#define DRAW_MS  100
#define PLAIN_MS 2000
#define BAR      20

struct survey_screen {
    bool quiet, terminal, colour;
    size_t drawn; /* lines on the terminal */
    int64_t next; /* drawing */
};

survey_screen_t *survey_screen_new(bool quiet)
{
    survey_screen_t *screen = calloc(1, sizeof *screen);
    if (!screen)
        return NULL;
    const char *term = getenv("TERM"), *plain = getenv("NO_COLOR");
    screen->quiet = quiet;
    screen->terminal = isatty(2) && term && strcmp(term, "dumb") != 0;
    screen->colour = screen->terminal && !(plain && *plain);
    return screen;
}

static void clear(survey_screen_t *screen)
{
    if (screen->drawn)
        fprintf(stderr, "\033[%zuA\033[J", screen->drawn);
    screen->drawn = 0;
}

void survey_screen_free(survey_screen_t **screen)
{
    if (!*screen)
        return;
    clear(*screen);
    fflush(stderr);
    free(*screen);
    *screen = NULL;
}

static void size_of_terminal(size_t *columns, size_t *rows)
{
    struct winsize size;
    bool known = ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row;
    *columns = known ? size.ws_col : 80;
    *rows = known ? size.ws_row : 24;
}

/* The end of a path says more than its beginning. Cut at a character, not inside one. */
static const char *tail_of(const char *path, size_t room)
{
    size_t size = strlen(path);
    if (size > room)
        path += size - room;
    while ((*path & 0xc0) == 0x80)
        path++;
    return path;
}

static void draw_line(const survey_screen_t *screen, const survey_line_t *line, size_t number, size_t columns)
{
    char bar[BAR + 1] = "", head[80];
    int done = line->percent < 0 ? 0 : line->percent * BAR / 100;
    for (int i = 0; i < BAR; i++)
        bar[i] = i < done ? '#' : '.';
    int size = snprintf(head, sizeof head, "%3zu %8u %8llu files ", number, (unsigned)line->pid,
                        (unsigned long long)line->files);
    fputs(head, stderr);
    fprintf(stderr, screen->colour ? "\033[32m%s\033[0m " : "%s ", bar);
    size_t used = (size_t)size + BAR + 2;
    if (line->path && columns > used)
        survey_report_put(stderr, tail_of(line->path, columns - used));
    fputs("\033[K\n", stderr);
}

static void draw_terminal(survey_screen_t *screen, const survey_line_t *line, size_t lines, uint64_t files,
                          uint64_t bytes)
{
    char size[16];
    size_t columns, rows;
    size_of_terminal(&columns, &rows);
    clear(screen);
    for (size_t i = 0; i < lines && i + 2 < rows; i++, screen->drawn++)
        draw_line(screen, &line[i], i + 1, columns);
    fprintf(stderr, "%llu files, %s\n", (unsigned long long)files, survey_report_size(bytes, size));
    screen->drawn++;
    fflush(stderr);
}

void survey_screen_draw(survey_screen_t *screen, const survey_line_t *line, size_t lines, uint64_t files,
                        uint64_t bytes, int64_t now)
{
    if (screen->quiet || now < screen->next)
        return;
    char size[16];
    bool first = screen->next == 0;
    screen->next = now + (screen->terminal ? DRAW_MS : PLAIN_MS);
    if (screen->terminal)
        draw_terminal(screen, line, lines, files, bytes);
    else if (!first)
        fprintf(stderr, "survey: %llu files, %s\n", (unsigned long long)files,
                survey_report_size(bytes, size));
}
