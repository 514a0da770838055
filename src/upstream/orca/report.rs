//! A load report, and the weight that it stands for.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::HeaderMap;
use prost::Message;

use crate::config::WeightedRoundRobin;

/// The fields of `xds.data.orca.v3.OrcaLoadReport` that weights are made of.
#[derive(Clone, PartialEq, Message)]
pub(in crate::upstream) struct OrcaLoadReport {
    /// Of the CPUs, above one where more than the share of the server is in use.
    #[prost(double, tag = "1")]
    pub(in crate::upstream) cpu_utilization: f64,
    /// Calls per second.
    #[prost(double, tag = "6")]
    pub(in crate::upstream) rps_fractional: f64,
    /// Errors per second.
    #[prost(double, tag = "7")]
    pub(in crate::upstream) eps: f64,
    /// What the application says of itself in place of the CPU.
    #[prost(double, tag = "9")]
    pub(in crate::upstream) application_utilization: f64,
}

impl OrcaLoadReport {
    /// Calls per second that the server would take at its full use, less what errors take away (gRFC A58); `None` for a
    /// report that says nothing.
    pub(in crate::upstream) fn weight(&self, config: &WeightedRoundRobin) -> Option<f64> {
        let application = self.application_utilization;
        let utilization = if application > 0.0 { application } else { self.cpu_utilization };
        let says_something = utilization > 0.0 && self.rps_fractional > 0.0;
        let errors = self.eps.max(0.0) / self.rps_fractional * config.error_utilization_penalty;
        let weight = self.rps_fractional / (utilization + errors);
        (says_something && weight.is_finite() && weight > 0.0).then_some(weight)
    }
}

/// The report in the trailers of a call, if there is a sound one.
pub(in crate::upstream) fn from_trailers(trailers: &HeaderMap) -> Option<OrcaLoadReport> {
    let bytes = BASE64.decode(trailers.get(TRAILER)?).ok()?;
    OrcaLoadReport::decode(&*bytes).ok()
}

/// Stripped from what a client sees by `grpc::metadata`: how busy a backend is, is nobody's business.
const TRAILER: &str = "endpoint-load-metrics-bin";

/// gRPC takes binary metadata with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_grpc() {
        let penalty =
            |penalty| WeightedRoundRobin { error_utilization_penalty: penalty, ..Default::default() };
        let report = |cpu, application, rps, eps| OrcaLoadReport {
            cpu_utilization: cpu,
            application_utilization: application,
            rps_fractional: rps,
            eps,
        };
        let cases = [
            (report(0.5, 0.0, 100.0, 0.0), 1.0, Some(200.0)),
            (report(0.5, 0.25, 100.0, 0.0), 1.0, Some(400.0)),
            (report(0.5, 2.0, 100.0, 0.0), 1.0, Some(50.0)),
            (report(0.5, 0.0, 100.0, 50.0), 1.0, Some(100.0)),
            (report(0.5, 0.0, 100.0, 50.0), 0.0, Some(200.0)),
            (report(0.5, 0.0, 100.0, 50.0), 3.0, Some(50.0)),
            (report(0.0, 0.0, 100.0, 0.0), 1.0, None),
            (report(0.5, 0.0, 0.0, 0.0), 1.0, None),
            (report(f64::NAN, 0.0, 100.0, 0.0), 1.0, None),
            (report(0.5, 0.0, f64::INFINITY, 0.0), 1.0, None),
            (report(-1.0, 0.0, 100.0, 0.0), 1.0, None),
        ];
        for (report, errors, expect) in cases {
            assert_eq!(report.weight(&penalty(errors)), expect, "{report:?}");
        }
    }

    #[test]
    fn a_report_is_read_padded_or_not_and_whatever_else_it_holds() {
        // cpu_utilization 0.5, request_cost {"db": 2}, rps_fractional 100, of which the second is skipped.
        let bytes = [
            &[0x09, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f][..],
            &[0x22, 13, 0x0a, 2, b'd', b'b', 0x11, 0, 0, 0, 0, 0, 0, 0, 0x40],
            &[0x31, 0, 0, 0, 0, 0, 0, 0x59, 0x40],
        ]
        .concat();
        let padded = base64::engine::general_purpose::STANDARD.encode(&bytes);
        for text in [padded.as_str(), padded.trim_end_matches('=')] {
            let trailers =
                HeaderMap::from_iter([(http::HeaderName::from_static(TRAILER), text.parse().unwrap())]);
            let report = from_trailers(&trailers).unwrap();
            assert_eq!((report.cpu_utilization, report.rps_fractional), (0.5, 100.0));
        }
        for text in ["", "%%", "CQ"] {
            let trailers =
                HeaderMap::from_iter([(http::HeaderName::from_static(TRAILER), text.parse().unwrap())]);
            let weight = from_trailers(&trailers).and_then(|report| report.weight(&Default::default()));
            assert_eq!(weight, None, "{text}");
        }
        assert!(from_trailers(&HeaderMap::new()).is_none());
    }
}
