//! What libtorch fails with, as an error.

use tch::TchError;

use crate::error::Error;

/// Keeps the first line of what libtorch says; its C++ stack is of no use to the reader.
impl From<TchError> for Error {
    fn from(error: TchError) -> Self {
        let text = error.to_string();
        let first = text
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("unknown error")
            .trim();
        let first = first.trim_start_matches("Internal torch error: ");
        let first = first.split(" (function ").next().unwrap_or(first);
        let first = first.split(" Exception raised from").next().unwrap_or(first);
        let advice = "use a smaller batch, expansion factor or model, or half precision";
        // The CPU's allocator: "[enforce fail at alloc_cpu.cpp:127] … you tried to allocate 4000 bytes. Error code 12 …"
        if let Some((_, wanted)) = first.split_once("you tried to allocate ") {
            let bytes = wanted.split(" bytes").next().unwrap_or(wanted);
            return Self::run(format!("out of memory: {bytes} bytes are not to be had")).hint(advice);
        }
        if first.to_lowercase().contains("out of memory") {
            return Self::run(format!("out of memory: {first}")).hint(advice);
        }
        // Where a check of libtorch's own failed in its sources is of no use either.
        let said = match first
            .strip_prefix("[enforce fail at ")
            .and_then(|rest| rest.split_once("] "))
        {
            Some((_, said)) => said,
            None => first,
        };
        Self::run(format!("libtorch: {said}"))
    }
}
