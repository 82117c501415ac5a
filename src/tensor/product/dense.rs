//! Products of float32 matrices by the crate `gemm`, on libtorch's threads: it uses AVX-512 on processors of every make.

use gemm::Parallelism;
use tch::{Device, Kind, TchError, Tensor};

use crate::native::parallel;

/// Fewer multiplications than this are not worth another way.
const LEAST: i64 = 1 << 20;

/// A matrix as it lies in memory.
#[derive(Clone, Copy)]
struct Matrix {
    start: *mut f32,
    rows: i64,
    columns: i64,
    row_stride: isize,
    column_stride: isize,
}

// SAFETY: the products below read shared parts and write parts that do not overlap.
unsafe impl Sync for Matrix {}

impl Matrix {
    fn of(tensor: &Tensor) -> Self {
        let (size, strides) = (tensor.size(), tensor.stride());
        Matrix {
            start: tensor.data_ptr().cast(),
            rows: size[0],
            columns: size[1],
            row_stride: strides[0] as isize,
            column_stride: strides[1] as isize,
        }
    }

    fn transposed(self) -> Self {
        Matrix {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// Returns whether [`multiply`] can do `a b`, and is worth it: large float32 matrices of the CPU without a graph.
pub(super) fn applies(a: &Tensor, b: &Tensor) -> bool {
    let plain = |x: &Tensor| {
        x.dim() == 2 && x.kind() == Kind::Float && x.device() == Device::Cpu && !x.requires_grad()
    };
    let size = |x: &Tensor, dim: usize| x.size()[dim];
    plain(a)
        && plain(b)
        && size(a, 1) == size(b, 0)
        && size(a, 0).saturating_mul(size(a, 1)).saturating_mul(size(b, 1)) >= LEAST
        && size(a, 0) > 1
        && size(b, 1) > 1
}

/// Returns whether `sum` can take `a b`.
pub(super) fn applies_to(sum: &Tensor, a: &Tensor, b: &Tensor) -> bool {
    sum.kind() == Kind::Float
        && sum.device() == Device::Cpu
        && !sum.requires_grad()
        && sum.size() == [a.size()[0], b.size()[1]]
}

/// Returns `a b`, for which [`applies`] says yes.
///
/// # Errors
/// Too little memory.
pub(super) fn multiply(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    let out = Tensor::f_empty([a.size()[0], b.size()[1]], (Kind::Float, Device::Cpu))?;
    into(&out, a, b, false);
    Ok(out)
}

/// Puts `a b` into `out`, or adds it to what is there.
pub(super) fn into(out: &Tensor, a: &Tensor, b: &Tensor, adds: bool) {
    let (mut out, mut a, mut b) = (Matrix::of(out), Matrix::of(a), Matrix::of(b));
    if out.rows < out.columns {
        // Threads share the longer side: (a b)ᵀ = bᵀ aᵀ.
        (out, a, b) = (out.transposed(), b.transposed(), a.transposed());
    }
    let (out, a, b) = (&out, &a, &b);
    parallel::for_ranges(out.rows as usize, 64, |rows| {
        // SAFETY: shapes fit as `applies` has seen, strides are the tensors' own, and no two ranges share a row of the
        // result, which no input overlaps.
        unsafe {
            gemm::gemm(
                rows.len(),
                out.columns as usize,
                a.columns as usize,
                out.start.offset(rows.start as isize * out.row_stride),
                out.column_stride,
                out.row_stride,
                adds,
                a.start.offset(rows.start as isize * a.row_stride),
                a.column_stride,
                a.row_stride,
                b.start,
                b.column_stride,
                b.row_stride,
                1.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    });
}
