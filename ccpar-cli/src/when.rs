//! Times as people type them.

use std::str::FromStr as _;

use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, Timestamp, ZonedDateTime};

/// A time in milliseconds since 1970: an age (`2h`, `1 day`), a date, a date
/// and time, a time of the last 24 hours, or a timestamp with its zone.
///
/// # Errors
/// The sentence to show.
pub(crate) fn parse(text: &str, now: &ZonedDateTime) -> Result<u64, String> {
    let text = text.trim();
    let wrong = || {
        format!(
            "`{text}` is no time: write an age like `2h` or `3 days`, a time like `10:30`, a date \
             like `2026-11-25`, or both"
        )
    };
    let zoned = |time: DateTime| time.to_zoned_datetime(now.time_zone().clone()).ok();
    let time = if let Ok(age) = Span::from_str(text) {
        now.checked_sub(age.abs()).ok()
    } else if let Ok(time) = Timestamp::from_str(text) {
        Some(time.to_zoned_datetime(now.time_zone().clone()))
    } else if let Ok(date) = Date::from_str(text)
        && !text.contains(':')
    {
        zoned(date.at(0, 0, 0, 0))
    } else if let Ok(time) = DateTime::from_str(text) {
        zoned(time)
    } else if let Ok(time) = Time::from_str(text) {
        let today = zoned(now.date().to_datetime(time));
        match today {
            Some(today) if today > *now => today.yesterday().ok(),
            today => today,
        }
    } else {
        None
    };
    let time = time.ok_or_else(wrong)?;
    u64::try_from(time.timestamp().as_millisecond()).map_err(|_| wrong())
}

/// The same, for clap: an age counts from this moment.
pub(crate) fn ago(text: &str) -> Result<u64, String> {
    parse(text, &ZonedDateTime::now())
}

/// This moment as a part of a file name.
pub(crate) fn file_stamp() -> String {
    Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// When this day began here, in milliseconds since 1970.
pub(crate) fn midnight() -> u64 {
    let start = jiff::ZonedDateTime::now().start_of_day();
    start.ok().and_then(|time| u64::try_from(time.timestamp().as_millisecond()).ok()).unwrap_or(0)
}

/// How long ago a time was, in milliseconds since 1970, as people say it.
pub(crate) fn age(then: u64) -> String {
    let secs = now().saturating_sub(then) / 1000;
    match secs {
        0..120 => format!("{secs} s"),
        120..7200 => format!("{} min", secs / 60),
        7200..172_800 => format!("{} h", secs / 3600),
        _ => format!("{} days", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_type_them() {
        let now: ZonedDateTime = "2026-11-25T10:30:00+01:00[+01:00]".parse().unwrap();
        for (text, expected) in [
            ("2h", "2026-11-25T08:30:00+01:00"),
            ("90 minutes ago", "2026-11-25T09:00:00+01:00"),
            ("1 day", "2026-11-24T10:30:00+01:00"),
            ("2026-11-20", "2026-11-20T00:00:00+01:00"),
            ("2026-11-20 07:15", "2026-11-20T07:15:00+01:00"),
            ("2026-11-20T07:15:30Z", "2026-11-20T08:15:30+01:00"),
            ("09:00", "2026-11-25T09:00:00+01:00"),
            ("23:00", "2026-11-24T23:00:00+01:00"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            let expected = u64::try_from(expected.as_millisecond()).unwrap();
            assert_eq!(parse(text, &now), Ok(expected), "{text}");
        }
        for text in ["", "soon", "2026-13-01", "25:00", "1969-01-01"] {
            assert!(parse(text, &now).unwrap_err().contains("is no time"), "{text}");
        }
    }
}
