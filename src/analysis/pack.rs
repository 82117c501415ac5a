//! Rows of numbers in one value, with which an analysis that was broken off goes on.

use crate::error::{Error, Result};

/// Writes rows of numbers, each with its length before it.
#[derive(Default)]
pub(super) struct Packed(Vec<u8>);

macro_rules! rows_of {
    ($($name:ident: $number:ty),*) => {
        impl Packed {
            $(
                #[doc = concat!("Writes a row of `", stringify!($number), "`.")]
                pub(super) fn $name(&mut self, row: &[$number]) {
                    self.0.extend((row.len() as u64).to_le_bytes());
                    self.0.extend(row.iter().flat_map(|number| number.to_le_bytes()));
                }
            )*
        }

        impl Unpacked<'_> {
            $(
                #[doc = concat!("Reads a row of `", stringify!($number), "`.")]
                ///
                /// # Errors
                /// There is none.
                pub(super) fn $name(&mut self) -> Result<Vec<$number>> {
                    const BYTES: usize = size_of::<$number>();
                    let length = self.take(8)?.try_into().map(u64::from_le_bytes).map_err(|_| broken())?;
                    let bytes = usize::try_from(length).ok().and_then(|length| length.checked_mul(BYTES));
                    let (numbers, _) = self.take(bytes.ok_or_else(broken)?)?.as_chunks::<BYTES>();
                    Ok(numbers.iter().map(|bytes| <$number>::from_le_bytes(*bytes)).collect())
                }
            )*
        }
    };
}

rows_of!(u8s: u8, u16s: u16, u32s: u32, u64s: u64, f32s: f32, f64s: f64);

impl Packed {
    /// Returns what was written.
    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads what [`Packed`] wrote, in the same order.
pub(super) struct Unpacked<'a>(&'a [u8]);

impl<'a> Unpacked<'a> {
    /// Reads from `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Unpacked(bytes)
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or_else(broken)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// Says that what an analysis would go on from is not whole.
pub(super) fn broken() -> Error {
    Error::run("what the store keeps of the unfinished analysis is damaged, so it cannot go on")
        .hint("begin it anew with `--replace`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_were_written() {
        let mut packed = Packed::default();
        packed.u32s(&[1, 2, 3]);
        packed.f64s(&[]);
        packed.u16s(&[7]);
        let bytes = packed.done();
        let mut unpacked = Unpacked::new(&bytes);
        assert_eq!(unpacked.u32s().expect("a row"), [1, 2, 3]);
        assert_eq!(unpacked.f64s().expect("a row"), [0.0; 0]);
        assert_eq!(unpacked.u16s().expect("a row"), [7]);
        assert!(unpacked.u16s().is_err());
        assert!(Unpacked::new(&bytes[..10]).u32s().is_err(), "cut off");
    }
}
