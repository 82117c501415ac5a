//! Points in time: `now`, `today`, their parts, their texts, and how long something took.

use jiff::{Timestamp, Zoned};
use rhai::plugin::*;
use rhai::{ImmutableString, Module};

use crate::error::Error;
use crate::report::format;
use crate::script::failure::{Raise, RhaiResultOf};
use crate::script::guard;

/// Puts the object and its functions into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<Zoned>(
        "Time",
        &[
            "/// A point in time, in the time zone of this machine. `a - b` is how many seconds lie between two.",
        ],
    );
    combine_with_exported_module!(module, "times", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// Functions of points in time.
#[export_module(manifest)]
mod functions {
    /// Returns this moment: `now().format("%H:%M")`, `now().year`.
    #[rhai_fn(volatile)]
    pub fn now() -> Zoned {
        Zoned::now()
    }

    /// Returns today's date as `"2026-01-31"`, for names of files and runs.
    #[rhai_fn(volatile)]
    pub fn today() -> String {
        Zoned::now().date().to_string()
    }

    /// Returns the moment so many seconds after the beginning of 1970, as `time()` and files tell it.
    ///
    /// Errors where it lies outside of the years -9999 to 9999.
    #[rhai_fn(name = "time", return_raw)]
    pub fn time_at(seconds: f64) -> RhaiResultOf<Zoned> {
        let moment = jiff::SignedDuration::try_from_secs_f64(seconds).and_then(Timestamp::from_duration);
        let moment =
            moment.map_err(|error| Error::input(format!("{seconds} seconds after 1970 is no time: {error}")));
        moment
            .map(|moment| moment.to_zoned(jiff::tz::TimeZone::system()))
            .raise()
    }

    /// Returns the time as text in the form that `strftime` takes: `t.format("%Y-%m-%d %H:%M:%S")`.
    #[rhai_fn(name = "format", return_raw, pure)]
    pub fn format_time(time: &mut Zoned, form: &str) -> RhaiResultOf<String> {
        let written = jiff::fmt::strtime::format(form, &*time);
        let explain = |error| {
            Error::input(format!("`{form}` is no form of a time: {error}"))
                .hint("forms are written as for `strftime`: `%Y-%m-%d`, `%H:%M:%S`, `%a %d %b`")
        };
        written.map_err(explain).raise()
    }

    /// Returns the time as text: `2026-01-31 12:00:00`.
    #[rhai_fn(name = "to_string", name = "to_debug", name = "print", name = "debug", pure)]
    pub fn to_text(time: &mut Zoned) -> String {
        time.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// Returns the year.
    #[rhai_fn(get = "year", pure)]
    pub fn year(time: &mut Zoned) -> i64 {
        time.year().into()
    }

    /// Returns the month, from 1 to 12.
    #[rhai_fn(get = "month", pure)]
    pub fn month(time: &mut Zoned) -> i64 {
        time.month().into()
    }

    /// Returns the day of the month, from 1.
    #[rhai_fn(get = "day", pure)]
    pub fn day(time: &mut Zoned) -> i64 {
        time.day().into()
    }

    /// Returns the hour, from 0 to 23.
    #[rhai_fn(get = "hour", pure)]
    pub fn hour(time: &mut Zoned) -> i64 {
        time.hour().into()
    }

    /// Returns the minute, from 0 to 59.
    #[rhai_fn(get = "minute", pure)]
    pub fn minute(time: &mut Zoned) -> i64 {
        time.minute().into()
    }

    /// Returns the second, from 0 to 59.
    #[rhai_fn(get = "second", pure)]
    pub fn second(time: &mut Zoned) -> i64 {
        time.second().into()
    }

    /// Returns the day of the week, e.g. `"Monday"`.
    #[rhai_fn(get = "weekday", pure)]
    pub fn weekday(time: &mut Zoned) -> ImmutableString {
        time.strftime("%A").to_string().into()
    }

    /// Returns the seconds since 1970, with fractions, as `time()` does.
    #[rhai_fn(get = "seconds", pure)]
    pub fn seconds(time: &mut Zoned) -> f64 {
        time.timestamp().as_duration().as_secs_f64()
    }

    /// Returns the seconds that have passed since.
    #[rhai_fn(get = "elapsed", pure, volatile)]
    pub fn elapsed(time: &mut Zoned) -> f64 {
        Timestamp::now().duration_since(time.timestamp()).as_secs_f64()
    }

    /// Returns the seconds from the second to the first.
    #[rhai_fn(name = "-")]
    pub fn between(later: Zoned, earlier: Zoned) -> f64 {
        later
            .timestamp()
            .duration_since(earlier.timestamp())
            .as_secs_f64()
    }

    /// Returns seconds as people say them: `duration(4530.0)` is `"1h15m"`.
    pub fn duration(seconds: f64) -> String {
        let duration = std::time::Duration::try_from_secs_f64(seconds.abs());
        let text = duration.map_or_else(|_| "a very long time".into(), format::duration);
        if seconds < 0.0 { format!("-{text}") } else { text }
    }
}
