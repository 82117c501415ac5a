//! The emulation notices what it is there to notice.

use crate::error::Result;
use crate::kernels::cuda::launcher::{Argument, Grid, Launcher};
use crate::kernels::cuda::probe;
use crate::tensor::{Device, Kind, Tensor};

use super::{LARGE, ORDERS};

#[test]
fn arguments_that_are_not_a_kernels_are_refused() {
    let emulated = LARGE;
    let wrong = [Argument::Whole(1)];
    let error = emulated
        .launch("round_rows", Grid::rows(1), &wrong)
        .expect_err("refused");
    assert!(
        error.message().contains("other parameters"),
        "{}",
        error.message()
    );
    assert!(emulated.launch("no_such_kernel", Grid::rows(1), &[]).is_err());
    let doubles = Tensor::zeros([3], (Kind::Double, Device::Cpu));
    assert!(Argument::floats(&doubles).is_err());
    let turned = Tensor::zeros([3, 2], (Kind::Float, Device::Cpu)).tr();
    assert!(Argument::floats(&turned).is_err());
}

#[test]
fn what_the_program_compares_at_its_start_agrees_and_tells_a_kernel_that_does_nothing() {
    for emulated in ORDERS.into_iter().chain([LARGE]) {
        probe::compare(&emulated, probe::TOKENS).expect("the kernels agree with libtorch");
    }
    for (kernel, what) in [
        // Not one that says where others read: they would read anywhere.
        ("residual_rows", "the squared errors"),
        ("scatter_rows", "the gradients"),
        ("scatter_lists", "the gradients by lists"),
        ("latent_sums", "sums by latent"),
        ("token_sums", "sums by token"),
        ("decode_lists", "lists"),
        ("adam_move", "the optimiser"),
    ] {
        let error = probe::compare(&Without(kernel), probe::TOKENS).expect_err(kernel);
        assert!(error.message().contains(what), "{kernel}: {}", error.message());
    }
}

/// Leaves out one kernel.
#[derive(Debug)]
struct Without(&'static str);

impl Launcher for Without {
    fn device(&self) -> Device {
        Device::Cpu
    }

    fn launch(&self, kernel: &str, grid: Grid, arguments: &[Argument<'_>]) -> Result<()> {
        if kernel == self.0 {
            return Ok(());
        }
        LARGE.launch(kernel, grid, arguments)
    }

    fn product(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        LARGE.product(left, right)
    }
}
