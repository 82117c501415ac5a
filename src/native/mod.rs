//! What tch has no binding for, by way of a few lines of C++ that build.rs compiles against libtorch.

pub mod attention;
#[cfg(test)]
pub mod calls;
pub mod parallel;
pub mod pending;
pub mod pool;
pub mod stream;
