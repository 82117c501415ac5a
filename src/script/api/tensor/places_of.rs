//! What an index means: numbers, ranges, arrays, tensors, and Python's notation in a text.

use std::ops::{Range, RangeInclusive};

use rhai::Dynamic;

use super::{Options, TensorHandle, from_dynamic, input_error};
use crate::error::{Error, Result};
use crate::tensor::{Kind, Tensor};

/// What is done with one dimension or several.
#[derive(Debug)]
pub enum Part {
    /// One entry; the dimension goes away.
    Entry(i64),
    /// Entries from `start` to `end`, by steps.
    Slice {
        /// The first; `None` for the very first.
        start: Option<i64>,
        /// The first that is left out; `None` for none.
        end: Option<i64>,
        /// At least 1.
        step: i64,
    },
    /// A new dimension of size 1.
    New,
    /// All dimensions that no other part takes.
    Rest,
    /// Entries by their numbers, or where a mask is true.
    Gather(Tensor),
}

impl Part {
    /// Returns how many of the tensor's dimensions it takes.
    pub fn dimensions(&self) -> usize {
        match self {
            Part::New | Part::Rest => 0,
            Part::Gather(mask) if mask.kind() == Kind::Bool => mask.dim(),
            _ => 1,
        }
    }
}

const ALL: Part = Part::Slice {
    start: None,
    end: None,
    step: 1,
};

/// Returns what a value in an index of `tensor` means: several parts where it is a text with commas.
///
/// # Errors
/// It is none of these, or a text that is no index.
pub fn parts_of(tensor: &Tensor, index: &Dynamic) -> Result<Vec<Part>> {
    if let Ok(number) = index.as_int() {
        return Ok(vec![Part::Entry(number)]);
    }
    if let Ok(text) = index.clone().into_immutable_string() {
        return parts_in(&text);
    }
    if index.is_unit() {
        return Ok(vec![ALL]);
    }
    if let Some(range) = index.clone().try_cast::<Range<i64>>() {
        return Ok(vec![slice(range.start, Some(range.end))]);
    }
    if let Some(range) = index.clone().try_cast::<RangeInclusive<i64>>() {
        let end = (*range.end() != -1).then_some(range.end().saturating_add(1));
        return Ok(vec![slice(*range.start(), end)]);
    }
    if let Some(handle) = index.clone().try_cast::<TensorHandle>() {
        return Ok(vec![Part::Gather(handle.tensor().shallow_clone())]);
    }
    if index.is_array() {
        let indices = from_dynamic(index, &Options::default())?;
        // No numbers are no floats either.
        let kind = match indices.numel() {
            0 => Kind::Int64,
            _ => indices.kind(),
        };
        let indices = indices.f_to_kind(kind).map_err(input_error)?;
        let indices = indices.f_to_device(tensor.device()).map_err(input_error)?;
        return Ok(vec![Part::Gather(indices)]);
    }
    Err(
        Error::input("a tensor is indexed with numbers, ranges, arrays of numbers, or another tensor").hint(
            "several dimensions and steps stand in a text, as in Python: `x[\":, 0\"]`, `x[\"..., ::2\"]`",
        ),
    )
}

fn slice(start: i64, end: Option<i64>) -> Part {
    Part::Slice {
        start: Some(start),
        end,
        step: 1,
    }
}

/// `..., 0, 1:3, ::2, None` as in Python.
fn parts_in(text: &str) -> Result<Vec<Part>> {
    let parts: Vec<Part> = text
        .trim()
        .trim_end_matches(',')
        .split(',')
        .map(|part| part_in(part.trim(), text))
        .collect::<Result<_>>()?;
    check_rests(&parts)?;
    Ok(parts)
}

/// Only one part can stand for all dimensions that are left.
///
/// # Errors
/// There are more.
pub fn check_rests(parts: &[Part]) -> Result<()> {
    if parts.iter().filter(|part| matches!(part, Part::Rest)).count() > 1 {
        return Err(Error::input("an index has at most one `...`"));
    }
    Ok(())
}

fn part_in(part: &str, text: &str) -> Result<Part> {
    let wrong = || {
        Error::input(format!(
            "`{text}` is no index: `{part}` is no number and no range"
        ))
        .hint("write it as in Python: `0, 1:3, ::2, -1, ..., None`")
    };
    let number = |part: &str| part.trim().parse::<i64>().map_err(|_| wrong());
    let bound = |part: &str| match part.trim() {
        "" => Ok(None),
        part => number(part).map(Some),
    };
    match part {
        "..." => return Ok(Part::Rest),
        "None" | "newaxis" => return Ok(Part::New),
        _ if !part.contains(':') => return number(part).map(Part::Entry),
        _ => (),
    }
    let bounds: Vec<Option<i64>> = part.split(':').map(bound).collect::<Result<_>>()?;
    let (start, end, step) = match bounds[..] {
        [start, end] => (start, end, 1),
        [start, end, step] => (start, end, step.unwrap_or(1)),
        _ => return Err(wrong()),
    };
    if step < 1 {
        return Err(
            Error::input(format!("a step is at least 1, but is {step} in `{text}`"))
                .hint("`x.flip(0)` turns the order around"),
        );
    }
    Ok(Part::Slice { start, end, step })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_python_reads_them() {
        let shown = |text: &str| match parts_in(text) {
            Ok(parts) => format!("{parts:?}").replace("Slice { start: None, end: None, step: 1 }", "All"),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown(":, 0"), "[All, Entry(0)]");
        assert_eq!(shown("..., None, -1,"), "[Rest, New, Entry(-1)]");
        assert_eq!(shown("1:"), "[Slice { start: Some(1), end: None, step: 1 }]");
        assert_eq!(shown(":-1:2"), "[Slice { start: None, end: Some(-1), step: 2 }]");
        assert!(shown("::-1").contains("flip"));
        assert!(shown("..., ...").contains("at most one"));
        for wrong in ["a", "1:2:3:4", "", "1,,2", "1.5", "99999999999999999999"] {
            assert!(shown(wrong).contains("is no index"), "{wrong}: {}", shown(wrong));
        }
    }
}
