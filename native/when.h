/* The timestamp of an event, as Suricata writes it: 2026-01-31T12:34:56.123456+0100. */
#ifndef VEDETTE_WHEN_H
#define VEDETTE_WHEN_H

#include "text.h"

/* Days from 1970-01-01 to a day of the Gregorian calendar. */
static inline int64_t days_to(int64_t year, unsigned month, unsigned day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned of_era = (unsigned)(year - era * 400);
    unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static inline unsigned days_in(unsigned year, unsigned month) {
    if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* Microseconds since 1970, UTC; false if it is written otherwise or no such time. */
static inline bool read_time(text written, int64_t *at_us) {
    static const char shape[] = "0000-00-00T00:00:00.000000+0000";
    const uint8_t *p = written.at;
    if (written.size != sizeof shape - 1) return false;
    for (size_t i = 0; i < sizeof shape - 1; i++) {
        if (shape[i] == '0' ? p[i] < '0' || p[i] > '9' : p[i] != (uint8_t)shape[i])
            if (i != 26 || p[i] != '-') return false;
    }
#define TWO(i) ((unsigned)(p[i] - '0') * 10 + (unsigned)(p[(i) + 1] - '0'))
    unsigned year = TWO(0) * 100 + TWO(2), month = TWO(5), day = TWO(8);
    unsigned hour = TWO(11), minute = TWO(14), second = TWO(17);
    unsigned east_hour = TWO(27), east_minute = TWO(29);
    unsigned micros = TWO(20) * 10000 + TWO(22) * 100 + TWO(24);
#undef TWO
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in(year, month))
        return false;
    if (hour > 23 || minute > 59 || second > 59 || east_hour > 23 || east_minute > 59)
        return false;
    int64_t east = (int64_t)(east_hour * 60 + east_minute) * (p[26] == '-' ? -60 : 60);
    int64_t seconds = days_to(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - east;
    if (seconds < 0 || seconds > UINT32_MAX) return false;
    *at_us = seconds * 1000000 + micros;
    return true;
}

#endif
