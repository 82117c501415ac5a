//! The format's own words: dtypes, and the key of notes.

use safetensors::tensor::Dtype;
use tch::Kind;

/// The dtypes that both sides know.
pub(super) const DTYPES: &[(Dtype, &str, Kind)] = &[
    (Dtype::F32, "F32", Kind::Float),
    (Dtype::F16, "F16", Kind::Half),
    (Dtype::BF16, "BF16", Kind::BFloat16),
    (Dtype::F64, "F64", Kind::Double),
    (Dtype::I64, "I64", Kind::Int64),
    (Dtype::I32, "I32", Kind::Int),
    (Dtype::I16, "I16", Kind::Int16),
    (Dtype::I8, "I8", Kind::Int8),
    (Dtype::U8, "U8", Kind::Uint8),
    (Dtype::BOOL, "BOOL", Kind::Bool),
];

/// The header's key of free-form notes.
pub(super) const NOTES: &str = "__metadata__";

pub(super) fn kind_of(dtype: Dtype) -> Option<Kind> {
    DTYPES
        .iter()
        .find(|(theirs, _, _)| *theirs == dtype)
        .map(|(_, _, kind)| *kind)
}
