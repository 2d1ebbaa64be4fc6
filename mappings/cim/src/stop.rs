//! Why a pass over a document ends before its end.

use hub_model::Finding;
use hub_model::mapping::Halt;

/// Why a pass over a document ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The receiver wants no more, or the payload cannot be read.
    Halt(Halt),
    /// The content cannot be read further.
    Fatal(Box<Finding>),
    /// A part ends between two meter readings, as it should.
    EndOfPart,
    /// The first `MeterReading` was found, and nothing else was wanted.
    FirstMeterReading,
}

impl Stop {
    pub(crate) fn fatal(finding: Finding) -> Self {
        Self::Fatal(Box::new(finding))
    }
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}
