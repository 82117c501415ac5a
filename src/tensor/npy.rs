//! NumPy's files: `.npy`, one array, and `.npz`, an archive of them by name.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. A magic word, a version, the length
//! of a header, the header as a dictionary of Python's with dtype, order and shape, then the numbers.

use std::io::{self, BufReader, Read, Seek, Write};
use std::path::Path;

use tch::{Device, Kind, Tensor};
use zip::result::ZipError;
use zip::write::FileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::{DType, size};
use crate::error::{Context, Error, Result};
use crate::{atomic, files, memory};

const MAGIC: &[u8] = b"\x93NUMPY";
/// What is before the numbers is filled up to a multiple of it.
const ALIGNMENT: usize = 64;
/// The longest header that is read: of 64 dimensions it is shorter.
const HEADER_MOST: u32 = 1 << 16;
const SUFFIX: &str = ".npy";

/// NumPy's name of a dtype, without the order of bytes, and ours.
const DTYPES: [(&str, Kind); 9] = [
    ("b1", Kind::Bool),
    ("u1", Kind::Uint8),
    ("i1", Kind::Int8),
    ("i2", Kind::Int16),
    ("i4", Kind::Int),
    ("i8", Kind::Int64),
    ("f2", Kind::Half),
    ("f4", Kind::Float),
    ("f8", Kind::Double),
];

/// What the header says.
#[derive(Debug, PartialEq)]
struct Header {
    kind: Kind,
    is_big_endian: bool,
    is_fortran: bool,
    shape: Vec<i64>,
}

/// Returns the array of a `.npy` file, on the CPU.
///
/// # Errors
/// No such file, or none of that format; a dtype that tensors do not have; more than the memory holds.
pub fn read(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    let file = files::open(path).map_err(|error| Error::io("read", path, error))?;
    let mut reader = BufReader::new(file);
    array(&mut reader).context(format!("in `{}`", path.display()))
}

/// Returns the arrays of a `.npz` file by their names, on the CPU.
///
/// # Errors
/// As of [`read`].
pub fn read_all(path: impl AsRef<Path>) -> Result<Vec<(String, Tensor)>> {
    let path = path.as_ref();
    let file = files::open(path).map_err(|error| Error::io("read", path, error))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| unreadable(path, &error))?;
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive
            .by_index(index)
            .map_err(|error| unreadable(path, &error))?;
        let name = entry.name().to_string();
        let name = name.strip_suffix(SUFFIX).unwrap_or(&name).to_string();
        let context = format!("in `{name}` of `{}`", path.display());
        arrays.push((name, array(&mut entry).context(context)?));
    }
    Ok(arrays)
}

fn unreadable(path: &Path, error: &ZipError) -> Error {
    let name = path.display();
    match error {
        ZipError::Io(error) => Error::io("read", path, io::Error::new(error.kind(), error.to_string())),
        _ => Error::input(format!("`{name}` is no archive of arrays: {error}"))
            .hint("`np.savez` writes such files; a single array is in a .npy file"),
    }
}

fn cut_short(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            Error::input("the array was cut short").hint("copy or save the file again")
        }
        _ => Error::input(format!("the array cannot be read: {error}")),
    }
}

fn no_array() -> Error {
    Error::input("this is no array of NumPy's").hint("`np.save` and `np.savez` write .npy and .npz files")
}

/// Reads one array to its end, after which nothing may stand.
fn array(reader: &mut impl Read) -> Result<Tensor> {
    let header = Header::read(reader)?;
    size::admit(&header.shape, header.kind, Device::Cpu)?;
    let width = header.kind.elt_size_in_bytes();
    let length = size::elements(&header.shape)?.saturating_mul(width as u64);
    memory::admit(length.saturating_mul(2), "an array of a file")?;
    // Only what is there is made room for.
    let mut bytes = Vec::new();
    let found = reader.take(length).read_to_end(&mut bytes).map_err(cut_short)?;
    if (found as u64) < length {
        return Err(cut_short(io::ErrorKind::UnexpectedEof.into()));
    }
    if reader.read(&mut [0]).map_err(cut_short)? > 0 {
        return Err(Error::input("there are bytes after the end of the array"));
    }
    if header.is_big_endian {
        bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    header.tensor(&bytes)
}

impl Header {
    fn read(reader: &mut impl Read) -> Result<Header> {
        let mut start = [0; 8];
        reader.read_exact(&mut start).map_err(|_| no_array())?;
        if &start[..6] != MAGIC {
            return Err(no_array());
        }
        let length = match start[6] {
            1 => {
                let mut length = [0; 2];
                reader.read_exact(&mut length).map_err(cut_short)?;
                u32::from(u16::from_le_bytes(length))
            }
            2 | 3 => {
                let mut length = [0; 4];
                reader.read_exact(&mut length).map_err(cut_short)?;
                u32::from_le_bytes(length)
            }
            version => {
                return Err(Error::input(format!(
                    "arrays of version 1 to 3 can be read, but this is of version {version}"
                )));
            }
        };
        if length > HEADER_MOST {
            return Err(Error::input(format!(
                "the header of an array has at most {HEADER_MOST} bytes, but this one has {length}"
            )));
        }
        let mut text = vec![0; length as usize];
        reader.read_exact(&mut text).map_err(cut_short)?;
        let text = String::from_utf8(text).map_err(|_| no_array())?;
        Header::parse(&text)
    }

    /// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`
    fn parse(text: &str) -> Result<Header> {
        let wrong = || {
            Error::input(format!(
                "the header of the array is not understood: `{}`",
                text.trim()
            ))
        };
        let inside = text
            .trim()
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let inside = inside.ok_or_else(wrong)?;
        let value = |key: &str| {
            let (_, rest) = inside.split_once(&format!("'{key}':"))?;
            Some(rest.trim_start())
        };
        let descr = value("descr").ok_or_else(wrong)?;
        let descr = descr.strip_prefix('\'').and_then(|rest| rest.split_once('\''));
        let Some((descr, _)) = descr else {
            return Err(Error::input("the array holds records, which are no numbers"));
        };
        let (order, name) = match descr.split_at_checked(1) {
            Some((order @ ("<" | ">" | "|" | "="), name)) => (order, name),
            _ => ("=", descr),
        };
        let found = DTYPES.iter().find(|(known, _)| *known == name);
        let kind = found.map(|(_, kind)| *kind).ok_or_else(|| no_dtype(descr))?;
        let fortran = value("fortran_order").ok_or_else(wrong)?;
        let shape = value("shape").and_then(|rest| rest.strip_prefix('('));
        let (shape, _) = shape.and_then(|rest| rest.split_once(')')).ok_or_else(wrong)?;
        let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
        // Python 2 wrote `3L`.
        let size = |size: &str| size.trim_end_matches('L').parse::<i64>().map_err(|_| wrong());
        Ok(Header {
            kind,
            is_big_endian: order == ">",
            is_fortran: match fortran {
                text if text.starts_with("True") => true,
                text if text.starts_with("False") => false,
                _ => return Err(wrong()),
            },
            shape: sizes.map(size).collect::<Result<_>>()?,
        })
    }

    fn tensor(&self, bytes: &[u8]) -> Result<Tensor> {
        let mut shape = self.shape.clone();
        if self.is_fortran {
            shape.reverse();
        }
        // A byte that is neither 0 nor 1 is no truth value.
        let tensor = match self.kind {
            Kind::Bool => Tensor::f_from_data_size(bytes, &shape, Kind::Uint8)?.f_ne(0i64)?,
            kind => Tensor::f_from_data_size(bytes, &shape, kind)?,
        };
        if !self.is_fortran {
            return Ok(tensor);
        }
        let turned: Vec<i64> = (0..shape.len() as i64).rev().collect();
        Ok(tensor.f_permute(&turned)?.f_contiguous()?)
    }
}

fn no_dtype(descr: &str) -> Error {
    let named: Vec<&str> = DType::all()
        .filter(|dtype| *dtype != DType::BFLOAT16)
        .map(DType::name)
        .collect();
    Error::input(format!(
        "the array is of NumPy's dtype `{descr}`, which tensors do not have"
    ))
    .hint(format!("save it as one of {}", named.join(", ")))
}

/// Writes an array as a `.npy` file, whole or not at all.
///
/// # Errors
/// A dtype that NumPy does not have, bfloat16; the file cannot be written.
pub fn write(path: impl AsRef<Path>, tensor: &Tensor) -> Result<()> {
    let (header, bytes) = written(tensor)?;
    atomic::write_with(path, |file| {
        file.write_all(&header)?;
        file.write_all(&bytes)
    })
}

/// Writes arrays by their names as a `.npz` file, whole or not at all, with the same bytes every time.
///
/// # Errors
/// As of [`write`].
pub fn write_all(path: impl AsRef<Path>, tensors: &[(&str, &Tensor)]) -> Result<()> {
    let mut arrays = Vec::new();
    for (name, tensor) in tensors {
        arrays.push((name, written(tensor).map_err(|error| error.under(*name))?));
    }
    atomic::write_with(path, |file| {
        pack(&mut *file, arrays.iter().map(|(name, array)| (**name, array))).map_err(io::Error::other)
    })
}

type Written = (Vec<u8>, Vec<u8>);

fn pack<'a>(
    file: impl Write + Seek,
    arrays: impl Iterator<Item = (&'a str, &'a Written)>,
) -> Result<(), ZipError> {
    let options = FileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .large_file(true);
    let mut archive = ZipWriter::new(file);
    for (name, (header, bytes)) in arrays {
        archive.start_file(format!("{name}{SUFFIX}"), options)?;
        archive.write_all(header)?;
        archive.write_all(bytes)?;
    }
    archive.finish().map(drop)
}

/// The header, with all that stands before it, and the numbers.
fn written(tensor: &Tensor) -> Result<Written> {
    let kind = tensor.kind();
    let Some((name, _)) = DTYPES.iter().find(|(_, known)| *known == kind) else {
        return Err(Error::input(format!("NumPy has no dtype {}", DType::from(kind)))
            .hint("turn it into float32 first: `.float()`"));
    };
    size::admit_like(tensor, kind)?;
    let sizes: String = tensor.size().iter().map(|size| format!("{size}, ")).collect();
    // A comma alone makes a tuple of one.
    let sizes = match tensor.dim() {
        1 => sizes.trim_end().to_string(),
        _ => sizes.trim_end_matches(", ").to_string(),
    };
    let order = if kind.elt_size_in_bytes() == 1 { "|" } else { "<" };
    let mut text = format!("{{'descr': '{order}{name}', 'fortran_order': False, 'shape': ({sizes}), }}");
    let before = MAGIC.len() + 4;
    let filled = (before + text.len() + 1).next_multiple_of(ALIGNMENT);
    text.extend(std::iter::repeat_n(' ', filled - before - text.len() - 1));
    text.push('\n');
    let length = text.len() as u16;
    let header = [MAGIC, &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat();
    let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?;
    let count = tensor.numel();
    let mut bytes = vec![0; count * kind.elt_size_in_bytes()];
    if count > 0 {
        tensor.f_copy_data_u8(&mut bytes, count)?;
    }
    Ok((header, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with this header and these numbers.
    fn file(header: &str, numbers: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), numbers].concat()
    }

    fn read_bytes(bytes: &[u8]) -> Result<Tensor> {
        array(&mut &bytes[..])
    }

    #[test]
    fn what_is_written_is_read() {
        for (shape, kind) in [
            (vec![2, 3], Kind::Float),
            (vec![], Kind::Int64),
            (vec![4], Kind::Half),
            (vec![0, 2], Kind::Double),
            (vec![3], Kind::Bool),
        ] {
            let count = shape.iter().product::<i64>();
            let tensor = Tensor::arange(count, (Kind::Int64, Device::Cpu))
                .to_kind(kind)
                .reshape(&shape);
            let (header, bytes) = written(&tensor).expect("written");
            assert_eq!(header.len() % ALIGNMENT, 0);
            let read = read_bytes(&[header, bytes].concat()).expect("read");
            assert_eq!((read.size(), read.kind()), (shape, kind));
            assert!(read.equal(&tensor));
        }
    }

    #[test]
    fn columns_first_and_the_other_order_of_bytes() {
        let numbers: Vec<u8> = (1..=4i16).flat_map(i16::to_be_bytes).collect();
        let header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 2), }";
        let read = read_bytes(&file(header, &numbers)).expect("read");
        assert_eq!(
            Vec::<i64>::try_from(read.to_kind(Kind::Int64).flatten(0, -1)).expect("numbers"),
            [1, 3, 2, 4]
        );
    }

    #[test]
    fn what_is_no_array_is_refused_in_words() {
        let said = |header: &str, numbers: &[u8]| {
            let error = read_bytes(&file(header, numbers)).expect_err("refused");
            error.message().to_string()
        };
        let plain = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        assert!(said(&plain("(2,)"), &[0; 4]).contains("cut short"));
        assert!(said(&plain("(1,)"), &[0; 9]).contains("after the end"));
        assert!(said(&plain("(-1,)"), &[]).contains("at least 0"));
        assert!(said(&plain("(1000000000, 1000000000)"), &[]).contains("memory"));
        assert!(said(&plain("(9223372036854775807, 9)"), &[]).contains("memory"));
        assert!(said(&plain("[2]"), &[]).contains("not understood"));
        assert!(
            said(
                "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
                &[0; 8]
            )
            .contains("do not have")
        );
        assert!(said("{'descr': [('a', '<f4')], 'shape': (1,)}", &[]).contains("records"));
        for bytes in [
            &b""[..],
            b"\x93NUMP",
            b"PK\x03\x04 and more",
            b"\x93NUMPY\x09\x00\xff\xff",
        ] {
            assert!(read_bytes(bytes).is_err(), "{bytes:?}");
        }
    }
}
