//! What a file's header tells without its numbers.

use serde_json::{Map, Value};

/// What the beginning of a file tells about one of its tensors.
pub enum Beginning {
    /// Its shape.
    Shape(Vec<i64>),
    /// So many bytes of the file are needed to tell.
    Needs(u64),
    /// Nothing: it is no such file, or has no such tensor.
    Nothing,
}

/// Looks for the shape of `tensor` in the first bytes of a file.
pub fn beginning(bytes: &[u8], tensor: &str) -> Beginning {
    let Some(length) = header_length(bytes) else {
        return Beginning::Nothing;
    };
    let needs = length.saturating_add(8);
    // The format allows no longer header.
    if needs > bytes.len() as u64 {
        return if length <= 100_000_000 {
            Beginning::Needs(needs)
        } else {
            Beginning::Nothing
        };
    }
    let header: Option<Map<String, Value>> = serde_json::from_slice(&bytes[8..needs as usize]).ok();
    let sizes = header
        .as_ref()
        .and_then(|header| header.get(tensor)?["shape"].as_array());
    let shape = sizes.and_then(|sizes| sizes.iter().map(Value::as_i64).collect());
    shape.map_or(Beginning::Nothing, Beginning::Shape)
}

fn header_length(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?))
}

/// Returns the file size that the header of `bytes` stands for.
pub(super) fn announced_size(bytes: &[u8]) -> Option<usize> {
    let start = 8 + usize::try_from(header_length(bytes)?).ok()?;
    let header: Map<String, Value> = serde_json::from_slice(bytes.get(8..start)?).ok()?;
    let end = header
        .values()
        .filter_map(|tensor| tensor["data_offsets"][1].as_u64())
        .max()
        .unwrap_or(0);
    Some(start + usize::try_from(end).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_known_from_the_first_bytes() {
        let header = br#"{"activation":{"dtype":"F32","shape":[3,4,5],"data_offsets":[0,240]}}"#;
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header);
        assert!(matches!(beginning(&file, "activation"), Beginning::Shape(shape) if shape == [3, 4, 5]));
        assert!(matches!(beginning(&file, "other"), Beginning::Nothing));
        let whole = file.len() as u64;
        assert!(matches!(beginning(&file[..20], "activation"), Beginning::Needs(bytes) if bytes == whole));
        for wrong in [&b"12"[..], b"<html>no such thing</html>", &[255; 40]] {
            assert!(matches!(beginning(wrong, "activation"), Beginning::Nothing));
        }
    }
}
