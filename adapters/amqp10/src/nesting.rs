//! How deeply AMQP-encoded values are nested, told from their bytes as they come, however they are
//! cut into pieces (part 1 of the standard, section 1.6).
//!
//! The library decodes values recursively, without a limit. What it would read otherwise than it is
//! read here could hide levels: whatever is doubtful is therefore an end, not a guess. That is a
//! size that does not fit what it contains, or what it is in; and arrays of anything but primitive
//! values, and empty ones with a constructor, which the library (serde_amqp 0.18) misreads.

use std::fmt;

use crate::spoilt::Spot;

/// Most lists, maps, arrays and described values that may lie in one another. Messages have three or
/// four; a thousand overflow a stack.
pub(crate) const DEEPEST: usize = 64;

/// Why bytes are not handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// More than [`DEEPEST`] levels.
    TooDeep,
    /// It cannot be told how deeply they are nested: what is wrong with them.
    Unreadable(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep => write!(f, "nested more than {DEEPEST} levels deep"),
            Self::Unreadable(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Fault {}

/// What a performative says of the payload behind it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Its numeric descriptor.
    pub(crate) descriptor: Option<u64>,
    /// It is a list.
    pub(crate) is_list: bool,
    /// Field 1, if it is a number: `delivery-id`, of a transfer.
    pub(crate) delivery: Option<u32>,
    /// Field 5 is true: `more`, of a transfer.
    pub(crate) more: bool,
    /// Field 9 is true: `aborted`, of a transfer.
    pub(crate) aborted: bool,
}

/// Values one after the other.
#[derive(Debug)]
pub(crate) struct Values {
    step: Step,
    levels: Vec<Level>,
    /// Bytes read so far, of at most `end`.
    at: u64,
    end: u64,
    said: Said,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The constructor of a value.
    Constructor,
    /// The constructor of an array's elements.
    ElementConstructor,
    /// So many more bytes of a number: a size, a size with a count, or a value that is of interest.
    Number { code: u8, left: u8, sum: u64 },
    /// So many bytes that contain no values.
    Content(u64),
}

/// A value that contains others.
#[derive(Debug)]
struct Level {
    count: u64,
    /// Values that are not read to their end.
    left: u64,
    /// Where it ends; of a described value, where it must end at the latest.
    end: u64,
    is_described: bool,
    /// The constructor of an array's elements, if they have sizes.
    element: Option<u8>,
}

impl Values {
    /// Of at most so many bytes.
    pub(crate) fn within(end: u64) -> Self {
        Self {
            step: Step::Constructor,
            levels: Vec::new(),
            at: 0,
            end,
            said: Said::default(),
        }
    }

    /// Whether the last value is read to its end.
    pub(crate) fn is_whole(&self) -> bool {
        self.levels.is_empty() && matches!(self.step, Step::Constructor)
    }

    /// What the last value says, if it is a performative.
    pub(crate) fn said(&self) -> Said {
        self.said
    }

    /// Where it has come to in a message, and what is wrong there.
    pub(crate) fn spot(&self, fault: Fault) -> Spot {
        Spot {
            fault,
            section: self.said.descriptor,
            at: self.at,
        }
    }

    /// Reads on, to the end of a value at most: how many bytes were read.
    ///
    /// # Errors
    /// They must not be handed on.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if let Step::Content(left) = self.step {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                rest = rest.get(length..).unwrap_or_default();
                self.at += length as u64;
                self.pass(left - length as u64)?;
            } else {
                rest = after;
                self.take(byte)?;
            }
            if self.is_whole() {
                break;
            }
        }
        Ok(bytes.len() - rest.len())
    }

    fn take(&mut self, byte: u8) -> Result<(), Fault> {
        self.fits(1)?;
        self.at += 1;
        match self.step {
            Step::Constructor => self.begin(byte),
            Step::ElementConstructor => self.begin_elements(byte),
            Step::Number { code, left, sum } => {
                let sum = (sum << 8) | u64::from(byte);
                match left {
                    0 | 1 => self.number(code, sum),
                    _ => {
                        self.number_of(code, left - 1, sum);
                        Ok(())
                    }
                }
            }
            // Passed as a whole.
            Step::Content(_) => Ok(()),
        }
    }

    /// Where what is read now must end at the latest.
    fn bound(&self) -> u64 {
        self.levels.last().map_or(self.end, |level| level.end)
    }

    fn fits(&self, length: u64) -> Result<(), Fault> {
        match self.at.checked_add(length) {
            Some(end) if end <= self.bound() => Ok(()),
            _ => Err(Fault::Unreadable("a value is longer than what it is in")),
        }
    }

    fn number_of(&mut self, code: u8, left: u8, sum: u64) {
        self.step = Step::Number { code, left, sum };
    }

    /// A value with this constructor.
    fn begin(&mut self, code: u8) -> Result<(), Fault> {
        if self.levels.is_empty() {
            self.said = Said::default();
        }
        match code {
            DESCRIBED => return self.enter(2, self.bound(), true),
            BOOLEAN | SMALL_ULONG | SMALL_UINT => self.number_of(code, 1, 0),
            UINT => self.number_of(code, 4, 0),
            ULONG => self.number_of(code, 8, 0),
            _ => match Shape::of(code)? {
                Shape::Fixed(0) => {
                    self.note(code, 0);
                    return self.settle();
                }
                Shape::Fixed(width) => return self.pass(width),
                Shape::Variable(width) => self.number_of(code, width, 0),
                Shape::Compound(width) | Shape::Array(width) => self.number_of(code, width * 2, 0),
            },
        }
        Ok(())
    }

    fn begin_elements(&mut self, code: u8) -> Result<(), Fault> {
        let (at, step) = (self.at, Step::Constructor);
        let Some(array) = self.levels.last_mut() else {
            self.step = step;
            return Ok(());
        };
        match Shape::of(code) {
            Ok(Shape::Fixed(width)) => {
                let length = array.end.saturating_sub(at);
                if array.left.checked_mul(width) != Some(length) {
                    return Err(SIZE);
                }
                array.left = 1;
                self.pass(length)
            }
            Ok(Shape::Variable(width)) => {
                array.element = Some(code);
                self.number_of(code, width, 0);
                Ok(())
            }
            _ => Err(Fault::Unreadable(
                "an array of lists, maps, arrays or described values",
            )),
        }
    }

    /// The number that was read after this constructor.
    fn number(&mut self, code: u8, number: u64) -> Result<(), Fault> {
        match Shape::of(code)? {
            Shape::Fixed(_) => {
                self.note(code, number);
                self.settle()
            }
            Shape::Variable(_) => self.pass(number),
            Shape::Compound(width) => self.contain(code, width, number, Step::Constructor),
            Shape::Array(width) => self.contain(code, width, number, Step::ElementConstructor),
        }
    }

    /// A list, map or array of this size (with the count) and count.
    fn contain(&mut self, code: u8, width: u8, header: u64, step: Step) -> Result<(), Fault> {
        let bits = u32::from(width) * 8;
        let (size, count) = (header >> bits, header & ((1 << bits) - 1));
        let length = size.checked_sub(u64::from(width)).ok_or(SIZE)?;
        self.fits(length)?;
        self.note(code, 0);
        if matches!(code, MAP_8 | MAP_32) && count % 2 != 0 {
            return Err(Fault::Unreadable("a map with a key that has no value"));
        }
        if count == 0 {
            return match length {
                0 => self.settle(),
                _ => Err(SIZE),
            };
        }
        self.enter(count, self.at + length, false)?;
        self.step = step;
        Ok(())
    }

    fn enter(&mut self, count: u64, end: u64, is_described: bool) -> Result<(), Fault> {
        if self.levels.len() >= DEEPEST {
            return Err(Fault::TooDeep);
        }
        self.levels.push(Level {
            count,
            left: count,
            end,
            is_described,
            element: None,
        });
        self.step = Step::Constructor;
        Ok(())
    }

    fn pass(&mut self, length: u64) -> Result<(), Fault> {
        if length == 0 {
            return self.settle();
        }
        self.fits(length)?;
        self.step = Step::Content(length);
        Ok(())
    }

    /// A value is read to its end, and those that end with it.
    fn settle(&mut self) -> Result<(), Fault> {
        self.step = Step::Constructor;
        while let Some(level) = self.levels.last_mut() {
            level.left = level.left.saturating_sub(1);
            if level.left > 0 {
                if let Some(code) = level.element
                    && let Shape::Variable(width) = Shape::of(code)?
                {
                    self.number_of(code, width, 0);
                }
                return Ok(());
            }
            if !level.is_described && level.end != self.at {
                return Err(SIZE);
            }
            self.levels.pop();
        }
        Ok(())
    }

    /// What is of interest of a performative.
    fn note(&mut self, code: u8, number: u64) {
        match self.levels.as_slice() {
            [outer] if outer.is_described && outer.left == 2 => {
                let is_number = matches!(code, ULONG_0 | SMALL_ULONG | ULONG);
                self.said.descriptor = is_number.then_some(number);
            }
            [outer] if outer.is_described => {
                self.said.is_list = matches!(code, LIST_0 | LIST_8 | LIST_32);
            }
            [outer, list] if outer.is_described && !list.is_described => {
                let is_true = code == TRUE || code == BOOLEAN && number != 0;
                match list.count - list.left {
                    1 if matches!(code, UINT_0 | SMALL_UINT | UINT) => {
                        self.said.delivery = u32::try_from(number).ok();
                    }
                    5 => self.said.more = is_true,
                    9 => self.said.aborted = is_true,
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

const SIZE: Fault = Fault::Unreadable("a size that does not fit what it contains");

const DESCRIBED: u8 = 0x00;
const TRUE: u8 = 0x41;
const UINT_0: u8 = 0x43;
const ULONG_0: u8 = 0x44;
const LIST_0: u8 = 0x45;
const SMALL_UINT: u8 = 0x52;
const SMALL_ULONG: u8 = 0x53;
const BOOLEAN: u8 = 0x56;
const UINT: u8 = 0x70;
const ULONG: u8 = 0x80;
const LIST_8: u8 = 0xc0;
const MAP_8: u8 = 0xc1;
const LIST_32: u8 = 0xd0;
const MAP_32: u8 = 0xd1;

/// How a value is laid out behind its constructor.
enum Shape {
    /// So many bytes.
    Fixed(u64),
    /// A size of so many bytes, and the content.
    Variable(u8),
    /// Size and count, each of so many bytes, and values.
    Compound(u8),
    /// Size and count, each of so many bytes, one constructor, and the rest of values.
    Array(u8),
}

impl Shape {
    fn of(code: u8) -> Result<Self, Fault> {
        Ok(match code >> 4 {
            0x4 => Self::Fixed(0),
            0x5 => Self::Fixed(1),
            0x6 => Self::Fixed(2),
            0x7 => Self::Fixed(4),
            0x8 => Self::Fixed(8),
            0x9 => Self::Fixed(16),
            0xa => Self::Variable(1),
            0xb => Self::Variable(4),
            0xc => Self::Compound(1),
            0xd => Self::Compound(4),
            0xe => Self::Array(1),
            0xf => Self::Array(4),
            _ => return Err(Fault::Unreadable("a value of an unknown type")),
        })
    }
}
