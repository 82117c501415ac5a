//! Blobs as cells; `None` where one is not what this program writes.

use super::kinds::TableCell;
use crate::findings::blobs::{Reader, read_pairs};

pub(super) fn each_byte(bytes: &[u8]) -> Option<TableCell> {
    Some(TableCell::Integers(
        bytes.iter().map(|byte| i64::from(*byte)).collect(),
    ))
}

pub(super) fn as_text(bytes: &[u8]) -> Option<TableCell> {
    Some(TableCell::Text(String::from_utf8_lossy(bytes).into_owned()))
}

pub(super) fn counts(bytes: &[u8]) -> Option<TableCell> {
    let counts = Reader::new(bytes).all(Reader::u32)?;
    Some(TableCell::Integers(counts.into_iter().map(i64::from).collect()))
}

pub(super) fn floats(bytes: &[u8]) -> Option<TableCell> {
    Reader::new(bytes).all(Reader::f32).map(TableCell::Reals)
}

pub(super) fn numbers_of_pairs(bytes: &[u8]) -> Option<TableCell> {
    let pairs = read_pairs(bytes)?.into_iter();
    Some(TableCell::Integers(
        pairs.map(|(number, _)| i64::from(number)).collect(),
    ))
}

pub(super) fn values_of_pairs(bytes: &[u8]) -> Option<TableCell> {
    let pairs = read_pairs(bytes)?.into_iter();
    Some(TableCell::Reals(pairs.map(|(_, value)| value).collect()))
}

pub(super) fn octave_exponent(bytes: &[u8]) -> Option<TableCell> {
    Some(TableCell::Integer(i64::from(Reader::new(bytes).i32()?)))
}

pub(super) fn octave_counts(bytes: &[u8]) -> Option<TableCell> {
    counts(bytes.get(4..)?)
}

pub(super) fn logit_range(bytes: &[u8]) -> Option<TableCell> {
    floats(bytes.get(..8)?)
}

pub(super) fn logit_counts(bytes: &[u8]) -> Option<TableCell> {
    counts(bytes.get(8..)?)
}
