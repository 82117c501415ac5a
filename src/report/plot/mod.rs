//! Small plots in letters, for terminals: each with colours, and without for files and pipes.
//!
//! ```text
//! lines   curves on a raster of dots, eight to a letter
//! bars    one bar a number, and how numbers are distributed
//! image   matrices and pictures, two pixels to a letter
//! ```

mod bars;
mod image;
mod lines;

pub use self::bars::{bars, histogram};
pub use self::image::{Pixels, image};
pub use self::lines::{Line, lines};

/// A plot as text, without an end of line at its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// Letters alone.
    pub plain: String,
    /// The same with ANSI colours.
    pub coloured: String,
}

/// How large the part of a plot with the data is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Columns.
    pub width: usize,
    /// Lines.
    pub height: usize,
}

/// Ends a colour.
const RESET: &str = "\x1b[0m";
/// Foreground colours of lines and bars: cyan, yellow, magenta, green, blue, red.
const COLOURS: [&str; 6] = [
    "\x1b[36m", "\x1b[33m", "\x1b[35m", "\x1b[32m", "\x1b[34m", "\x1b[31m",
];

/// The smallest and the largest of the finite numbers.
fn range(numbers: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = numbers.into_iter().filter(|number| number.is_finite());
    finite.fold(None, |range, number| match range {
        None => Some((number, number)),
        Some((low, high)) => Some((number.min(low), number.max(high))),
    })
}
