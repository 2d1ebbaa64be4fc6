//! Random values, encoded here, cut into transfers and pieces.

use proptest::prelude::*;

use fe2o3_amqp::types::messaging::Body;
use fe2o3_amqp::types::messaging::message::DecodeIntoMessage;
use fe2o3_amqp::types::primitives::LazyValue;

use super::*;
use crate::nesting::DEEPEST;
use crate::spoilt::Spot;

/// The delivery-id of all messages here.
const DELIVERY: u32 = 7;

/// What is sent.
#[derive(Debug, Clone)]
enum Sent {
    Null,
    Long(u64),
    Text(String),
    Binary(Vec<u8>),
    Longs(Vec<u64>),
    Texts(Vec<String>),
    Described(Box<Sent>),
    List(Vec<Sent>, bool),
    Map(Vec<(Sent, Sent)>),
}

impl Sent {
    fn depth(&self) -> usize {
        match self {
            Self::Null | Self::Long(_) | Self::Text(_) | Self::Binary(_) => 0,
            Self::Longs(all) => usize::from(!all.is_empty()),
            Self::Texts(all) => usize::from(!all.is_empty()),
            Self::Described(inner) => 1 + inner.depth(),
            Self::List(all, _) => all.iter().map(|one| 1 + one.depth()).max().unwrap_or(0),
            Self::Map(all) => {
                let depth = |(key, value): &(Self, Self)| 1 + key.depth().max(value.depth());
                all.iter().map(depth).max().unwrap_or(0)
            }
        }
    }

    fn encoded(&self) -> Vec<u8> {
        match self {
            Self::Null => vec![0x40],
            Self::Long(number) => [&[0x80][..], &number.to_be_bytes()].concat(),
            Self::Text(text) => [&[0xa1, size(text.len())][..], text.as_bytes()].concat(),
            Self::Binary(bytes) => [&[0xb0][..], &long(bytes.len()), bytes].concat(),
            Self::Longs(all) => {
                let all: Vec<_> = all.iter().map(|n| n.to_be_bytes().to_vec()).collect();
                array(0x80, &all)
            }
            Self::Texts(all) => {
                let one = |text: &String| [&[size(text.len())][..], text.as_bytes()].concat();
                array(0xa1, &all.iter().map(one).collect::<Vec<_>>())
            }
            Self::Described(inner) => [vec![0x00, 0x53, 0x77], inner.encoded()].concat(),
            Self::List(all, short) => {
                let encoded: Vec<u8> = all.iter().flat_map(Self::encoded).collect();
                match *short && encoded.len() < 255 && all.len() < 256 {
                    true => [
                        &[0xc0, size(encoded.len() + 1), size(all.len())],
                        &encoded[..],
                    ]
                    .concat(),
                    false => compound(0xd0, all.len(), &encoded),
                }
            }
            Self::Map(all) => {
                let pair = |(key, value): &(Self, Self)| [key.encoded(), value.encoded()].concat();
                let encoded: Vec<u8> = all.iter().flat_map(pair).collect();
                compound(0xd1, all.len() * 2, &encoded)
            }
        }
    }
}

fn size(length: usize) -> u8 {
    u8::try_from(length).unwrap()
}

fn long(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap().to_be_bytes()
}

fn compound(code: u8, count: usize, encoded: &[u8]) -> Vec<u8> {
    [&[code][..], &long(encoded.len() + 4), &long(count), encoded].concat()
}

fn array(code: u8, elements: &[Vec<u8>]) -> Vec<u8> {
    let constructor: &[u8] = if elements.is_empty() { &[] } else { &[code] };
    let encoded = [constructor, &elements.concat()].concat();
    compound(0xf0, elements.len(), &encoded)
}

fn frame(channel: u16, body: &[u8]) -> Vec<u8> {
    let [high, low] = channel.to_be_bytes();
    [&long(body.len() + 8)[..], &[2, 0, high, low], body].concat()
}

fn transfer(channel: u16, more: bool, aborted: bool, payload: &[u8]) -> Vec<u8> {
    let boolean = |is_true| if is_true { 0x41 } else { 0x42 };
    let fields = [
        0x43,
        0x52,
        DELIVERY as u8,
        0xa0,
        2,
        0xff,
        0x00,
        0x43,
        0x40,
        boolean(more),
        0x40,
        0x40,
        0x40,
        boolean(aborted),
    ];
    let list = [&[0xc0, size(fields.len() + 1), 10][..], &fields].concat();
    frame(channel, &[&[0x00, 0x53, 0x14][..], &list, payload].concat())
}

/// A flow, as may come between the transfers of a message.
fn flow(channel: u16) -> Vec<u8> {
    frame(channel, &[0x00, 0x53, 0x13, 0xc0, 4, 3, 0x43, 0x43, 0x43])
}

fn begin(channel: u16) -> Vec<u8> {
    frame(channel, &[0x00, 0x53, 0x11, 0x45])
}

/// A message in pieces of at most this size, each in a transfer, with something between them.
fn transfers(payload: &[u8], piece: usize) -> Vec<u8> {
    let pieces: Vec<_> = payload.chunks(piece).collect();
    let mut all = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        all.extend(transfer(3, index + 1 < pieces.len(), false, piece));
        all.extend(flow(3));
        all.extend(transfer(
            4,
            false,
            false,
            &[0x00, 0x53, 0x75, 0xa0, 1, 0x00],
        ));
    }
    all
}

/// More than any message here has.
const LARGEST: u64 = 1_000_000;

/// What is handed on of bytes that arrive in pieces of at most this size; and the message that could
/// not be read. All have one delivery-id here.
fn hand_on(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Option<Spot>), Fault> {
    let spoilt = Spoilt::default();
    let mut frames = Frames::new(LARGEST, spoilt.clone());
    let mut bytes = bytes.to_vec();
    bytes
        .chunks_mut(piece)
        .try_for_each(|piece| frames.read(piece))?;
    Ok((bytes, spoilt.take(DELIVERY)))
}

/// What is wrong with bytes that arrive in pieces of at most this size, in a message or outside.
fn read(bytes: &[u8], piece: usize) -> Result<(), Fault> {
    let (handed_on, spot) = hand_on(bytes, piece)?;
    assert_eq!(handed_on.len(), bytes.len());
    match spot {
        None => assert_eq!(handed_on, bytes, "altered"),
        Some(spot) => return Err(spot.fault),
    }
    Ok(())
}

fn in_lists(depth: usize) -> Sent {
    (0..depth).fold(Sent::Null, |inner, _| Sent::List(vec![inner], true))
}

fn values() -> impl Strategy<Value = Sent> {
    let leaf = prop_oneof![
        Just(Sent::Null),
        any::<u64>().prop_map(Sent::Long),
        "[a-z]{0,40}".prop_map(Sent::Text),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Sent::Binary),
        prop::collection::vec(any::<u64>(), 0..5).prop_map(Sent::Longs),
        prop::collection::vec("[a-z]{0,9}", 0..5).prop_map(Sent::Texts),
    ];
    leaf.prop_recursive(8, 60, 5, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Sent::Described(Box::new(one))),
            (prop::collection::vec(inner.clone(), 0..5), any::<bool>())
                .prop_map(|(all, short)| Sent::List(all, short)),
            prop::collection::vec((inner.clone(), inner), 0..4).prop_map(Sent::Map),
        ]
    })
}

/// In so many more levels, of a kind each.
fn wrapped(inner: Sent, kinds: &[u8]) -> Sent {
    kinds.iter().fold(inner, |inner, kind| match kind % 4 {
        0 => Sent::Described(Box::new(inner)),
        1 => Sent::Map(vec![(Sent::Text("key".into()), inner)]),
        2 => Sent::List(vec![Sent::Long(1), inner, Sent::Null], false),
        _ => Sent::List(vec![inner], true),
    })
}

proptest! {
    #[test]
    fn depth_decides_however_it_is_cut(
        inner in values(),
        kinds in prop::collection::vec(any::<u8>(), 40..80),
        cut in 1_usize..200,
        piece in 1_usize..300,
    ) {
        let value = wrapped(inner, &kinds);
        let before = Sent::Described(Box::new(Sent::Binary(vec![0xd0; 20]))).encoded();
        let sent = transfers(&[before, value.encoded()].concat(), cut);
        let expected = if value.depth() <= DEEPEST { Ok(()) } else { Err(Fault::TooDeep) };
        prop_assert_eq!(read(&sent, piece), expected);
    }

    #[test]
    fn any_bytes_are_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        piece in 1_usize..50,
    ) {
        // Whatever comes of it.
        let _ = hand_on(&bytes, piece);
        if let Ok((handed_on, _)) = hand_on(&transfer(1, false, false, &bytes), piece) {
            decode(&payload(&handed_on, 1));
        }
    }

    /// Bytes that are changed do not hide levels behind them: a message after it is still seen.
    #[test]
    fn damage_does_not_hide_the_next_message(
        inner in values(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut payload = inner.encoded();
        let place = place.index(payload.len());
        payload[place] = byte;
        let deep = in_lists(DEEPEST + 1).encoded();
        let sent = [transfer(1, false, false, &payload), transfer(1, false, false, &deep)].concat();
        prop_assert!(read(&sent, 100).is_err());
    }
}

#[test]
fn the_limit_is_exact() {
    for (depth, expected) in [(DEEPEST, Ok(())), (DEEPEST + 1, Err(Fault::TooDeep))] {
        let value = in_lists(depth).encoded();
        assert_eq!(read(&transfer(0, false, false, &value), 7), expected);
        // Two of them are the open frame itself.
        let list = [&[0x00, 0x53, 0x10][..], &in_lists(depth - 1).encoded()].concat();
        assert_eq!(read(&frame(0, &list), 7), expected);
    }
    let described = [0x00, 0x53, 0x01].repeat(10_000);
    assert_eq!(
        read(&transfer(0, true, false, &described), 9_999),
        Err(Fault::TooDeep)
    );
    let descriptors = [0x00; 10_000];
    assert_eq!(
        read(&transfer(0, true, false, &descriptors), 9_999),
        Err(Fault::TooDeep)
    );
}

#[test]
fn protocol_headers_and_empty_frames_are_passed() {
    let mechanisms = [
        &[0x00, 0x53, 0x40, 0xc0, 11, 1, 0xe0, 8, 1, 0xa3, 5][..],
        b"PLAIN",
    ]
    .concat();
    let mechanisms = [&[0, 0, 0, 24, 2, 1, 0, 0][..], &mechanisms].concat();
    let sent = [
        &b"AMQP\x03\x01\0\0"[..],
        &mechanisms,
        b"AMQP\0\x01\0\0",
        &frame(0, &[]),
        &begin(1),
        &flow(1),
    ]
    .concat();
    for piece in 1..sent.len() {
        assert_eq!(read(&sent, piece), Ok(()), "{piece}");
    }
    let no_frame = read(b"HTTP/1.1 400 Bad Request", 100).unwrap_err();
    assert!(no_frame.to_string().contains("no frame"), "{no_frame}");
}

/// Half a binary, and then what would be its other half.
#[test]
fn a_message_given_up_hides_nothing_in_the_next() {
    let half = [0xb0, 0, 0, 0x40, 0, 1, 2, 3];
    let deep = in_lists(DEEPEST + 1).encoded();
    let next = transfer(1, false, false, &deep);
    let begun = transfer(1, true, false, &half);
    // Its own bytes, not levels.
    assert_eq!(read(&[begun.clone(), next.clone()].concat(), 50), Ok(()));
    for between in [
        transfer(1, false, false, &[]),
        transfer(1, true, true, &[]),
        begin(1),
    ] {
        let sent = [begun.clone(), between, next.clone()].concat();
        assert_eq!(read(&sent, 50), Err(Fault::TooDeep));
    }
}

#[test]
fn what_could_hide_levels_is_not_passed() {
    for (what, payload) in [
        ("an unknown type", &[0x10][..]),
        ("a list without room for its count", &[0xc0, 0, 0]),
        (
            "a list that is longer than its elements",
            &[0xc0, 3, 1, 0x40, 0x40],
        ),
        (
            "a list that is shorter than its elements",
            &[0xc0, 2, 2, 0x40, 0x40],
        ),
        (
            "a list that is longer than the one it is in",
            &[0xc0, 4, 1, 0xc0, 9, 1],
        ),
        (
            "a text that is longer than its list",
            &[0xc0, 4, 1, 0xa1, 9, 0x61],
        ),
        ("an empty list with a size", &[0xc0, 2, 0, 0x40]),
        ("half a map", &[0xc1, 2, 1, 0x40]),
        ("an empty array with a constructor", &[0xe0, 2, 0, 0xb0]),
        ("an array of lists", &[0xe0, 4, 1, 0xc0, 1, 0]),
        ("an array of described values", &[0xe0, 4, 1, 0x00, 0x53, 1]),
        ("an array of too few numbers", &[0xe0, 4, 2, 0x60, 0, 1]),
    ] {
        let read = read(&transfer(1, true, false, payload), 5);
        assert!(
            matches!(read, Err(Fault::Unreadable(_))),
            "{what}: {read:?}"
        );
    }
    for body in [
        &[0x00, 0xa3, 1, 0x61, 0x45][..],
        &[0x00, 0x53, 0x14, 0xc1, 1, 0],
        &[0x00, 0x53, 0x13, 0x45, 0x40],
        &[0x00, 0x53, 0x13, 0xb0, 0, 0],
    ] {
        let read = read(&frame(1, body), 5);
        assert!(
            matches!(read, Err(Fault::Unreadable(_))),
            "{body:?}: {read:?}"
        );
    }
}

/// The payloads of the transfers of a channel in what is handed on.
fn payload(mut bytes: &[u8], wanted: u16) -> Vec<u8> {
    let empty = transfer(wanted, false, false, &[]).len();
    let mut all = Vec::new();
    while let Some((size, _)) = bytes.split_first_chunk() {
        let size = u32::from_be_bytes(*size) as usize;
        let (frame, rest) = bytes.split_at(size);
        if frame[6..8] == wanted.to_be_bytes() && frame[10] == 0x14 {
            all.extend(&frame[empty..]);
        }
        bytes = rest;
    }
    all
}

/// As many lists in one another as overflow any stack.
fn very_deep() -> Vec<u8> {
    const LEVELS: usize = 50_000;
    let level = |inner: usize| [&[0xd0][..], &long(inner * 9 + 5), &long(1)].concat();
    let mut all: Vec<u8> = (0..LEVELS).rev().flat_map(level).collect();
    all.push(0x40);
    all
}

/// As the library does it. Whatever comes of it, the stack stands it.
fn decode(payload: &[u8]) -> bool {
    let reader = serde_amqp::read::SliceReader::new(payload);
    Body::<LazyValue>::decode_message_from_reader(reader).is_ok()
}

/// Deep in an annotation, cut anywhere: the library gets no more of it than it stands, and the message
/// behind it as it is.
#[test]
fn what_is_too_deep_is_spoilt_and_the_next_message_is_not() {
    let annotation = [Sent::Text("x-opt-deep".into()).encoded(), very_deep()].concat();
    let annotations = compound(0xd1, 2, &annotation);
    let body = [0x00, 0x53, 0x75, 0xa0, 1, 0x61];
    let bad = [&[0x00, 0x53, 0x72][..], &annotations, &body].concat();
    for (cut, piece) in [(4_096, 1_000), (50, 7), (bad.len(), 100_000), (300, 1)] {
        let mut sent = Vec::new();
        let pieces: Vec<_> = bad.chunks(cut).collect();
        for (index, piece) in pieces.iter().enumerate() {
            sent.extend(transfer(3, index + 1 < pieces.len(), false, piece));
        }
        let good = transfer(4, false, false, &body);
        sent.extend(&good);
        let (handed_on, spot) = hand_on(&sent, piece).unwrap();
        let spot = spot.unwrap();
        assert_eq!((spot.fault, spot.section), (Fault::TooDeep, Some(0x72)));
        assert!((250..800).contains(&spot.at), "{spot}");
        assert!(handed_on.ends_with(&good));
        let payload = payload(&handed_on, 3);
        assert_eq!(payload.len(), bad.len());
        assert!(!decode(&payload));
    }
}

#[test]
fn a_message_given_up_needs_no_answer() {
    let deep = in_lists(DEEPEST + 1).encoded();
    let begun = transfer(1, true, false, &deep);
    let given_up = transfer(1, true, true, &[]);
    assert_eq!(
        hand_on(&begun, 50).unwrap().1.unwrap().fault,
        Fault::TooDeep
    );
    let (_, spot) = hand_on(&[begun, given_up].concat(), 50).unwrap();
    assert_eq!(spot, None);
}

/// A size that nobody has the memory for.
#[test]
fn a_size_that_is_larger_than_any_message_is_not_handed_on() {
    let huge = [0x00, 0x53, 0x75, 0xb0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3];
    let (handed_on, spot) = hand_on(&transfer(1, false, false, &huge), 3).unwrap();
    let told = spot.unwrap().to_string();
    assert!(
        told.contains("longer than what it is in, in its section `data`"),
        "{told}"
    );
    assert!(!decode(&payload(&handed_on, 1)));
}
