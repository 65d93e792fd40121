#include "auth_time.h"

#include <stdio.h>

#define DAY 86400

/* Days since 1970 of a date of the Gregorian calendar, counted in years that begin in March. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = year / 400, in_era = year % 400;
    int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static void date_of(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    days += 719468;
    int64_t era = days / 146097, in_era = days % 146097;
    int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * in_year + 2) / 153;
    *day = in_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = era * 400 + y + (*month <= 2);
}

char *promp_auth_time_text(int64_t seconds, char text[PROMP_AUTH_TIME_TEXT])
{
    int64_t year, month, day;
    seconds = promp_max64(0, promp_min64(seconds, PROMP_AUTH_TIME_MAX));
    date_of(seconds / DAY, &year, &month, &day);
    int in_day = (int)(seconds % DAY);
    snprintf(text, PROMP_AUTH_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)year % 10000u,
             (unsigned)month % 100u, (unsigned)day % 100u, (unsigned)in_day / 3600u % 100u,
             (unsigned)in_day / 60u % 60u, (unsigned)in_day % 60u);
    return text;
}

/* Reads count digits at *at and, where sign is not 0, this sign behind them. */
static bool take(promp_slice_t text, size_t *at, size_t count, char sign, int64_t *value)
{
    if (text.size - *at < count + (sign != 0))
        return false;
    *value = 0;
    for (size_t i = 0; i < count; i++, (*at)++) {
        uint8_t c = text.data[*at];
        if (c < '0' || c > '9')
            return false;
        *value = *value * 10 + (c - '0');
    }
    return !sign || text.data[(*at)++] == (uint8_t)sign;
}

static bool read_day(promp_slice_t text, size_t *at, char sign, int64_t *seconds)
{
    int64_t year, month, day, y, m, d;
    if (!take(text, at, 4, '-', &year) || !take(text, at, 2, '-', &month) || !take(text, at, 2, sign, &day) ||
        year < 1970 || month < 1 || month > 12 || day < 1)
        return false;
    *seconds = days_of(year, month, day) * DAY;
    date_of(*seconds / DAY, &y, &m, &d);
    return y == year && m == month && d == day; /* no 31st of June */
}

bool promp_auth_time_parse(promp_slice_t text, int64_t *seconds)
{
    size_t at = 0;
    int64_t hours, minutes, rest;
    if (!read_day(text, &at, 'T', seconds) || !take(text, &at, 2, ':', &hours) ||
        !take(text, &at, 2, ':', &minutes) || !take(text, &at, 2, 'Z', &rest) || at != text.size ||
        hours > 23 || minutes > 59 || rest > 59)
        return false;
    *seconds += hours * 3600 + minutes * 60 + rest;
    return true;
}

static int64_t unit_of(uint8_t c)
{
    switch (c) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return DAY;
    case 'w':
        return 7 * DAY;
    default:
        return 0;
    }
}

static bool read_duration(promp_slice_t text, int64_t now, int64_t *seconds)
{
    size_t at = 0;
    int64_t count, unit;
    if (text.size == 1 && text.data[0] == '0') {
        *seconds = now;
        return true;
    }
    if (text.size < 2 || text.size > 12 || !take(text, &at, text.size - 1, 0, &count))
        return false;
    unit = unit_of(text.data[at]);
    if (!unit || count > (PROMP_AUTH_TIME_MAX - now) / unit)
        return false;
    *seconds = now + count * unit;
    return true;
}

bool promp_auth_time_read(promp_slice_t text, int64_t now, int64_t *seconds)
{
    size_t at = 0;
    if (text.size == 5 && memcmp(text.data, "never", 5) == 0) {
        *seconds = PROMP_NEVER;
        return true;
    }
    return promp_auth_time_parse(text, seconds) || read_duration(text, now, seconds) ||
           (text.size == 10 && read_day(text, &at, 0, seconds));
}
