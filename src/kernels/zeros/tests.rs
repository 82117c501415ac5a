use super::dots::dots_in;
use super::product::multiply_in;
use super::{Matrix, WIDTH};
use crate::kernels::isa::Isa;
use crate::kernels::tiles::Tiles;

/// Odd sizes: rows × columns of the matrix with zeros, and columns of the other.
const SHAPES: [(usize, usize, usize); 6] = [
    (1, 1, 1),
    (3, 64, 16),
    (65, 63, 97),
    (64, 65, 96),
    (130, 300, 5),
    (300, 129, 200),
];

/// Of so many numbers one in this many is not 0.
const SPACING: [u64; 4] = [1, 2, 9, 1 << 40];

/// Numbers between −1 and 1.
struct Numbers(u64);

impl Numbers {
    fn bits(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn next(&mut self) -> f32 {
        self.bits() as f32 / (1u64 << 30) as f32 - 1.0
    }

    fn some(&mut self, count: usize, spacing: u64) -> Vec<f32> {
        (0..count)
            .map(|_| {
                let is_kept = self.bits().is_multiple_of(spacing);
                if is_kept { self.next() } else { 0.0 }
            })
            .collect()
    }
}

fn tiles(matrix: &[f32], rows: usize, columns: usize) -> Tiles {
    let mut tiles = Tiles::default();
    tiles.pack(matrix, rows, columns, WIDTH);
    tiles
}

fn turned(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len() / columns;
    (0..columns * rows)
        .map(|at| matrix[at % rows * columns + at / rows])
        .collect()
}

/// Returns `left · right` in float64.
fn plain(left: &[f32], right: &[f32], (rows, summed, columns): (usize, usize, usize)) -> Vec<f64> {
    let mut product = vec![0.0; rows * columns];
    for row in 0..rows {
        for at in 0..summed {
            let number = f64::from(left[row * summed + at]);
            for column in 0..columns {
                product[row * columns + column] += number * f64::from(right[at * columns + column]);
            }
        }
    }
    product
}

fn assert_near(found: &[f32], wanted: &[f64], what: &str) {
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let away = (f64::from(*found) - wanted).abs();
        assert!(away <= 2e-5, "{what}: {found} at {at}, not {wanted}");
    }
}

fn everywhere(mut check: impl FnMut(Isa, (usize, usize, usize), u64, &mut Numbers)) {
    for isa in Isa::ALL.into_iter().filter(|isa| *isa <= Isa::best()) {
        for shape in SHAPES {
            for spacing in SPACING {
                check(isa, shape, spacing, &mut Numbers(spacing ^ shape.0 as u64));
            }
        }
    }
}

#[test]
fn products_are_those_of_all_numbers() {
    everywhere(|isa, (rows, summed, columns), spacing, numbers| {
        let what = format!("{isa:?} {rows} × {summed} × {columns}, one in {spacing}");
        let left = numbers.some(rows * summed, spacing);
        let right = numbers.some(summed * columns, 1);
        let before = numbers.some(rows * columns, 1);
        let wanted: Vec<f64> = plain(&left, &right, (rows, summed, columns))
            .iter()
            .zip(&before)
            .map(|(product, before)| product + f64::from(*before))
            .collect();
        let right = tiles(&right, summed, columns);
        let mut found = before.clone();
        multiply_in::<false>(isa, Matrix::new(&left, summed), &right, &mut found);
        assert_near(&found, &wanted, &what);
        let mut found = before;
        multiply_in::<true>(isa, Matrix::new(&turned(&left, summed), rows), &right, &mut found);
        assert_near(&found, &wanted, &format!("{what}, turned"));
    });
}

#[test]
fn dots_are_taken_where_a_matrix_is_filled_and_0_elsewhere() {
    everywhere(|isa, (rows, width, columns), spacing, numbers| {
        let filled = numbers.some(rows * width, spacing);
        let (left, right) = (numbers.some(rows * columns, 1), numbers.some(width * columns, 1));
        let mut wanted = plain(&left, &turned(&right, columns), (rows, columns, width));
        for (wanted, filled) in wanted.iter_mut().zip(&filled) {
            if *filled == 0.0 {
                *wanted = 0.0;
            }
        }
        let mut found = vec![f32::NAN; rows * width];
        let right = tiles(&right, width, columns);
        dots_in(isa, Matrix::new(&filled, width), &left, &right, &mut found);
        let what = format!("{isa:?} {rows} × {width}, {columns} columns, one in {spacing}");
        assert_near(&found, &wanted, &what);
    });
}

#[test]
fn what_is_no_number_or_infinite_comes_through_but_not_past_a_zero() {
    for isa in Isa::ALL.into_iter().filter(|isa| *isa <= Isa::best()) {
        let left = [f32::NAN, 0.0, 1.0, f32::INFINITY, 0.0, -0.0];
        let right = tiles(&[1.0, 2.0, f32::NAN, f32::INFINITY, 3.0, 0.0], 3, 2);
        let mut found = [0.0; 4];
        multiply_in::<false>(isa, Matrix::new(&left, 3), &right, &mut found);
        assert!(found[0].is_nan() && found[1].is_nan(), "{found:?}");
        assert_eq!(found[2..], [f32::INFINITY; 2]);
        let mut dots = [1.0; 3];
        dots_in(isa, Matrix::new(&left[..3], 3), &[1.0, 0.0], &right, &mut dots);
        assert_eq!(dots, [1.0, 0.0, 3.0]);
    }
}

#[test]
fn bits_are_the_same_on_any_number_of_threads() {
    // Each row of what comes out is summed by one thread, in the order of words and bits, wherever its block begins.
    let (rows, summed, columns) = (300, 200, 100);
    let mut numbers = Numbers(7);
    let left = numbers.some(rows * summed, 3);
    let right = tiles(&numbers.some(summed * columns, 1), summed, columns);
    let mut whole = vec![0.0; rows * columns];
    multiply_in::<false>(Isa::best(), Matrix::new(&left, summed), &right, &mut whole);
    for (first, last) in [(0, 17), (17, 290), (290, 300)] {
        let mut part = vec![0.0; (last - first) * columns];
        let left = Matrix::new(&left[first * summed..last * summed], summed);
        multiply_in::<false>(Isa::best(), left, &right, &mut part);
        assert_eq!(part, whole[first * columns..last * columns]);
    }
}
