//! Checks that configurations share.

use std::ops::RangeInclusive;

use hub_core::ConfigProblem;

/// A number within its bounds.
pub fn check_range(
    key: &str,
    value: u64,
    range: RangeInclusive<u64>,
    problems: &mut Vec<ConfigProblem>,
) {
    if !range.contains(&value) {
        let (low, high) = (range.start(), range.end());
        let reason = format!("is {value}, expected {low} to {high}");
        problems.push(ConfigProblem::error(key, reason));
    }
}

/// Whether a host, a name or an address without brackets, is this machine.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_its_bounds_is_told_with_them() {
        let mut problems = Vec::new();
        for value in [1, 600] {
            check_range("seconds", value, 1..=600, &mut problems);
        }
        assert_eq!(problems, []);
        check_range("seconds", 0, 1..=600, &mut problems);
        assert_eq!(problems[0].key, "seconds");
        assert_eq!(problems[0].reason, "is 0, expected 1 to 600");
    }

    #[test]
    fn this_machine_is_known_by_name_and_address() {
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "::2", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
