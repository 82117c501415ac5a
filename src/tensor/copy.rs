//! Copies rows that lie all over memory side by side, at the speed of the memory.
//!
//! Rows of a large gather are asked for a little ahead, since no processor guesses where the next one lies, and on x86-64
//! they are written past the caches: by the time somebody reads them they would have fallen out of there anyway, and a
//! cache would fetch each line from memory before it is overwritten.

use std::mem::MaybeUninit;

/// Gathers smaller than this go through the caches, where they are found again.
const LARGE: usize = 1 << 20;
/// Long rows that are asked for ahead.
const AHEAD: usize = 3;
/// Rows of a few bytes that are asked for ahead: each is a line of memory of its own, and copied in no time.
const SHORT_AHEAD: usize = 24;

/// Writes `rows`, all of the same length, one after another into `target`, which they fill.
///
/// # Panics
/// The lengths do not fit.
pub(super) fn gather(target: &mut [MaybeUninit<u8>], rows: &[&[u8]]) {
    let width = rows.first().map_or(0, |row| row.len());
    assert!(
        width * rows.len() == target.len() && rows.iter().all(|row| row.len() == width),
        "rows fill the target"
    );
    #[cfg(target_arch = "x86_64")]
    if target.len() >= LARGE
        && width.is_multiple_of(32)
        && target.as_ptr().addr().is_multiple_of(32)
        && is_x86_feature_detected!("avx")
    {
        // SAFETY: AVX is there, the target is aligned to 32 bytes, and the rows, whose length is a multiple of 32, fill
        // it.
        unsafe { stream(target, rows) };
        return;
    }
    match width {
        4 => short::<4>(target, rows),
        8 => short::<8>(target, rows),
        _ => {
            for (place, row) in target.chunks_exact_mut(width.max(1)).zip(rows) {
                place.write_copy_of_slice(row);
            }
        }
    }
}

/// [`gather`] of numbers: rows of a length that the compiler knows.
fn short<const WIDTH: usize>(target: &mut [MaybeUninit<u8>], rows: &[&[u8]]) {
    for (at, (place, row)) in target.chunks_exact_mut(WIDTH).zip(rows).enumerate() {
        ask_for(rows.get(at + SHORT_AHEAD));
        if let Some(row) = row.first_chunk::<WIDTH>() {
            place.write_copy_of_slice(row);
        }
    }
}

/// Has the processor fetch a row that is needed soon.
#[inline(always)]
fn ask_for(row: Option<&&[u8]>) {
    #[cfg(target_arch = "x86_64")]
    for line in row.into_iter().flat_map(|row| row.chunks(64)) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: asking for memory has no effect that a program can see, and the address is a row's.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}

/// [`gather`] past the caches.
///
/// # Safety
/// As said where it is called.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn stream(target: &mut [MaybeUninit<u8>], rows: &[&[u8]]) {
    use std::arch::x86_64::{__m256i, _mm_sfence, _mm256_loadu_si256, _mm256_stream_si256};
    let mut place = target.as_mut_ptr().cast::<__m256i>();
    for (at, row) in rows.iter().enumerate() {
        ask_for(rows.get(at + AHEAD));
        for piece in row.chunks_exact(32) {
            // SAFETY: `piece` has 32 bytes; `place` walks over the target in steps of 32 bytes, once for each piece.
            unsafe {
                _mm256_stream_si256(place, _mm256_loadu_si256(piece.as_ptr().cast()));
                place = place.add(1);
            }
        }
    }
    _mm_sfence();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_and_small_gathers_copy_the_same() {
        for (width, count) in [(4, 3), (8, 100), (64, 100), (1024, 2000), (1000, 2000)] {
            let source: Vec<u8> = (0..width * count).map(|i| (i * 31 % 251) as u8).collect();
            let order: Vec<usize> = (0..count).map(|i| i * 7 % count).collect();
            let rows: Vec<&[u8]> = order.iter().map(|row| &source[row * width..][..width]).collect();
            let mut aligned: Vec<[MaybeUninit<u128>; 2]> = Vec::new();
            aligned.resize(width * count / 32 + 2, [MaybeUninit::uninit(); 2]);
            // SAFETY: bytes that may be uninitialised, within the vector.
            let bytes = unsafe {
                std::slice::from_raw_parts_mut(
                    aligned.as_mut_ptr().cast::<MaybeUninit<u8>>(),
                    aligned.len() * 32,
                )
            };
            let skip = bytes.as_ptr().align_offset(32);
            let target = &mut bytes[skip..][..width * count];
            gather(target, &rows);
            let copied: Vec<u8> = target
                .iter()
                .map(|byte| {
                    // SAFETY: `gather` has written all of it.
                    unsafe { byte.assume_init() }
                })
                .collect();
            assert!(copied == rows.concat(), "{count} rows of {width} bytes");
        }
    }
}
