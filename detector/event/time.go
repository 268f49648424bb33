package event

import "math"

// Times are accepted from earliest to latest. The lower bound is 1e11 ms, 1973-03-03T09:46:40Z: a number below it is a
// number of seconds (it would be one up to the year 5138), and zero stays free to mean absent. The upper bound is
// the last whole second whose nanoseconds fit an int64, 2262-04-11T23:47:15Z.
const (
	earliestMilli = 100_000_000_000
	latestSec     = math.MaxInt64/1_000_000_000 - 1
	latestMilli   = latestSec*1000 + 999
)

// milliTime converts Unix milliseconds into nanoseconds.
func milliTime(f field, ms int64) (int64, *Error) {
	switch {
	case ms > 0 && ms < earliestMilli:
		return 0, fault(ReasonTimeUnit, f.String(), "%d looks like seconds; send Unix milliseconds or RFC 3339", ms)
	case ms <= 0:
		return 0, fault(ReasonRange, f.String(), "%d is not after 1973-03-03, the earliest time taken; send Unix milliseconds or RFC 3339", ms)
	case ms > latestMilli:
		return 0, fault(ReasonRange, f.String(), "%d is past the year 2262 in milliseconds and looks like micro- or nanoseconds; send Unix milliseconds or RFC 3339", ms)
	}
	return ms * 1_000_000, nil
}

// rfcTime reads an RFC 3339 time with up to nine fractional digits into Unix nanoseconds. T and Z may be lower case
// (section 5.6), -00:00 means UTC (section 4.3), and second 60 is taken where a leap second can be, at 23:59 UTC on
// the last day of a month (section 5.7); like Unix time it counts as the first second of the next day.
func rfcTime(f field, s string) (int64, *Error) {
	const form = "send it like 2026-06-25T14:00:07.123456789Z"
	if len(s) < len("2006-01-02T15:04:05Z") ||
		s[4] != '-' || s[7] != '-' || s[10]|0x20 != 't' || s[13] != ':' || s[16] != ':' {
		return 0, fault(ReasonTime, f.String(), "%s is not an RFC 3339 time; %s", quote(s), form)
	}
	century, ok0 := twoDigits(s, 0)
	year, ok1 := twoDigits(s, 2)
	month, ok2 := twoDigits(s, 5)
	day, ok3 := twoDigits(s, 8)
	hour, ok4 := twoDigits(s, 11)
	minute, ok5 := twoDigits(s, 14)
	sec, ok6 := twoDigits(s, 17)
	nano, i, ok7 := fraction(s, 19)
	offset, ok8 := zone(s[i:])
	if !(ok0 && ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7 && ok8) {
		return 0, fault(ReasonTime, f.String(), "%s is not an RFC 3339 time with at most nine fractional digits; %s", quote(s), form)
	}
	year += century * 100
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || sec > 60 {
		return 0, fault(ReasonTime, f.String(), "%s is no date and time of the calendar", quote(s))
	}
	unix := days(year, month, day)*86400 + hour*3600 + minute*60 + sec - offset
	if sec == 60 && !leapSecond(unix-1) {
		return 0, fault(ReasonTime, f.String(), "%s has a second 60 where there can be no leap second", quote(s))
	}
	if unix < earliestMilli/1000 || unix > latestSec {
		return 0, fault(ReasonRange, f.String(), "%s is not between 1973-03-03 and 2262-04-11", quote(s))
	}
	return unix*1_000_000_000 + nano, nil
}

func twoDigits(s string, i int) (int64, bool) {
	a, b := s[i]-'0', s[i+1]-'0'
	return int64(a)*10 + int64(b), a <= 9 && b <= 9
}

// fraction reads an optional fraction of a second at s[i:] and returns where it ends.
func fraction(s string, i int) (nano int64, end int, ok bool) {
	if s[i] != '.' {
		return 0, i, true
	}
	i++
	first := i
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
		if i-first < 9 {
			nano = nano*10 + int64(s[i]-'0')
		}
	}
	n := i - first
	if n < 1 || n > 9 {
		return 0, i, false
	}
	return nano * int64(pow10[9-n]), i, true
}

// zone reads the offset from UTC, in seconds, that ends a time.
func zone(s string) (int64, bool) {
	if len(s) == 1 {
		return 0, s[0]|0x20 == 'z'
	}
	if len(s) != len("+00:00") || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, false
	}
	hour, ok1 := twoDigits(s, 1)
	minute, ok2 := twoDigits(s, 4)
	offset := hour*3600 + minute*60
	if s[0] == '-' {
		offset = -offset
	}
	return offset, ok1 && ok2 && hour <= 23 && minute <= 59
}

// leapSecond reports whether a leap second may follow the Unix second: it is 23:59:59 UTC and the next day begins a month.
func leapSecond(unix int64) bool {
	next := unix + 1
	if next%86400 != 0 {
		return false
	}
	return dayOfMonth(next/86400) == 1
}

// days returns the days from 1970-01-01 to a date of the proleptic Gregorian calendar, years counted from March
// so that the leap day comes last.
func days(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 719468
}

// dayOfMonth inverts days as far as leapSecond needs it.
func dayOfMonth(d int64) int64 {
	d += 719468
	d %= 146097                                     // day of the 400-year era
	year := (d - d/1460 + d/36524 - d/146096) / 365 // year of the era
	d -= 365*year + year/4 - year/100
	month := (5*d + 2) / 153
	return d - (153*month+2)/5 + 1
}

func daysIn(year, month int64) int64 {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}
