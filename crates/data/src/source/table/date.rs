//! Dates and times as numbers.

use serde::{Deserialize, Serialize};

/// In which order a date's day, month and year stand, if the year does not come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// 2026-03-31, as ISO 8601 has it, and nothing else.
    #[default]
    YearMonthDay,
    /// 31.03.2026 too.
    DayMonthYear,
    /// 03/31/2026 too.
    MonthDayYear,
}

/// The days from the start of 1970 to a date, with the time of day as the fraction:
/// `2026-03-31`, `2026/03/31 18:30`, `2026-03-31T18:30:05.5Z`, `2026-03-31T18:30+02:00`. None if the
/// text is no date in the Gregorian calendar, of the years 1 to 9999.
///
/// ```
/// use gradus_data::source::date::{DateOrder, parse};
///
/// let order = DateOrder::default();
/// assert_eq!(parse("1970-01-02T12:00", order), Some(1.5));
/// assert_eq!(parse("1970-02-29", order), None);
/// ```
pub fn parse(text: &str, order: DateOrder) -> Option<f64> {
    let text = text.trim();
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, time.trim()),
        None => (text, ""),
    };
    let days = days_of(date, order)? as f64;
    if time.is_empty() {
        return Some(days);
    }
    let (clock, minutes_east) = split_zone(time)?;
    let seconds = seconds_of(clock)? - 60.0 * minutes_east;
    Some(days + seconds / 86_400.0)
}

/// The number of the day, 0 being the first of 1970.
fn days_of(date: &str, order: DateOrder) -> Option<i64> {
    let sign = date.chars().find(|sign| !sign.is_ascii_digit())?;
    if !matches!(sign, '-' | '/' | '.') {
        return None;
    }
    let parts: Vec<&str> = date.split(sign).collect();
    let &[first, second, third] = &parts[..] else {
        return None;
    };
    let (year, month, day) = match order {
        _ if first.len() == 4 => (first, second, third),
        DateOrder::YearMonthDay => return None,
        DateOrder::DayMonthYear => (third, second, first),
        DateOrder::MonthDayYear => (third, first, second),
    };
    if year.len() != 4 || month.len() > 2 || day.len() > 2 {
        return None;
    }
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, 28 + leap as i64, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = lengths.get(..usize::try_from(month - 1).ok()?)?;
    let length = *lengths.get(before.len())?;
    if year < 1 || !(1..=length).contains(&day) {
        return None;
    }
    let years = year - 1;
    let days_before = 365 * years + years / 4 - years / 100 + years / 400;
    // There are 719162 days before 1970.
    Some(days_before + before.iter().sum::<i64>() + day - 1 - 719_162)
}

fn number(digits: &str) -> Option<i64> {
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| digits.parse().ok())?
}

/// A time of day without its zone, and how many minutes that is east of Greenwich.
fn split_zone(time: &str) -> Option<(&str, f64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0.0));
    }
    let Some(place) = time.rfind(['+', '-']) else {
        return Some((time, 0.0));
    };
    let (clock, zone) = time.split_at(place);
    let sign = if zone.starts_with('-') { -1.0 } else { 1.0 };
    let zone = zone.get(1..)?.replace(':', "");
    let (hours, minutes) = match zone.len() {
        2 => (number(&zone)?, 0),
        4 => (number(zone.get(..2)?)?, number(zone.get(2..)?)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some((clock.trim_end(), sign * (60 * hours + minutes) as f64))
}

/// The seconds since midnight.
fn seconds_of(clock: &str) -> Option<f64> {
    let mut parts = clock.split(':');
    let hours = number(parts.next()?)?;
    let minutes = number(parts.next()?)?;
    let seconds = match parts.next() {
        None => 0.0,
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => {
            text.parse::<f64>().ok()?
        }
        Some(_) => return None,
    };
    let fits = parts.next().is_none() && hours < 24 && minutes < 60 && seconds < 61.0;
    fits.then_some((3600 * hours + 60 * minutes) as f64 + seconds)
}

/// The date of a number of days since the start of 1970, with the time to the millisecond if there is
/// one: what [`parse`] reads. A year beyond 9999 is shown, but not read.
///
/// ```
/// use gradus_data::source::date::show;
///
/// assert_eq!(show(20_543.5), "2026-03-31T12:00:00.000");
/// ```
///
/// # Source
/// Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
pub fn show(days: f64) -> String {
    // Within the years ±2 million, where days and milliseconds are exact.
    let milliseconds = (days.clamp(-8e8, 8e8) * 86_400e3).round();
    let (whole, rest) = (milliseconds.div_euclid(86_400e3), milliseconds.rem_euclid(86_400e3));
    // A year begins in March here, so that the odd day is its last.
    let day = whole as i64 + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + 400 * era + (month <= 2) as i64;
    let date = format!("{year:04}-{month:02}-{of_month:02}");
    if rest == 0.0 {
        return date;
    }
    let (seconds, rest) = (rest as u64 / 1000, rest as u64 % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{date}T{hours:02}:{minutes:02}:{seconds:02}.{rest:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_since_1970() {
        let iso = |text| parse(text, DateOrder::YearMonthDay);
        // By Python's datetime.date(…).toordinal() - 719163.
        for (text, days) in [
            ("1970-01-01", 0.0),
            ("1969-12-31", -1.0),
            ("2000-02-29", 11_016.0),
            ("2026/03/31", 20_543.0),
            ("0001-01-01", -719_162.0),
            ("9999-12-31", 2_932_896.0),
            ("1970-01-01T06:00", 0.25),
            ("1970-01-01 06:00:00.0", 0.25),
            ("1970-01-01T06:00Z", 0.25),
            ("1970-01-01T06:00+12:00", -0.25),
            ("1970-01-01T06:00-0600", 0.5),
        ] {
            assert_eq!(iso(text), Some(days), "{text}");
        }
        for text in [
            "",
            "-",
            "2026",
            "2026-13-01",
            "2026-00-01",
            "2026-02-30",
            "1900-02-29",
            "26-01-01",
            "2026-1-1-1",
            "0000-01-01",
            "31.03.2026",
            "2026-01-01Tx",
            "2026-01-01 24:00",
            "2026-01-01 1",
            "2026-01-01 10:00+1",
            "2026-01-01 10:00:nan",
            "2026é01é01",
        ] {
            assert_eq!(iso(text), None, "{text}");
        }
        for days in [-719_162.0, -1.0, 0.0, 59.0, 11_016.25, 20_543.5, 2_932_896.0] {
            let text = show(days);
            assert_eq!(parse(&text, DateOrder::YearMonthDay), Some(days), "{text}");
        }
        assert!(show(f64::INFINITY).starts_with("2192295-"), "{}", show(f64::INFINITY));
        assert_eq!(parse("31.03.2026", DateOrder::DayMonthYear), Some(20_543.0));
        assert_eq!(parse("3/31/2026", DateOrder::MonthDayYear), Some(20_543.0));
        assert_eq!(parse("2026-03-31", DateOrder::MonthDayYear), Some(20_543.0));
        assert_eq!(parse("31/3/2026", DateOrder::MonthDayYear), None);
    }
}
