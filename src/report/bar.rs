//! A progress bar on a terminal: rate, time left and the few numbers worth watching; logged metrics scroll above it.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::columns::Columns;
use super::format;
use super::printer::Printer;

use super::terminal::{self, Terminal};
use super::visible::visible;
use super::words::{numbers, saved, warning};
use crate::error::{Error, Result};
use crate::event::{Control, Event, Observer};

/// How often the numbers beside the bar change: no faster than they can be read.
const REFRESH: Duration = Duration::from_millis(100);

/// Shows events on a terminal.
pub(super) struct Bar {
    printer: Printer,
    /// One bar for each task, the innermost last.
    tasks: Vec<Task>,
    columns: Columns,
}

struct Task {
    bar: ProgressBar,
    refreshed: Option<Instant>,
}

impl Bar {
    pub(super) fn new(printer: Printer) -> Self {
        const REDRAWS_A_SECOND: u8 = 20;
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(Terminal::new()), REDRAWS_A_SECOND);
        printer.bars().set_draw_target(target);
        Bar {
            printer,
            tasks: Vec::new(),
            columns: Columns::default(),
        }
    }

    fn start(&mut self, title: &str, unit: &'static str, total: Option<u64>) -> Result<()> {
        if self.tasks.is_empty() {
            self.columns.start();
        }
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        let bar = self.printer.bars().add(
            bar.with_style(style(unit, total)?)
                .with_prefix(visible(title).into_owned()),
        );
        bar.enable_steady_tick(Duration::from_millis(200));
        self.tasks.push(Task { bar, refreshed: None });
        Ok(())
    }

    fn advance(&mut self, done: u64, shown: &[(&'static str, f64)]) {
        let now = Instant::now();
        if self.tasks.len() == 1 {
            self.columns.advance(done, now);
        }
        let Some(task) = self.tasks.last_mut() else { return };
        task.bar.set_position(done);
        if task
            .refreshed
            .is_none_or(|then| now.duration_since(then) >= REFRESH)
        {
            task.refreshed = Some(now);
            task.bar.set_message(numbers(shown));
        }
    }
}

impl Observer for Bar {
    fn on(&mut self, event: &Event) -> Result<Control> {
        match event {
            Event::TaskStarted { title, unit, total } => self.start(title, unit, *total)?,
            Event::TaskAdvanced { done, shown } => self.advance(*done, shown),
            Event::TaskFinished => {
                if let Some(task) = self.tasks.pop() {
                    task.bar.finish_and_clear();
                    self.printer.bars().remove(&task.bar);
                }
            }
            Event::Logged {
                run,
                step,
                tokens,
                metrics,
            } => {
                for line in self
                    .columns
                    .row(run.as_deref(), *step, *tokens, metrics, Instant::now())
                {
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

/// Work that was stopped by an error or by Ctrl-C leaves no bar behind.
impl Drop for Bar {
    fn drop(&mut self) {
        for task in self.tasks.drain(..).rev() {
            task.bar.finish_and_clear();
        }
    }
}

fn style(unit: &'static str, total: Option<u64>) -> Result<ProgressStyle> {
    // A narrow terminal has no room for both the bar and the numbers.
    const NARROW: u16 = 110;
    let template = match total {
        Some(_) if terminal::size().0 < NARROW => "{prefix}  {amount}  {speed}  {left}  {wide_msg}",
        Some(_) => "{prefix} {bar:20.cyan/dim} {percent:>3}%  {amount}  {speed}  {left}  {wide_msg}",
        None => "{spinner} {prefix}  {amount}  {speed}  {elapsed_precise}  {wide_msg}",
    };
    let style = ProgressStyle::with_template(template)
        .map_err(|error| Error::run(format!("cannot draw a progress bar: {error}")))?;
    let amount = move |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        let _ = text.write_str(&format::amount(state.pos(), state.len(), unit));
    };
    let speed = move |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        let _ = text.write_str(&format::speed(state.per_sec(), unit));
    };
    let left = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        let _ = match state.pos() {
            0 => text.write_str("…"),
            _ => write!(text, "{} left", format::duration(state.eta())),
        };
    };
    Ok(style
        .with_key("amount", amount)
        .with_key("speed", speed)
        .with_key("left", left)
        .progress_chars("━╸─"))
}
