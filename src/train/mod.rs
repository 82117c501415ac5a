//! Training: batches in, a trained dictionary out.
