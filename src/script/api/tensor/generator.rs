//! `Generator`: a source of chance of one's own, that draws the same numbers whatever else is drawn.

use std::cell::RefCell;
use std::rc::Rc;

use rhai::plugin::*;
use rhai::{FuncRegistration, Module};

use crate::error::Result;
use crate::script::guard::{self, SetGuarded};
use crate::tensor::{Device, Draws, Kind, Tensor};

/// The handle by which scripts hold a source of chance. Copies mean the same one.
#[derive(Clone)]
pub struct GeneratorHandle(Rc<RefCell<Draws>>);

impl GeneratorHandle {
    fn new(seed: i64) -> Self {
        GeneratorHandle(Rc::new(RefCell::new(Draws::new(seed as u64))))
    }

    /// Returns what `draw` takes from it.
    pub fn draw<T>(&self, draw: impl FnOnce(&mut Draws) -> T) -> T {
        draw(&mut self.0.borrow_mut())
    }

    /// Returns uniform numbers in 0..1 of a shape.
    ///
    /// # Errors
    /// Too little memory.
    pub fn uniform(&self, shape: &[i64], (kind, device): (Kind, Device)) -> Result<Tensor> {
        self.draw(|draws| draws.uniform(shape, kind))?
            .f_to_device(device)
            .map_err(super::input_error)
    }

    /// Returns numbers of the standard normal distribution of a shape.
    ///
    /// # Errors
    /// Too little memory.
    pub fn normal(&self, shape: &[i64], (kind, device): (Kind, Device)) -> Result<Tensor> {
        self.draw(|draws| draws.normal(shape, kind))?
            .f_to_device(device)
            .map_err(super::input_error)
    }
}

/// Puts the object into `module`.
pub fn register(module: &mut Module) {
    module.set_custom_type_with_comments::<GeneratorHandle>(
        "Generator",
        &["/// A source of chance of one's own: `torch::Generator(42)`, given to functions as `#{ generator: g }`. On \
           every device it draws what PyTorch's draws on the CPU."],
    );
    combine_with_exported_module!(module, "generator", functions);
    guard::protect(module, &functions::RHAI_MANIFEST);
}

/// Puts `torch::Generator` into `torch`.
pub fn register_functions(torch: &mut Module) {
    /// The seed that PyTorch's begin with.
    const SEED: i64 = 67_280_421_310_721;
    let new = || FuncRegistration::new("Generator");
    new()
        .with_params_info(["Generator"])
        .with_comments(["/// Returns a source of chance with the seed that PyTorch's begin with."])
        .set_guarded(torch, || GeneratorHandle::new(SEED));
    new()
        .with_params_info(["seed: i64", "Generator"])
        .with_comments(["/// Returns a source of chance that begins with `seed`."])
        .set_guarded(torch, GeneratorHandle::new);
}

#[export_module(manifest)]
mod functions {
    /// Begins anew with `seed`, and returns the source of chance.
    #[rhai_fn(pure, volatile)]
    pub fn manual_seed(generator: &mut GeneratorHandle, seed: i64) -> GeneratorHandle {
        generator.draw(|draws| *draws = Draws::new(seed as u64));
        generator.clone()
    }

    /// Returns one line that says what it is.
    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn generator_text(_generator: &mut GeneratorHandle) -> String {
        "Generator".into()
    }
}
