//! What sinks and sources count of themselves.

use hub_core::Metric;

/// Parts that were accepted.
pub(crate) const PARTS: &str = "meterhub_sms_parts_total";
/// Parts of all SMS sinks of the enterprise, on the local day.
pub(crate) const TODAY: &str = "meterhub_sms_parts_today";
/// What accepted parts cost, in millionths of the currency: counters are whole numbers.
pub(crate) const COST: &str = "meterhub_sms_cost_millionths_total";
/// Texts that were refused because their recipient opted out.
pub(crate) const OPTED_OUT: &str = "meterhub_sms_opted_out_refused_total";
/// Answers that put a number on the opt-out list, or off it.
pub(crate) const OPT_OUTS: &str = "meterhub_sms_opt_outs_total";

/// Of a sink, whatever carries its texts.
pub(crate) const OF_SINKS: &[Metric] = &[
    Metric::counter(
        PARTS,
        "Parts of texts that were accepted; each is paid for.",
    ),
    Metric::gauge(
        TODAY,
        "Parts that all SMS sinks of the enterprise sent on the local day; `daily_limit` is compared with it.",
    ),
    Metric::counter(
        COST,
        "What accepted parts cost by `price`, in millionths of its currency.",
    ),
    Metric::counter(
        OPTED_OUT,
        "Texts that were refused because their recipient opted out.",
    ),
];

/// Of a source, whatever its texts come by.
pub(crate) const OF_SOURCES: &[Metric] = &[Metric::counter(
    OPT_OUTS,
    "Answers that put a number on the enterprise's opt-out list, or took it off.",
)];
