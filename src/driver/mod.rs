//! Room `driver`.

