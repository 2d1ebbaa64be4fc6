//! What the answer to a submitted message means.

use crate::pdu::status;

/// What a status means for the message and for the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The message centre has it.
    Sent,
    /// We are too fast: the whole account pauses.
    Busy,
    /// Not now, and it may be this message's fault.
    Retry,
    /// The account is not as it should be: no message is at fault.
    Unavailable,
    /// This message will never be taken.
    Refused,
}

/// What a `command_status` in answer to `submit_sm` means.
///
/// | status | verdict |
/// | --- | --- |
/// | `ESME_ROK` | sent |
/// | `ESME_RTHROTTLED` | busy |
/// | `ESME_RMSGQFUL`, `ESME_RSYSERR`, `ESME_RSUBMITFAIL`, `ESME_RX_T_APPN`, any that is not listed | retry |
/// | not bound, command not known, wrong service type | unavailable: the account's or our own trouble |
/// | source address, its type or plan | unavailable; refused if the message named its sender itself |
/// | length, destination address, its type or plan, schedule, validity, priority, flags, optional parameters, `ESME_RX_P_APPN`, `ESME_RX_R_APPN` | refused |
#[must_use]
pub fn verdict(status: u32, sender_is_the_messages: bool) -> Verdict {
    match status {
        status::OK => Verdict::Sent,
        status::THROTTLED => Verdict::Busy,
        status::INVALID_SOURCE | status::INVALID_SOURCE_TON | status::INVALID_SOURCE_NPI => {
            if sender_is_the_messages {
                Verdict::Refused
            } else {
                Verdict::Unavailable
            }
        }
        status::INVALID_COMMAND
        | status::INVALID_BIND_STATUS
        | status::ALREADY_BOUND
        | status::INVALID_SERVICE => Verdict::Unavailable,
        0x01 | 0x06 | 0x07 | status::INVALID_DESTINATION => Verdict::Refused,
        0x33 | 0x34 | 0x40 | 0x42..=0x44 | 0x50 | 0x51 | 0x54 => Verdict::Refused,
        0x61..=0x63 | 0x65 | 0x66 | 0xC0..=0xC4 | 0x104 => Verdict::Refused,
        _ => Verdict::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_verdict() {
        use Verdict::{Busy, Refused, Retry, Sent, Unavailable};
        for (statuses, expected) in [
            (&[0x00][..], Sent),
            (&[0x58], Busy),
            (&[0x08, 0x14, 0x45, 0x64, 0xFE, 0xFF, 0x400, 0x94], Retry),
            (&[0x03, 0x04, 0x05, 0x0A, 0x15, 0x48, 0x49], Unavailable),
            (
                &[0x01, 0x0B, 0x50, 0x51, 0x61, 0x62, 0x65, 0x66, 0xC4],
                Refused,
            ),
        ] {
            for status in statuses {
                assert_eq!(verdict(*status, false), expected, "{status:#x}");
            }
        }
        for status in [0x0A, 0x48, 0x49] {
            assert_eq!(verdict(status, true), Refused);
        }
    }
}
