//! What is taken out of an envelope is the same tree as in it, whatever the namespaces and the cuts.

use std::io;

use bytes::Bytes;
use futures_util::stream;
use proptest::prelude::*;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;
use quick_xml::{NsReader, XmlVersion};

use super::{Envelope, Input, Output, Plan};

const PREFIXES: [&str; 4] = ["", "a", "b", "c"];
const URIS: [&str; 4] = ["urn:1", "urn:2", "http://x/?a&amp;b", "urn:4"];

/// An element that may use any of [`PREFIXES`], which something around it declares.
fn element() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        Just(String::new()),
        Just("plain ü".to_owned()),
        Just("&lt;&#x20AC;&amp;".to_owned()),
        Just("<![CDATA[<no/> ]] > ]]>".to_owned()),
        Just("<!-- c > d -->".to_owned()),
    ];
    let leaf = (0..4usize, declarations(), text).prop_map(|(prefix, declared, text)| {
        let name = qualified(prefix);
        format!("<{name}{declared} b:at='x' at=\"&quot;>\">{text}</{name}>")
    });
    leaf.prop_recursive(4, 24, 4, |inner| {
        (
            0..4usize,
            declarations(),
            prop::collection::vec(inner, 0..4),
        )
            .prop_map(|(prefix, declared, children)| {
                let name = qualified(prefix);
                match children.is_empty() {
                    true => format!("<{name}{declared} c:y='1'/>"),
                    false => format!("<{name}{declared}>{}</{name} >", children.concat()),
                }
            })
    })
}

fn qualified(prefix: usize) -> String {
    match PREFIXES[prefix] {
        "" => "e".to_owned(),
        prefix => format!("{prefix}:e"),
    }
}

/// Some `xmlns` attributes, each prefix once at most.
fn declarations() -> impl Strategy<Value = String> {
    let one = prop::option::weighted(0.3, 0..4usize);
    (one.clone(), one.clone(), one).prop_map(|(default, a, b)| {
        let mut text = String::new();
        for (prefix, uri) in [("xmlns", default), ("xmlns:a", a), ("xmlns:b", b)] {
            if let Some(uri) = uri {
                text.push_str(&format!(" {prefix}=\"{}\"", URIS[uri]));
            }
        }
        text
    })
}

/// The elements, attributes and texts from a depth on, with namespaces instead of prefixes.
fn tree(text: &str, from: usize) -> Vec<String> {
    let mut reader = NsReader::from_str(text);
    let (mut depth, mut found, mut run) = (0usize, Vec::new(), String::new());
    loop {
        let (namespace, event) = reader.read_resolved_event().unwrap();
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.0.to_owned(),
            other => format!("{other:?}"),
        };
        let is_empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(tag) | Event::Empty(tag) => {
                let mut attributes = Vec::new();
                for attribute in tag.attributes() {
                    let attribute = attribute.unwrap();
                    if attribute.key.0.starts_with("xmlns") {
                        continue;
                    }
                    let (of, local) = reader.resolver().resolve_attribute(attribute.key);
                    let value = attribute.normalized_value(XmlVersion::Implicit1_0).unwrap();
                    attributes.push(format!("{of:?} {} {value}", local.as_ref()));
                }
                depth += 1;
                if depth >= from {
                    found.push(std::mem::take(&mut run));
                    found.push(format!(
                        "{{{namespace}}}{} {attributes:?}",
                        tag.local_name().as_ref()
                    ));
                }
                if is_empty {
                    if depth >= from {
                        found.push("end".to_owned());
                    }
                    depth -= 1;
                }
            }
            Event::End(_) => {
                if depth >= from {
                    found.push(std::mem::take(&mut run));
                    found.push("end".to_owned());
                }
                depth -= 1;
            }
            Event::Text(text) if depth >= from => {
                run.push_str(&text.xml_content(XmlVersion::Implicit1_0));
            }
            Event::CData(text) if depth >= from => run.push_str(&text),
            Event::GeneralRef(name) if depth >= from => run.push_str(&format!("&{};", &*name)),
            Event::Eof => return found,
            _ => {}
        }
    }
}

fn extracted(text: &str, plan: Plan, step: usize) -> String {
    let chunks: Vec<io::Result<Bytes>> = text
        .as_bytes()
        .chunks(step)
        .map(|c| Ok(Bytes::copy_from_slice(c)))
        .collect();
    let read = async {
        let input = Input::Whole(Box::pin(stream::iter(chunks)));
        let opened = Envelope::open(input, None, plan).await;
        let mut envelope = opened.unwrap_or_else(|(trouble, _)| panic!("{trouble}: {text}"));
        let mut content = Vec::new();
        while let Some(Output::Bytes(bytes)) = envelope.next().await.unwrap() {
            content.extend(bytes);
        }
        String::from_utf8(content).unwrap()
    };
    run_now(read)
}

/// Nothing here waits.
fn run_now<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

const AROUND: &str = " xmlns='urn:d' xmlns:a='urn:a' xmlns:b='urn:b' xmlns:c='urn:c'";

proptest! {
    #[test]
    fn the_document_is_the_same_tree_as_in_the_envelope(
        document in element(), body in declarations(), step in 1usize..40,
    ) {
        let text = format!(
            "<S:Envelope xmlns:S='http://www.w3.org/2003/05/soap-envelope'{AROUND}>\
             <S:Body{body}>\n {document} </S:Body></S:Envelope>"
        );
        let found = extracted(&text, Plan::default(), step);
        prop_assert_eq!(tree(&found, 1), tree(&text, 3)[..].to_vec());
    }

    #[test]
    fn so_is_the_document_in_a_payload(
        document in element(), payload in declarations(), step in 1usize..40,
    ) {
        let begin = format!(
            "<S:Envelope xmlns:S='http://www.w3.org/2003/05/soap-envelope'{AROUND}><S:Body>\
             <Message><Header><Verb>created</Verb></Header><Payload{payload}>"
        );
        let text = format!("{begin} {document} </Payload></Message></S:Body></S:Envelope>");
        let plan = Plan { iec: true, payload: true, xop: false };
        let found = extracted(&text, plan, step);
        let whole = tree(&text, 5);
        // The header's children are at the same depth.
        let header = tree("<Header xmlns='urn:d'><Verb>created</Verb></Header>", 2);
        prop_assert_eq!(tree(&found, 1), whole[header.len()..].to_vec());
    }
}
