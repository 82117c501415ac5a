//! `vectors`: directions kept in text files, and running means of activations.

use saescript::Error;
use saescript::script::doors::Place;
use saescript::script::rhai::ImmutableString;
use saescript::script::{Described, NativeLibrary, Raise, RhaiResultOf, TensorHandle, raise};
use saescript::tensor::{Kind, Tensor};

/// The mean of what was added so far.
#[derive(Clone, Default)]
pub struct Running {
    sum: Option<TensorHandle>,
    count: i64,
}

impl Running {
    /// Adds rows `(n, d)`.
    fn add(&mut self, rows: TensorHandle) -> RhaiResultOf<()> {
        let rows = rows.tensor();
        if rows.dim() != 2 {
            let shape = rows.size();
            return Err(raise(Error::input(format!(
                "expected rows (n, d), but was given shape {shape:?}"
            ))));
        }
        let sum = rows
            .f_sum_dim_intlist([0i64].as_slice(), false, Kind::Double)
            .raise()?;
        self.sum = Some(match self.sum.take() {
            Some(before) => before.tensor().f_add(&sum).raise()?.into(),
            None => sum.into(),
        });
        self.count += rows.size()[0];
        Ok(())
    }

    fn mean(&mut self) -> RhaiResultOf<TensorHandle> {
        match &self.sum {
            Some(sum) if self.count > 0 => Ok(sum.tensor().f_div_scalar(self.count).raise()?.into()),
            _ => Err(raise(Error::input("nothing was added, so there is no mean"))),
        }
    }
}

/// Reads a file with a vector a line, numbers between blanks.
fn read(path: ImmutableString) -> RhaiResultOf<TensorHandle> {
    let text = std::fs::read_to_string(path.as_str())
        .map_err(|error| raise(Error::io("read", path.as_str(), error)))?;
    let mut rows: Vec<Tensor> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let numbers: Result<Vec<f32>, _> = line.split_whitespace().map(str::parse).collect();
        let numbers = numbers.map_err(|error| {
            raise(Error::input(format!(
                "line {} of `{path}` is no vector: {error}",
                number + 1
            )))
        })?;
        rows.push(Tensor::f_from_slice(&numbers).raise()?);
    }
    Ok(Tensor::f_stack(&rows, 0).raise()?.into())
}

/// Returns the library, as `Host::builder().native(…)` takes it.
pub fn library() -> NativeLibrary {
    NativeLibrary::new("vectors", "Vectors in text files, and running means.")
        .object::<Running>("Running")
        .function(
            Described {
                name: "read",
                signature: &["path: string", "Tensor"],
                docs: "Returns the vectors of a text file, one a line, float32 `(lines, numbers)`.",
                places: &[(0, Place::Read)],
            },
            read,
        )
        .function(
            Described {
                name: "running",
                signature: &["Running"],
                docs: "Returns a mean of nothing so far.",
                places: &[],
            },
            Running::default,
        )
        .method(
            Described {
                name: "add",
                signature: &["self: Running", "rows: Tensor", "()"],
                docs: "Adds rows `(n, d)` to a running mean.",
                places: &[],
            },
            Running::add,
        )
        .method(
            Described {
                name: "mean",
                signature: &["self: Running", "Tensor"],
                docs: "Returns the mean of all rows so far, float64 `(d)`.",
                places: &[],
            },
            Running::mean,
        )
}
