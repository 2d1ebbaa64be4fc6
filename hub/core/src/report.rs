//! What a partner says later about something it took: a delivery receipt, the outcome of a job.

/// What a partner says of a delivery that it took responsibility for before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryReport {
    /// One of the references that the sink noted with the delivery
    /// ([`Sent::references`](crate::Sent::references)).
    pub reference: String,
    /// What became of it.
    pub outcome: Reported,
    /// In the partner's words, for an operator.
    pub note: String,
}

/// What became of a delivery after its partner took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reported {
    /// It is on its way: more will be said.
    UnderWay,
    /// It reached whom it was for.
    Arrived,
    /// It will never reach them.
    Failed,
}

impl Reported {
    /// All of them; the position is the number in the database.
    pub const ALL: [Self; 3] = [Self::UnderWay, Self::Arrived, Self::Failed];

    /// Our word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnderWay => "under way",
            Self::Arrived => "arrived",
            Self::Failed => "failed",
        }
    }
}
