//! What is printed of a case.

#![allow(clippy::print_stdout)] // the measurements

use saescript::tensor::Device;
use saescript::train::Part;
use serde_json::{Map, Value, json};

use super::allocations::{Asked, LARGE_FROM};
use super::clock::{Times, Took, milliseconds};
use super::measure::Measured;

impl Measured {
    /// Returns steps in units: of the processor's time, or by the clock where a GPU works.
    fn ratio(&self, of: fn(&Times) -> Took) -> f64 {
        let cost = |took: Took| match self.device {
            Device::Cpu => took.processor,
            _ => took.wall,
        };
        cost(of(&self.step)) / cost(of(&self.unit))
    }

    /// Returns the parts of a step and their milliseconds of the processor, without those that took none.
    fn parts(&self) -> Vec<(&'static str, f64)> {
        let steps = self.profile.steps.max(1) as f64;
        let of = |part: Part| {
            let spent = milliseconds(self.profile.spent(part).processor);
            (part.name(), spent / steps)
        };
        let parts = Part::ALL.into_iter().map(of);
        parts.filter(|(_, time)| *time >= 0.005).collect()
    }

    fn is_streamed(&self) -> bool {
        self.waiting.median().processor > 0.1
    }

    /// Prints it for people.
    pub fn print(&self, compare: &str) {
        let (step, unit) = (self.step.median(), self.unit.median());
        let case = &self.case;
        println!(
            "{}: {} × {} → {}, k {}, {}, {} kernels, {} thread(s), {:?}",
            case.name,
            case.batch,
            case.d_model * case.heads,
            case.d_sae,
            case.k,
            self.engine,
            self.profile.kernels,
            saescript::tensor::get_num_threads(),
            self.device,
        );
        println!(
            "  {:.2} units (least {:.2}): {:.1} ms a step of {:.1} ms; wall {:.1} of {:.1}; {:.0} tokens/s",
            self.ratio(Times::median),
            self.ratio(Times::least),
            step.processor,
            unit.processor,
            step.wall,
            unit.wall,
            case.batch as f64 / step.wall * 1e3,
        );
        self.print_parts();
        self.print_memory();
        let figures: Vec<String> = self
            .figures
            .iter()
            .map(|(name, value)| format!("{name} {value:.4}"))
            .collect();
        println!("  {}", figures.join(", "));
        let peer = self.peer.median();
        if peer.processor.is_finite() {
            println!(
                "  {compare}: {:.2} units (least {:.2}): {:.1} ms a step, wall {:.1}; ours takes {:.0}% of it",
                peer.processor / unit.processor,
                self.peer.least().processor / self.unit.least().processor,
                peer.processor,
                peer.wall,
                100.0 * step.processor / peer.processor,
            );
        }
    }

    /// Prints where the time went.
    fn print_parts(&self) {
        let mut parts = self.parts();
        if self.is_streamed() {
            let waiting = self.waiting.median();
            parts.insert(0, ("batches", waiting.processor));
            parts.insert(0, ("waiting by the clock", waiting.wall));
        }
        let parts: Vec<String> = parts
            .iter()
            .map(|(name, time)| format!("{name} {time:.1}"))
            .collect();
        println!("  ms: {}", parts.join(", "));
        let counts = self.profile.screening;
        if counts.rows > 0 {
            let rows = counts.rows as f64;
            println!(
                "  screening: {:.1} candidates a token, {:.2}% redone, {:.2}% in full",
                counts.candidates as f64 / rows,
                100.0 * counts.redone as f64 / rows,
                100.0 * counts.full as f64 / rows,
            );
        }
    }

    /// Prints what was held and asked for.
    fn print_memory(&self) {
        let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        if let Some(peak) = self.peak {
            let (peak, bound) = (mebibytes(peak), mebibytes(self.bound));
            println!("  memory: {peak:.0} MiB at most, bound {bound:.0} MiB");
        }
        let Asked { calls, large, bytes } = self.asked;
        println!(
            "  allocations: {calls} a step, {large} of at least {LARGE_FROM} bytes, {} KiB in all",
            bytes >> 10,
        );
    }

    /// Prints it as a line of JSON.
    pub fn print_json(&self, compare: &str) {
        let case = &self.case;
        let both = |times: &Times| json!({"median": times.median(), "least": times.least()});
        let counts = self.profile.screening;
        let named = |pairs: Vec<(&'static str, f64)>| -> Map<String, Value> {
            let pairs = pairs
                .into_iter()
                .map(|(name, value)| (name.to_string(), value.into()));
            pairs.collect()
        };
        let mut line = json!({
            "case": case.name, "batch": case.batch, "d_model": case.d_model, "heads": case.heads,
            "d_sae": case.d_sae, "k": case.k, "device": format!("{:?}", self.device), "engine": self.engine, "kernels": self.profile.kernels,
            "threads": saescript::tensor::get_num_threads(),
            "ratio": self.ratio(Times::median),
            "least_ratio": self.ratio(Times::least),
            "tokens_per_second": case.batch as f64 / self.step.median().wall * 1e3,
            "step_ms": both(&self.step), "unit_ms": both(&self.unit), "parts_ms": named(self.parts()),
            "screening": {
                "rows": counts.rows, "candidates": counts.candidates, "redone": counts.redone, "full": counts.full,
            },
            "peak_bytes": self.peak, "bound_bytes": self.bound,
            "allocations": {"calls": self.asked.calls, "large": self.asked.large, "bytes": self.asked.bytes}, "figures": named(self.figures.clone()),
        });
        if self.is_streamed() {
            line["batches_ms"] = both(&self.waiting);
        }
        if self.peer.median().processor.is_finite() {
            line["peer"] = json!({"name": compare, "step_ms": both(&self.peer)});
        }
        println!("{line}");
    }
}
