#include "lines.h"

#define LINE 1000

bool promp_lines_take(promp_lines_t *lines, int64_t now, uint64_t *left_out)
{
    int64_t room = lines->at ? lines->room : PROMP_LINES_BURST * LINE;

    if (lines->at && now > lines->at)
        room =
            promp_min64(PROMP_LINES_BURST * LINE,
                        room + promp_min64(now - lines->at, PROMP_LINES_BURST * LINE) * PROMP_LINES_SECOND);
    lines->at = promp_max64(1, promp_max64(now, lines->at));
    lines->room = room;
    if (room < LINE) {
        lines->left_out++;
        return false;
    }
    lines->room -= LINE;
    *left_out = lines->left_out;
    lines->left_out = 0;
    return true;
}
