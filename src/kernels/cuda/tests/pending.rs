//! What waits is sent before libtorch looks at numbers.

use std::cell::Cell;
use std::rc::Rc;

use crate::native::pending::{Pending, finish, wait};
use crate::tensor::{Device, Kind, Tensor};

/// Counts how often it was sent.
#[derive(Default)]
struct Counting(Cell<u32>);

impl Pending for Counting {
    fn send(&self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Has it wait, and returns how often it was sent before.
fn waits(counting: &Rc<Counting>) -> u32 {
    let pending: Rc<dyn Pending> = counting.clone();
    assert!(wait(&Rc::downgrade(&pending)));
    counting.0.get()
}

fn numbers() -> Tensor {
    Tensor::arange(6, (Kind::Float, Device::Cpu))
}

#[test]
fn what_waits_is_sent_before_libtorch_looks_at_numbers_and_not_before_it_looks_at_shapes() {
    let counting = Rc::new(Counting::default());
    let x = numbers();
    let matrix = x.view([2, 3]);
    waits(&counting);
    drop((
        x.view([3, 2]),
        x.reshape([3, 2]),
        x.shallow_clone(),
        x.empty_like(),
    ));
    drop((
        matrix.tr().detach(),
        matrix.get(1),
        matrix.narrow(1, 0, 2),
        matrix.unbind(0),
    ));
    drop((
        matrix.contiguous(),
        x.to_kind(Kind::Float),
        x.to_device(Device::Cpu),
        matrix.unsqueeze(0),
    ));
    drop(Tensor::empty([3], (Kind::Float, Device::Cpu)));
    assert_eq!(counting.0.get(), 0);
    // Also where another operation does the work for the one that was called.
    let all: [&dyn Fn() -> Tensor; 11] = [
        &|| &x + &x,
        &|| x.shallow_clone().zero_(),
        &|| matrix.tr().contiguous(),
        &|| matrix.tr().reshape([6]),
        &|| x.to_kind(Kind::Double),
        &|| Tensor::zeros([3], (Kind::Float, Device::Cpu)),
        &|| Tensor::from(x.double_value(&[1])),
        &|| Tensor::from(x.equal(&matrix)),
        &|| x.copy(),
        &|| matrix.tr().matmul(&matrix),
        &|| Tensor::stack(&[&x, &x], 0),
    ];
    for (index, work) in all.iter().enumerate() {
        assert_eq!(waits(&counting), index as u32);
        drop(work());
        assert_eq!(counting.0.get(), index as u32 + 1, "{index}");
    }
    finish();
    drop(&x + &x);
    assert_eq!(counting.0.get(), all.len() as u32);
}

#[test]
fn what_is_learnt_backwards_comes_after_what_waits() {
    let counting = Rc::new(Counting::default());
    let x = numbers().set_requires_grad(true);
    let loss = x.square().sum(None::<Kind>);
    waits(&counting);
    loss.backward();
    assert_eq!(counting.0.get(), 1);
    finish();
}

#[test]
fn of_two_that_wait_the_first_is_sent_when_the_second_comes() {
    let (first, second) = (Rc::new(Counting::default()), Rc::new(Counting::default()));
    waits(&first);
    waits(&first);
    assert_eq!(waits(&second), 0);
    assert_eq!(first.0.get(), 1);
    drop(second);
    // What is gone waits no more.
    finish();
    assert_eq!(first.0.get(), 1);
}
