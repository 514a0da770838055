//! A network of one's own, in which packets can be dropped.

use std::{
    net::Ipv4Addr,
    process::{Command, Stdio},
};

use crate::program::BINARY;

/// A network namespace with one link to the machine; dropped, it is removed.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    /// The machine's end of the link.
    pub outside: Ipv4Addr,
    /// The namespace's end.
    pub inside: Ipv4Addr,
}

impl Namespace {
    /// Makes one; says why where that cannot be.
    pub fn create() -> Result<Self, String> {
        let number = fastrand::u16(..);
        let [high, low] = number.to_be_bytes();
        // Of the 16384 networks of two addresses in 10.219.0.0/16 one.
        let low = low & !3;
        let address = |last: u8| Ipv4Addr::new(10, 219, high, low + last);
        let namespace =
            Self { name: format!("edgeway-{number:04x}"), outside: address(1), inside: address(2) };
        let (there, here) = (format!("ewb{number:04x}"), format!("ewa{number:04x}"));
        let name = namespace.name.as_str();
        run("ip", &["netns", "add", name])?;
        run("ip", &["link", "add", &here, "type", "veth", "peer", "name", &there, "netns", name])?;
        run("ip", &["addr", "add", &format!("{}/30", namespace.outside), "dev", &here])?;
        run("ip", &["link", "set", &here, "up"])?;
        run("ip", &["-n", name, "addr", "add", &format!("{}/30", namespace.inside), "dev", &there])?;
        run("ip", &["-n", name, "link", "set", &there, "up"])?;
        run("ip", &["-n", name, "link", "set", "lo", "up"])?;
        namespace.firewall(&["-L", "-n"])?;
        Ok(namespace)
    }

    /// The binary as a command that runs inside.
    pub fn command(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, BINARY]);
        command
    }

    /// Drops every packet to and from a TCP port outside, from here on or no longer.
    pub fn drop_packets(&self, port: u16, drop: bool) {
        let change = if drop { "-A" } else { "-D" };
        let port = port.to_string();
        for (chain, side) in [("OUTPUT", "--dport"), ("INPUT", "--sport")] {
            let rule = [change, chain, "-p", "tcp", side, &port, "-j", "DROP"];
            self.firewall(&rule).expect("what was possible at the start");
        }
    }

    fn firewall(&self, arguments: &[&str]) -> Result<(), String> {
        run("ip", &[&["netns", "exec", &self.name, "iptables", "-w"], arguments].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Its link goes with it.
        let _ = run("ip", &["netns", "del", &self.name]);
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {}: {}", arguments.join(" "), said.trim()))
}
