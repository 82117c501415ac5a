//! Language models as hooked decoders.
