//! The dictionary: the sparse autoencoder, its activation functions, initialisation and files.
