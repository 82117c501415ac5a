//! Points in time as text, always in UTC; and how long the processor worked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Returns `time` in UTC, as in `2026-01-31T12:00:00Z`.
pub fn timestamp(time: SystemTime) -> String {
    let ((year, month, day), (hour, minute, second)) = civil(time);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Returns `time` in UTC, as in `20260131_120000`, for names of folders.
pub fn compact_timestamp(time: SystemTime) -> String {
    let ((year, month, day), (hour, minute, second)) = civil(time);
    format!("{year:04}{month:02}{day:02}_{hour:02}{minute:02}{second:02}")
}

/// Seconds since 1970.
pub fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Returns how long the processor's cores have worked for this process, all threads together.
pub fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.max(0) as u64,
        time.tv_nsec.clamp(0, 999_999_999) as u32,
    )
}

/// Year, month, day and hour, minute, second.
fn civil(time: SystemTime) -> ((u64, u64, u64), (u64, u64, u64)) {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    (civil_date(days), (rest / 3600, rest / 60 % 60, rest % 60))
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar
/// (<https://howardhinnant.github.io/date_algorithms.html#civil_from_days>).
fn civil_date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(civil_date(0), (1970, 1, 1));
        assert_eq!(civil_date(11_016), (2000, 2, 29));
        assert_eq!(civil_date(19_782), (2024, 2, 29));
        assert_eq!(civil_date(19_783), (2024, 3, 1));
        assert_eq!(civil_date(20_780), (2026, 11, 23));
    }

    #[test]
    fn both_forms_tell_the_same_second() {
        let time = UNIX_EPOCH + Duration::from_secs(19_782 * 86_400 + 3600 + 120 + 3);
        assert_eq!(timestamp(time), "2024-02-29T01:02:03Z");
        assert_eq!(compact_timestamp(time), "20240229_010203");
    }
}
