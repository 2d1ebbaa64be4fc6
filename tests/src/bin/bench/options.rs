//! The command line of the benchmark.

/// The benchmarks by their letters, as the table has them.
const BENCHMARKS: &str = "abcdefg";

/// What to run, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// A tenth of the size, one run each.
    pub(crate) quick: bool,
    /// Put the table into the documentation.
    pub(crate) write: bool,
    /// Leave generated files for the next time.
    pub(crate) keep: bool,
    /// Letters of the benchmarks to run.
    only: Vec<char>,
    /// Names of the adapters that (g) measures; empty: all.
    adapters: Vec<String>,
}

impl Options {
    /// Reads the arguments.
    ///
    /// # Errors
    /// Says what would be valid.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            quick: false,
            write: false,
            keep: false,
            only: BENCHMARKS.chars().collect(),
            adapters: Vec::new(),
        };
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--write" => options.write = true,
                "--keep" => options.keep = true,
                "only" => options.only = letters(&arguments.next().unwrap_or_default())?,
                "--adapters" => {
                    let names = arguments.next().unwrap_or_default();
                    options.adapters = names.split(',').map(ToOwned::to_owned).collect();
                }
                other => return Err(format!("unknown argument `{other}`, {EXPECTED}")),
            }
        }
        Ok(options)
    }

    /// Whether a benchmark is to be run.
    pub(crate) fn wants(&self, letter: char) -> bool {
        self.only.contains(&letter)
    }

    /// Whether (g) is to measure an adapter.
    pub(crate) fn wants_adapter(&self, name: &str) -> bool {
        self.adapters.is_empty() || self.adapters.iter().any(|wanted| wanted == name)
    }

    /// Runs of each benchmark, of which the median counts.
    pub(crate) const fn runs(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }

    /// A size, or a tenth of it.
    pub(crate) const fn size(&self, full: u64) -> u64 {
        if self.quick { full / 10 } else { full }
    }
}

const EXPECTED: &str = "expected `--quick`, `--write`, `--keep`, `only` with letters: `only a,b,d`, or `--adapters` with \
     names: `--adapters amqp,file`";

fn letters(list: &str) -> Result<Vec<char>, String> {
    let letter = |word: &str| match word.trim().chars().collect::<Vec<_>>()[..] {
        [letter] if BENCHMARKS.contains(letter) => Ok(letter),
        _ => Err(format!(
            "`{word}` is no benchmark, {EXPECTED}, out of {BENCHMARKS}"
        )),
    };
    list.split(',').map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(ToOwned::to_owned))
    }

    #[test]
    fn all_run_in_full_unless_told_otherwise() {
        let options = parse("").unwrap();
        assert!("abcdefg".chars().all(|letter| options.wants(letter)));
        assert_eq!((options.runs(), options.size(1_000)), (3, 1_000));
        let options = parse("--quick only a,d").unwrap();
        assert!(options.wants('a') && options.wants('d') && !options.wants('b'));
        assert_eq!((options.runs(), options.size(1_000)), (1, 100));
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        for line in ["--fast", "only", "only x", "only ab"] {
            let problem = parse(line).unwrap_err();
            assert!(problem.contains("--quick"), "{problem}");
        }
    }
}
