//! "Did you mean": the valid name nearest to a wrong one, and lists of valid names.

/// A proposal, if one of the names is near enough to be a slip of the finger.
pub(crate) fn did_you_mean<'a>(
    wrong: &str,
    valid: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let length = wrong.chars().count();
    let most = (length / 3).max(1);
    valid
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, _)| *distance <= most && *distance < length)
        .min()
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

/// A proposal for a message such as serde's "unknown field `a`, expected one of `b`, `c`".
pub(crate) fn proposal(message: &str) -> Option<String> {
    let (wrong, valid) = unknown_name(message)?;
    did_you_mean(wrong, valid)
}

/// "expected `a`", "expected `a` or `b`", "expected one of `a`, `b`, `c`"; for nothing `none`.
pub(crate) fn expected<'a>(valid: impl IntoIterator<Item = &'a str>, none: &str) -> String {
    let names: Vec<String> = valid.into_iter().map(|n| format!("`{n}`")).collect();
    match names.as_slice() {
        [] => none.to_owned(),
        [one] => format!("expected {one}"),
        [one, other] => format!("expected {one} or {other}"),
        many => format!("expected one of {}", many.join(", ")),
    }
}

/// The names between backticks of such a message: the wrong one and the valid ones.
fn unknown_name(message: &str) -> Option<(&str, Vec<&str>)> {
    let starts = ["unknown field `", "unknown value `", "unknown variant `"];
    let rest = starts
        .iter()
        .find_map(|start| message.strip_prefix(start))?;
    let (wrong, rest) = rest.split_once('`')?;
    Some((wrong, rest.split('`').skip(1).step_by(2).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposes_only_what_is_near() {
        let valid = ["poll_seconds", "path", "pattern"];
        assert_eq!(
            did_you_mean("pol_seconds", valid).as_deref(),
            Some("did you mean `poll_seconds`?")
        );
        assert_eq!(
            did_you_mean("paht", valid).as_deref(),
            Some("did you mean `path`?")
        );
        assert_eq!(did_you_mean("url", valid), None);
        assert_eq!(did_you_mean("a", ["b"]), None);
    }

    #[test]
    fn takes_apart_what_serde_says() {
        let found = unknown_name("unknown field `a`, expected one of `b`, `c`, `d`");
        assert_eq!(found, Some(("a", vec!["b", "c", "d"])));
        let found = unknown_name("unknown value `x`, expected `y` or `z`");
        assert_eq!(found, Some(("x", vec!["y", "z"])));
        assert_eq!(unknown_name("missing field `a`"), None);
    }
}
