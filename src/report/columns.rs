//! The table of logged metrics that grows while training runs: one row for each logged step.

use std::time::{Duration, Instant};

use super::format;
use super::visible::visible;
use crate::event::Metrics;

/// One column: its header, the name of the metric, and how values are written.
type Column = (&'static str, &'static str, fn(f64) -> String);

/// A column appears if the first logged step has its metric.
const COLUMNS: &[Column] = &[
    ("loss", "losses/overall_loss", format::metric),
    ("MSE", "losses/mse_loss", format::metric),
    ("expl. var.", "metrics/explained_variance", format::metric),
    ("L0", "metrics/l0", format::metric),
    ("dead", "sparsity/dead_latents", latents),
    ("lr", "details/current_learning_rate", learning_rate),
];

/// Width of every column, and after how many rows the header comes again.
const WIDTH: usize = 11;
const ROWS_A_HEADER: usize = 25;

fn learning_rate(value: f64) -> String {
    format!("{value:.2e}")
}

fn latents(value: f64) -> String {
    format::count(value as u64)
}

/// The terms of the loss besides the reconstruction's; without any, the loss is the MSE.
const OTHER_TERMS: [&str; 3] = ["losses/sparsity_loss", "losses/lp_loss", "losses/aux_loss"];

/// Makes the lines, and measures tokens per second between them.
#[derive(Default)]
pub(super) struct Columns {
    shown: Vec<usize>,
    rows: usize,
    /// When which step was reached, and after how many tokens where that is known: what the next row's speed is measured
    /// from.
    mark: Option<(Instant, u64, Option<u64>)>,
}

impl Columns {
    /// Starts the table anew, for a task that begins.
    pub(super) fn start(&mut self) {
        *self = Self::default();
    }

    /// Notes that `done` steps are done. The first to be told is where the speed is measured from, which leaves the
    /// first step's warming up out and stays right when a run is resumed in the middle.
    pub(super) fn advance(&mut self, done: u64, now: Instant) {
        self.mark.get_or_insert((now, done, None));
    }

    /// Returns the lines for one logged step: the row, with the name of the run behind it where there are several, and
    /// with the header in front where it is due.
    pub(super) fn row(
        &mut self,
        run: Option<&str>,
        step: u64,
        tokens: u64,
        metrics: &Metrics,
        now: Instant,
    ) -> Vec<String> {
        let value = |name: &str| {
            metrics
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| *value)
        };
        if self.rows == 0 {
            let one_term = !OTHER_TERMS.iter().any(|name| value(name).is_some());
            let said_twice =
                |name: &str| name == "losses/mse_loss" && one_term && value("losses/overall_loss").is_some();
            self.shown = (0..COLUMNS.len())
                .filter(|index| value(COLUMNS[*index].1).is_some() && !said_twice(COLUMNS[*index].1))
                .collect();
        }
        let mut lines = Vec::new();
        if self.rows.is_multiple_of(ROWS_A_HEADER) {
            lines.push(self.header());
        }
        self.rows += 1;
        let mut cells = vec![format::count(step), format::count(tokens)];
        for index in &self.shown {
            let (_, name, write) = COLUMNS[*index];
            cells.push(value(name).map_or_else(|| "-".into(), write));
        }
        cells.push(
            self.speed(step, tokens, now)
                .map_or_else(|| "-".into(), format::rate),
        );
        let run = run.map(|run| format!("  {}", visible(run))).unwrap_or_default();
        lines.push(line(&cells) + run.as_str());
        lines
    }

    fn header(&self) -> String {
        let mut cells = vec!["step".to_string(), "tokens".to_string()];
        cells.extend(self.shown.iter().map(|index| COLUMNS[*index].0.to_string()));
        cells.push("tokens/s".to_string());
        let style = anstyle::Style::new().bold();
        format!("{style}{}{style:#}", line(&cells))
    }

    /// Tokens per second since the last row. The tokens of a row are those before its step; how many the steps before
    /// the first row had is told by the average.
    fn speed(&mut self, step: u64, tokens: u64, now: Instant) -> Option<f64> {
        let (then, from, before) = *self.mark.get_or_insert((now, step, Some(tokens)));
        if step <= from {
            // An evaluation after the step: its time is not the training's.
            self.mark = Some((now, from, before));
            return None;
        }
        self.mark = Some((now, step, Some(tokens)));
        let elapsed = now.saturating_duration_since(then);
        if elapsed == Duration::ZERO || step <= 1 {
            return None;
        }
        let passed = match before {
            Some(before) => tokens.checked_sub(before)? as f64,
            None => (step - from) as f64 * tokens as f64 / (step - 1) as f64,
        };
        Some(passed / elapsed.as_secs_f64())
    }
}

fn line(cells: &[String]) -> String {
    let mut text = format!("{:>8}", cells[0]);
    for cell in &cells[1..] {
        text += &format!(" {cell:>WIDTH$}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(l0: f64) -> Metrics {
        vec![
            ("losses/mse_loss".into(), 120.1234),
            ("metrics/l0".into(), l0),
            ("details/current_learning_rate".into(), 1e-3),
            ("metrics/something_else".into(), 7.0),
        ]
    }

    fn plain(lines: Vec<String>) -> Vec<String> {
        lines
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect()
    }

    #[test]
    fn rows_line_up_under_the_header_and_show_what_there_is() {
        let mut columns = Columns::default();
        let start = Instant::now();
        columns.start();
        columns.advance(0, start);
        let lines = plain(columns.row(None, 10, 18_432, &metrics(16.0), start + Duration::from_secs(2)));
        assert_eq!(
            lines,
            [
                "    step      tokens         MSE          L0          lr    tokens/s",
                "      10      18,432       120.1       16.00     1.00e-3       10.2k",
            ]
        );
        let next = plain(columns.row(None, 20, 38_912, &metrics(15.5), start + Duration::from_secs(3)));
        assert_eq!(
            next,
            ["      20      38,912       120.1       15.50     1.00e-3       20.5k"]
        );
    }

    #[test]
    fn the_speed_of_a_resumed_run_leaves_out_what_was_done_before() {
        let mut columns = Columns::default();
        let start = Instant::now();
        columns.advance(100, start);
        let lines = plain(columns.row(None, 110, 109_000, &metrics(1.0), start + Duration::from_secs(1)));
        assert!(lines[1].ends_with(" 10.0k"), "{}", lines[1]);
    }

    #[test]
    fn the_header_comes_again() {
        let mut columns = Columns::default();
        let rows: Vec<usize> = (1..=60)
            .filter(|step| {
                columns
                    .row(None, *step, *step, &metrics(1.0), Instant::now())
                    .len()
                    == 2
            })
            .map(|step| step as usize)
            .collect();
        assert_eq!(rows, [1, 26, 51]);
    }
}
