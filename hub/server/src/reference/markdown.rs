//! Markdown that reads well raw: tables, code, links.

/// A table. Cells must be made by [`cell`] or be free of pipes and line breaks.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<&str> = cells.collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut out = line(&mut head.iter().copied());
    out.push_str(&line(&mut head.iter().map(|_| "---")));
    for row in rows {
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    out
}

/// A text for a cell: one line, its pipes escaped.
pub(super) fn cell(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

/// Code on a line.
pub(super) fn code(text: &str) -> String {
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}

/// A block of TOML.
pub(super) fn toml(text: &str) -> String {
    format!("```toml\n{}\n```\n", text.trim_end())
}

/// A doc comment below a heading: its own headings go below it, and what rustdoc alone
/// understands (links to items) becomes plain.
pub(super) fn prose(text: &str) -> String {
    let mut out = String::new();
    let mut in_code = false;
    for line in text.trim().lines() {
        in_code ^= line.trim_start().starts_with("```");
        let is_heading = !in_code && line.starts_with('#');
        match is_heading {
            true => out.push_str(&format!("**{}**", line.trim_start_matches('#').trim())),
            false => out.push_str(&plain_links(line)),
        }
        out.push('\n');
    }
    out
}

/// "[`Name`]" and "[`Name`](path)" as "`Name`".
fn plain_links(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(begin) = rest.find("[`") {
        let (before, link) = rest.split_at(begin);
        out.push_str(before);
        let Some(end) = link.find("`]") else {
            rest = link;
            break;
        };
        out.push_str(&link[1..=end]);
        rest = &link[end + 2..];
        if rest.starts_with('(')
            && let Some(close) = rest.find(')')
        {
            rest = &rest[close + 1..];
        }
    }
    out.push_str(rest);
    out
}

/// The first sentence of a text, on one line.
pub(super) fn first_sentence(text: &str) -> String {
    let paragraph = text.trim().split("\n\n").next().unwrap_or_default();
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.find(". ") {
        Some(end) => line[..=end].to_owned(),
        None => line,
    }
}

/// The anchor that a forge gives to a heading.
pub(super) fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_break_no_table() {
        assert_eq!(cell("one\n two | three"), "one two \\| three");
        let table = table(&["A", "B"], &[vec!["1".into(), cell("x|y")]]);
        assert_eq!(table, "| A | B |\n| --- | --- |\n| 1 | x\\|y |\n");
    }

    #[test]
    fn doc_comments_become_plain_text() {
        assert_eq!(
            prose("See [`Broker`] and [`Auth`](super::Auth).\n\n# Errors\nNone [`a"),
            "See `Broker` and `Auth`.\n\n**Errors**\nNone [`a\n"
        );
        assert_eq!(prose("```text\n# stays\n```"), "```text\n# stays\n```\n");
        assert_eq!(
            first_sentence("Posts each\nmessage. And more.\n\nMore."),
            "Posts each message."
        );
    }

    #[test]
    fn anchors_are_those_of_forges() {
        assert_eq!(
            anchor("`[source.NAME.amqp.broker]`"),
            "sourcenameamqpbroker"
        );
        assert_eq!(anchor("As a source"), "as-a-source");
    }
}
