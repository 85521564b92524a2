//! What every driver promises, as tests.
