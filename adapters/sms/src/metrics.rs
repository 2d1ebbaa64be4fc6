//! What the sinks and sources count of themselves.

/// A figure and what it says.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
}

pub(crate) const PARTS: Figure = Figure {
    name: "meterhub_sms_parts_total",
};
pub(crate) const TODAY: Figure = Figure {
    name: "meterhub_sms_parts_today",
};
pub(crate) const COST: Figure = Figure {
    name: "meterhub_sms_cost_millionths_total",
};
pub(crate) const OPTED_OUT: Figure = Figure {
    name: "meterhub_sms_opted_out_refused_total",
};
pub(crate) const OPT_OUTS: Figure = Figure {
    name: "meterhub_sms_opt_outs_total",
};
