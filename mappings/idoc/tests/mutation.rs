//! Damaged bytes of every fixture: no panic, and parts yield what the whole yields.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
mod render;

use common::{SERVICE_ORDERS, decode, decode_parts, decoder};
use proptest::prelude::*;

fn inputs() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for entry in std::fs::read_dir(render::fixtures("idoc")).unwrap() {
        for name in ["input.xml", "input.idoc"] {
            inputs.extend(std::fs::read(entry.as_ref().unwrap().path().join(name)));
        }
    }
    inputs.sort();
    inputs
}

/// What is done to the bytes.
#[derive(Debug, Clone)]
enum Damage {
    Change(u8),
    Insert(u8),
    Remove(usize),
    CutOff,
    Repeat(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = prop_oneof![
        any::<u8>(),
        proptest::sample::select(b"<>/&;!-[] \n\r\"'EDI_DC40\xef\xff\0".to_vec())
    ];
    prop_oneof![
        byte.clone().prop_map(Damage::Change),
        byte.prop_map(Damage::Insert),
        (1usize..2_000).prop_map(Damage::Remove),
        Just(Damage::CutOff),
        (1usize..2_000).prop_map(Damage::Repeat),
    ]
}

fn damaged(mut bytes: Vec<u8>, damages: &[(prop::sample::Index, Damage)]) -> Vec<u8> {
    for (at, damage) in damages {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match damage {
            Damage::Change(byte) => bytes[at] = *byte,
            Damage::Insert(byte) => bytes.insert(at, *byte),
            Damage::Remove(count) => drop(bytes.drain(at..bytes.len().min(at + count))),
            Damage::CutOff => bytes.truncate(at),
            Damage::Repeat(count) => {
                let again = bytes[at..bytes.len().min(at + count)].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damaged_files_end_in_findings(
        which in any::<prop::sample::Index>(),
        damages in proptest::collection::vec((any::<prop::sample::Index>(), damage()), 1..6),
    ) {
        let inputs = inputs();
        let bytes = damaged(inputs[which.index(inputs.len())].clone(), &damages);
        let decoder = decoder(SERVICE_ORDERS);
        let _ = hub_model::mapping::Decode::business_key(&decoder, &bytes, true);
        let whole = decode(&decoder, &bytes);
        if let Some((cut, _)) = decode_parts(&decoder, &bytes, 0) {
            prop_assert_eq!(&cut.records, &whole.records);
            prop_assert_eq!(&cut.findings, &whole.findings);
        }
        let places = whole.findings.iter().map(|finding| finding.place.offset);
        prop_assert!(places.max().unwrap_or(0) <= bytes.len() as u64 * 3);
    }
}
