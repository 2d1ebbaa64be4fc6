//! ESPI `UsagePoint` to a canonical usage point.

use hub_model::{Finding, Place, ServiceKind};

use crate::number::integer;
use crate::xml::{Ns, Stop, Xml};

/// A `UsagePoint` as it was read.
pub(crate) struct ReadPoint {
    pub(crate) place: Place,
    pub(crate) service: Option<ServiceKind>,
    pub(crate) finding: Option<Finding>,
}

/// Reads the open `UsagePoint` element and leaves it.
pub(crate) fn read(xml: &mut Xml<'_>) -> Result<ReadPoint, Stop> {
    let mut point = ReadPoint {
        place: xml.place(),
        service: None,
        finding: None,
    };
    while let Some(ns) = xml.child()? {
        match (ns, xml.name()) {
            (Ns::Espi, "ServiceCategory") => service_category(xml, &mut point)?,
            _ => xml.skip()?,
        }
    }
    Ok(point)
}

fn service_category(xml: &mut Xml<'_>, point: &mut ReadPoint) -> Result<(), Stop> {
    while let Some(ns) = xml.child()? {
        match (ns, xml.name()) {
            (Ns::Espi, "kind") => match service(xml.text()?) {
                Ok(service) => point.service = Some(service),
                Err(reason) => {
                    point.finding = Some(
                        Finding::warning("odd_value", point.place.clone(), reason)
                            .in_field("UsagePoint/ServiceCategory/kind"),
                    );
                }
            },
            _ => xml.skip()?,
        }
    }
    Ok(())
}

/// `ServiceKind` of usage.xsd.
fn service(text: &str) -> Result<ServiceKind, String> {
    const VALID: &str = "a service we know: 0 electricity, 1 gas, 2 water, 4 heat";
    match integer::<u8>(text, VALID)? {
        0 => Ok(ServiceKind::Electricity),
        1 => Ok(ServiceKind::Gas),
        2 => Ok(ServiceKind::Water),
        4 => Ok(ServiceKind::Heat),
        other => Err(format!("`{other}` is not {VALID}")),
    }
}
