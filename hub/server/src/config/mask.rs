//! Keeps secrets out of problem reports: a value that may be one is masked in the snippets.
//!
//! Secrets are configured by reference. Who writes one as a value gets an error, and that error's
//! snippet must not carry the secret into logs and tickets.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use hub_core::Secret;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, SourceText};

/// Parts of key names whose values are masked unless they are references.
const SUSPICIOUS: [&str; 7] = [
    "password",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "credential",
    "bearer",
];

/// Masks secrets in the files that the problems show.
pub(super) fn secrets(problems: &mut [Problem]) {
    let refusal = Secret::reference("").err().unwrap_or_default();
    let mut spans: BTreeMap<String, Vec<Range<usize>>> = BTreeMap::new();
    for problem in problems.iter() {
        let Some(location) = &problem.location else {
            continue;
        };
        let spans = spans
            .entry(location.file.name.clone())
            .or_insert_with(|| suspicious(&location.file.text));
        if problem.message.contains(refusal) {
            spans.extend(strings(&location.file.text, &location.span));
        }
    }
    let mut masked: BTreeMap<String, Arc<SourceText>> = BTreeMap::new();
    for location in problems
        .iter_mut()
        .filter_map(|problem| problem.location.as_mut())
    {
        let file = masked.entry(location.file.name.clone()).or_insert_with(|| {
            let spans = spans
                .get(&location.file.name)
                .map_or(&[][..], Vec::as_slice);
            mask(&location.file, spans)
        });
        location.file = Arc::clone(file);
    }
}

fn mask(file: &Arc<SourceText>, spans: &[Range<usize>]) -> Arc<SourceText> {
    if spans.is_empty() {
        return Arc::clone(file);
    }
    let hidden = |at: usize| spans.iter().any(|span| span.contains(&at));
    let mut text = String::with_capacity(file.text.len());
    for (at, c) in file.text.char_indices() {
        match hidden(at) && !matches!(c, '\n' | '"' | '\'') {
            // As many bytes as before, so that all spans stay right.
            true => text.extend(std::iter::repeat_n('*', c.len_utf8())),
            false => text.push(c),
        }
    }
    Arc::new(SourceText {
        name: file.name.clone(),
        text,
    })
}

/// Where strings stand in a value; the whole of it if it cannot be read.
fn strings(text: &str, span: &Range<usize>) -> Vec<Range<usize>> {
    let value = text.get(span.clone()).map(DeValue::parse);
    let Some(Ok(value)) = value else {
        return vec![span.clone()];
    };
    let mut spans = Vec::new();
    value_spans(&value, true, &mut spans);
    let shift = |inner: Range<usize>| span.start + inner.start..span.start + inner.end;
    spans.into_iter().map(shift).collect()
}

/// Where values stand whose keys sound like secrets, and what stands before the host of a URL.
fn suspicious(text: &str) -> Vec<Range<usize>> {
    let (table, _) = DeTable::parse_recoverable(text);
    let mut spans = Vec::new();
    walk(table.get_ref(), false, &mut spans);
    spans.extend(text.match_indices("://").filter_map(|(at, mark)| {
        let begin = at + mark.len();
        let rest = text.get(begin..)?;
        let ends = |c: char| matches!(c, '/' | '?' | '#' | '"' | '\'') || c.is_whitespace();
        let authority = rest.split(ends).next()?;
        Some(begin..begin + authority.rfind('@')?)
    }));
    spans
}

fn walk(table: &DeTable<'_>, within: bool, spans: &mut Vec<Range<usize>>) {
    for (key, value) in table {
        let key = key.get_ref().to_ascii_lowercase();
        let secret = within || SUSPICIOUS.iter().any(|word| key.contains(word));
        // A URL is no secret, and `token_url` sounds like one.
        value_spans(value, secret && !key.ends_with("url"), spans);
    }
}

fn value_spans(value: &Spanned<DeValue<'_>>, secret: bool, spans: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(inner) => walk(inner, secret, spans),
        DeValue::Array(items) => items
            .iter()
            .for_each(|item| value_spans(item, secret, spans)),
        DeValue::String(text) if secret && Secret::reference(text).is_err() => {
            spans.push(value.span());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Location;

    #[test]
    fn only_what_may_be_a_secret_is_masked() {
        let text = "a = 'x'\ntoken = \"hünter2\"\n[b]\nclient_secret = 'env:OK'\nPassword = 'p'\n\
            bearer = ['env:A', 'abc']\napi_key = { name = 'n', value = 'v' }\ntoken_url = 'u'\n\
            proxy = 'http://me:p@ss@proxy:3128/a@b'\nurl = \"https://erp.example/a@b\"\n";
        let file = Arc::new(SourceText {
            name: "f".into(),
            text: text.into(),
        });
        let mut problems = [Problem::error(Some(Location { file, span: 0..1 }), "m")];
        secrets(&mut problems);
        let shown = &problems[0].location.as_ref().unwrap().file.text;
        assert_eq!(
            shown,
            "a = 'x'\ntoken = \"********\"\n[b]\nclient_secret = 'env:OK'\nPassword = '*'\n\
             bearer = ['env:A', '***']\napi_key = { name = '*', value = '*' }\ntoken_url = 'u'\n\
             proxy = 'http://*******@proxy:3128/a@b'\nurl = \"https://erp.example/a@b\"\n"
        );
    }
}
