//! Notices names that are one virtual IP.
//!
//! A Kubernetes Service with a cluster IP, or a load balancer, answers with one address for many pods. A connection of
//! HTTP/2 to it ends at one of them and stays there: the balancing of calls, which is what a gateway is for, silently
//! does nothing.

use std::net::IpAddr;

/// The one address that a name has had so far.
#[derive(Debug, Default)]
pub(super) struct Pin {
    only: Option<IpAddr>,
    seen: u32,
    told: bool,
}

impl Pin {
    /// Takes an answer; the address to warn of, once.
    pub(super) fn seen(&mut self, addresses: &[IpAddr]) -> Option<IpAddr> {
        let only = match addresses {
            [only] if !only.is_loopback() => *only,
            _ => {
                *self = Self { told: self.told, ..Self::default() };
                return None;
            }
        };
        self.seen = if self.only.replace(only) == Some(only) { self.seen.saturating_add(1) } else { 1 };
        if self.seen < SUSPICIOUS || self.told {
            return None;
        }
        self.told = true;
        Some(only)
    }
}

/// A minute of the default `dns_refresh_rate`. Pods that come and go have shown up by then, or not at all.
const SUSPICIOUS: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        [10, 96, 0, last].into()
    }

    #[test]
    fn one_address_for_long_is_told_once() {
        let mut pin = Pin::default();
        for _ in 1..SUSPICIOUS {
            assert_eq!(pin.seen(&[ip(7)]), None);
        }
        assert_eq!(pin.seen(&[ip(7)]), Some(ip(7)));
        for _ in 0..100 {
            assert_eq!(pin.seen(&[ip(7)]), None);
        }
    }

    #[test]
    fn addresses_that_change_are_no_virtual_ip() {
        let mut pin = Pin::default();
        for round in 0..100 {
            for _ in 1..SUSPICIOUS {
                assert_eq!(pin.seen(&[ip(round)]), None);
            }
            assert_eq!(pin.seen(&[ip(round), ip(200)]), None);
        }
        for _ in 0..100 {
            assert_eq!(pin.seen(&[IpAddr::from([127, 0, 0, 1])]), None, "this machine");
        }
    }
}
