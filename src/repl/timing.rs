//! Commands that measure: `:time`, `:bench`.

use std::time::{Duration, Instant};

use super::session::{Next, Session};
use crate::error::Result;
use crate::report::format;

/// `:bench` goes on for about so long …
const BUDGET: Duration = Duration::from_secs(1);
/// … and calls at most so often.
const MOST: usize = 100_000;

/// Says how long an entry takes.
pub(super) fn time(session: &mut Session, expression: &str) -> Result<Next> {
    let start = Instant::now();
    let next = session.evaluate(expression)?;
    let took = start.elapsed();
    session.printer.line(&format!("took {}", precise(took)));
    Ok(next)
}

/// Calls an expression again and again, and says how long a call takes.
pub(super) fn bench(session: &mut Session, expression: &str) -> Result<Next> {
    let mut took = session.interactive.borrow_mut().bench(expression, BUDGET, MOST)?;
    took.sort();
    let at = |share: usize| precise(took[(took.len() - 1) * share / 100]);
    session.printer.line(&format!(
        "{} each (median of {}; fastest {}, 95% within {})",
        at(50),
        format::amount(took.len() as u64, None, "calls"),
        at(0),
        at(95)
    ));
    Ok(Next::Continue)
}

/// `850 ns`, `12.3 µs`, `4.56 ms`, or as [`format::duration`].
fn precise(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    match took.as_nanos() {
        0..1_000 => format!("{} ns", took.as_nanos()),
        1_000..1_000_000 => format!("{:.2} µs", seconds * 1e6),
        1_000_000..1_000_000_000 => format!("{:.3} ms", seconds * 1e3),
        _ => format::duration(took),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_of_their_size() {
        for (nanoseconds, wanted) in [
            (850, "850 ns"),
            (12_340, "12.34 µs"),
            (4_567_000, "4.567 ms"),
            (2_500_000_000, "2.5 s"),
        ] {
            assert_eq!(precise(Duration::from_nanos(nanoseconds)), wanted);
        }
    }
}
