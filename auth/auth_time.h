/* auth_time.h - points in time and durations as people write them. Pure; any thread. */
#ifndef PROMP_AUTH_TIME_H
#define PROMP_AUTH_TIME_H

#include "base.h"

#define PROMP_AUTH_TIME_TEXT 21            /* bytes of a time as text, with its NUL */
#define PROMP_AUTH_TIME_MAX  253402300799L /* the last second of the year 9999 */

/* `2026-11-22T19:57:27Z`; seconds from 0 to PROMP_AUTH_TIME_MAX, others give its limits. Returns text. */
char *promp_auth_time_text(int64_t seconds, char text[PROMP_AUTH_TIME_TEXT]);

/* Reads what promp_auth_time_text() writes. */
bool promp_auth_time_parse(promp_slice_t text, int64_t *seconds);

/* Reads what a user gives as an end: a duration from now on (`90s`, `30m`, `12h`, `7d`, `2w`; `0` is now), a day (its
 * beginning, UTC), a time as above, or `never` (PROMP_NEVER). False: it is none of them, or beyond the year 9999. */
bool promp_auth_time_read(promp_slice_t text, int64_t now, int64_t *seconds);

#endif
