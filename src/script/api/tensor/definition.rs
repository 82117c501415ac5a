//! What the table of functions under PyTorch's names says of each.

use rhai::Dynamic;

use super::call::Call;
use crate::error::Result;
use crate::tensor::Tensor;

/// What one way to call a function does.
#[derive(Clone, Copy)]
pub enum Body {
    /// With a tensor first: a method, and in modules with the tensor as its first argument, `input`.
    Of(fn(&Tensor, &Call<'_>) -> Result<Dynamic>),
    /// Without one: in modules only.
    Free(fn(&Call<'_>) -> Result<Dynamic>),
}

/// The modules that hold functions of tensors.
pub const MODULES: [&str; 4] = [TORCH, LINALG, FUNCTIONAL, AUTOGRAD];

const TORCH: &str = "torch";
const LINALG: &str = "torch::linalg";
const FUNCTIONAL: &str = "torch::nn::functional";
const AUTOGRAD: &str = "torch::autograd";

/// Where a function is found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// `x.name(…)`.
    Method,
    /// `torch::name(…)`, but no method.
    Torch,
    /// Both.
    Both,
    /// `torch::linalg::name(…)`.
    Linalg,
    /// `torch::nn::functional::name(…)`.
    Functional,
    /// `torch::autograd::name(…)`.
    Autograd,
    /// Both, and `torch::nn::functional::name(…)`.
    Everywhere,
    /// `torch::name(…)` and `torch::nn::functional::name(…)`.
    Modules,
}

impl Home {
    /// Is it a method?
    pub fn is_method(self) -> bool {
        matches!(self, Home::Method | Home::Both | Home::Everywhere)
    }

    /// Returns the modules that it is in.
    pub fn modules(self) -> &'static [&'static str] {
        match self {
            Home::Method => &[],
            Home::Torch | Home::Both => &[TORCH],
            Home::Linalg => &[LINALG],
            Home::Functional => &[FUNCTIONAL],
            Home::Autograd => &[AUTOGRAD],
            Home::Everywhere | Home::Modules => &[TORCH, FUNCTIONAL],
        }
    }
}

/// Memory that a function needs beside its arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// As much as the tensor it is called on.
    Like,
    /// None worth counting, or it asks by itself.
    Own,
}

/// A function under PyTorch's name.
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub docs: &'static str,
    /// Where it is found.
    pub home: Home,
    /// What it needs.
    pub memory: Memory,
    /// Signatures, in the order in which they are tried, with what they do.
    pub overloads: &'static [(&'static str, Body)],
}

impl Function {
    /// Returns a function of these parts.
    pub const fn new(
        name: &'static str,
        docs: &'static str,
        home: Home,
        memory: Memory,
        overloads: &'static [(&'static str, Body)],
    ) -> Self {
        Function {
            name,
            docs,
            home,
            memory,
            overloads,
        }
    }

    /// Returns a function that needs as much memory as the tensor it is called on.
    pub const fn like(
        name: &'static str,
        docs: &'static str,
        home: Home,
        overloads: &'static [(&'static str, Body)],
    ) -> Self {
        Function::new(name, docs, home, Memory::Like, overloads)
    }

    /// Returns a function that sees to its memory by itself.
    pub const fn own(
        name: &'static str,
        docs: &'static str,
        home: Home,
        overloads: &'static [(&'static str, Body)],
    ) -> Self {
        Function::new(name, docs, home, Memory::Own, overloads)
    }

    /// Returns a method, and no function of `torch::`, that sees to its memory by itself.
    pub const fn method(
        name: &'static str,
        docs: &'static str,
        overloads: &'static [(&'static str, Body)],
    ) -> Self {
        Function::new(name, docs, Home::Method, Memory::Own, overloads)
    }
}

/// PyTorch's other names of functions, many of them NumPy's.
pub const OTHER_NAMES: &[(&str, &str)] = &[
    ("absolute", "abs"),
    ("arccos", "acos"),
    ("arcsin", "asin"),
    ("arctan", "atan"),
    ("clip", "clamp"),
    ("concat", "cat"),
    ("concatenate", "cat"),
    ("greater", "gt"),
    ("greater_equal", "ge"),
    ("less", "lt"),
    ("less_equal", "le"),
    ("multiply", "mul"),
    ("negative", "neg"),
    ("not_equal", "ne"),
    ("subtract", "sub"),
];
