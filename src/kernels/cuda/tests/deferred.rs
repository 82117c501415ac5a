//! What is put off runs before anybody can see that it was put off.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::LARGE;
use crate::error::{Error, Result};
use crate::kernels::cuda::Deferred;
use crate::kernels::cuda::launcher::{Argument, Grid, Launch, Launcher};
use crate::kernels::cuda::{figures, probe, rows, sums};
use crate::tensor::{Device, Kind, Tensor};

/// Takes note of which kernels are started together.
#[derive(Debug, Default)]
struct Noting {
    together: RefCell<Vec<Vec<String>>>,
    fails: Cell<bool>,
}

impl Launcher for Noting {
    fn device(&self) -> Device {
        LARGE.device()
    }

    fn launch(&self, kernel: &str, grid: Grid, arguments: &[Argument<'_>]) -> Result<()> {
        if self.fails.get() {
            return Err(Error::run("the GPU is lost"));
        }
        LARGE.launch(kernel, grid, arguments)
    }

    fn launch_all(&self, launches: &[Launch]) -> Result<()> {
        let names = launches.iter().map(|launch| launch.kernel.clone()).collect();
        self.together.borrow_mut().push(names);
        let launch = |launch: &Launch| self.launch(&launch.kernel, launch.grid, &launch.arguments());
        launches.iter().try_for_each(launch)
    }

    fn product(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        LARGE.product(left, right)
    }
}

fn noting() -> Rc<Deferred<Noting>> {
    Deferred::new(Noting::default())
}

fn matrix() -> Tensor {
    Tensor::arange(12, (Kind::Float, Device::Cpu)).view([3, 4])
}

#[test]
fn kernels_wait_for_each_other_and_run_before_libtorch_sees_their_numbers() {
    let deferred = noting();
    let x = matrix();
    let scaled = rows::scaled(&*deferred, &x, 0.0, 1.0).expect("put off");
    let (length, _) = rows::lengths(&*deferred, &scaled, 0.0, false).expect("put off");
    assert!(deferred.launcher().together.borrow().is_empty());
    // Each is the last that holds its numbers, and libtorch asks for none of them.
    drop((x, scaled));
    let furthest = (length - 1.0).abs().max().double_value(&[]);
    assert!(furthest < 1e-6, "{furthest}");
    let total = sums::total(&*deferred, Some(&matrix().view([-1])), 2.0).expect("put off");
    deferred.flush().expect("started");
    assert_eq!(Vec::<f32>::try_from(total.view([1])).expect("numbers"), [132.0]);
    let together = deferred.launcher().together.take();
    assert_eq!(together, [vec!["scale_rows", "row_lengths"], vec!["add_numbers"]]);
}

#[test]
fn memory_that_a_kernel_has_yet_to_read_goes_to_nobody_else() {
    let deferred = noting();
    let fired = Tensor::ones([1 << 20], (Kind::Float, Device::Cpu));
    let sums = Tensor::zeros([1 << 20], (Kind::Double, Device::Cpu));
    let place = fired.data_ptr();
    figures::add_fired(&*deferred, &sums, &fired).expect("put off");
    drop(fired);
    let other = Tensor::empty([1 << 20], (Kind::Float, Device::Cpu));
    assert_ne!(other.data_ptr(), place);
    assert_eq!(sums.sum(None::<Kind>).double_value(&[]), f64::from(1 << 20));
}

#[test]
fn what_fails_is_told_to_who_comes_next() {
    let deferred = noting();
    let x = matrix();
    deferred.launcher().fails.set(true);
    let put_off = || sums::rows(&*deferred, &x, 1.0).map(drop);
    put_off().expect("put off");
    // libtorch cannot be told.
    let _ = &x + 1.0;
    let error = put_off().expect_err("told");
    assert!(error.message().contains("lost"), "{error}");
    put_off().expect("put off");
    assert!(deferred.flush().is_err());
    deferred.flush().expect("told before");
    put_off().expect("put off");
    assert!(deferred.product(&x, &x).is_err());
}

#[test]
fn no_more_is_put_off_than_is_held_gladly_and_nothing_is_lost() {
    let deferred = noting();
    let x = Tensor::ones([3], (Kind::Float, Device::Cpu));
    let sums = Tensor::zeros([3], (Kind::Double, Device::Cpu));
    for _ in 0..100 {
        figures::add_fired(&*deferred, &sums, &x).expect("put off");
    }
    let lengths = |deferred: &Deferred<Noting>| -> Vec<usize> {
        let together = deferred.launcher().together.borrow();
        together.iter().map(Vec::len).collect()
    };
    assert_eq!(lengths(&deferred), [64]);
    // Never written, so that it takes no memory, and none of its numbers are added.
    let large = Tensor::empty([1 << 28], (Kind::Float, Device::Cpu));
    let sum = Tensor::empty([1], (Kind::Float, Device::Cpu));
    let arguments = [
        Argument::floats(&large).expect("numbers"),
        Argument::Whole(0),
        Argument::Real(1.0),
        Argument::floats(&sum).expect("numbers"),
    ];
    deferred
        .launch("add_numbers", Grid::rows(1), &arguments)
        .expect("started");
    assert_eq!(lengths(&deferred), [64, 37]);
    figures::add_fired(&*deferred, &sums, &x).expect("put off");
    drop(deferred);
    assert_eq!(Vec::<f64>::try_from(&sums).expect("numbers"), [101.0; 3]);
}

#[test]
fn what_the_program_compares_at_its_start_agrees_when_it_is_put_off() {
    for tokens in [probe::TOKENS, probe::MORE_TOKENS] {
        probe::compare(&*Deferred::new(LARGE), tokens).expect("the kernels agree with libtorch");
    }
}
