//! Floor 0: plain data that every other room speaks: values, ids, digests, amounts, text.
//! Knows nothing of pipelines, files or time.

pub mod amount;
pub mod digest;
pub mod human;
pub mod id;
pub mod paint;
pub mod pattern;
pub mod text;
pub mod value;

pub use digest::Digest;
pub use id::{Arena, InstanceId, NodeId};
pub use value::{Lack, Value};
