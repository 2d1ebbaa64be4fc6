//! Field-wise merging: what a partner does not say stays as it was.

/// When an incoming record was accepted, against the one that last changed what is known.
///
/// The record that was accepted last counts, whenever it is processed: one that is replayed, or
/// comes from a message that was overtaken, takes nothing back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Not before it: what it says counts.
    Latest,
    /// Before it: it adds what is not known yet.
    Overtaken,
}

/// A known record with what an incoming one says.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged<T> {
    /// The record from now on.
    pub record: T,
    /// The fields that changed.
    pub changed: Vec<&'static str>,
    /// The fields of which the incoming record says something else, but was overtaken.
    pub kept: Vec<&'static str>,
}

/// Takes over what an incoming record says, and remembers which fields it changed.
#[derive(Debug)]
pub(crate) struct Merge {
    arrival: Arrival,
    pub(crate) changed: Vec<&'static str>,
    pub(crate) kept: Vec<&'static str>,
}

impl Merge {
    pub(crate) const fn new(arrival: Arrival) -> Self {
        Self {
            arrival,
            changed: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Takes the incoming value, if there is one and it differs.
    pub(crate) fn take<T: Clone + PartialEq>(
        &mut self,
        field: &'static str,
        known: &mut Option<T>,
        incoming: &Option<T>,
    ) {
        if incoming.is_none() || known == incoming {
            return;
        }
        if known.is_some() && self.arrival == Arrival::Overtaken {
            self.kept.push(field);
            return;
        }
        known.clone_from(incoming);
        self.changed.push(field);
    }

    /// Takes the incoming name-value pairs one by one; pairs not mentioned stay.
    pub(crate) fn take_attributes(
        &mut self,
        known: &mut Vec<(String, String)>,
        incoming: &[(String, String)],
    ) {
        let (mut differs, mut keeps) = (false, false);
        for (name, value) in incoming {
            match known.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) if known == value => {}
                Some(_) if self.arrival == Arrival::Overtaken => keeps = true,
                Some((_, known)) => {
                    known.clone_from(value);
                    differs = true;
                }
                None => {
                    known.push((name.clone(), value.clone()));
                    differs = true;
                }
            }
        }
        if differs {
            self.changed.push("attributes");
        }
        if keeps {
            self.kept.push("attributes");
        }
    }

    pub(crate) fn into<T>(self, record: T) -> Merged<T> {
        Merged {
            record,
            changed: self.changed,
            kept: self.kept,
        }
    }
}
