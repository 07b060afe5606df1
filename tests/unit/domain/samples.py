"""E-mail addresses that can receive no letter."""

UNDELIVERABLE = [
    *("", "@", "awa", "awa@", "@example.org", "awa@@example.org", "a b@example.org", "awa@example.org\n"),
    *("é@example.org", "åwa@example.org", "ａｗａ@example.org", "awa＠example.org", "a\u0301@example.org"),
    *("awa@example", "awa@localhost", "awa@example.org.", "awa@example..org", ".awa@example.org", "awa.@example.org"),
    *("awa@[192.0.2.1]", "awa@[IPv6:2001:db8::1]", "awa@192.0.2.1", "awa@example.1", "awa@example.c"),
    *("awa@x.test", "awa@x.invalid", "awa@x.localhost", "awa@x.local", "awa@x.internal", "awa@x.alt", "awa@x.onion"),
    *("a" * 65 + "@example.org", "awa@" + "a" * 64 + ".org", "awa@" + "é" * 70 + ".org", "awa@" + "a." * 130 + "org"),
    *("awa@-a.org", "awa@a_b.org", "awa@exam\u200bple.org", "awa@exam\u00adple.org", "awa@xn--a.org"),
    *('"a b"@example.org', "Awa <awa@example.org>", "awa@example.org, bob@example.org", "awa(x)@example.org"),
]
