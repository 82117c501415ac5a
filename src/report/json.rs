//! One JSON object a line for every event, for programs that watch a run.

use serde_json::{Map, Value, json};

use super::printer::Printer;
use super::visible::visible_json;
use crate::error::Result;
use crate::event::{Control, Event, Observer};

/// Writes events as JSON lines to standard error, where script output cannot get between them.
pub(super) struct Json {
    printer: Printer,
}

impl Json {
    pub(super) fn new(printer: Printer) -> Self {
        Json { printer }
    }
}

impl Observer for Json {
    fn on(&mut self, event: &Event) -> Result<Control> {
        self.printer.remark(&visible_json(&object(event).to_string()));
        Ok(Control::Continue)
    }
}

/// Values that JSON has no number for (NaN, infinity) become null.
fn object(event: &Event) -> Value {
    match event {
        Event::TaskStarted { title, unit, total } => {
            json!({"event": "task_started", "title": title, "unit": unit, "total": total})
        }
        Event::TaskAdvanced { done, shown } => {
            let shown: Map<String, Value> = shown
                .iter()
                .map(|(name, value)| (name.to_string(), json!(value)))
                .collect();
            json!({"event": "task_advanced", "done": done, "shown": shown})
        }
        Event::TaskFinished => json!({"event": "task_finished"}),
        Event::Logged {
            run,
            step,
            tokens,
            metrics,
        } => {
            let metrics: Map<String, Value> = metrics
                .iter()
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect();
            of_run(
                json!({"event": "logged", "step": step, "tokens": tokens, "metrics": metrics}),
                run.as_deref(),
            )
        }
        Event::RunStarted { run, step } => {
            of_run(json!({"event": "run_started", "step": step}), run.as_deref())
        }
        Event::Distribution {
            run,
            step,
            name,
            histogram,
        } => of_run(
            json!({
                "event": "distribution", "step": step, "name": name, "min": histogram.min,
                "upper_edges": histogram.upper_edges, "counts": histogram.counts,
            }),
            run.as_deref(),
        ),
        Event::Saved { what, path } => json!({"event": "saved", "what": what, "path": path}),
        Event::Note(text) => json!({"event": "note", "text": text}),
        Event::Warning(text) => json!({"event": "warning", "text": text}),
    }
}

/// With the name of the dictionary, where there are several.
fn of_run(mut object: Value, run: Option<&str>) -> Value {
    if let Some(run) = run {
        object["run"] = json!(run);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_keep_their_names_and_numbers() {
        let event = Event::Logged {
            run: None,
            step: 10,
            tokens: 20_480,
            metrics: vec![("losses/mse_loss".into(), 1.5), ("metrics/l0".into(), f64::NAN)],
        };
        assert_eq!(
            object(&event).to_string(),
            r#"{"event":"logged","step":10,"tokens":20480,"metrics":{"losses/mse_loss":1.5,"metrics/l0":null}}"#
        );
    }
}
