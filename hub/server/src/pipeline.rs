//! Decodes a payload on several threads and hands on what it yields in the payload's order.
//!
//! Memory is bounded: at most [`AHEAD`] parts per thread are decoded or being decoded at once.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use hub_model::mapping::{Decode, Halt, Payload, Records, Segments};
use hub_model::{Finding, Place, Record, Severity};

/// Parts per thread that may be under way. Fewer leave threads idle while the receiver is busy,
/// more only cost memory.
const AHEAD: usize = 2;

/// A part of a payload without segments is handed on when it has this many records, counting
/// readings ...
const MOST_COUNTED: u64 = 20_000;
/// ... or this many blocks, orders, devices and findings.
const MOST_ITEMS: usize = 1_000;

/// What one part of a payload yields.
#[derive(Debug, Default)]
pub struct Part {
    /// Where a later run may go on after this part: [`hub_model::mapping::Segment::end`]. `None`
    /// if the payload must be decoded in one go.
    pub end: Option<u64>,
    /// Records with their places, in order.
    pub records: Vec<(Place, Record)>,
    /// Findings, in order.
    pub findings: Vec<Finding>,
}

impl Part {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.findings.is_empty()
    }

    /// Whether the decoder could read nothing after some place in this part.
    fn is_fatal(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.severity == Severity::Fatal)
    }
}

/// Decodes a payload with up to `threads` threads and hands its parts to `each` in the order of
/// the payload, on the calling thread.
///
/// After a part with a fatal finding nothing more is handed on, although a thread may have decoded
/// what stands behind it.
///
/// `from` is 0 or the [`Part::end`] of an earlier run. A payload that must be decoded in one go
/// begins at 0 whatever `from` says; its parts have no end and are cut at a bounded size.
///
/// # Errors
/// What `each` returned, or what kept the content from being read. Parts before it were handed on.
///
/// # Panics
/// If the decoder does: a defect of the decoder.
pub fn decode_parallel(
    decoder: &dyn Decode,
    payload: &dyn Payload,
    from: u64,
    threads: usize,
    each: &mut dyn FnMut(Part) -> Result<(), Halt>,
) -> Result<(), Halt> {
    let mut ended = false;
    let mut until_fatal = |part: Part| {
        let is_fatal = part.is_fatal();
        each(part)?;
        ended = is_fatal;
        if ended { Err(Halt::Stopped) } else { Ok(()) }
    };
    let each = &mut until_fatal;
    let outcome = match decoder.segments(payload, from)? {
        Some(segments) if threads > 1 => on_threads(segments, threads, each),
        Some(segments) => one_by_one(segments, each),
        None if threads > 1 => beside(decoder, payload, each),
        None => in_one_go(decoder, payload, each),
    };
    if ended { Ok(()) } else { outcome }
}

fn one_by_one(
    mut segments: Box<dyn Segments + '_>,
    each: &mut dyn FnMut(Part) -> Result<(), Halt>,
) -> Result<(), Halt> {
    while let Some(segment) = segments.next()? {
        let mut part = Part {
            end: Some(segment.end),
            ..Part::default()
        };
        (segment.decode)(&mut part)?;
        each(part)?;
    }
    Ok(())
}

fn in_one_go(
    decoder: &dyn Decode,
    payload: &dyn Payload,
    each: &mut dyn FnMut(Part) -> Result<(), Halt>,
) -> Result<(), Halt> {
    let mut cutter = Cutter {
        part: Part::default(),
        counted: 0,
        each,
    };
    decoder.decode(payload, &mut cutter)?;
    match cutter.part.is_empty() {
        true => Ok(()),
        false => cutter.hand_on(),
    }
}

/// Decodes in one go on a thread of its own, so that decoding and what `each` does overlap.
fn beside(
    decoder: &dyn Decode,
    payload: &dyn Payload,
    each: &mut dyn FnMut(Part) -> Result<(), Halt>,
) -> Result<(), Halt> {
    thread::scope(|scope| {
        let (sender, parts) = sync_channel::<Part>(AHEAD);
        let decoding = scope.spawn(move || {
            let mut send = |part| sender.send(part).map_err(|_| Halt::Stopped);
            in_one_go(decoder, payload, &mut send)
        });
        let taken = parts.iter().try_for_each(&mut *each);
        // A decoder that waits to hand on a part stops now.
        drop(parts);
        let decoded = decoding.join().unwrap_or_else(|panic| resume_unwind(panic));
        taken.and(decoded)
    })
}

/// What becomes of a part: it comes through a channel of its own when it is decoded.
type Promise = Receiver<Result<Part, Halt>>;

/// Threads take segments in turn. Under one lock a thread cuts the next segment and queues the
/// promise of its part, so promises stand in the payload's order; a full queue holds them back.
fn on_threads(
    segments: Box<dyn Segments + '_>,
    threads: usize,
    each: &mut dyn FnMut(Part) -> Result<(), Halt>,
) -> Result<(), Halt> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (queue, promises) = sync_channel::<Promise>(threads * AHEAD);
        let turn = Mutex::new((segments, queue));
        let turn = Arc::new(turn);
        let stop = &stop;
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let turn = Arc::clone(&turn);
                scope.spawn(move || work(&turn, stop))
            })
            .collect();
        // The workers' are the last ends of the queue: it closes when they are done.
        drop(turn);
        let taken = promises
            .iter()
            .try_for_each(|promise| match promise.recv() {
                Ok(part) => each(part?),
                // The thread panicked; joining it tells how.
                Err(_) => Err(Halt::Stopped),
            });
        stop.store(true, Ordering::Relaxed);
        drop(promises);
        for worker in workers {
            worker.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
        taken
    })
}

type Turn<'a> = Mutex<(Box<dyn Segments + 'a>, SyncSender<Promise>)>;

fn work(turn: &Turn<'_>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let (fulfil, promise) = sync_channel(1);
        let next = {
            // Poisoned: cutting panicked on another thread, and joining it tells how.
            let Ok(mut turn) = turn.lock() else { return };
            let next = turn.0.next();
            if matches!(next, Ok(None)) || turn.1.send(promise).is_err() {
                return;
            }
            next
        };
        let (outcome, last) = match next {
            Ok(Some(segment)) => {
                let mut part = Stoppable {
                    part: Part {
                        end: Some(segment.end),
                        ..Part::default()
                    },
                    stop,
                };
                let decoded = (segment.decode)(&mut part);
                (decoded.map(|()| part.part), false)
            }
            Ok(None) => return,
            Err(halt) => (Err(halt), true),
        };
        // Nobody may wait for it any more.
        let _ = fulfil.send(outcome);
        if last {
            return;
        }
    }
}

/// Collects a part, and gives up when nobody wants it any more.
struct Stoppable<'a> {
    part: Part,
    stop: &'a AtomicBool,
}

impl Stoppable<'_> {
    fn wanted(&self) -> Result<(), Halt> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Halt::Stopped),
            false => Ok(()),
        }
    }
}

impl Records for Stoppable<'_> {
    fn record(&mut self, place: Place, record: Record) -> Result<(), Halt> {
        self.wanted()?;
        self.part.record(place, record)
    }

    fn finding(&mut self, finding: Finding) -> Result<(), Halt> {
        self.wanted()?;
        self.part.finding(finding)
    }
}

impl Records for Part {
    fn record(&mut self, place: Place, record: Record) -> Result<(), Halt> {
        self.records.push((place, record));
        Ok(())
    }

    fn finding(&mut self, finding: Finding) -> Result<(), Halt> {
        self.findings.push(finding);
        Ok(())
    }
}

/// Cuts what a decoder yields into parts of bounded size.
struct Cutter<'a> {
    part: Part,
    counted: u64,
    each: &'a mut dyn FnMut(Part) -> Result<(), Halt>,
}

impl Cutter<'_> {
    fn hand_on(&mut self) -> Result<(), Halt> {
        self.counted = 0;
        (self.each)(std::mem::take(&mut self.part))
    }

    fn taken(&mut self, count: u64) -> Result<(), Halt> {
        self.counted += count;
        let items = self.part.records.len() + self.part.findings.len();
        match self.counted >= MOST_COUNTED || items >= MOST_ITEMS {
            true => self.hand_on(),
            false => Ok(()),
        }
    }
}

impl Records for Cutter<'_> {
    fn record(&mut self, place: Place, record: Record) -> Result<(), Halt> {
        let count = record.count();
        self.part.records.push((place, record));
        self.taken(count)
    }

    fn finding(&mut self, finding: Finding) -> Result<(), Halt> {
        self.part.findings.push(finding);
        self.taken(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_model::WorkOrder;
    use hub_model::mapping::Segment;
    use std::io;

    /// One order a byte; `!` is a finding, `~` a fatal one, `#` cannot be read. Segments of three bytes.
    struct Bytes {
        cut: bool,
    }

    fn one(at: u64, byte: u8, out: &mut dyn Records) -> Result<(), Halt> {
        let place = Place::at(at, 1);
        match byte {
            b'!' => out.finding(Finding::error("bad", place, "bad")),
            b'~' => out.finding(Finding::fatal("end", place, "nothing more can be read")),
            b'#' => Err(Halt::Io(io::Error::other("disk"))),
            b'P' => panic!("defect"),
            byte => {
                let order = WorkOrder::new(char::from(byte).to_string());
                out.record(place, Record::WorkOrder(Box::new(order)))
            }
        }
    }

    fn all(payload: &dyn Payload) -> Vec<u8> {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut payload.open_at(0).unwrap(), &mut bytes).unwrap();
        bytes
    }

    impl Decode for Bytes {
        fn decode(&self, payload: &dyn Payload, out: &mut dyn Records) -> Result<(), Halt> {
            let bytes = all(payload);
            (0..)
                .zip(bytes)
                .try_for_each(|(at, byte)| one(at, byte, out))
        }

        fn segments<'a>(
            &'a self,
            payload: &'a dyn Payload,
            from: u64,
        ) -> Result<Option<Box<dyn Segments + 'a>>, Halt> {
            let parts = Threes {
                bytes: all(payload),
                at: usize::try_from(from).unwrap(),
            };
            Ok(self.cut.then(|| Box::new(parts) as Box<dyn Segments>))
        }
    }

    struct Threes {
        bytes: Vec<u8>,
        at: usize,
    }

    impl Segments for Threes {
        fn next(&mut self) -> Result<Option<Segment>, Halt> {
            let (start, end) = (self.at, (self.at + 3).min(self.bytes.len()));
            self.at = end;
            let bytes = self.bytes[start..end].to_vec();
            Ok((start < end).then(|| Segment {
                end: end as u64,
                decode: Box::new(move |out| {
                    (start as u64..)
                        .zip(bytes)
                        .try_for_each(|(at, byte)| one(at, byte, out))
                }),
            }))
        }
    }

    type Outcome = (String, Vec<Option<u64>>, Result<(), Halt>);

    fn run(text: &[u8], cut: bool, from: u64, threads: usize, most: usize) -> Outcome {
        let (mut seen, mut ends) = (String::new(), Vec::new());
        let outcome = decode_parallel(&Bytes { cut }, &text.to_vec(), from, threads, &mut |part| {
            ends.push(part.end);
            for (_, record) in &part.records {
                if let Record::WorkOrder(order) = record {
                    seen.push_str(&order.number);
                }
            }
            seen.push_str(&"!".repeat(part.findings.len()));
            if ends.len() == most {
                Err(Halt::Stopped)
            } else {
                Ok(())
            }
        });
        (seen, ends, outcome)
    }

    #[test]
    fn parts_come_in_order_whatever_the_number_of_threads() {
        let text: Vec<u8> = (0..3_000u32).map(|i| b'a' + (i % 26) as u8).collect();
        for threads in [1, 2, 7] {
            let (seen, ends, outcome) = run(&text, true, 0, threads, usize::MAX);
            outcome.unwrap();
            assert_eq!(seen.as_bytes(), text, "{threads} threads");
            assert!(ends.iter().flatten().copied().eq((3..=3_000).step_by(3)));
        }
    }

    #[test]
    fn a_later_run_goes_on_where_a_part_ended() {
        let (seen, ends, _) = run(b"abcdefgh", true, 3, 2, usize::MAX);
        assert_eq!((seen.as_str(), ends), ("defgh", vec![Some(6), Some(8)]));
    }

    #[test]
    fn what_cannot_be_cut_comes_in_parts_without_end() {
        let text = vec![b'x'; 2_500];
        for threads in [1, 3] {
            let (seen, ends, outcome) = run(&text, false, 0, threads, usize::MAX);
            outcome.unwrap();
            assert_eq!((seen.len(), ends), (2_500, vec![None, None, None]));
        }
    }

    #[test]
    fn findings_are_handed_on_and_an_empty_payload_yields_nothing() {
        for cut in [true, false] {
            let (seen, _, outcome) = run(b"ab!c", cut, 0, 2, usize::MAX);
            outcome.unwrap();
            assert!(seen.contains('!') && seen.len() == 4, "{seen}");
            assert_eq!(run(b"", cut, 0, 2, usize::MAX).1, vec![]);
        }
    }

    #[test]
    fn the_receiver_can_stop_it() {
        let text = vec![b'x'; 100_000];
        for (cut, threads) in [(true, 1), (true, 4), (false, 1), (false, 2)] {
            let (_, ends, outcome) = run(&text, cut, 0, threads, 2);
            assert!(matches!(outcome, Err(Halt::Stopped)));
            assert_eq!(ends.len(), 2);
        }
    }

    #[test]
    fn content_that_cannot_be_read_is_an_error_after_what_came_before() {
        for threads in [1, 2] {
            let (seen, _, outcome) = run(b"abcdef#hi", true, 0, threads, usize::MAX);
            assert_eq!(seen, "abcdef");
            assert!(matches!(outcome, Err(Halt::Io(_))));
        }
    }

    #[test]
    fn nothing_is_handed_on_after_a_fatal_finding() {
        for threads in [1, 2, 4] {
            let (seen, ends, outcome) = run(b"abc~~~defghijkl", true, 0, threads, usize::MAX);
            outcome.unwrap();
            assert_eq!(
                (seen.as_str(), ends),
                ("abc!!!", vec![Some(3), Some(6)]),
                "{threads} threads"
            );
        }
    }

    #[test]
    fn a_receiver_that_stops_at_a_fatal_finding_is_heard() {
        for threads in [1, 2] {
            let (_, ends, outcome) = run(b"abc~~~def", true, 0, threads, 2);
            assert!(matches!(outcome, Err(Halt::Stopped)), "{outcome:?}");
            assert_eq!(ends.len(), 2);
        }
    }

    #[test]
    fn a_panic_of_the_decoder_reaches_the_caller() {
        for (cut, threads) in [(true, 1), (true, 3), (false, 2)] {
            let caught = std::panic::catch_unwind(|| run(b"abcPef", cut, 0, threads, usize::MAX));
            assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"defect"));
        }
    }
}
