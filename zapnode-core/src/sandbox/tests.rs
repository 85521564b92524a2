//! Tests over the control interface.
