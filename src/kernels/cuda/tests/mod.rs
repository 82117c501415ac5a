//! The kernels on a processor that plays a GPU, against those of `kernels` and against libtorch; and what NVIDIA's compiler
//! says of them.

mod above;
mod batch;
mod cases;
mod compile;
mod deferred;
mod encode;
mod figures;
mod gradients;
mod graphs;
mod in_a_row;
mod norms;
mod order;
mod pending;
mod played;
mod rows;
mod sparse_moves;
mod sums;
mod waiting;

use super::emulated::Emulated;

/// Both orders in which blocks and threads are run, in blocks of several sizes.
const ORDERS: [Emulated; 2] = [
    Emulated {
        reversed: false,
        threads: 64,
    },
    Emulated {
        reversed: true,
        threads: 96,
    },
];

/// Blocks as large as those of a GPU.
const LARGE: Emulated = Emulated {
    reversed: false,
    threads: 256,
};
