//! How partners name a thing: a master id (`mRID`) and names with a kind and an authority.

/// One name of an object (CIM `Name` with `NameType` and `NameTypeAuthority`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Name {
    /// The name itself, a serial number say.
    pub name: String,
    /// What kind of name it is (`NameType.name`).
    pub name_type: Option<String>,
    /// Who gives such names (`NameTypeAuthority.name`).
    pub authority: Option<String>,
}

/// A reference to a meter, usage point or another object, as a partner wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ObjectRef {
    /// The partner's master resource id.
    pub mrid: Option<String>,
    /// Further names, in the order they came.
    pub names: Vec<Name>,
}

impl ObjectRef {
    /// A reference by `mRID` alone.
    #[must_use]
    pub fn by_mrid(mrid: impl Into<String>) -> Self {
        Self {
            mrid: Some(mrid.into()),
            names: Vec::new(),
        }
    }

    /// The id we know the object by: the `mRID`, or else the first name.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.mrid
            .as_deref()
            .or_else(|| self.names.first().map(|n| n.name.as_str()))
            .filter(|id| !id.is_empty())
    }
}
