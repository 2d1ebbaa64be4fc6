//! What a system of SAP wants to know with every request, and what a path must be.

use hub_core::ConfigProblem;

/// The query options for a client and a language.
pub(super) fn options(client: Option<&str>, language: Option<&str>) -> Vec<(&'static str, String)> {
    let client = client.map(|client| ("sap-client", client.to_owned()));
    let language = language.map(|language| ("sap-language", language.to_owned()));
    client.into_iter().chain(language).collect()
}

/// A path with them.
pub(super) fn addressed(path: &str, client: Option<&str>, language: Option<&str>) -> String {
    let options = options(client, language);
    let options: Vec<(&str, &str)> = options.iter().map(|(n, v)| (*n, v.as_str())).collect();
    crate::odata::with_options(path, &options)
}

/// Looks at a client and a language.
pub(super) fn validate(
    client: Option<&str>,
    language: Option<&str>,
    problems: &mut Vec<ConfigProblem>,
) {
    if let Some(client) = client
        && (client.len() != 3 || !client.bytes().all(|b| b.is_ascii_digit()))
    {
        let reason = format!("is `{client}`, expected three digits such as `100`");
        problems.push(ConfigProblem::error("client", reason));
    }
    if let Some(language) = language
        && (!(1..=2).contains(&language.len())
            || !language.bytes().all(|b| b.is_ascii_alphanumeric()))
    {
        let reason = format!("is `{language}`, expected a code such as `EN`");
        problems.push(ConfigProblem::error("language", reason));
    }
}

/// Looks at a path.
pub(super) fn validate_path(key: &str, path: &str, problems: &mut Vec<ConfigProblem>) {
    if !path.starts_with('/') || path.contains([' ', '#']) {
        let reason = format!(
            "is `{path}`, expected a path such as `/sap/opu/odata/sap/ZMETER_SRV/Readings`"
        );
        problems.push(ConfigProblem::error(key, reason));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_say_what_would_be_right() {
        let mut problems = Vec::new();
        validate(Some("1"), Some("deu"), &mut problems);
        validate_path("path", "sap/bc", &mut problems);
        let keys: Vec<&str> = problems.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(keys, ["client", "language", "path"]);
        problems.clear();
        validate(Some("100"), Some("EN"), &mut problems);
        validate_path("path", "/sap/bc/idoc_xml", &mut problems);
        assert_eq!(problems, []);
        assert_eq!(
            options(Some("100"), None),
            [("sap-client", "100".to_owned())]
        );
    }
}
