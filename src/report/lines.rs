//! Plain lines where there is no terminal: a file, a pipe, the log of a batch job.
//!
//! Every logged step gets its row. Between them, a task says how far it is at most once every few seconds, so that a
//! day's run does not fill a disk.

use std::time::{Duration, Instant};

use super::columns::Columns;
use super::format;
use super::printer::Printer;
use super::words::{numbers, saved, warning};
use crate::error::Result;
use crate::event::{Control, Event, Observer};

/// The least time between two lines about the same task.
const PATIENCE: Duration = Duration::from_secs(5);
/// A task that took less than this is not worth a line at its end.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// Writes events as plain lines.
pub(super) struct Lines {
    printer: Printer,
    tasks: Vec<Task>,
    columns: Columns,
}

struct Task {
    title: String,
    unit: &'static str,
    total: Option<u64>,
    started: Instant,
    /// When how much was done at the first report: what the rate is measured from.
    first: Option<(Instant, u64)>,
    done: u64,
    spoke: Instant,
}

impl Lines {
    pub(super) fn new(printer: Printer) -> Self {
        Lines {
            printer,
            tasks: Vec::new(),
            columns: Columns::default(),
        }
    }

    fn start(&mut self, title: &str, unit: &'static str, total: Option<u64>) {
        if self.tasks.is_empty() {
            self.columns.start();
        }
        let now = Instant::now();
        self.tasks.push(Task {
            title: title.to_string(),
            unit,
            total,
            started: now,
            first: None,
            done: 0,
            spoke: now,
        });
        self.printer.remark(&match total {
            Some(total) => format!("{title}: {}", format::amount(total, None, unit)),
            None => format!("{title} …"),
        });
    }

    fn advance(&mut self, done: u64, shown: &[(&'static str, f64)]) {
        let now = Instant::now();
        if self.tasks.len() == 1 {
            self.columns.advance(done, now);
        }
        let Some(task) = self.tasks.last_mut() else { return };
        task.done = done;
        task.first.get_or_insert((now, done));
        if now.duration_since(task.spoke) >= PATIENCE {
            task.spoke = now;
            self.printer.remark(&task.line(now, shown));
        }
    }

    fn finish(&mut self) {
        let Some(task) = self.tasks.pop() else { return };
        let took = task.started.elapsed();
        if took >= WORTH_TELLING {
            let amount = format::amount(task.done, None, task.unit);
            self.printer
                .remark(&format!("{}: {amount} in {}", task.title, format::duration(took)));
        }
    }
}

impl Task {
    /// `training: 45/140 steps (32%), 12.3 steps/s, 8 s left, loss 123.5  L0 16.00`.
    fn line(&self, now: Instant, shown: &[(&'static str, f64)]) -> String {
        let mut line = format!(
            "{}: {}",
            self.title,
            format::amount(self.done, self.total, self.unit)
        );
        if let Some(total) = self.total.filter(|total| *total > 0) {
            line += &format!(" ({}%)", self.done * 100 / total);
        }
        if let Some(rate) = self.rate(now) {
            line += &format!(", {}", format::speed(rate, self.unit));
            if let Some(total) = self.total {
                let left = total.saturating_sub(self.done) as f64 / rate;
                line += &format!(
                    ", {} left",
                    format::duration(Duration::try_from_secs_f64(left).unwrap_or_default())
                );
            }
        }
        if !shown.is_empty() {
            line += &format!(", {}", numbers(shown));
        }
        line
    }

    fn rate(&self, now: Instant) -> Option<f64> {
        let (then, from) = self.first?;
        let rate = (self.done.checked_sub(from)?) as f64 / now.duration_since(then).as_secs_f64();
        (rate.is_finite() && rate > 0.0).then_some(rate)
    }
}

impl Observer for Lines {
    fn on(&mut self, event: &Event) -> Result<Control> {
        match event {
            Event::TaskStarted { title, unit, total } => self.start(title, unit, *total),
            Event::TaskAdvanced { done, shown } => self.advance(*done, shown),
            Event::TaskFinished => self.finish(),
            Event::Logged {
                run,
                step,
                tokens,
                metrics,
            } => {
                let now = Instant::now();
                if let Some(task) = self.tasks.last_mut() {
                    task.spoke = now;
                }
                for line in self.columns.row(run.as_deref(), *step, *tokens, metrics, now) {
                    self.printer.styled_remark(&line);
                }
            }
            Event::Saved { what, path } => self.printer.remark(&saved(what, path)),
            Event::RunStarted { .. } | Event::Distribution { .. } => {}
            Event::Note(text) => self.printer.remark(text),
            Event::Warning(text) => self.printer.styled_remark(&warning(text)),
        }
        Ok(Control::Continue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(done: u64, total: Option<u64>) -> (Task, Instant) {
        let start = Instant::now();
        let task = Task {
            title: "training".into(),
            unit: "steps",
            total,
            started: start,
            first: Some((start, 5)),
            done,
            spoke: start,
        };
        (task, start + Duration::from_secs(4))
    }

    #[test]
    fn a_line_tells_amount_rate_time_left_and_numbers() {
        let (task, now) = task(45, Some(140));
        assert_eq!(
            task.line(now, &[("loss", 123.456), ("L0", 16.0)]),
            "training: 45/140 steps (32%), 10.0 steps/s, 9.5 s left, loss 123.5  L0 16.00"
        );
    }

    #[test]
    fn nothing_is_promised_when_the_end_is_unknown() {
        let (task, now) = task(45, None);
        assert_eq!(task.line(now, &[]), "training: 45 steps, 10.0 steps/s");
    }

    #[test]
    fn work_that_does_not_move_has_no_rate() {
        let (task, now) = task(5, Some(140));
        assert_eq!(task.line(now, &[]), "training: 5/140 steps (3%)");
    }
}
