//! A driver in memory that follows a script.
