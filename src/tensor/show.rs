//! Tensors as text: the way PyTorch prints them, and for large ones the corners with shape and statistics.

use tch::{Device, Kind, Tensor};

use super::{DType, integer};

/// Up to so many elements are printed in full.
const FULL: usize = 1000;
/// So many entries are shown at either end of a long dimension.
const EDGE: i64 = 3;
/// Width of a line of one-dimensional tensors.
const WIDTH: usize = 80;

/// Returns the text of a tensor: values, dtype where it is not the obvious one, and for large ones shape and
/// statistics.
pub fn show(tensor: &Tensor) -> String {
    try_show(tensor).unwrap_or_else(|error| format!("tensor(<{}>)", crate::Error::from(error)))
}

/// Returns one line about a tensor that stands among others: a single number as it is, else shape and dtype.
pub fn summarise(tensor: &Tensor) -> String {
    if tensor.numel() == 1 && tensor.dim() == 0 {
        return show(tensor);
    }
    let mut text = format!(
        "tensor(shape={:?}, dtype={}",
        tensor.size(),
        DType::from(tensor.kind())
    );
    if let Device::Cuda(index) = tensor.device() {
        text.push_str(&format!(", device='cuda:{index}'"));
    }
    text + ")"
}

fn try_show(tensor: &Tensor) -> Result<String, tch::TchError> {
    let tensor = tensor.f_detach()?;
    let large = tensor.numel() > FULL;
    let corners = if large {
        corner_entries(&tensor)?
    } else {
        tensor.f_flatten(0, -1)?
    };
    let format = Format::of(&corners, tensor.kind())?;
    let values = match tensor.dim() {
        0 => format.texts(&corners)?.concat().trim_start().to_string(),
        // However many empty rows there are.
        _ if tensor.numel() == 0 => "[]".to_string(),
        _ => rows(&tensor, &format, large, 7)?,
    };
    let mut notes = vec![values];
    if tensor.numel() == 0 || large {
        notes.push(format!("shape={:?}", tensor.size()));
    }
    let kind = tensor.kind();
    let obvious = matches!(kind, Kind::Float | Kind::Int64 | Kind::Bool);
    if large || !obvious || tensor.numel() == 0 {
        notes.push(format!("dtype={}", DType::from(kind)));
    }
    if let Device::Cuda(index) = tensor.device() {
        notes.push(format!("device='cuda:{index}'"));
    }
    let text = format!("tensor({})", notes.join(", "));
    if large {
        Ok(format!("{text}\n{}", statistics(&tensor)?))
    } else {
        Ok(text)
    }
}

/// Mean, spread and range of a large tensor, and what is not finite in it.
fn statistics(tensor: &Tensor) -> Result<String, tch::TchError> {
    if tensor.kind() == Kind::Bool {
        let count = tensor.f_sum(Kind::Int64)?.f_int64_value(&[])?;
        return Ok(format!("  true: {count} of {}", tensor.numel()));
    }
    let values = tensor.f_to_kind(Kind::Float)?;
    let finite_mask = values.f_isfinite()?;
    let finite = values.f_masked_select(&finite_mask)?;
    let odd = values.numel() - finite.numel();
    if finite.numel() == 0 {
        return Ok("  no finite values".into());
    }
    let one = |t: Result<Tensor, tch::TchError>| t?.f_double_value(&[]);
    let zeros = finite.f_eq(0.0)?.f_sum(Kind::Int64)?.f_int64_value(&[])?;
    let mut text = format!(
        "  mean {}  std {}  min {}  max {}",
        short(one(finite.f_mean(Kind::Double))?),
        short(one(finite.f_to_kind(Kind::Double)?.f_std(false))?),
        short(one(finite.f_min())?),
        short(one(finite.f_max())?),
    );
    if zeros > 0 {
        text.push_str(&format!(
            "  zeros {:.1}%",
            100.0 * zeros as f64 / tensor.numel() as f64
        ));
    }
    if odd > 0 {
        text.push_str(&format!("  not finite {odd}"));
    }
    Ok(text)
}

fn short(number: f64) -> String {
    match number.abs() {
        0.0 => "0".into(),
        size if (1e-3..1e5).contains(&size) => format!("{number:.4}"),
        _ => format!("{number:.3e}"),
    }
}

/// The entries that will be visible, for the choice of the number format.
fn corner_entries(tensor: &Tensor) -> Result<Tensor, tch::TchError> {
    let mut corners = tensor.shallow_clone();
    for dim in 0..tensor.dim() as i64 {
        let size = corners.size()[dim as usize];
        if size > 2 * EDGE {
            let ends = [
                corners.f_narrow(dim, 0, EDGE)?,
                corners.f_narrow(dim, size - EDGE, EDGE)?,
            ];
            corners = Tensor::f_cat(&ends, dim)?;
        }
    }
    corners.f_flatten(0, -1)
}

/// Nested rows; `indent` is the column of the opening bracket.
fn rows(tensor: &Tensor, format: &Format, large: bool, indent: usize) -> Result<String, tch::TchError> {
    let size = tensor.size()[0];
    let folded = large && size > 2 * EDGE;
    if tensor.dim() == 1 {
        let mut parts = if folded {
            format.texts(&corner_entries(tensor)?)?
        } else {
            format.texts(tensor)?
        };
        if folded {
            parts.insert(EDGE as usize, "...".to_string());
        }
        return Ok(format!("[{}]", wrap(&parts, indent + 1)));
    }
    let shown: Vec<i64> = if folded {
        (0..EDGE).chain(size - EDGE..size).collect()
    } else {
        (0..size).collect()
    };
    let mut parts = Vec::new();
    for (at, index) in shown.iter().enumerate() {
        if folded && at as i64 == EDGE {
            parts.push("...".to_string());
        }
        parts.push(rows(&tensor.f_select(0, *index)?, format, large, indent + 1)?);
    }
    let gap = "\n".repeat(tensor.dim() - 1);
    Ok(format!(
        "[{}]",
        parts.join(&format!(",{gap}{}", " ".repeat(indent + 1)))
    ))
}

/// Numbers with commas, broken into lines of [`WIDTH`].
fn wrap(parts: &[String], indent: usize) -> String {
    let mut text = String::new();
    let mut column = indent;
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            text.push(',');
            if column + part.len() + 2 > WIDTH {
                text.push('\n');
                text.push_str(&" ".repeat(indent));
                column = indent;
            } else {
                text.push(' ');
                column += 2;
            }
        }
        text.push_str(part);
        column += part.len();
    }
    text
}

/// How numbers are written so that columns line up, as PyTorch chooses it.
struct Format {
    kind: Style,
    width: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    Whole,
    /// Floats that are all whole: `1.`
    Point,
    /// Four digits after the point.
    Fixed,
    Scientific,
    Truth,
}

/// The numbers of a tensor of one dimension.
fn floats(entries: &Tensor) -> Result<Vec<f64>, tch::TchError> {
    Vec::<f64>::try_from(
        entries
            .f_to_kind(Kind::Double)?
            .f_to_device(Device::Cpu)?
            .f_contiguous()?,
    )
}

/// The whole numbers of a tensor of one dimension. Floats would round them beyond 2^53.
fn whole_numbers(entries: &Tensor) -> Result<Vec<i64>, tch::TchError> {
    Vec::<i64>::try_from(
        entries
            .f_to_kind(Kind::Int64)?
            .f_to_device(Device::Cpu)?
            .f_contiguous()?,
    )
}

impl Format {
    fn of(entries: &Tensor, kind: Kind) -> Result<Format, tch::TchError> {
        if integer::is_integral(kind) {
            let kind = match kind {
                Kind::Bool => Style::Truth,
                _ => Style::Whole,
            };
            let mut format = Format { kind, width: 0 };
            let texts = format.texts(entries)?;
            format.width = texts.iter().map(String::len).max().unwrap_or(0);
            return Ok(format);
        }
        let values = floats(entries)?;
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let largest = finite().map(f64::abs).fold(0.0, f64::max);
        let smallest = finite()
            .map(f64::abs)
            .filter(|size| *size > 0.0)
            .fold(f64::INFINITY, f64::min);
        let whole = finite().all(|value| value.fract() == 0.0);
        let style = match () {
            () if whole && largest < 1e8 => Style::Point,
            () if largest >= 1e8
                || smallest < 1e-4
                || largest / smallest > 1e3 && !whole && smallest < 1e-3 =>
            {
                Style::Scientific
            }
            () => Style::Fixed,
        };
        let mut format = Format {
            kind: style,
            width: 0,
        };
        format.width = values
            .iter()
            .map(|value| format.number(*value).len())
            .max()
            .unwrap_or(0);
        Ok(format)
    }

    /// The text of every number of a tensor of one dimension.
    fn texts(&self, entries: &Tensor) -> Result<Vec<String>, tch::TchError> {
        let width = self.width;
        Ok(match self.kind {
            Style::Truth => whole_numbers(entries)?
                .into_iter()
                .map(|value| format!("{:>5}", value != 0))
                .collect(),
            Style::Whole => whole_numbers(entries)?
                .into_iter()
                .map(|value| format!("{value:>width$}"))
                .collect(),
            _ => floats(entries)?
                .into_iter()
                .map(|value| self.number(value))
                .collect(),
        })
    }

    fn number(&self, value: f64) -> String {
        let text = match self.kind {
            _ if value.is_nan() => "nan".into(),
            _ if value.is_infinite() => {
                if value > 0.0 {
                    "inf".into()
                } else {
                    "-inf".into()
                }
            }
            Style::Point => format!("{value:.0}."),
            Style::Scientific => scientific(value),
            Style::Fixed | Style::Whole | Style::Truth => format!("{value:.4}"),
        };
        format!("{text:>width$}", width = self.width)
    }
}

/// `1.2346e-05`: two digits of exponent at least, as in PyTorch.
fn scientific(value: f64) -> String {
    let text = format!("{value:.4e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, size) = match exponent.strip_prefix('-') {
        Some(size) => ('-', size),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{size:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_tensors_look_as_in_pytorch() {
        let t = Tensor::from_slice(&[1.0f32, -2.5, 3.25, 4.0]).reshape([2, 2]);
        assert_eq!(
            show(&t),
            "tensor([[ 1.0000, -2.5000],\n        [ 3.2500,  4.0000]])"
        );
        assert_eq!(show(&Tensor::from_slice(&[1.0f32, 2.0])), "tensor([1., 2.])");
        assert_eq!(show(&Tensor::from_slice(&[1i64, -20])), "tensor([  1, -20])");
        assert_eq!(
            show(&Tensor::from_slice(&[9_007_199_254_740_993i64])),
            "tensor([9007199254740993])"
        );
        assert_eq!(
            show(&Tensor::from_slice(&[true, false])),
            "tensor([ true, false])"
        );
        assert_eq!(show(&Tensor::from(2.5f32)), "tensor(2.5000)");
        assert_eq!(
            show(&Tensor::from_slice(&[1e-6f32, 1.0])),
            "tensor([1.0000e-06, 1.0000e+00])"
        );
        assert_eq!(
            show(&Tensor::from_slice(&[1.5f64])),
            "tensor([1.5000], dtype=float64)"
        );
        assert_eq!(
            show(&Tensor::zeros([0, 3], (Kind::Float, Device::Cpu))),
            "tensor([], shape=[0, 3], dtype=float32)"
        );
        assert_eq!(
            show(&Tensor::zeros([1_000_000_000_000, 0], (Kind::Float, Device::Cpu))),
            "tensor([], shape=[1000000000000, 0], dtype=float32)"
        );
    }

    #[test]
    fn large_tensors_show_corners_and_statistics() {
        let t = Tensor::arange(10_000, (Kind::Float, Device::Cpu)).reshape([100, 100]);
        let text = show(&t);
        assert!(text.contains("..."), "{text}");
        assert!(text.contains("shape=[100, 100], dtype=float32"), "{text}");
        assert!(text.contains("mean 4999.5000"), "{text}");
        assert!(text.lines().count() < 10, "{text}");
    }
}
