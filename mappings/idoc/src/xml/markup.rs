//! Just enough of XML's markup to find where an IDoc ends: a `</IDOC>` in a comment or in CDATA is
//! text, and must not be taken for the end of one.

use std::io;

use memchr::{memchr, memmem};

use crate::window::Window;

/// What stands at a `<`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Markup {
    Comment,
    CData,
    Instruction,
    /// `<!`, which is a document type definition or nothing.
    Declaration,
    EndTag,
    StartTag,
}

/// Finds the next `<` from `at` on. `None`: there is none, or not within `limit`.
pub(super) fn next_angle(
    window: &mut Window<'_>,
    mut at: usize,
    limit: usize,
) -> io::Result<Option<usize>> {
    loop {
        if let Some(found) = window.rest().get(at..).and_then(|rest| memchr(b'<', rest)) {
            return Ok(Some(at + found));
        }
        at = window.rest().len();
        if at > limit || !window.more()? {
            return Ok(None);
        }
    }
}

/// What stands at `at`, where a `<` is.
pub(super) fn markup(window: &mut Window<'_>, at: usize) -> io::Result<Markup> {
    const LONGEST: usize = b"<![CDATA[".len();
    window.at_least(at + LONGEST)?;
    let text = window.rest().get(at..).unwrap_or_default();
    Ok(match text.get(1) {
        Some(b'/') => Markup::EndTag,
        Some(b'?') => Markup::Instruction,
        Some(b'!') if text.starts_with(b"<!--") => Markup::Comment,
        Some(b'!') if text.starts_with(b"<![CDATA[") => Markup::CData,
        Some(b'!') => Markup::Declaration,
        _ => Markup::StartTag,
    })
}

/// The first byte after the markup at `at`. `None`: it does not end, or not within `limit` bytes of
/// it.
pub(super) fn end_of(
    window: &mut Window<'_>,
    at: usize,
    markup: Markup,
    limit: usize,
) -> io::Result<Option<usize>> {
    match markup {
        Markup::Comment => find(window, at + 4, b"-->", limit),
        Markup::CData => find(window, at + 9, b"]]>", limit),
        Markup::Instruction => find(window, at + 2, b"?>", limit),
        Markup::EndTag | Markup::Declaration => find(window, at + 2, b">", limit),
        Markup::StartTag => end_of_tag(window, at + 1, limit),
    }
}

fn find(
    window: &mut Window<'_>,
    from: usize,
    needle: &[u8],
    limit: usize,
) -> io::Result<Option<usize>> {
    let mut at = from;
    loop {
        let rest = window.rest().get(at..).unwrap_or_default();
        if let Some(found) = memmem::find(rest, needle) {
            return Ok(Some(at + found + needle.len()));
        }
        // A part of it may stand at the end.
        at = at.max(window.rest().len().saturating_sub(needle.len() - 1));
        if at.saturating_sub(from) > limit || !window.more()? {
            return Ok(None);
        }
    }
}

/// A `>` in a quoted value does not end a tag.
fn end_of_tag(window: &mut Window<'_>, from: usize, limit: usize) -> io::Result<Option<usize>> {
    let (mut at, mut quote) = (from, None);
    loop {
        for (n, &c) in window
            .rest()
            .get(at..)
            .unwrap_or_default()
            .iter()
            .enumerate()
        {
            match (quote, c) {
                (None, b'>') => return Ok(Some(at + n + 1)),
                (None, b'"' | b'\'') => quote = Some(c),
                (Some(open), c) if open == c => quote = None,
                _ => {}
            }
        }
        at = window.rest().len().max(at);
        if at - from > limit || !window.more()? {
            return Ok(None);
        }
    }
}

/// The name of a tag that begins at `<` or `</`, prefix included.
pub(super) fn name_of(tag: &[u8]) -> &[u8] {
    let tag = tag.strip_prefix(b"<").unwrap_or(tag);
    let tag = tag.strip_prefix(b"/").unwrap_or(tag);
    let end = tag
        .iter()
        .position(|c| c.is_ascii_whitespace() || matches!(c, b'>' | b'/'))
        .unwrap_or(tag.len());
    &tag[..end]
}
