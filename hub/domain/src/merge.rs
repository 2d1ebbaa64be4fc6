//! Field-wise merging: what a partner does not say stays as it was.

/// Takes over what an incoming record says, and remembers which fields it changed.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    pub(crate) changed: Vec<&'static str>,
}

impl Merge {
    /// Takes the incoming value, if there is one and it differs.
    pub(crate) fn take<T: Clone + PartialEq>(
        &mut self,
        field: &'static str,
        known: &mut Option<T>,
        incoming: &Option<T>,
    ) {
        if incoming.is_some() && known != incoming {
            known.clone_from(incoming);
            self.changed.push(field);
        }
    }

    /// Takes the incoming name-value pairs one by one; pairs not mentioned stay.
    pub(crate) fn take_attributes(
        &mut self,
        known: &mut Vec<(String, String)>,
        incoming: &[(String, String)],
    ) {
        let mut differs = false;
        for (name, value) in incoming {
            match known.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) if known == value => {}
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
    }
}
