//! Floor 5: results as text for people and as JSON for programs. Data in, text out: nothing here opens a file, and
//! nothing here knows a view.

pub mod doctor;
pub mod forecast;
pub mod json;
pub mod keeping;
pub mod outcome;
pub mod params;
pub mod runs;
pub mod status;
pub mod submission;
pub mod timings;
pub mod trial;
