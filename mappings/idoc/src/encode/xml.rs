//! IDocs as the XML and HTTP ports have them.

use super::tree::OutSegment;

/// Writes what stands before the IDocs.
pub(super) fn head(idoctyp: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    open(idoctyp, "", out);
    out.push(b'\n');
}

/// Writes what stands after them.
pub(super) fn tail(idoctyp: &str, out: &mut Vec<u8>) {
    close(idoctyp, out);
    out.push(b'\n');
}

/// Writes one IDoc.
pub(super) fn write(segments: &[OutSegment<'_>], out: &mut Vec<u8>) {
    open("IDOC", " BEGIN=\"1\"", out);
    out.push(b'\n');
    let mut above: Vec<&str> = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        // The control record stands beside the first data segments, not above them.
        let depth = segment.depth.saturating_sub(1);
        while above.len() > depth {
            above.pop().iter().for_each(|name| close_line(name, out));
        }
        let name = segment.definition.name.as_str();
        open(name, " SEGMENT=\"1\"", out);
        for (field, value) in &segment.fields {
            open(&field.name, "", out);
            escape(value, out);
            close(&field.name, out);
        }
        if at == 0 {
            close_line(name, out);
        } else {
            above.push(name);
            let has_children = segments
                .get(at + 1)
                .is_some_and(|next| next.depth > segment.depth);
            if has_children {
                out.push(b'\n');
            }
        }
    }
    while let Some(name) = above.pop() {
        close_line(name, out);
    }
    close_line("IDOC", out);
}

fn open(name: &str, attributes: &str, out: &mut Vec<u8>) {
    for part in ["<", name, attributes, ">"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn close(name: &str, out: &mut Vec<u8>) {
    for part in ["</", name, ">"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn close_line(name: &str, out: &mut Vec<u8>) {
    close(name, out);
    out.push(b'\n');
}

/// Control characters were made blanks before; what is left and XML 1.0 does not have is dropped.
fn escape(text: &str, out: &mut Vec<u8>) {
    for c in text.chars() {
        match c {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c => {
                let mut buffer = [0; 4];
                out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            }
        }
    }
}
