//! The text of the kernels.

/// The files in the order in which they are compiled, as one text.
const FILES: &[&str] = &[
    include_str!("program/common.cuh"),
    include_str!("program/round.cu"),
    include_str!("program/screen.cu"),
    include_str!("program/dots.cu"),
    include_str!("program/choose.cu"),
    include_str!("program/mark.cu"),
    include_str!("program/batch.cu"),
    include_str!("program/gate.cu"),
    include_str!("program/residual.cu"),
    include_str!("program/order.cu"),
    include_str!("program/decode.cu"),
    include_str!("program/scatter.cu"),
    include_str!("program/norms.cu"),
    include_str!("program/sums.cu"),
    include_str!("program/adam.cu"),
    include_str!("program/rows.cu"),
    include_str!("program/figures.cu"),
];

/// How a kernel begins.
const KERNEL: &str = "extern \"C\" __global__ void ";

/// Returns the whole text.
pub fn text() -> String {
    FILES.concat()
}

/// Returns the names of the kernels, in their order.
pub fn kernels() -> Vec<&'static str> {
    let pieces = FILES.iter().flat_map(|file| file.split(KERNEL).skip(1));
    pieces
        .map(|piece| piece.split('(').next().unwrap_or(piece))
        .collect()
}
