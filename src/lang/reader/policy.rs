//! `retry`, `on_error`, `max_failures`, `require`: what a failure means and what follows from it.

use super::fields::Fields;
use super::{Reader, Val, data};
use crate::base::amount::{parse_bytes, parse_duration, parse_share};
use crate::base::text::{Problem, did_you_mean, or, quote};
use crate::diag::{Diagnostic, Span, Spanned, codes};
use crate::lang::model::{PolicyDecl, RetryDecl};
use crate::lang::policy::{Allowance, CauseWord, Factor, OnError, Require, Retry, Share};

impl Reader<'_> {
    pub(super) fn policy(&mut self, table: &Fields<'_>) -> PolicyDecl {
        let policy =
            PolicyDecl { retry: self.retry(table), on_error: self.on_error(table), require: self.require(table) };
        let limit = table.table.key("max_failures").and_then(|key| table.get(key.name));
        if let (Some(limit), Some(on_error)) = (limit, &policy.on_error)
            && on_error.value == OnError::Ignore
        {
            let message = "`max_failures` has no meaning where every failure is ignored";
            let d = Diagnostic::error(codes::KEY_CONFLICT, limit.name.span, message);
            self.report(d.also(on_error.span, "every failure is ignored").help("keep one of the two"));
        }
        policy
    }

    fn on_error(&mut self, table: &Fields<'_>) -> Option<Spanned<OnError>> {
        let word = self.text(table, "on_error")?;
        if let Some(value) = OnError::of(&word.value) {
            return Some(Spanned { value, span: word.span });
        }
        let d = Diagnostic::error(codes::UNKNOWN_WORD, word.span, format!("{} is no policy", quote(&word.value)));
        let help = did_you_mean(&word.value, OnError::WORDS);
        self.report(d.help(help.unwrap_or_else(|| format!("write {}", or(OnError::WORDS)))));
        None
    }

    fn require(&mut self, table: &Fields<'_>) -> Option<Spanned<Require>> {
        let word = self.text(table, "require")?;
        let value = match &*word.value {
            "all" => Require::All,
            "any" => Require::Any,
            text => {
                let problem = |p: Problem| p.help("write `all`, `any`, or a percentage such as `80%`");
                Require::Share(Share::new(self.amount(parse_share(text).map_err(problem), word.span)?))
            }
        };
        Some(Spanned { value, span: word.span })
    }

    /// `max_failures`
    pub(super) fn allowance(&mut self, table: &Fields<'_>) -> Option<Spanned<Allowance>> {
        let field = table.get("max_failures")?;
        let Some(text) = self.text_of(field.value) else {
            let count = self.bounded(field.value, "max_failures", 0, i64::from(u32::MAX))?;
            return Some(Spanned { value: Allowance::Count(u32::try_from(count.value).ok()?), span: count.span });
        };
        let problem = |p: Problem| p.help("write a whole number, or a percentage of the list such as `5%`");
        let share = self.amount(parse_share(&text.value).map_err(problem), text.span)?;
        Some(Spanned { value: Allowance::Share(Share::new(share)), span: text.span })
    }

    fn retry(&mut self, table: &Fields<'_>) -> Option<RetryDecl> {
        let retry = self.table(table, "retry")?;
        let attempts = self.int(&retry, "attempts");
        let backoff_ms = self.plain_duration(&retry, "backoff");
        let on = self.causes(&retry);
        let (on_oom, on_timeout) = (self.table(&retry, "on_oom"), self.table(&retry, "on_timeout"));
        let memory = on_oom.as_ref().and_then(|table| self.factor(table, "memory"));
        let time = on_timeout.as_ref().and_then(|table| self.factor(table, "time"));
        let cap = self.table(&retry, "cap");
        let memory_cap = cap.as_ref().and_then(|table| {
            let field = table.get("memory")?;
            self.plain(field.value, "memory", parse_bytes)
        });
        let time_cap = cap.as_ref().and_then(|table| self.plain_duration(table, "time"));

        for (key, word, raises) in [("on_oom", CauseWord::Oom, "memory"), ("on_timeout", CauseWord::Timeout, "time")] {
            if let (Some(field), Some((causes, span))) = (retry.get(key), &on)
                && !causes.contains(&word)
            {
                let cause = key.trim_start_matches("on_");
                let message = format!("`{key}` has no meaning: after `{cause}` there is no other attempt");
                let d = Diagnostic::error(codes::KEY_CONFLICT, field.name.span, message);
                self.report(
                    d.also(*span, "the causes").help(format!("add `\"{cause}\"` to `on`, or leave `{key}` out")),
                );
            }
            if let Some(field) = cap.as_ref().and_then(|cap| cap.get(raises))
                && retry.get(key).is_none()
                && !retry.rejected.contains(&key)
            {
                let message = format!("`cap.{raises}` has no meaning without `{key}`, for nothing raises it");
                let d = Diagnostic::error(codes::KEY_CONFLICT, field.name.span, message);
                self.report(d.help(format!("add `{key} = {{ {raises} = \"x2\" }}`, or leave it out")));
            }
        }
        if let Some(attempts) = attempts.as_ref().filter(|attempts| attempts.value == 1) {
            for field in retry.given(&["backoff", "on", "on_oom", "on_timeout", "cap"]).into_iter().take(1) {
                let message = format!("{} has no meaning: there is one attempt in all", quote(field.key.name));
                let d = Diagnostic::error(codes::KEY_CONFLICT, field.name.span, message);
                self.report(d.also(attempts.span, "in all").help("write `attempts = 2` for one more after a failure"));
            }
        }
        Some(RetryDecl {
            retry: Retry {
                attempts: u32::try_from(attempts?.value).ok()?,
                backoff_ms: backoff_ms.map_or(0, |(ms, _)| ms),
                on: on.map(|(causes, _)| causes),
                memory: memory.map(|(factor, _)| factor),
                time: time.map(|(factor, _)| factor),
                memory_cap: memory_cap.map(|(bytes, _)| bytes),
                time_cap: time_cap.map(|(ms, _)| ms),
            },
            memory: memory.map(|(_, span)| span),
            time: time.map(|(_, span)| span),
            memory_cap: memory_cap.map(|(_, span)| span),
            time_cap: time_cap.map(|(_, span)| span),
        })
    }

    fn causes(&mut self, table: &Fields<'_>) -> Option<(Vec<CauseWord>, Span)> {
        let reports = self.diagnostics.len();
        let words = self.texts(table, "on")?;
        let mut causes = Vec::new();
        for word in &words.value {
            match CauseWord::parse(&word.value) {
                Ok(cause) => causes.push(cause),
                Err(problem) => {
                    let d = Diagnostic::error(codes::UNKNOWN_WORD, word.span, problem.message);
                    self.report(Diagnostic { help: problem.help, ..d });
                }
            }
        }
        if words.value.is_empty() {
            let d = Diagnostic::error(codes::KEY_CONFLICT, words.span, "`on` names no cause, so nothing is run again");
            self.report(d.help("name one, as in `on = [\"timeout\"]`, or leave `on` out for every cause"));
        }
        // Half of the causes would make other keys look wrong.
        (self.diagnostics.len() == reports).then_some((causes, words.span))
    }

    fn factor(&mut self, table: &Fields<'_>, key: &str) -> Option<(Factor, Span)> {
        let text = self.text(table, key)?;
        Some((self.amount(Factor::parse(&text.value), text.span)?, text.span))
    }

    fn plain_duration(&mut self, table: &Fields<'_>, key: &str) -> Option<(u64, Span)> {
        let field = table.get(key)?;
        self.plain(field.value, key, parse_duration)
    }

    /// An amount that is needed before anything runs.
    pub(super) fn plain(
        &mut self,
        value: Val<'_>,
        name: &str,
        parse: fn(&str) -> Result<u64, Problem>,
    ) -> Option<(u64, Span)> {
        let span = self.span(value.span());
        let Some(text) = self.text_of(value) else {
            let number = self.bounded(value, name, 0, i64::MAX)?.value;
            return Some((self.amount(parse(&number.to_string()), span)?, span));
        };
        if data::has_hole(&text.value) {
            let message = format!("no expression can stand in {}", quote(name));
            self.report(Diagnostic::error(codes::BAD_AMOUNT, span, message).help("write the amount as it is"));
            return None;
        }
        Some((self.amount(parse(&text.value), span)?, span))
    }

    fn amount<T>(&mut self, parsed: Result<T, Problem>, span: Span) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(problem) => {
                let d = Diagnostic::error(codes::BAD_AMOUNT, span, problem.message);
                self.report(Diagnostic { help: problem.help, ..d });
                None
            }
        }
    }
}
