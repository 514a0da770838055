//! Targets as operators write them.

use proptest::prelude::*;

use super::*;

#[test]
fn canonical_forms() {
    for (text, expected) in [
        ("orders:50051", "dns:///orders:50051"),
        (" orders:50051 ", "dns:///orders:50051"),
        ("orders.shop.svc.cluster.local.:80", "dns:///orders.shop.svc.cluster.local.:80"),
        ("my_service:1", "dns:///my_service:1"),
        ("localhost:50051", "dns:///localhost:50051"),
        ("dns:///orders:50051", "dns:///orders:50051"),
        ("dns:orders:50051", "dns:///orders:50051"),
        ("dns://127.0.0.1:5353/orders:50051", "dns://127.0.0.1:5353/orders:50051"),
        ("dns://127.0.0.1/orders:50051", "dns://127.0.0.1:53/orders:50051"),
        ("dns://[::1]/orders:50051", "dns://[::1]:53/orders:50051"),
        ("127.0.0.1:50051", "ipv4:127.0.0.1:50051"),
        ("dns:///127.0.0.1:50051", "ipv4:127.0.0.1:50051"),
        ("ipv4:127.0.0.1:1,127.0.0.2:2", "ipv4:127.0.0.1:1,127.0.0.2:2"),
        ("ipv4:127.0.0.1:1, 127.0.0.2:2", "ipv4:127.0.0.1:1,127.0.0.2:2"),
        ("ipv4:///127.0.0.1:1", "ipv4:127.0.0.1:1"),
        ("dns:50051", "dns:///dns:50051"),
        ("unix:50051", "dns:///unix:50051"),
        ("dns:///orders", "dns:///_grpc._tcp.orders"),
        ("dns:orders.shop.", "dns:///_grpc._tcp.orders.shop."),
        ("dns:///_grpc._tcp.orders", "dns:///_grpc._tcp.orders"),
        ("dns://127.0.0.1:5353/_h2._tcp.orders.shop", "dns://127.0.0.1:5353/_h2._tcp.orders.shop"),
        ("[::1]:50051", "ipv6:[::1]:50051"),
        ("dns:///[fd00::1]:50051", "ipv6:[fd00::1]:50051"),
        ("ipv6:[::1]:1,[::2]:2", "ipv6:[::1]:1,[::2]:2"),
        ("ipv6:///[::1]:1", "ipv6:[::1]:1"),
        ("unix:///run/orders.sock", "unix:/run/orders.sock"),
        ("unix:/run/orders.sock", "unix:/run/orders.sock"),
        ("unix:orders.sock", "unix:orders.sock"),
        ("unix:////run/orders.sock", "unix:/run/orders.sock"),
        ("unix:/a.sock,//b.sock", "unix:/a.sock,/b.sock"),
        ("unix:///run/a.sock,/run/b.sock", "unix:/run/a.sock,/run/b.sock"),
        ("unix-abstract:orders", "unix-abstract:orders"),
        ("unix-abstract:orders,users", "unix-abstract:orders,users"),
        ("file:///etc/orders.yaml", "file:///etc/orders.yaml"),
        ("file:/etc/orders.json", "file:///etc/orders.json"),
        ("file:orders.yml", "file:orders.yml"),
    ] {
        let target: Target = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(target.to_string(), expected, "{text}");
        assert_eq!(expected.parse(), Ok(target), "{expected}");
    }
}

#[test]
fn refusals() {
    for (text, message, help) in [
        ("", "expected a target, found nothing", "write `orders:50051`"),
        ("orders", "expected a target with a port, found `orders`", "write `orders:50051`, with the port"),
        ("dns:///10.0.0.1", "expected a target with a port, found `dns:///10.0.0.1`", ""),
        ("dns:///_grpc", "expected the name of an SRV record", "write `dns:///_grpc._tcp.orders`"),
        (
            "dns:///_grpc._tcp.orders:1",
            "expected the name of an SRV record without a port",
            "write `dns:///_grpc._tcp.orders`: the record says the port",
        ),
        ("orders:", "expected a port from 1 to 65535, found `orders:`", "write `orders:50051`"),
        ("orders:0", "expected a port from 1 to 65535, found `orders:0`", "write `orders:50051`"),
        ("orders:+1", "expected a port from 1 to 65535, found `orders:+1`", ""),
        ("orders:grpc", "expected a port from 1 to 65535, found `orders:grpc`", ""),
        ("orders:50051/", "expected a port from 1 to 65535, found `orders:50051/`", ""),
        ("or ders:1", "expected a host name and a port, found `or ders:1`", ""),
        ("10.0.0.256:1", "expected a host name and a port, found `10.0.0.256:1`", ""),
        (
            "http://orders:50051",
            "expected a target, found `http://orders:50051` with the scheme `http`",
            "write `orders:50051` without a scheme",
        ),
        (
            "dms:///orders:1",
            "expected the scheme `dns`, `ipv4`, `ipv6`, `unix`, `unix-abstract` or `file`, found `dms`, did you mean `dns`?",
            "",
        ),
        ("dns://orders:50051", "expected a name after the DNS server", "write `dns:///orders:50051`"),
        ("dns://coredns/orders:1", "expected the IP address of a DNS server, found `coredns`", ""),
        ("ipv4:", "expected IPv4 addresses with ports, found nothing", "write `ipv4:10.0.0.1"),
        ("ipv4:10.0.0.1", "expected IPv4 addresses with ports, found `10.0.0.1`", ""),
        ("ipv4:10.0.0.1:1,10.0.0.1:1", "expected each address once, found 10.0.0.1:1 twice", ""),
        ("ipv4:10.0.0.1:1,[::1]:2", "expected IPv4 addresses with ports, found `[::1]:2`", ""),
        (
            "ipv6:10.0.0.1:1",
            "expected IPv6 addresses with ports, found `10.0.0.1:1`",
            "write `ipv6:[fd00::1]",
        ),
        ("ipv6:[::1]:0", "expected IPv6 addresses with ports, found `[::1]:0`", ""),
        ("[::1]", "expected an IPv6 address in brackets and a port, found `[::1]`", "write `[::1]:50051`"),
        ("::1", "expected an IPv6 address in brackets and a port, found `::1`", "write `[::1]:50051`"),
        ("fd00::7", "expected an IPv6 address in brackets and a port", "write `[fd00::7]:50051`"),
        ("unix:", "expected the path of a socket, found nothing", "write `unix:///run/orders.sock`"),
        ("unix://run/a.sock", "expected `unix:///` and a path", "write `unix:///run/a.sock`"),
        (
            "unix:/a.sock,ipv4:10.0.0.1:1",
            "expected addresses of one kind, found ipv4: in",
            "list them in a file",
        ),
        ("unix:/a,/a", "expected each address once, found unix:/a twice", ""),
        ("unix-abstract:", "expected the name of a socket, found nothing", "write `unix-abstract:orders`"),
        ("file:///etc/orders", "expected a file that ends in .yaml, .yml or .json", "write `file:///etc/"),
        ("file://etc/orders.yaml", "expected `file:///` and a path", "write `file:///etc/orders.yaml`"),
        ("k8s:///orders.shop:50051", "targets of the scheme `k8s` are not supported yet", ""),
        ("xds:///orders", "targets of the scheme `xds` are not supported yet", ""),
    ] {
        let error = text.parse::<Target>().expect_err(text);
        assert!(error.message.starts_with(message), "{text}: {}", error.message);
        assert!(error.help.unwrap_or_default().starts_with(help), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_target_or_an_error(text in ".{0,60}") {
        if let Ok(target) = text.parse::<Target>() {
            prop_assert_eq!(target.to_string().parse(), Ok(target));
        }
    }

    #[test]
    fn near_targets_are_targets_or_errors(text in "((dns|ipv[46]|unix(-abstract)?|file):)?/{0,3}_?[a-z0-9._:,\\[\\]]{0,20}/?[a-z0-9.:,]{0,20}") {
        if let Ok(target) = text.parse::<Target>() {
            prop_assert_eq!(target.to_string().parse(), Ok(target));
        }
    }
}

#[test]
fn sockets_fit_their_structure() {
    for (length, fits) in [(106, true), (107, true), (108, false)] {
        for target in
            [format!("unix:/{}", "a".repeat(length - 1)), format!("unix-abstract:{}", "a".repeat(length))]
        {
            assert_eq!(target.parse::<Target>().is_ok(), fits, "{length}: {target}");
        }
    }
}

#[test]
fn what_stands_for_all_endpoints() {
    for (target, host, derived) in [
        ("orders.shop.:1", Some("orders.shop"), ["orders", "orders-1"]),
        ("dns:///_h2._tcp.orders.shop.", Some("orders.shop"), ["orders", "orders-srv"]),
        ("dns:///orders", Some("orders"), ["orders", "orders-srv"]),
        ("10.0.0.1:1", None, ["10.0.0.1", "10.0.0.1-1"]),
        ("[fd00::1]:1", None, ["ipv6-fd00--1", "ipv6-fd00--1-1"]),
        ("unix:///run/orders.sock", None, ["orders", "orders-unix"]),
        ("unix-abstract:orders", None, ["orders", "orders-unix"]),
        ("file:///etc/orders.yaml", None, ["orders", "orders-file"]),
    ] {
        let parsed: Target = target.parse().unwrap();
        assert_eq!((parsed.host(), parsed.derived_names()), (host, derived.map(str::to_owned)), "{target}");
    }
}

#[test]
fn addresses_are_not_looked_up() {
    for (text, expected) in [
        ("10.0.0.1:1", Some("10.0.0.1:1")),
        ("[fd00::1]:1", Some("[fd00::1]:1")),
        ("unix:///run/a.sock", Some("unix:/run/a.sock")),
        ("unix:a.sock", Some("unix:a.sock")),
        ("unix-abstract:a", Some("unix-abstract:a")),
        ("orders:50051", None),
        ("10.0.0.1", None),
        ("10.0.0.1:0", None),
        ("unix:", None),
    ] {
        let address = text.parse::<Address>().map(|address| address.to_string());
        assert_eq!(address.as_deref().ok(), expected, "{text}");
    }
}
