//! Bars: one a number; and histograms, which count numbers in ranges.

use super::{COLOURS, Plot, RESET, range};
use crate::report::format::{count, metric};

/// Parts of a letter that is filled from the left, by eighths.
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// Returns one bar for each named number, `width` columns for the one that is largest by size. What is not finite has no
/// bar.
pub fn bars(numbers: &[(String, f64)], width: usize) -> Plot {
    let values = numbers
        .iter()
        .map(|(name, number)| (name.clone(), *number, metric(*number)));
    drawn(&values.collect::<Vec<_>>(), width)
}

/// Returns how many of the finite numbers lie in each of `bins` equal ranges, a bar each; `None` where no number is
/// finite.
pub fn histogram(numbers: &[f64], bins: usize, width: usize) -> Option<Plot> {
    let (low, high) = range(numbers.iter().copied())?;
    let step = if high > low {
        (high - low) / bins as f64
    } else {
        1.0
    };
    let mut counts = vec![0u64; bins];
    for number in numbers.iter().filter(|number| number.is_finite()) {
        counts[(((number - low) / step) as usize).min(bins - 1)] += 1;
    }
    let rows = counts.iter().enumerate().map(|(bin, found)| {
        let from = low + bin as f64 * step;
        (
            format!("{} – {}", metric(from), metric(from + step)),
            *found as f64,
            count(*found),
        )
    });
    Some(drawn(&rows.collect::<Vec<_>>(), width))
}

/// Names to the left, then bars, then what is written of each number.
fn drawn(rows: &[(String, f64, String)], width: usize) -> Plot {
    let longest = rows
        .iter()
        .map(|(name, ..)| name.chars().count())
        .max()
        .unwrap_or(0);
    let largest = range(rows.iter().map(|(_, number, _)| number.abs())).map_or(0.0, |(_, high)| high);
    let lines = |colour: &str, end: &str| {
        let line = |(name, number, written): &(String, f64, String)| {
            let share = if largest > 0.0 && number.is_finite() {
                number.abs() / largest
            } else {
                0.0
            };
            format!("{name:>longest$} {colour}{}{end} {written}", bar(share, width))
                .trim_end()
                .to_string()
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    Plot {
        plain: lines("", ""),
        coloured: lines(COLOURS[0], RESET),
    }
}

fn bar(share: f64, width: usize) -> String {
    let eighths = (share * width as f64 * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8]);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_numbers() {
        let numbers = [
            ("relu".to_string(), 1.0),
            ("topk".into(), -0.5),
            ("x".into(), f64::NAN),
        ];
        let plot = bars(&numbers, 8);
        assert_eq!(plot.plain, "relu ████████ 1.0000\ntopk ████ -0.5000\n   x  nan");
        assert!(plot.coloured.contains("\x1b[36m████\x1b[0m"));
    }

    #[test]
    fn every_finite_number_is_counted_once() {
        let numbers: Vec<f64> = (0..=100).map(f64::from).chain([f64::INFINITY]).collect();
        let plot = histogram(&numbers, 4, 10).expect("there are numbers");
        let counts: Vec<&str> = plot
            .plain
            .lines()
            .filter_map(|line| line.rsplit(' ').next())
            .collect();
        assert_eq!(counts, ["25", "25", "25", "26"], "{}", plot.plain);
        assert_eq!(histogram(&[f64::NAN], 4, 10), None);
    }
}
