//! What an answer says to people: the words of an HTML or XML page without its markup.

/// Most of an answer that is shown to an operator, in characters.
pub(crate) const LONGEST_SHOWN: usize = 500;

/// The words of an answer as one line: without tags, scripts, styles and control characters, common
/// entities resolved, at most [`LONGEST_SHOWN`] characters.
pub(crate) fn readable(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    match text.trim_start().starts_with('<') {
        true => one_line(&entities_resolved(&without_markup(&text))),
        false => one_line(&text),
    }
}

/// One line of at most [`LONGEST_SHOWN`] characters, without control characters.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control() || c == '\u{a0}');
    let mut line = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > LONGEST_SHOWN * 4 {
            break;
        }
    }
    match line.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn without_markup(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        words.push_str(&rest[..at]);
        words.push(' ');
        rest = after_markup(&rest[at..]);
    }
    words.push_str(rest);
    words
}

/// What follows the tag, comment, or whole script or style that stands here.
fn after_markup(rest: &str) -> &str {
    if rest.starts_with("<!--") {
        return after(rest, "-->");
    }
    for (opening, closing) in [("<script", "</script"), ("<style", "</style")] {
        let head = rest.get(..opening.len()).unwrap_or_default();
        if head.eq_ignore_ascii_case(opening) {
            let mut ends = rest.as_bytes().windows(closing.len());
            let end = ends.position(|part| part.eq_ignore_ascii_case(closing.as_bytes()));
            return end.map_or("", |end| after(&rest[end..], ">"));
        }
    }
    after(rest, ">")
}

fn after<'a>(text: &'a str, mark: &str) -> &'a str {
    text.split_once(mark).map_or("", |(_, rest)| rest)
}

fn entities_resolved(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        // An entity is short; an ampersand alone is itself.
        let end = rest.bytes().take(10).position(|b| b == b';');
        let resolved = end.and_then(|end| Some((end, entity(&rest[1..end])?)));
        match resolved {
            Some((end, c)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    let number = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        },
        None => {
            let named = [
                ("amp", '&'),
                ("lt", '<'),
                ("gt", '>'),
                ("quot", '"'),
                ("apos", '\''),
                ("nbsp", ' '),
            ];
            return named.iter().find(|(n, _)| *n == name).map(|(_, c)| *c);
        }
    };
    char::from_u32(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_dump_becomes_one_line() {
        let page = b"<!DOCTYPE html><html><head><title>Application Server Error</title>\
            <style type='text/css'>body { color: #000 }</style><script>if (a < b) { go(); }</script></head>\
            <body><!-- trace: <secret> --><table><tr><td>500&nbsp;SAP Internal Server Error</td></tr></table>\
            <p>ERROR: Division by 0 in &quot;ZCL_METER&quot; (termination: RABAX_STATE)</p></body></html>";
        assert_eq!(
            readable(page),
            "Application Server Error 500 SAP Internal Server Error ERROR: Division by 0 in \"ZCL_METER\" \
             (termination: RABAX_STATE)"
        );
    }

    #[test]
    fn what_is_no_page_is_kept_and_bounded() {
        assert_eq!(readable(b"a < b\x00 &amp;\r\n c"), "a < b &amp; c");
        assert_eq!(readable(b""), "");
        assert_eq!(readable(b"<a"), "");
        assert_eq!(
            readable("<p>&#228;&#xdf;&unknown;&</p>".as_bytes()),
            "äß&unknown;&"
        );
        let long = "ä".repeat(100_000);
        assert_eq!(readable(long.as_bytes()).chars().count(), LONGEST_SHOWN + 1);
        assert_eq!(readable(b"<script>never closed"), "");
    }
}
