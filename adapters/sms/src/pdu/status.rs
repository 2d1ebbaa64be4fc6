//! `command_status`: SMPP 3.4, 5.1.3.

/// No error.
pub const OK: u32 = 0x00;
/// The other side does not know our command.
pub const INVALID_COMMAND: u32 = 0x03;
/// We are not bound, or not for this.
pub const INVALID_BIND_STATUS: u32 = 0x04;
/// We are bound already.
pub const ALREADY_BOUND: u32 = 0x05;
/// The sender's address is not allowed.
pub const INVALID_SOURCE: u32 = 0x0A;
/// The recipient's address is none.
pub const INVALID_DESTINATION: u32 = 0x0B;
/// The message centre's queue is full.
pub const QUEUE_FULL: u32 = 0x14;
/// The service type is not known.
pub const INVALID_SERVICE: u32 = 0x15;
/// The sender's type of number is not allowed.
pub const INVALID_SOURCE_TON: u32 = 0x48;
/// The sender's numbering plan is not allowed.
pub const INVALID_SOURCE_NPI: u32 = 0x49;
/// We send faster than we may.
pub const THROTTLED: u32 = 0x58;
/// What we answer to a message that may come again.
pub const TEMPORARY_APPLICATION_ERROR: u32 = 0x64;
/// What we answer to a message that must not come again.
pub const PERMANENT_APPLICATION_ERROR: u32 = 0x65;

/// Name and meaning of a status.
#[must_use]
pub fn describe(status: u32) -> String {
    let known = KNOWN.iter().find(|(code, ..)| *code == status);
    match known {
        Some((_, name, meaning)) => format!("{name} ({status:#04x}): {meaning}"),
        None => format!("status {status:#010x}"),
    }
}

const KNOWN: &[(u32, &str, &str)] = &[
    (0x00, "ESME_ROK", "no error"),
    (0x01, "ESME_RINVMSGLEN", "invalid message length"),
    (0x02, "ESME_RINVCMDLEN", "invalid command length"),
    (0x03, "ESME_RINVCMDID", "invalid command"),
    (0x04, "ESME_RINVBNDSTS", "not bound for this command"),
    (0x05, "ESME_RALYBND", "already bound"),
    (0x06, "ESME_RINVPRTFLG", "invalid priority"),
    (0x07, "ESME_RINVREGDLVFLG", "invalid registered delivery"),
    (0x08, "ESME_RSYSERR", "system error"),
    (0x0A, "ESME_RINVSRCADR", "invalid source address"),
    (0x0B, "ESME_RINVDSTADR", "invalid destination address"),
    (0x0C, "ESME_RINVMSGID", "invalid message id"),
    (0x0D, "ESME_RBINDFAIL", "bind failed"),
    (0x0E, "ESME_RINVPASWD", "invalid password"),
    (0x0F, "ESME_RINVSYSID", "invalid system id"),
    (0x14, "ESME_RMSGQFUL", "message queue full"),
    (0x15, "ESME_RINVSERTYP", "invalid service type"),
    (0x43, "ESME_RINVESMCLASS", "invalid esm_class"),
    (
        0x44,
        "ESME_RCNTSUBDL",
        "cannot submit to the distribution list",
    ),
    (0x45, "ESME_RSUBMITFAIL", "submit failed"),
    (
        0x48,
        "ESME_RINVSRCTON",
        "invalid type of the source address",
    ),
    (
        0x49,
        "ESME_RINVSRCNPI",
        "invalid plan of the source address",
    ),
    (
        0x50,
        "ESME_RINVDSTTON",
        "invalid type of the destination address",
    ),
    (
        0x51,
        "ESME_RINVDSTNPI",
        "invalid plan of the destination address",
    ),
    (0x53, "ESME_RINVSYSTYP", "invalid system type"),
    (0x54, "ESME_RINVREPFLAG", "invalid replace_if_present"),
    (0x58, "ESME_RTHROTTLED", "throttled"),
    (0x61, "ESME_RINVSCHED", "invalid schedule"),
    (0x62, "ESME_RINVEXPIRY", "invalid validity period"),
    (0x63, "ESME_RINVDFTMSGID", "invalid predefined message"),
    (0x64, "ESME_RX_T_APPN", "temporary error of the receiver"),
    (0x65, "ESME_RX_P_APPN", "permanent error of the receiver"),
    (0x66, "ESME_RX_R_APPN", "rejected by the receiver"),
    (0xC0, "ESME_RINVOPTPARSTREAM", "error in the optional part"),
    (
        0xC1,
        "ESME_ROPTPARNOTALLWD",
        "optional parameter not allowed",
    ),
    (0xC2, "ESME_RINVPARLEN", "invalid parameter length"),
    (0xC3, "ESME_RMISSINGOPTPARAM", "optional parameter missing"),
    (0xC4, "ESME_RINVOPTPARAMVAL", "invalid optional parameter"),
    (0xFE, "ESME_RDELIVERYFAILURE", "delivery failed"),
    (0xFF, "ESME_RUNKNOWNERR", "unknown error"),
];
