//! Rows of little-endian numbers in one value.

/// Writes numbers one after the other.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// Returns a writer with room for so many bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Writer(Vec::with_capacity(bytes))
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn f32(&mut self, value: f32) {
        self.0.extend(value.to_le_bytes());
    }

    /// Writes `value` rounded to float16.
    pub(super) fn f16(&mut self, value: f32) {
        self.0.extend(half::f16::from_f32(value).to_le_bytes());
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads numbers one after the other; `None` where none are left.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_le_bytes)
    }

    pub(super) fn f32(&mut self) -> Option<f32> {
        self.take().map(f32::from_le_bytes)
    }

    pub(super) fn f16(&mut self) -> Option<f32> {
        self.take().map(|bytes| half::f16::from_le_bytes(bytes).to_f32())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all numbers that are left; `None` if a part of one is.
    pub(super) fn all<T>(mut self, next: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut numbers = Vec::new();
        while !self.is_empty() {
            numbers.push(next(&mut self)?);
        }
        Some(numbers)
    }
}

/// Returns `pairs` as {uint32, float32} each.
pub(super) fn pairs(pairs: impl Iterator<Item = (u32, f32)>) -> Vec<u8> {
    let mut writer = Writer::default();
    for (number, value) in pairs {
        writer.u32(number);
        writer.f32(value);
    }
    writer.done()
}

/// Returns what [`pairs`] wrote; `None` if it did not.
pub(super) fn read_pairs(bytes: &[u8]) -> Option<Vec<(u32, f32)>> {
    Reader::new(bytes).all(|reader| Some((reader.u32()?, reader.f32()?)))
}
