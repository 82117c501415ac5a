//! What a Parquet file's footer says of its schema, looked at before the file is opened.
//!
//! The schema is a tree, written as a list in which each element tells how many of the following are below it. Readers
//! build and drop it by recursion, so a few kilobytes can ask for more stack than there is. Here the tree's depth is
//! found without recursion. The footer is a struct of Thrift's compact protocol:
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>,
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

use std::io::{Read, Seek, SeekFrom};

/// Groups within groups; tables of texts have two or three.
pub(super) const DEEPEST: usize = 64;

const MAGIC: &[u8] = b"PAR1";

/// Types of Thrift's compact protocol.
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;
const I32: u8 = 5;

/// Field numbers of `FileMetaData` and `SchemaElement`.
const SCHEMA: i64 = 2;
const NUM_CHILDREN: i64 = 5;

/// Returns whether the schema is deeper than readers can bear. What is no footer is left to them.
pub(super) fn is_too_deep(file: &mut (impl Read + Seek)) -> std::io::Result<bool> {
    let size = file.seek(SeekFrom::End(0))?;
    if size < 12 {
        return Ok(false);
    }
    let mut tail = [0; 8];
    file.seek(SeekFrom::Start(size - 8))?;
    file.read_exact(&mut tail)?;
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if &tail[4..] != MAGIC || length + 12 > size {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(size - 8 - length))?;
    let mut footer = Vec::new();
    file.take(length).read_to_end(&mut footer)?;
    Ok(depth(&mut Compact(&footer)).is_none_or(|depth| depth > DEEPEST))
}

/// How deep the schema's tree is; `None` for bytes that are no footer, or whose values are nested too deep to be one.
fn depth(footer: &mut Compact<'_>) -> Option<usize> {
    let mut field = 0;
    loop {
        let kind = footer.field(&mut field)?;
        if field == SCHEMA && kind == LIST {
            break;
        }
        footer.skip(kind, 0)?;
    }
    let (count, kind) = footer.list()?;
    if kind != STRUCT {
        return None;
    }
    // How many elements each open group still has to come.
    let mut open: Vec<i64> = Vec::new();
    let mut deepest = 0;
    for _ in 0..count {
        let children = children(footer)?;
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        if children > 0 {
            open.push(children);
        }
        deepest = deepest.max(open.len());
        while open.last().is_some_and(|left| *left <= 0) {
            open.pop();
        }
    }
    Some(deepest)
}

/// Reads one `SchemaElement`: how many elements are below it.
fn children(footer: &mut Compact<'_>) -> Option<i64> {
    let (mut field, mut children) = (0, 0);
    loop {
        match footer.field(&mut field)? {
            0 => return Some(children),
            I32 if field == NUM_CHILDREN => children = footer.integer()?,
            kind => footer.skip(kind, 0)?,
        }
    }
}

/// Bytes in Thrift's compact protocol.
struct Compact<'a>(&'a [u8]);

impl Compact<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn pass(&mut self, bytes: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(bytes).ok()?..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A whole number with a sign, in zigzag order.
    fn integer(&mut self) -> Option<i64> {
        let number = self.varint()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// The next field's type, 0 at the end of the struct; `number` becomes its number.
    fn field(&mut self, number: &mut i64) -> Option<u8> {
        let head = self.byte()?;
        if head & 0x0f == 0 {
            return Some(0);
        }
        *number = match head >> 4 {
            0 => self.integer()?,
            difference => number.checked_add(i64::from(difference))?,
        };
        Some(head & 0x0f)
    }

    /// How many elements a list has, and of which type.
    fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            count => u64::from(count),
        };
        Some((count, head & 0x0f))
    }

    /// Passes over a value that lies `depth` values deep.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match kind {
            1 | 2 => Some(()),
            3 => self.pass(1),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            BINARY => {
                let length = self.varint()?;
                self.pass(length)
            }
            // Lists and sets.
            LIST | 10 => {
                let (count, kind) = self.list()?;
                (0..count).try_for_each(|_| self.element(kind, depth))
            }
            11 => {
                let count = self.varint()?;
                if count == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                (0..count).try_for_each(|_| {
                    self.element(kinds >> 4, depth)?;
                    self.element(kinds & 0x0f, depth)
                })
            }
            STRUCT => {
                let mut field = 0;
                loop {
                    match self.field(&mut field)? {
                        0 => return Some(()),
                        kind => self.skip(kind, depth + 1)?,
                    }
                }
            }
            _ => None,
        }
    }

    /// Passes over an element of a list or a map; a boolean takes a byte there.
    fn element(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            1 | 2 => self.pass(1),
            kind => self.skip(kind, depth + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A file whose schema is so many groups, each within the one before.
    fn nested(groups: usize) -> Vec<u8> {
        // version (i32) 1; schema: a list of so many structs, in the long form.
        let mut footer = vec![0x15, 2, 0x19, 0xfc];
        let mut count = groups as u64 + 1;
        while count > 0x7f {
            footer.push(count as u8 | 0x80);
            count >>= 7;
        }
        footer.push(count as u8);
        for _ in 0..groups {
            // repetition_type (3) required, name (4) "g", num_children (5) 1.
            footer.extend([0x35, 0, 0x18, 1, b'g', 0x15, 2, 0]);
        }
        // type (1) int32, repetition_type, name.
        footer.extend([0x15, 2, 0x25, 0, 0x18, 1, b'x', 0]);
        // num_rows (3) 0, row_groups (4) none, end.
        footer.extend([0x16, 0, 0x19, 0x0c, 0]);
        let mut file = b"PAR1".to_vec();
        file.extend(&footer);
        file.extend((footer.len() as u32).to_le_bytes());
        file.extend(b"PAR1");
        file
    }

    #[test]
    fn the_depth_of_a_schema_is_found_without_its_tree() {
        let too_deep = |groups: usize| is_too_deep(&mut Cursor::new(nested(groups))).expect("readable");
        assert!(!too_deep(1) && !too_deep(DEEPEST));
        assert!(too_deep(DEEPEST + 1) && too_deep(100_000));
        for none in [
            &b""[..],
            b"PAR1",
            b"no such file at all",
            b"PAR1\xff\xff\xff\x7fPAR1",
        ] {
            assert!(!is_too_deep(&mut Cursor::new(none)).expect("readable"));
        }
    }
}
