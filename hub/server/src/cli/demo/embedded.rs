//! What the program carries with it: `deploy/quickstart` and `fixtures/demo`.

/// A file of the repository: its path below its folder, and its bytes.
pub(super) type Embedded = (&'static str, &'static [u8]);

macro_rules! embedded {
    ($folder:literal: $($name:literal),* $(,)?) => {
        [$((
            $name,
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../", $folder, "/", $name)),
        )),*]
    };
}

/// The configuration.
pub(super) const CONFIG: [Embedded; 7] = embedded!("deploy/quickstart":
    "README.md",
    "hub.toml",
    "north.toml",
    "south.toml",
    "mappings/contractor-orders.toml",
    "mappings/north-work-orders.toml",
    "mappings/south-vendor.toml",
);

/// What partners send.
pub(super) const INPUTS: [Embedded; 5] = embedded!("fixtures/demo":
    "north-readings-damaged.xml",
    "north-readings.xml",
    "north-work-orders.xlsx",
    "south-green-button.xml",
    "south-vendor.csv",
);

/// Where the configuration says that the warehouse listens.
pub(super) const WAREHOUSE: &str = "127.0.0.1:8090";

/// The bytes of an input.
pub(super) fn input(name: &str) -> &'static [u8] {
    let found = INPUTS.iter().find(|(known, _)| *known == name);
    found.map_or(&[], |(_, bytes)| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_the_address_that_the_demo_replaces() {
        let text = |name: &str| {
            let (_, bytes) = CONFIG.iter().find(|(known, _)| *known == name).unwrap();
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        for name in ["north.toml", "south.toml"] {
            assert!(text(name).contains(WAREHOUSE), "{name}");
        }
    }

    #[test]
    fn no_input_is_empty() {
        assert!(INPUTS.iter().all(|(name, _)| !input(name).is_empty()));
        assert!(input("nothing").is_empty());
    }
}
