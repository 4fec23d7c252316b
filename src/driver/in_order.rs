//! Answers of worker threads, handed on in the order of the questions, so that which thread was faster does not decide
//! what starts first. An answer waits for earlier ones only a moment: a question that takes long holds nobody up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long after a question the answers to later ones wait for its answer.
pub const MOMENT: Duration = Duration::from_millis(100);

/// The number of a question.
pub type Number = u64;

/// Questions that wait for an answer, and answers that wait for earlier ones.
pub struct InOrder<T> {
    /// The number of the first one in `line`; the answers to earlier questions are waited for no more.
    first: Number,
    line: VecDeque<Slot<T>>,
    /// Answers to questions that are no longer in line.
    late: VecDeque<T>,
}

enum Slot<T> {
    Asked(Instant),
    Answered(T),
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self { first: 0, line: VecDeque::new(), late: VecDeque::new() }
    }
}

impl<T> InOrder<T> {
    /// A question is asked.
    pub fn ask(&mut self, now: Instant) -> Number {
        self.line.push_back(Slot::Asked(now));
        self.first + (self.line.len() as u64 - 1)
    }

    /// Its answer.
    pub fn answer(&mut self, number: Number, answer: T) {
        match number.checked_sub(self.first) {
            Some(at) => self.line[at as usize] = Slot::Answered(answer),
            None => self.late.push_back(answer),
        }
    }

    /// The next answer whose turn it is.
    pub fn next(&mut self, now: Instant) -> Option<T> {
        if let Some(answer) = self.late.pop_front() {
            return Some(answer);
        }
        while let Some(head) = self.line.pop_front() {
            match head {
                Slot::Asked(at) if now.duration_since(at) < MOMENT => {
                    self.line.push_front(head);
                    return None;
                }
                Slot::Asked(_) => self.first += 1,
                Slot::Answered(answer) => {
                    self.first += 1;
                    return Some(answer);
                }
            }
        }
        None
    }

    /// When an answer that waits has waited long enough; `None`: none waits.
    pub fn due(&self) -> Option<Instant> {
        let Some(Slot::Asked(at)) = self.line.front() else { return None };
        self.line.iter().any(|slot| matches!(slot, Slot::Answered(_))).then_some(*at + MOMENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_the_order_of_the_questions() {
        let (mut line, now) = (InOrder::default(), Instant::now());
        let [one, two, three] = [(); 3].map(|()| line.ask(now));
        line.answer(three, 3);
        assert_eq!((line.next(now), line.due()), (None, Some(now + MOMENT)));
        line.answer(one, 1);
        assert_eq!((line.next(now), line.next(now)), (Some(1), None));
        line.answer(two, 2);
        assert_eq!((line.next(now), line.next(now), line.next(now), line.due()), (Some(2), Some(3), None, None));
    }

    #[test]
    fn a_slow_one_is_waited_for_once_and_then_left() {
        let (mut line, now) = (InOrder::default(), Instant::now());
        let (slow, quick) = (line.ask(now), line.ask(now));
        line.answer(quick, 2);
        assert_eq!((line.next(now), line.next(now + MOMENT)), (None, Some(2)));
        let later = line.ask(now + MOMENT);
        line.answer(later, 3);
        assert_eq!((line.next(now + MOMENT), line.due()), (Some(3), None));
        line.answer(slow, 1);
        assert_eq!(line.next(now + MOMENT), Some(1));
    }
}
