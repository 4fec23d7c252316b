//! Floor 5: readers of the stream of events for people and programs: a terminal, a log, a file of JSON lines.
//! A view keeps what it shows and nothing else; it asks nobody, and no run ever waits for it to draw.

mod jsonl;
mod lines;
mod terminal;
mod trace;
mod words;

pub use jsonl::JsonLines;
pub use lines::Lines;
pub use terminal::Terminal;
pub use trace::Trace;
