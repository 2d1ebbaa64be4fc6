//! Each folder of `fixtures/idoc`: an input, and what must come of it. See `fixtures/idoc/README.md`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod render;

use std::path::{Path, PathBuf};

use hub_model::mapping::{Collected, Decode, Encode, Envelope};
use hub_model::{Instant, Zone};
use mapping_idoc::{IdocDecoder, IdocEncoder, IdocMapping};

fn helsinki() -> Zone {
    Zone::named("Europe/Helsinki").unwrap()
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.toml"))
}

fn load(file: &Path) -> IdocMapping {
    let text = std::fs::read_to_string(file).unwrap();
    IdocMapping::load(&text, &[]).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The mapping of a case, or the example that its file `role` names.
fn mapping(case: &Path, role: &str) -> Option<IdocMapping> {
    let own = case.join(format!("{role}.toml"));
    if own.is_file() {
        return Some(load(&own));
    }
    let name = std::fs::read_to_string(case.join(role)).ok()?;
    Some(load(&example(name.trim())))
}

fn file(case: &Path, stem: &str) -> Option<PathBuf> {
    let names = ["xml", "idoc"].map(|extension| case.join(format!("{stem}.{extension}")));
    names.into_iter().find(|name| name.is_file())
}

fn encoded(mapping: &IdocMapping, found: &Collected) -> Vec<u8> {
    let encoder = IdocEncoder::new(mapping, &helsinki()).expect("the mapping can write");
    let envelope = Envelope {
        message_id: "01JQ8ZC2T0000000000000MHUB".into(),
        created: "2026-03-30T11:22:33Z".parse::<Instant>().unwrap(),
        zone: helsinki(),
    };
    let mut out = Vec::new();
    encoder.head(&envelope, &mut out);
    for (_, record) in &found.records {
        encoder.record(&envelope, record, &mut out).unwrap();
    }
    encoder.tail(&envelope, &mut out);
    out
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<_> = std::fs::read_dir(render::fixtures("idoc"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.retain(|case| case.is_dir());
    cases.sort();
    cases
}

#[test]
fn every_case_gives_what_it_should() {
    let cases = cases();
    assert!(cases.len() >= 2, "fixtures are missing");
    for case in cases {
        let decoder = IdocDecoder::new(&mapping(&case, "mapping").unwrap(), &helsinki());
        let input = std::fs::read(file(&case, "input").unwrap()).unwrap();
        let found = render::decode(&decoder, &input);
        let mut text = render::render(&found);
        let key = decoder.business_key(&input, true);
        text.push_str(&format!("key: {}\n", key.as_deref().unwrap_or("none")));
        render::check(&case.join("expected.txt"), &text);
        if let Some(written) = file(&case, "encoded") {
            let bytes = encoded(&mapping(&case, "writing").unwrap(), &found);
            if std::env::var_os("UPDATE_FIXTURES").is_some() {
                std::fs::write(&written, &bytes).unwrap();
            }
            let expected = std::fs::read(&written).unwrap();
            assert_eq!(
                String::from_utf8_lossy(&bytes),
                String::from_utf8_lossy(&expected),
                "{}",
                written.display()
            );
        }
    }
}

#[test]
fn parts_yield_what_the_whole_yields_from_any_of_them_on() {
    for case in cases() {
        let decoder = IdocDecoder::new(&mapping(&case, "mapping").unwrap(), &helsinki());
        let input = std::fs::read(file(&case, "input").unwrap()).unwrap();
        let whole = render::render(&render::decode(&decoder, &input));
        let Some(mut parts) = decoder.segments(&input, 0).unwrap() else {
            continue;
        };
        let mut cut = Collected::default();
        while let Some(part) = parts.next().unwrap() {
            (part.decode)(&mut cut).unwrap();
        }
        assert_eq!(render::render(&cut), whole, "{}", case.display());
    }
}
