//! The one table of all diagnostic codes. Each room appends in its own range:
//! 01xx TOML and the reader, 02xx templates, expressions and the shell, 03xx names, types and shapes,
//! 04xx graph, paths, outputs and resources, 05xx params and the command line, 06xx the machine.
//!
//! A code is never given a second meaning and never used again.

/// Declares one constant a code, and [`ALL`]. One line each: `NAME = "E0000", "its meaning in one line";`
macro_rules! codes {
    ($($name:ident = $code:literal, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $name: &str = $code;
        )*
        /// Every code with its meaning, in the order of the codes' ranges.
        pub const ALL: &[(&str, &str)] = &[$(($code, $meaning)),*];
    };
}

codes! {
    // 01xx: TOML and the reader
    SYNTAX = "E0101", "the file is not TOML";
    UNKNOWN_KEY = "E0102", "a key that its table does not have";
    WRONG_TYPE = "E0103", "a value of the wrong TOML type";
    MISSING_KEY = "E0104", "a key that its table must have is missing";
    RUN_FORM = "E0105", "a task must have exactly one of `command`, `argv`, `script`";
    BAD_NAME = "E0106", "a name that is not `[A-Za-z_][A-Za-z0-9_]*`";
    RESERVED_NAME = "E0107", "a name that the language keeps for itself";
    DUPLICATE_KEY = "E0108", "a key or table that stands twice";
    DOTTED_TABLE = "E0109", "a dotted key and a later header declare one table twice";
    BAD_TYPE = "E0110", "a type that the language does not have";
    BAD_AMOUNT = "E0111", "an amount, duration or share that cannot be read";
    BAD_DEFAULT = "E0112", "a param's default, bounds or choices contradict its type or each other";
    EMPTY_BODY = "E0113", "a pipeline or map without a node";
    NOT_YET = "E0114", "a key of the language that this version does not have yet";
    BAD_SOURCE = "E0115", "a map's source that is not one of the known forms";
    BAD_NUMBER = "E0116", "a number out of range";
    BAD_OUTPUT = "E0117", "an output that is neither a type nor one of the known tables";
    KEY_CONFLICT = "E0118", "two keys that exclude each other, or one that needs another";
    NO_EXPRESSION = "E0119", "plain text where an expression must stand";

    // 02xx: templates, expressions, shell
    OPEN_BRACES = "E0201", "`{{` without its `}}`";
    STATEMENT = "E0202", "a Jinja statement `{% … %}`";
    EXPRESSION = "E0203", "what stands between `{{` and `}}` is not an expression";
    UNKNOWN_FUNCTION = "E0204", "a filter, test, function or method that the language does not have";
    RAW_MISPLACED = "E0205", "`| raw` anywhere but at the end of a hole in a command";
    SHELL_UNCERTAIN = "E0206", "a hole where the shell would read a value as syntax";
    SHELL_FOREIGN = "E0207", "a hole in a command for a shell that flowrun cannot quote for";
    SHELL_INTEGER = "E0208", "a value that is no integer where the shell computes";
    SHELL_LIST = "E0209", "a list where the shell expects one word";
    HANDED_ON = "E0210", "a warning: a value becomes part of a program for another interpreter";

    // 03xx: names, types, shapes

    // 04xx: graph, paths, outputs, resources

    // 05xx: params and the command line

    // 06xx: the machine, before the run
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::ALL;

    #[test]
    fn every_code_stands_once_and_in_order() {
        let codes: Vec<_> = ALL.iter().map(|(code, _)| *code).collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(codes, sorted);
        for code in codes {
            assert!(code.len() == 5 && code.starts_with('E') && code[1..].parse::<u16>().is_ok(), "{code}");
        }
    }
}
