//! The artifact folder, through the binary.
