use super::{Onto, Output, product_in, width_in};
use crate::kernels::isa::Isa;
use crate::kernels::step_tests::Numbers;
use crate::kernels::strided::Strided;
use crate::kernels::tiles::Tiles;

/// Odd sizes: rows, inner numbers, columns.
const SHAPES: [(usize, usize, usize); 9] = [
    (0, 3, 4),
    (3, 0, 4),
    (1, 1, 1),
    (6, 384, 16),
    (7, 385, 33),
    (5, 2, 15),
    (193, 50, 40),
    (400, 9, 31),
    (13, 800, 70),
];

/// A matrix that stands in memory row after row or column after column, with gaps or without.
struct Lying {
    numbers: Vec<f32>,
    size: (usize, usize),
    strides: (usize, usize),
}

impl Lying {
    fn new(numbers: &mut Numbers, size: (usize, usize), is_turned: bool, gap: usize) -> Self {
        let strides = if is_turned {
            (1, size.0 + gap)
        } else {
            (size.1 + gap, 1)
        };
        let count = size.0 * strides.0 + size.1 * strides.1;
        Lying {
            numbers: numbers.numbers(count),
            size,
            strides,
        }
    }

    fn matrix(&self) -> Strided<'_> {
        Strided::new(&self.numbers, self.size, self.strides)
    }

    fn number(&self, row: usize, column: usize) -> f64 {
        f64::from(self.numbers[row * self.strides.0 + column * self.strides.1])
    }
}

fn tiles(isa: Isa, right: &Lying) -> Tiles {
    let mut tiles = Tiles::default();
    tiles.pack_strided(right.matrix(), width_in(isa));
    tiles
}

fn sets() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| *isa <= Isa::best())
}

/// Checks a product against sums in float64, and that nothing is written beside it.
fn check(isa: Isa, (left, right): (&Lying, &Lying), onto: usize, numbers: &mut Numbers) {
    let ((rows, inner), columns) = (left.size, right.size.1);
    let by_row = columns + onto;
    let before = numbers.numbers(rows * by_row);
    let row = numbers.numbers(columns);
    let onto = [Onto::Nothing, Onto::Row(&row), Onto::Held][onto % 3];
    let mut found = before.clone();
    let output = Output {
        numbers: &mut found,
        by_row,
    };
    product_in(isa, left.matrix(), &tiles(isa, right), onto, output);
    for (at, (found, before)) in found.iter().zip(&before).enumerate() {
        let (i, j) = (at / by_row, at % by_row);
        if j >= columns {
            assert_eq!(found, before, "nothing is written beside a row");
            continue;
        }
        let start = match onto {
            Onto::Nothing => 0.0,
            Onto::Row(row) => f64::from(row[j]),
            Onto::Held => f64::from(*before),
        };
        let products = (0..inner).map(|k| left.number(i, k) * right.number(k, j));
        let wanted = products.sum::<f64>() + start;
        assert!(
            (f64::from(*found) - wanted).abs() <= 1e-5 + 1e-7 * inner as f64,
            "{isa:?} {rows} × {inner} × {columns}, {onto:?}: {found} at {i}, {j}, not {wanted}"
        );
    }
}

#[test]
fn products_are_those_of_float64_however_matrices_lie() {
    for isa in sets() {
        for (rows, inner, columns) in SHAPES {
            let mut numbers = Numbers::new((rows * 7 + inner * 3 + columns) as u64);
            for lies in 0..4 {
                let left = Lying::new(&mut numbers, (rows, inner), lies & 1 == 1, lies);
                let right = Lying::new(&mut numbers, (inner, columns), lies & 2 == 2, 3 - lies);
                for onto in 0..3 {
                    check(isa, (&left, &right), onto, &mut numbers);
                }
            }
        }
    }
}

#[test]
fn what_is_no_number_or_infinite_comes_through_in_its_row_alone() {
    for isa in sets() {
        let left = [f32::NAN, 1.0, 0.0, f32::INFINITY, 1.0, 1.0];
        let mut right = Tiles::default();
        right.pack(&[1.0, 2.0, 3.0, 4.0], 2, 2, width_in(isa));
        let mut found = [0.0; 6];
        let output = Output {
            numbers: &mut found,
            by_row: 2,
        };
        product_in(isa, Strided::whole(&left, 3, 2), &right, Onto::Nothing, output);
        assert!(found[0].is_nan() && found[1].is_nan(), "{found:?}");
        assert_eq!(found[2..], [f32::INFINITY, f32::INFINITY, 4.0, 6.0]);
    }
}

#[test]
fn bits_are_the_same_however_rows_are_divided() {
    let (rows, inner, columns) = (300, 500, 100);
    let mut numbers = Numbers::new(7);
    let left = numbers.numbers(rows * inner);
    for isa in sets() {
        let right = Lying::new(&mut numbers, (inner, columns), false, 0);
        let right = tiles(isa, &right);
        let multiply = |rows: std::ops::Range<usize>| {
            let mut found = vec![0.0; rows.len() * columns];
            let left = Strided::whole(&left[rows.start * inner..rows.end * inner], rows.len(), inner);
            let output = Output {
                numbers: &mut found,
                by_row: columns,
            };
            product_in(isa, left, &right, Onto::Nothing, output);
            found
        };
        let whole = multiply(0..rows);
        for part in [0..17, 17..290, 290..300] {
            assert_eq!(
                multiply(part.clone()),
                whole[part.start * columns..part.end * columns]
            );
        }
    }
}
