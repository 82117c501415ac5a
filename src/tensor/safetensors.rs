//! Safetensors files: reading through a memory map, writing atomically and with the same bytes every time.
//!
//! Format: <https://github.com/huggingface/safetensors#format>. Eight bytes of header length (little endian), a JSON
//! header with dtype, shape and offsets of each tensor, then the numbers.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Metadata, SafeTensorError, SafeTensors};
use tch::{Device, Tensor};

mod dtypes;
mod header;
mod write;

use dtypes::kind_of;
use header::announced_size;
pub use header::{Beginning, beginning};
pub use write::{write, write_rows};

use super::DType;
use super::mapped::Mapped;
use crate::error::{Error, Result};
use crate::files;

/// An open safetensors file: its header in memory, its numbers on disk until they are asked for.
#[derive(Debug)]
pub struct SafeFile {
    path: PathBuf,
    map: Mapped,
    header: Metadata,
    /// Where the numbers begin in `map`.
    data: usize,
}

/// Opens the file at `path` and checks its header against its size. No tensor is read yet.
///
/// # Errors
/// No such file, something that is not a safetensors file, or one that was cut short.
pub fn read(path: impl AsRef<Path>) -> Result<SafeFile> {
    let path = path.as_ref();
    let file = files::open(path).map_err(|error| Error::io("read", path, error))?;
    map(&file, path)
}

/// Reads as [`read`] does, from an open file that messages call `path`.
///
/// # Errors
/// As of [`read`].
pub fn map(file: &File, path: &Path) -> Result<SafeFile> {
    let map = Mapped::new(file).map_err(|error| Error::io("read", path, error))?;
    let (length, header) =
        SafeTensors::read_metadata(&map).map_err(|error| unreadable(path, &map, &error))?;
    let file = SafeFile {
        path: path.to_path_buf(),
        map,
        header,
        data: size_of::<u64>() + length,
    };
    file.require_whole().map(|()| file)
}

/// Says in words why the file cannot be read.
fn unreadable(path: &Path, bytes: &[u8], error: &SafeTensorError) -> Error {
    let name = path.display();
    let size = bytes.len();
    let again = "download or save the file again";
    if bytes.starts_with(b"version https://git-lfs") {
        return Error::input(format!(
            "`{name}` is a Git LFS pointer of {size} bytes, not the weights themselves"
        ))
        .hint("run `git lfs pull` in that repository, or download the file from the hub");
    }
    match error {
        SafeTensorError::HeaderTooSmall => Error::input(format!(
            "`{name}` is not a safetensors file: it has only {size} bytes"
        ))
        .hint(again),
        SafeTensorError::InvalidHeaderLength => Error::input(format!(
            "`{name}` was cut short: it has {size} bytes, which is less than its own header"
        ))
        .hint(again),
        SafeTensorError::MetadataIncompleteBuffer => {
            let wanted = announced_size(bytes).unwrap_or_default();
            let what = if wanted > size {
                "was cut short"
            } else {
                "has bytes after its end"
            };
            Error::input(format!(
                "`{name}` {what}: it has {size} bytes, but its header announces {wanted}"
            ))
            .hint(again)
        }
        SafeTensorError::HeaderTooLarge
        | SafeTensorError::InvalidHeader(_)
        | SafeTensorError::InvalidHeaderDeserialization(_) => Error::input(format!(
            "`{name}` is not a safetensors file: it does not begin with a header of that format"
        ))
        .hint("pickled weights (.bin, .pt) have to be converted to safetensors first"),
        other => Error::input(format!("the header of `{name}` contradicts itself: {other}")).hint(again),
    }
}

impl SafeFile {
    /// Returns where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the names of the tensors, in the order in which they lie in the file.
    pub fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    /// Returns whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.header.info(name).is_some()
    }

    /// Returns the shape of a tensor, or `None` if there is none of this name.
    pub fn shape(&self, name: &str) -> Option<Vec<i64>> {
        let info = self.header.info(name)?;
        Some(info.shape.iter().map(|size| *size as i64).collect())
    }

    /// Returns the number format of a tensor as it is stored, or `None` if there is none of this name or its format has
    /// no name here.
    pub fn dtype(&self, name: &str) -> Option<DType> {
        let info = self.header.info(name)?;
        kind_of(info.dtype).map(DType::from)
    }

    /// Returns the free-form notes of the header.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let notes = self.header.metadata().as_ref();
        notes
            .map(|notes| notes.clone().into_iter().collect())
            .unwrap_or_default()
    }

    /// Returns the numbers of a tensor as they lie in the file, little-endian, or `None` if there is none of this name.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        let (start, end) = self.header.info(name)?.data_offsets;
        Some(&self.map[self.data + start..self.data + end])
    }

    /// Has the system bring the whole file into memory and map it, instead of page by page as it is read. Where the
    /// system cannot, nothing is lost but time.
    pub fn bring_in(&self) {
        self.map.bring_in();
    }

    /// Refuses what was read from [`bytes`](Self::bytes) or [`contents`](Self::contents), if the file was cut short
    /// meanwhile: to be asked once it was copied.
    ///
    /// # Errors
    /// Another program truncated the file.
    pub fn require_whole(&self) -> Result<()> {
        if !self.map.was_cut() {
            Ok(())
        } else {
            Err(Error::run(format!(
                "`{}` was truncated by another program while it was read",
                self.path.display()
            ))
            .hint("make it again, and let nothing write to it while it is read"))
        }
    }

    /// Returns the whole file, header included.
    pub fn contents(&self) -> &[u8] {
        &self.map
    }

    /// Returns a copy of a tensor on `device`; cast to `dtype` on the way, or as stored with `None`.
    ///
    /// The numbers are copied once, straight from the map.
    ///
    /// # Errors
    /// There is no such tensor, its format is not supported, or there is not enough memory.
    pub fn tensor(&self, name: &str, device: Device, dtype: Option<DType>) -> Result<Tensor> {
        let rows = 0..self
            .shape(name)
            .and_then(|shape| shape.first().copied())
            .unwrap_or(0);
        self.rows(name, rows, device, dtype)
    }

    /// Returns a copy of some rows of a tensor as [`tensor`](Self::tensor) does of all.
    ///
    /// # Errors
    /// As of [`tensor`](Self::tensor); rows that are not there.
    pub fn rows(&self, name: &str, rows: Range<i64>, device: Device, dtype: Option<DType>) -> Result<Tensor> {
        let info = self.header.info(name).ok_or_else(|| {
            Error::input(format!(
                "there is no tensor `{name}` in `{}`",
                self.path.display()
            ))
            .hint(format!("it holds {}", self.names().join(", ")))
        })?;
        let kind = kind_of(info.dtype).ok_or_else(|| {
            Error::input(format!(
                "tensor `{name}` in `{}` is stored as {:?}, which is not supported",
                self.path.display(),
                info.dtype
            ))
        })?;
        let mut shape: Vec<i64> = info.shape.iter().map(|size| *size as i64).collect();
        let (start, end) = info.data_offsets;
        let mut bytes = &self.map[self.data + start..self.data + end];
        if let Some(all) = shape.first_mut() {
            if rows.start < 0 || rows.start > rows.end || rows.end > *all {
                return Err(Error::run(format!(
                    "tensor `{name}` has {all} rows, not {rows:?}"
                )));
            }
            let row = bytes.len().checked_div(*all as usize).unwrap_or(0);
            bytes = &bytes[rows.start as usize * row..rows.end as usize * row];
            *all = rows.end - rows.start;
        }
        let wanted = dtype.map_or(kind, DType::kind);
        let aligned = bytes.as_ptr().addr().is_multiple_of(kind.elt_size_in_bytes());
        if bytes.is_empty() {
            return Ok(Tensor::f_empty(&shape, (wanted, device))?);
        }
        if !aligned {
            let copy = Tensor::f_from_data_size(bytes, &shape, kind)?;
            self.require_whole()?;
            return Ok(copy.f_to_device_(device, wanted, false, false)?);
        }
        // SAFETY: the view covers exactly `bytes`, which lives as long as `self`; it is copied out of before this
        // function returns and never written to.
        let view = unsafe { Tensor::f_from_blob(bytes.as_ptr(), &shape, &[], kind, Device::Cpu) }?;
        let copy = view.f_to_device_(device, wanted, false, true)?;
        self.require_whole().map(|()| copy)
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::dtypes::NOTES;
    use super::*;

    fn notes() -> BTreeMap<String, String> {
        [("format", "pt"), ("b", "2"), ("a", "1")]
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .into()
    }

    #[test]
    fn what_was_written_is_read_back_and_cast() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.safetensors");
        let a = Tensor::from_slice(&[1.5f32, -2.0, 3.25, 4.0])
            .view([2, 2])
            .transpose(0, 1);
        let b = Tensor::from_slice(&[1i64, 2, 3]);
        let c = a.to_kind(Kind::BFloat16);
        write(
            &path,
            &[
                ("b", &b),
                ("a", &a),
                ("c", &c),
                ("none", &Tensor::zeros([0, 3], (Kind::Float, Device::Cpu))),
            ],
            &notes(),
        )
        .expect("written");
        let file = read(&path).expect("read");
        assert_eq!(file.metadata(), notes());
        assert_eq!(file.shape("a"), Some(vec![2, 2]));
        assert_eq!(file.dtype("c"), Some(DType::BFLOAT16));
        assert_eq!(file.shape("none"), Some(vec![0, 3]));
        let read = |name, dtype| file.tensor(name, Device::Cpu, dtype).expect("a tensor");
        assert!(read("a", None).equal(&a));
        assert!(read("b", None).equal(&b));
        assert!(read("none", None).equal(&Tensor::zeros([0, 3], (Kind::Float, Device::Cpu))));
        let cast = read("c", Some(DType::FLOAT32));
        assert_eq!(cast.kind(), Kind::Float);
        assert!(cast.equal(&a));
    }

    #[test]
    fn rows_are_written_and_read_by_themselves() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.safetensors");
        let a = Tensor::arange(12, (Kind::Float, Device::Cpu)).view([4, 3]);
        let b = Tensor::arange(4, (Kind::Int64, Device::Cpu));
        write_rows(&path, &[("b", &b), ("a", &a)], &[3, 0, 2], &notes()).expect("written");
        let order = Tensor::from_slice(&[3i64, 0, 2]);
        let file = read(&path).expect("read");
        assert_eq!(
            (file.shape("a"), file.shape("b")),
            (Some(vec![3, 3]), Some(vec![3]))
        );
        let all = |name| file.tensor(name, Device::Cpu, None).expect("a tensor");
        assert!(all("a").equal(&a.index_select(0, &order)));
        assert!(all("b").equal(&b.index_select(0, &order)));
        let last = file.rows("a", 1..3, Device::Cpu, None).expect("two rows");
        assert!(last.equal(&a.index_select(0, &order).narrow(0, 1, 2)));
        assert!(file.rows("a", 2..4, Device::Cpu, None).is_err());
        assert!(write_rows(&path, &[("a", &a)], &[4], &notes()).is_err());
    }

    #[test]
    fn the_same_tensors_give_the_same_bytes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (first, second) = (folder.path().join("1"), folder.path().join("2"));
        let a = Tensor::from_slice(&[1.0f32]);
        let b = Tensor::from_slice(&[2.0f64]);
        write(&first, &[("a", &a), ("b", &b)], &notes()).expect("written");
        write(&second, &[("b", &b), ("a", &a)], &notes()).expect("written");
        let bytes = |path| std::fs::read(path).expect("a file");
        assert_eq!(bytes(first), bytes(second));
    }

    #[test]
    fn broken_files_are_told_apart() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("whole");
        let a = Tensor::from_slice(&[1.0f32; 64]);
        write(&path, &[("a", &a)], &BTreeMap::new()).expect("written");
        let whole = std::fs::read(&path).expect("a file");
        let message = |bytes: &[u8]| {
            let path = folder.path().join("broken");
            std::fs::write(&path, bytes).expect("written");
            read(&path).expect_err("broken").message().to_string()
        };
        let size = whole.len();
        assert!(message(&[]).contains("only 0 bytes"));
        assert!(message(&whole[..20]).contains("less than its own header"));
        let cut = message(&whole[..size - 9]);
        assert!(
            cut.contains("was cut short") && cut.contains(&format!("announces {size}")),
            "{cut}"
        );
        let reserved = write(&path, &[(NOTES, &a)], &BTreeMap::new());
        assert!(
            reserved
                .expect_err("refused")
                .message()
                .contains("`__metadata__`")
        );
        let longer = [whole.as_slice(), b"more"].concat();
        assert!(message(&longer).contains("bytes after its end"));
        assert!(message(b"PK\x03\x04 a pickled checkpoint of long ago").contains("not a safetensors file"));
        assert!(message(b"version https://git-lfs.github.com/spec/v1\noid sha256:0").contains("Git LFS"));
    }

    #[test]
    fn a_missing_tensor_is_named_with_those_there_are() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x");
        write(
            &path,
            &[("W_E", &Tensor::from_slice(&[1.0f32]))],
            &BTreeMap::new(),
        )
        .expect("written");
        let error = read(&path)
            .expect("read")
            .tensor("W_D", Device::Cpu, None)
            .expect_err("missing");
        let error = error.to_string();
        assert!(
            error.contains("no tensor `W_D`") && error.ends_with("it holds W_E"),
            "{error}"
        );
    }
}
