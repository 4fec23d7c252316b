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
    UNKNOWN_WORD = "E0120", "a word that a key does not know";
    CALLED_FILE = "E0121", "a called pipeline file that cannot be read";
    CALL_CYCLE = "E0122", "pipeline files that call each other in a circle";
    NUL = "E0123", "a NUL character where none can stand";
    NOT_ITS_FILE = "E0124", "a table that stands in another file than it may";
    BAD_ADDRESS = "E0140", "an address or a digest of a fetched file that cannot be read";

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
    UNKNOWN_NAME = "E0301", "a name that means nothing where it stands";
    UNKNOWN_ATTRIBUTE = "E0302", "a known thing that does not have this attribute";
    UNKNOWN_OUTPUT = "E0303", "an output nobody declares";
    WHOLE_NODE = "E0304", "a task, a map or a word of the language used as if it were a value";
    INSIDE_ITS_MAP = "E0305", "a map's own name used inside its body";
    NOT_HERE = "E0306", "a word of the language where it may not stand";
    DUPLICATE_NODE = "E0307", "two nodes of one body with one name";
    SHADOWED = "E0308", "a name that hides another of the same name";
    INSIDE_A_MAP = "E0309", "a node of a map's body named without its map";
    READS_ITSELF = "E0310", "a node that reads itself or waits for itself";
    NO_ATTRIBUTES = "E0311", "an attribute of a value that has none";
    TWO_SHAPES = "E0312", "a name that is not of one shape in the cases of its branch";
    LOCAL_CYCLE = "E0313", "a task's own things that are defined by each other in a circle";
    NOT_A_LIST = "E0314", "`over` gives no list";
    NOT_A_BOOL = "E0315", "a condition that gives neither true nor false";
    NOT_AN_INT = "E0316", "something else where a whole number must stand";
    NOT_TEXT = "E0317", "a list where text must stand";
    NOT_A_PATH = "E0318", "something else where a path must stand";
    SHOWN_SECRET = "E0330", "a secret in an expression";
    TEST_VALUE = "E0340", "what a test gives or expects does not fit its task";

    // 04xx: graph, paths, outputs, resources
    CYCLE = "E0401", "nodes that wait for each other in a circle";
    DUPLICATE_OUTPUT = "E0402", "two tasks that declare one output path";
    SAME_FOR_EVERY_ITEM = "E0403", "an output path in a map that does not name its item";
    CONSTANT_MAP = "E0404", "a map none of whose cached tasks reads the item or the index";
    OVER_LIMIT = "E0405", "more of a limited resource than there is";
    NOTHING_TO_CACHE = "E0406", "`cache = true` on a task without outputs (a warning)";
    UNKNOWN_NODE = "E0407", "a selection that names no node";
    NO_PLACE = "E0408", "an output's path where no output may stand";
    NOTHING_TO_RAISE = "E0409", "a retry that raises what the task does not ask for, or a cap below it";
    REQUIRES_NO_MAP = "E0410", "`require` on a node that reads no map";

    // 05xx: params and the command line
    UNKNOWN_PARAM = "E0501", "a value for a param that the pipeline does not have";
    MISSING_PARAM = "E0502", "a param without a value";
    WRONG_PARAM = "E0503", "a value that is not of its param's type";
    PARAM_BOUNDS = "E0504", "a value beyond its param's `min` or `max`";
    PARAM_CHOICE = "E0505", "a value that is none of its param's `choices`";
    PARAMS_FILE = "E0506", "a params file that cannot be read";
    UNUSED_PARAM = "E0507", "a param that nothing reads (a warning)";
    UNKNOWN_PROFILE = "E0508", "a profile that no settings file has";

    // 06xx: the machine, before the run
    BEYOND_CAPACITY = "E0601", "a resource of which there is less than a task asks for";
    BAD_LIST = "E0602", "a map's list that cannot be made";
    MISSING_INPUT = "E0603", "an input that is not there and that no task makes";
    NO_SUCH_PLACE = "E0604", "a partition, an account or a QOS that a cluster does not have, or not for this user";
    MISSING_SECRET = "E0610", "a secret that is not there";
    NO_ENGINE = "E0611", "a container that nothing here can run";
    TEST_FILE = "E0620", "a file that a test names and that is not there";
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
