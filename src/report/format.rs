//! Durations, amounts, counts and rates as people read them.

use std::time::Duration;

use crate::error::byte_size;

/// `0.4 s`, `12 s`, `3m 05s`, `2h 07m`, `1d 03h`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// With thousands separators: `800,000,000`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a rate, for which three digits are enough: `0.42`, `12.3`, `456`, `12.3k`, `1.2M`.
pub fn rate(value: f64) -> String {
    match value {
        _ if !value.is_finite() => "-".into(),
        _ if value >= 999_950.0 => format!("{:.1}M", value / 1e6),
        _ if value >= 9_999.5 => format!("{:.1}k", value / 1e3),
        _ if value >= 99.95 => format!("{value:.0}"),
        _ if value >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Writes how many units are done per second: `12.3 steps/s`, `1.5 MB/s`.
pub fn speed(value: f64, unit: &str) -> String {
    match unit {
        "bytes" if value.is_finite() => format!("{}/s", byte_size(value.max(0.0) as u64)),
        _ => format!("{} {unit}/s", rate(value)),
    }
}

/// Writes `done` of `total` in the unit's own form: `45/140 steps`, `1.5 GB/2.0 GB`.
pub fn amount(done: u64, total: Option<u64>, unit: &str) -> String {
    match (unit, total) {
        ("bytes", Some(total)) => format!("{}/{}", byte_size(done), byte_size(total)),
        ("bytes", None) => byte_size(done),
        (_, Some(total)) => format!("{}/{} {unit}", count(done), count(total)),
        (_, None) => format!("{} {unit}", count(done)),
    }
}

/// Writes a metric in about five significant digits: `0.7331`, `16.00`, `123.5`, `1.000e-4`.
pub fn metric(value: f64) -> String {
    let size = value.abs();
    match value {
        _ if value.is_nan() => "nan".into(),
        _ if value.is_infinite() => if value > 0.0 { "inf" } else { "-inf" }.into(),
        _ if size == 0.0 => "0".into(),
        _ if !(1e-3..1e6).contains(&size) => format!("{value:.3e}"),
        _ if size < 10.0 => format!("{value:.4}"),
        _ if size < 100.0 => format!("{value:.2}"),
        _ if size < 10_000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// The bars of a curve, lowest first.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Returns numbers as one line of bars, `▁▃▆█`, from the least to the largest of them. What is no number leaves a gap.
pub fn bars(numbers: &[f64]) -> String {
    let finite = || numbers.iter().copied().filter(|number| number.is_finite());
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    let top = (BARS.len() - 1) as f64;
    let bar = |number: &f64| match number.is_finite() {
        true if high > low => BARS[((number - low) / (high - low) * top).round() as usize],
        true => BARS[0],
        false => ' ',
    };
    numbers.iter().map(bar).collect()
}

/// Returns the words of `text` in lines of at most `width` characters, but at least a word each.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_two_units() {
        let of = |seconds: f64| duration(Duration::from_secs_f64(seconds));
        assert_eq!(of(0.44), "0.4 s");
        assert_eq!(of(59.9), "59 s");
        assert_eq!(of(185.0), "3m 05s");
        assert_eq!(of(7_620.0), "2h 07m");
        assert_eq!(of(97_200.0), "1d 03h");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(800_000_000), "800,000,000");
        assert_eq!(amount(1_234, Some(10_000), "tokens"), "1,234/10,000 tokens");
        assert_eq!(amount(1_500_000, None, "bytes"), "1.5 MB");
    }

    #[test]
    fn rates_and_metrics_keep_few_digits() {
        assert_eq!(rate(0.4242), "0.42");
        assert_eq!(rate(12.34), "12.3");
        assert_eq!(rate(12_345.0), "12.3k");
        assert_eq!(rate(f64::NAN), "-");
        assert_eq!(speed(1_500_000.0, "bytes"), "1.5 MB/s");
        assert_eq!(metric(0.73312), "0.7331");
        assert_eq!(metric(1e-4), "1.000e-4");
        assert_eq!(metric(16.0), "16.00");
        assert_eq!(metric(383.17), "383.2");
        assert_eq!(metric(f64::NAN), "nan");
    }
}
