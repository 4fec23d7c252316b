//! Floor 5: what executes attempts. One folder a backend; none knows another, and nobody but `cli` names one.

pub mod local;
pub mod nodes;
pub mod slurm;
pub mod spool;
