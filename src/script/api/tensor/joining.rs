//! Functions of several tensors in an array: one beside the other, or all with all.

use rhai::Dynamic;

use super::call::{Call, one, several};
use super::creation::admit_all;
use super::definition::{Body, Function, Home, Memory};
use crate::error::{Error, Result};
use crate::tensor::{TchError, Tensor, size};

const fn of_all(
    name: &'static str,
    docs: &'static str,
    overloads: &'static [(&'static str, Body)],
) -> Function {
    Function::new(name, docs, Home::Torch, Memory::Own, overloads)
}

/// Tensors joined along a dimension that the function knows.
fn stacked(call: &Call<'_>, join: fn(&[Tensor]) -> Result<Tensor, TchError>) -> Result<Dynamic> {
    let tensors = call.tensors("tensors")?;
    admit_all(&tensors)?;
    one(join(&tensors))
}

/// Matrices along the diagonal of a larger one.
fn block_diagonal(call: &Call<'_>) -> Result<Dynamic> {
    let tensors = call.tensors("tensors")?;
    admit_all(&tensors)?;
    let (mut rows, mut columns) = (0i64, 0i64);
    for tensor in &tensors {
        let shape = tensor.size();
        let columns_of_one = shape.last().copied().unwrap_or(1);
        columns = columns.saturating_add(columns_of_one);
        rows = rows.saturating_add(if shape.len() > 1 { shape[0] } else { 1 });
    }
    size::admit(&[rows, columns], tensors[0].kind(), tensors[0].device())?;
    one(Tensor::f_block_diag(&tensors))
}

/// All combinations of one element of each vector.
fn cartesian_product(call: &Call<'_>) -> Result<Dynamic> {
    let tensors = call.tensors("tensors")?;
    admit_all(&tensors)?;
    let rows = tensors
        .iter()
        .fold(1i64, |rows, tensor| rows.saturating_mul(tensor.numel() as i64));
    size::admit(
        &[rows, tensors.len() as i64],
        tensors[0].kind(),
        tensors[0].device(),
    )?;
    one(Tensor::f_cartesian_prod(&tensors))
}

fn meshgrid(call: &Call<'_>) -> Result<Dynamic> {
    let tensors = call.tensors("tensors")?;
    admit_all(&tensors)?;
    if let Some(other) = tensors.iter().find(|tensor| tensor.dim() > 1) {
        return Err(Error::input(format!(
            "a grid is made of vectors, but one has shape {:?}",
            other.size()
        )));
    }
    let indexing = match call.text("indexing")?.as_str() {
        "xy" => "xy",
        "ij" => "ij",
        other => return Err(Error::unknown("indexing", other, &["ij", "xy"]).under("indexing")),
    };
    several(Tensor::f_meshgrid_indexing(&tensors, indexing))
}

/// Shapes that go together, which makes views of the largest.
fn broadcast(call: &Call<'_>) -> Result<Dynamic> {
    let tensors = call.tensors("tensors")?;
    let mut shape = Vec::new();
    for tensor in &tensors {
        shape = size::broadcast(&shape, &tensor.size()).ok_or_else(|| {
            let shapes: Vec<String> = tensors
                .iter()
                .map(|tensor| format!("{:?}", tensor.size()))
                .collect();
            Error::input(format!("shapes {} do not go together", shapes.join(" and ")))
        })?;
    }
    several(Tensor::f_broadcast_tensors(&tensors))
}

/// Elements of a sum of products: of each letter behind the arrow, or of each that occurs once, its size.
fn result_of_einsum(equation: &str, operands: &[Tensor]) -> Option<Vec<i64>> {
    let (inputs, output) = match equation.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (equation, None),
    };
    let mut letters: Vec<(char, i64, usize)> = Vec::new();
    for (labels, operand) in inputs.split(',').zip(operands) {
        // What stands for any dimensions is left to libtorch.
        let labels: Vec<char> = labels.chars().filter(|letter| !letter.is_whitespace()).collect();
        for (label, size) in labels.iter().zip(operand.size()) {
            if *label == '.' {
                return None;
            }
            match letters.iter_mut().find(|(known, ..)| known == label) {
                Some((_, known, times)) => (*known, *times) = ((*known).max(size), *times + 1),
                None => letters.push((*label, size, 1)),
            }
        }
    }
    let is_kept = |letter: char, times: usize| output.map_or(times == 1, |output| output.contains(letter));
    let kept = letters
        .iter()
        .filter(|(letter, _, times)| is_kept(*letter, *times));
    Some(kept.map(|(_, size, _)| *size).collect())
}

fn einsum(call: &Call<'_>) -> Result<Dynamic> {
    let (equation, operands) = (call.text("equation")?, call.tensors("operands")?);
    let Some(first) = operands.first() else {
        return Err(Error::input("there are no tensors in the array"));
    };
    if let Some(shape) = result_of_einsum(&equation, &operands) {
        size::admit(&shape, first.kind(), first.device())?;
    }
    one(Tensor::f_einsum(&equation, &operands, None::<&[i64]>))
}

/// The table.
pub const FUNCTIONS: &[Function] = &[
    of_all(
        "hstack",
        "Returns tensors side by side: along dimension 1, vectors along 0.",
        &[(
            "tensors: array",
            Body::Free(|call| stacked(call, Tensor::f_hstack)),
        )],
    ),
    of_all(
        "vstack",
        "Returns tensors one below the other, vectors as rows.",
        &[(
            "tensors: array",
            Body::Free(|call| stacked(call, Tensor::f_vstack)),
        )],
    ),
    of_all(
        "dstack",
        "Returns tensors one behind the other, along dimension 2.",
        &[(
            "tensors: array",
            Body::Free(|call| stacked(call, Tensor::f_dstack)),
        )],
    ),
    of_all(
        "column_stack",
        "Returns tensors side by side, vectors as columns.",
        &[(
            "tensors: array",
            Body::Free(|call| stacked(call, Tensor::f_column_stack)),
        )],
    ),
    of_all(
        "block_diag",
        "Returns a matrix with others along its diagonal, zeros elsewhere.",
        &[("tensors: Tensor...|array", Body::Free(block_diagonal))],
    ),
    of_all(
        "cartesian_prod",
        "Returns a row for each combination of one element of each vector.",
        &[("tensors: Tensor...|array", Body::Free(cartesian_product))],
    ),
    of_all(
        "meshgrid",
        "Returns the coordinates of a grid: a tensor for each vector, of the shape of their sizes; with `indexing` \
         \"xy\" the first two are swapped.",
        &[(
            "tensors: Tensor...|array, *, indexing: string = \"ij\" -> array",
            Body::Free(meshgrid),
        )],
    ),
    of_all(
        "broadcast_tensors",
        "Returns tensors as views of one shape.",
        &[("tensors: Tensor...|array -> array", Body::Free(broadcast))],
    ),
    of_all(
        "einsum",
        "Returns the sum of products that letters of dimensions name: `torch::einsum(\"bi,ij->bj\", x, w)`.",
        &[("equation: string, operands: Tensor...|array", Body::Free(einsum))],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Device, Kind};

    #[test]
    fn the_shape_of_a_sum_of_products_is_known_before() {
        let of = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        let shape = |equation: &str| result_of_einsum(equation, &[of(&[2, 3]), of(&[3, 5])]);
        assert_eq!(shape("bi,ij->bj"), Some(vec![2, 5]));
        assert_eq!(shape("bi, ij"), Some(vec![2, 5]));
        assert_eq!(shape("bi,ij->"), Some(vec![]));
        assert_eq!(shape("...i,ij->...j"), None);
    }
}
