//! Matrix products: by whichever library does them fastest here, and in half precision also on processors that have no
//! instructions for it.
//!
//! Where the processor cannot multiply in a dtype, libtorch does it number by number, over a hundred times slower than
//! in float32 (`scripts/bench products`). Products of the CPU in such a dtype are therefore done in float32 on the same
//! numbers and rounded to the dtype afterwards: sums are kept in float32 either way, so this is what a product in the
//! dtype means. Gradients pass through the same roundings.
//!
//! ```text
//! backend   the libraries, and how each is asked
//! dense     the crate gemm, and which products are worth a choice
//! speed     how fast they are here
//! choice    which one this process takes
//! ```

mod backend;
#[cfg(test)]
mod backend_tests;
mod choice;
mod dense;
mod speed;

pub use backend::Backend;
pub use choice::{Choice, Reason, asked, backend, choice, keep};
pub use speed::Milliseconds;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, fs};

use tch::{Device, Kind, TchError, Tensor};

use super::DType;

/// What the processor has for products in half precision, as far as libtorch uses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// AVX-512 (BW, VL and DQ), which is enough for bfloat16: without AVX-512 BF16 it is widened on the way.
    pub avx512: bool,
    /// AVX-512 FP16 or AMX FP16.
    pub fp16: bool,
    /// AVX-NE-CONVERT, which widens both.
    pub converts: bool,
    /// bfloat16 of ARM.
    pub arm_bf16: bool,
    /// float16 of ARM.
    pub arm_fp16: bool,
}

/// Instruction sets that oneDNN can be limited to, which have no products in bfloat16.
const BEFORE_AVX512: [&str; 4] = ["SSE41", "AVX", "AVX2", "AVX2_VNNI"];
/// Those beyond, which have none in float16.
const BEFORE_FP16: [&str; 3] = ["AVX512_CORE", "AVX512_CORE_VNNI", "AVX512_CORE_BF16"];

impl Features {
    /// Reads the flags of /proc/cpuinfo, and what `ONEDNN_MAX_CPU_ISA` limits the products' library to.
    pub fn from_flags(flags: &str, limit: Option<&str>) -> Self {
        let has = |name: &str| flags.split_ascii_whitespace().any(|flag| flag == name);
        let limit = limit.unwrap_or_default().to_ascii_uppercase();
        let no_avx512 = BEFORE_AVX512.contains(&limit.as_str());
        let no_fp16 = no_avx512 || BEFORE_FP16.contains(&limit.as_str());
        Features {
            avx512: has("avx512bw") && has("avx512vl") && has("avx512dq") && !no_avx512,
            fp16: (has("avx512_fp16") || has("amx_fp16")) && !no_fp16,
            converts: has("avx_ne_convert") && !no_avx512,
            arm_bf16: has("bf16"),
            arm_fp16: has("asimdhp"),
        }
    }

    /// Returns those of this machine; none where the system does not tell.
    pub fn here() -> Self {
        static HERE: LazyLock<Features> = LazyLock::new(|| {
            let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
            let line = text
                .lines()
                .find(|line| line.starts_with("flags") || line.starts_with("Features"));
            let limit = env::var("ONEDNN_MAX_CPU_ISA").or_else(|_| env::var("DNNL_MAX_CPU_ISA"));
            Features::from_flags(line.unwrap_or_default(), limit.ok().as_deref())
        });
        *HERE
    }

    /// Returns whether products in this dtype are done by the processor's own instructions.
    pub fn multiply(self, kind: Kind) -> bool {
        match kind {
            Kind::BFloat16 => self.avx512 || self.converts || self.arm_bf16,
            Kind::Half => self.fp16 || self.converts || self.arm_fp16,
            _ => true,
        }
    }
}

/// Returns the dtype in which products of `kind` are done, if it is another one.
pub fn instead_of(kind: Kind, device: Device) -> Option<Kind> {
    if device == Device::Cpu && !Features::here().multiply(kind) {
        Some(Kind::Float)
    } else {
        None
    }
}

/// Returns what to say about products of `kind`, the first time that they are done in another dtype.
pub fn remark(kind: Kind, device: Device) -> Option<String> {
    static BFLOAT16: AtomicBool = AtomicBool::new(false);
    static FLOAT16: AtomicBool = AtomicBool::new(false);
    let said = match kind {
        Kind::BFloat16 => &BFLOAT16,
        _ => &FLOAT16,
    };
    instead_of(kind, device)?;
    (!said.swap(true, Ordering::Relaxed)).then(|| {
        let dtype = DType::from(kind);
        format!(
            "this processor has no products in {dtype}: numbers are rounded to {dtype} and multiplied in float32, \
             which means the same and is much faster"
        )
    })
}

/// Returns what to say of steps by hand whose products are asked for in `kind`, but are done in float32 without rounding to it;
/// the first time.
pub fn remark_by_hand(kind: Kind, device: Device) -> Option<String> {
    static SAID: AtomicBool = AtomicBool::new(false);
    instead_of(kind, device)?;
    if SAID.swap(true, Ordering::Relaxed) {
        return None;
    }
    let dtype = DType::from(kind);
    Some(format!(
        "this processor has no products in {dtype}: steps are computed in float32, which is faster here and more exact"
    ))
}

/// Returns `function` of `inputs`, all of one dtype, whose result has that dtype too; done in another dtype where
/// products of it are.
///
/// # Errors
/// Those of `function`.
pub fn done(
    inputs: &[&Tensor],
    function: impl FnOnce(&[Tensor]) -> Result<Tensor, TchError>,
) -> Result<Tensor, TchError> {
    let kind = inputs.first().map_or(Kind::Float, |input| input.kind());
    let device = inputs.first().map_or(Device::Cpu, |input| input.device());
    done_in(instead_of(kind, device), inputs, function)
}

/// [`done`] with the choice made.
fn done_in(
    instead: Option<Kind>,
    inputs: &[&Tensor],
    function: impl FnOnce(&[Tensor]) -> Result<Tensor, TchError>,
) -> Result<Tensor, TchError> {
    let kind = inputs.first().map_or(Kind::Float, |input| input.kind());
    let inputs = inputs.iter().map(|input| match instead {
        Some(wide) if input.kind() == kind => input.f_to_kind(wide),
        _ => Ok(input.shallow_clone()),
    });
    let inputs: Vec<Tensor> = inputs.collect::<Result<_, _>>()?;
    let result = function(&inputs)?;
    match instead {
        Some(_) => result.f_to_kind(kind),
        None => Ok(result),
    }
}

/// Returns the matrix product of two tensors of one dtype.
///
/// # Errors
/// Shapes or dtypes that do not fit.
pub fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    if a.kind() != b.kind() {
        return a.f_matmul(b);
    }
    done(&[a, b], |inputs| plain(&inputs[0], &inputs[1]))
}

/// Returns the product of two tensors in their own dtype.
fn plain(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    if b.dim() != 2 || a.dim() < 2 || a.size().last() != b.size().first() || a.numel() == 0 {
        return a.f_matmul(b);
    }
    let rows = a.f_reshape([-1, b.size()[0]])?;
    let (rows, columns) = (without_graph(&rows)?, without_graph(b)?);
    if !dense::applies(&rows, &columns) {
        return a.f_matmul(b);
    }
    let mut shape = a.size();
    if let Some(last) = shape.last_mut() {
        *last = b.size()[1];
    }
    chosen()?.multiply(&rows, &columns)?.f_reshape(shape.as_slice())
}

/// Returns the library that multiplies.
fn chosen() -> Result<Backend, TchError> {
    backend().map_err(|error| TchError::Torch(error.to_string()))
}

/// Returns `x` as a constant where no graph is being built, and as it is otherwise.
fn without_graph(x: &Tensor) -> Result<Tensor, TchError> {
    if x.requires_grad() && !super::builds_graph() {
        x.f_detach()
    } else {
        Ok(x.shallow_clone())
    }
}

/// Adds the product `a b` of two matrices to `sum`, all of one dtype and without a graph.
///
/// # Errors
/// Shapes or dtypes that do not fit.
pub fn add_product(sum: &mut Tensor, a: &Tensor, b: &Tensor) -> Result<(), TchError> {
    if instead_of(a.f_kind()?, a.device()).is_some() {
        return sum.f_add_(&matmul(a, b)?).map(drop);
    }
    if dense::applies(a, b) && dense::applies_to(sum, a, b) {
        return chosen()?.add(sum, a, b);
    }
    sum.f_addmm_(a, b).map(drop)
}

/// Puts the product `a b` of two matrices into `out`, all of one dtype and without a graph.
///
/// # Errors
/// Shapes or dtypes that do not fit.
pub fn put_product(out: &mut Tensor, a: &Tensor, b: &Tensor) -> Result<(), TchError> {
    if instead_of(a.f_kind()?, a.device()).is_some() {
        return out.f_copy_(&matmul(a, b)?);
    }
    if dense::applies(a, b) && dense::applies_to(out, a, b) {
        return chosen()?.put(out, a, b);
    }
    a.f_mm_out(out, b).map(drop)
}

/// Returns `x Wᵀ + b`, all of one dtype, `W` of shape `[out, in]`.
///
/// # Errors
/// Shapes or dtypes that do not fit.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, TchError> {
    let mut inputs = vec![x, weight];
    inputs.extend(bias);
    done(&inputs, |inputs| {
        if inputs[0].numel() == 0 || inputs[0].device() != Device::Cpu {
            return inputs[0].f_linear(&inputs[1], inputs.get(2));
        }
        let transposed = inputs[1].f_tr()?;
        let rows = without_graph(&inputs[0].f_reshape([-1, inputs[1].size()[1]])?)?;
        if !dense::applies(&rows, &without_graph(&transposed)?) || chosen()? == Backend::Libtorch {
            return inputs[0].f_linear(&inputs[1], inputs.get(2));
        }
        let mut product = plain(&inputs[0], &transposed)?;
        match inputs.get(2) {
            Some(bias) => product.f_add_(&without_graph(bias)?),
            None => Ok(product),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZEN_5: &str = "avx2 fma avx512f avx512bw avx512vl avx512dq avx512_bf16";

    #[test]
    fn the_choice_is_what_the_features_say() {
        let multiplies = |flags: &str, limit: Option<&str>| {
            let features = Features::from_flags(flags, limit);
            [Kind::Float, Kind::BFloat16, Kind::Half].map(|kind| features.multiply(kind))
        };
        assert_eq!(multiplies("", None), [true, false, false]);
        assert_eq!(multiplies("avx2 fma avx512f", None), [true, false, false]);
        assert_eq!(multiplies(ZEN_5, None), [true, true, false]);
        assert_eq!(multiplies(ZEN_5, Some("avx2")), [true, false, false]);
        assert_eq!(multiplies(ZEN_5, Some("AVX512_CORE")), [true, true, false]);
        let sapphire = format!("{ZEN_5} amx_bf16 avx512_fp16");
        assert_eq!(multiplies(&sapphire, None), [true, true, true]);
        assert_eq!(
            multiplies(&sapphire, Some("AVX512_CORE_BF16")),
            [true, true, false]
        );
        assert_eq!(multiplies("avx2 avx_ne_convert", None), [true, true, true]);
        assert_eq!(multiplies("asimd asimdhp bf16", None), [true, true, true]);
        for kind in [Kind::BFloat16, Kind::Half] {
            let here = Features::here().multiply(kind);
            assert_eq!(instead_of(kind, Device::Cpu).is_none(), here);
            assert_eq!(instead_of(kind, Device::Cuda(0)), None);
        }
        assert_eq!(instead_of(Kind::Double, Device::Cpu), None);
    }

    /// Product and gradients, the product's inputs rounded to `kind`.
    fn with_gradients(kind: Kind, instead: Option<Kind>) -> [Tensor; 3] {
        let filled = |rows: i64, columns: i64| {
            let row = Tensor::arange(rows * columns, (Kind::Float, Device::Cpu));
            (row * 0.7).sin().reshape([rows, columns]).set_requires_grad(true)
        };
        let (a, b) = (filled(6, 40), filled(40, 5));
        let product = done_in(instead, &[&a.to_kind(kind), &b.to_kind(kind)], |inputs| {
            inputs[0].f_matmul(&inputs[1])
        });
        let product = product.expect("shapes fit");
        assert_eq!(product.kind(), kind);
        let product = product.to_kind(Kind::Float);
        product.square().sum(Kind::Float).backward();
        [product.detach(), a.grad(), b.grad()]
    }

    #[test]
    fn both_ways_agree_within_the_rounding_of_the_dtype() {
        for (kind, precision) in [(Kind::BFloat16, 1.0 / 256.0), (Kind::Half, 1.0 / 2048.0)] {
            let native = with_gradients(kind, None);
            let wide = with_gradients(kind, Some(Kind::Float));
            for (native, wide) in native.iter().zip(&wide) {
                let scale = f64::try_from(native.abs().max()).expect("a number");
                let apart = f64::try_from((native - wide).abs().max()).expect("a number");
                // A last place is up to twice the precision, and gradients carry the product's.
                assert!(
                    apart <= 4.0 * precision * scale,
                    "{kind:?}: {apart:e} of {scale:e}"
                );
            }
            // Nothing but a rounding: the same numbers, multiplied exactly.
            let exact = with_gradients(kind, Some(Kind::Double));
            let apart = f64::try_from((&exact[0] - &wide[0]).abs().max()).expect("a number");
            let scale = f64::try_from(exact[0].abs().max()).expect("a number");
            assert!(
                apart <= 2.0 * precision * scale,
                "{kind:?}: {apart:e} of {scale:e}"
            );
        }
    }

    #[test]
    fn it_is_said_once() {
        let slow = [Kind::BFloat16, Kind::Half]
            .into_iter()
            .find(|kind| instead_of(*kind, Device::Cpu).is_some());
        let Some(kind) = slow else {
            assert_eq!(remark(Kind::BFloat16, Device::Cpu), None);
            return;
        };
        let said = remark(kind, Device::Cpu).expect("the first time");
        assert!(said.contains("multiplied in float32"), "{said}");
        assert_eq!(remark(kind, Device::Cpu), None);
    }
}
