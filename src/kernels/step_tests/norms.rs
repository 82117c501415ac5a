use super::{Numbers, Sum, assert_close, bits, on_any_threads, sets};
use crate::kernels::norms::{Statistics, column_sums_in, row_norms_in, scale_rows_in, statistics_in};
use crate::kernels::tiles::Tiles;

/// Returns how many rows and columns matrices have.
fn shapes() -> [(usize, usize); 7] {
    [(0, 4), (1, 1), (5, 3), (9, 16), (3, 71), (40, 130), (2000, 33)]
}

#[test]
fn norms_of_rows() {
    for (rows, columns) in shapes() {
        let matrix = Numbers::new(1).numbers(rows * columns);
        let expected: Vec<_> = matrix.chunks(columns).map(norm).collect();
        for isa in sets() {
            let mut norms = vec![9.0; rows];
            row_norms_in(isa, &matrix, columns, &mut norms);
            assert_close(&norms, &expected);
        }
    }
}

/// Returns the Euclidean norm of numbers.
fn norm(numbers: &[f32]) -> Sum {
    let squares: f64 = numbers.iter().map(|&number| f64::from(number).powi(2)).sum();
    Sum {
        value: squares.sqrt(),
        size: squares.sqrt(),
    }
}

#[test]
fn sums_of_columns() {
    for (rows, columns) in shapes() {
        let matrix = Numbers::new(2).numbers(rows * columns);
        let mut expected = vec![Sum::default(); columns];
        for row in matrix.chunks(columns) {
            expected
                .iter_mut()
                .zip(row)
                .for_each(|(sum, &number)| sum.add(number.into()));
        }
        for (isa, width) in sets().flat_map(|isa| [(isa, 16), (isa, 32)]) {
            let (mut tiles, mut sums) = (Tiles::default(), vec![9.0; columns]);
            tiles.pack(&matrix, rows, columns, width);
            column_sums_in(isa, &tiles, &mut sums);
            assert_close(&sums, &expected);
        }
    }
}

#[test]
fn statistics_of_slices() {
    for count in [0, 1, 17, 8191, 8192, 8193, 100_001] {
        let mut numbers = Numbers::new(3).numbers(count);
        numbers.iter_mut().step_by(3).for_each(|number| *number = 0.0);
        let squares = norm(&numbers).value.powi(2);
        let nonzeros = numbers.iter().filter(|&&number| number != 0.0).count() as u64;
        for isa in sets() {
            let found = statistics_in(isa, &numbers);
            assert!((found.squares - squares).abs() <= 1e-6 * squares);
            assert_eq!(found.nonzeros, nonzeros);
        }
    }
    for isa in sets() {
        let found = statistics_in(isa, &[0.0, f32::NAN, 1.0]);
        assert!(found.squares.is_nan() && found.nonzeros == 2);
        let found = statistics_in(isa, &[f32::INFINITY, 0.0]);
        assert_eq!(
            found,
            Statistics {
                squares: f64::INFINITY,
                nonzeros: 1
            }
        );
    }
}

#[test]
fn threads_make_no_difference() {
    let (rows, columns) = (3000, 61);
    let matrix = Numbers::new(4).numbers(rows * columns);
    let mut tiles = Tiles::default();
    tiles.pack(&matrix, rows, columns, 16);
    for isa in sets() {
        on_any_threads(|| {
            let (mut norms, mut sums) = (vec![0.0; rows], vec![0.0; columns]);
            row_norms_in(isa, &matrix, columns, &mut norms);
            column_sums_in(isa, &tiles, &mut sums);
            let squares = statistics_in(isa, &matrix).squares;
            bits(&norms)
                .chain(bits(&sums))
                .chain([squares.to_bits() as u32])
                .collect()
        });
    }
}

#[test]
fn rows_are_brought_to_a_length() {
    for isa in sets() {
        for (rows, columns) in [(1, 1), (3, 5), (2, 16), (5, 131)] {
            let mut matrix: Vec<f32> = (0..rows * columns)
                .map(|at| (at as f32 * 0.7).sin() + 0.1)
                .collect();
            // A row of nothing stays one, and NaN is not taken for it.
            matrix[..columns].fill(0.0);
            if rows > 2 {
                matrix[columns] = f32::NAN;
            }
            let mut scaled = vec![7.0; matrix.len()];
            scale_rows_in(isa, &matrix, columns, (3.0, 1e-12), &mut scaled);
            for (row, (scaled, whole)) in scaled.chunks(columns).zip(matrix.chunks(columns)).enumerate() {
                let length = scaled.iter().map(|number| number * number).sum::<f32>().sqrt();
                match row {
                    0 => assert_eq!(length, 0.0),
                    1 if rows > 2 => assert!(scaled.iter().all(|number| number.is_nan())),
                    _ => {
                        assert!((length - 3.0).abs() < 1e-5, "{isa:?}: {length}");
                        assert!(scaled[0] * whole[0] > 0.0, "{isa:?}: turned round");
                    }
                }
            }
        }
    }
}
