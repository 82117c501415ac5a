//! The step by hand against libtorch's automatic differentiation.

mod agreement;
mod form;
