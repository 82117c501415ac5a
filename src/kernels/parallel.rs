pub use crate::native::parallel::*;
