//! `print_table`, `sparkline`, and the small things a script needs from its surroundings.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map};

use crate::error::{Error, Result, a};
use crate::report::Table;
use crate::script::failure::{Raise, RhaiResultOf, raise};
use crate::script::state::State;

/// Numbers in a table: whole ones as they are, others with enough digits to compare.
fn cell_text(context: &NativeCallContext, value: &Dynamic) -> String {
    if value.is_unit() {
        return String::new();
    }
    match value.as_float() {
        Ok(number) => crate::report::format::metric(number),
        Err(_) => context
            .call_fn::<ImmutableString>("to_string", (value.clone(),))
            .map_or_else(|_| value.to_string(), Into::into),
    }
}

/// A table from an array of maps (columns are their keys) or of arrays (no column names).
fn table_of(context: &NativeCallContext, rows: &Array, columns: Option<Vec<String>>) -> Result<Table> {
    let wrong = |index: usize, given: &Dynamic| {
        Error::input(format!(
            "a table is made of maps or of arrays, but row {index} is {}",
            a(context.engine().map_type_name(given.type_name()))
        ))
    };
    let mut names: Vec<String> = columns.clone().unwrap_or_default();
    if columns.is_none() {
        for row in rows.iter().filter_map(|row| row.read_lock::<Map>()) {
            for name in row
                .keys()
                .filter(|name| !names.iter().any(|known| known == name.as_str()))
                .collect::<Vec<_>>()
            {
                names.push(name.to_string());
            }
        }
    }
    let mut table = Table::new(names.clone());
    for (index, row) in rows.iter().enumerate() {
        if let Some(map) = row.read_lock::<Map>() {
            table.row(names.iter().map(|name| {
                map.get(name.as_str())
                    .map_or(String::new(), |value| cell_text(context, value))
            }));
        } else if let Some(cells) = row.read_lock::<Array>() {
            table.row(cells.iter().map(|value| cell_text(context, value)));
        } else {
            return Err(wrong(index, row));
        }
    }
    Ok(table)
}

fn print_through(context: &NativeCallContext, text: String) -> RhaiResultOf<()> {
    // The engine's `print` is the one way out, so that a progress bar or a test can take it over.
    context.call_native_fn::<()>("print", (text,))
}

/// What `exit(code)` ends the script with. It goes past every `catch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitCode(pub u8);

fn number(value: &Dynamic) -> Result<f64> {
    let integer = value.as_int().map(|number| number as f64);
    integer
        .or_else(|_| value.as_float())
        .map_err(|given| Error::input(format!("expected numbers, but was given {given}")))
}

/// Output and surroundings.
#[export_module(manifest)]
pub mod functions {
    /// Prints an array of maps, or of arrays, as a table. The columns of maps are their keys.
    #[rhai_fn(return_raw, volatile)]
    pub fn print_table(context: NativeCallContext, rows: Array) -> RhaiResultOf<()> {
        let table = table_of(&context, &rows, None).raise()?;
        print_through(&context, table.render(None))
    }

    /// Prints the named columns, in that order; rows that are arrays are taken in order.
    #[rhai_fn(name = "print_table", return_raw, volatile)]
    pub fn print_columns(context: NativeCallContext, rows: Array, columns: Array) -> RhaiResultOf<()> {
        let names = columns.iter().map(ToString::to_string).collect();
        let table = table_of(&context, &rows, Some(names)).raise()?;
        print_through(&context, table.render(None))
    }

    /// Returns numbers as one line of bars: `▁▃▆█`. What is no number leaves a gap.
    #[rhai_fn(return_raw)]
    pub fn sparkline(numbers: Array) -> RhaiResultOf<String> {
        let numbers: Vec<f64> = numbers.iter().map(number).collect::<Result<_>>().raise()?;
        Ok(crate::report::format::bars(&numbers))
    }

    /// Returns the path of a folder among the temporary files that is the script's own: made at the first call, and removed
    /// with all that is in it when the program ends.
    #[rhai_fn(return_raw, volatile)]
    pub fn temporary_folder(context: NativeCallContext) -> RhaiResultOf<String> {
        let folder = State::of(&context).temporary_folder().raise()?;
        Ok(folder.display().to_string())
    }

    /// Returns the value of an environment variable, or `()` if it is not set. Scripts may read some (`SAESCRIPT_…`, those
    /// of Slurm and torchrun, …), and others with `--allow-env`; never those that hold tokens.
    #[rhai_fn(volatile)]
    pub fn env(name: &str) -> Dynamic {
        std::env::var(name).map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// Ends the script with exit code 0.
    #[rhai_fn(return_raw, volatile)]
    pub fn exit(context: NativeCallContext) -> RhaiResultOf<()> {
        exit_with(context, 0)
    }

    /// Ends the script; the program's exit code is `code`, from 0 to 255.
    #[rhai_fn(name = "exit", return_raw, volatile)]
    pub fn exit_with(context: NativeCallContext, code: i64) -> RhaiResultOf<()> {
        match u8::try_from(code) {
            Ok(code) => {
                // Whoever called the closure in which this stands may take the error for one of its own.
                State::of(&context).ask_to_exit(code);
                Err(EvalAltResult::ErrorTerminated(Dynamic::from(ExitCode(code)), Position::NONE).into())
            }
            Err(_) => Err(raise(Error::input(format!(
                "an exit code is a number from 0 to 255, but was given {code}"
            )))),
        }
    }

    /// Returns the seconds since 1970, with fractions.
    #[rhai_fn(volatile, return_raw)]
    pub fn time() -> RhaiResultOf<f64> {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since
            .map(|time| time.as_secs_f64())
            .map_err(|_| raise(Error::run("the clock of this machine stands before 1970")))
    }
}
