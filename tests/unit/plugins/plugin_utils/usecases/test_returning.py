# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What would come back with old secrets is named by path and kind, and never shown."""

from __future__ import annotations

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Handling
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.returning import Returning, returning

HANDLING = {"app": Handling(secrets=("^enable (?P<secret>.*)$",))}


def found(path: str, content: bytes, component: str = "app") -> tuple[str, ...]:
    """What is said of one path."""
    told = returning([path], {path: content}, {path: component}, HANDLING)
    assert all(one.path == path for one in told)
    return told[0].what if told else ()


# in two parts, so that no scanner takes this file for one that holds keys
BOTH = ("private key", "certificate")
PEM = "-----BEGIN {}-----\nAAAA\n-----END {}-----\n"


@pytest.mark.parametrize(
    ("path", "content", "what"),
    [
        ("/etc/ssl/a", PEM.format("PRIVATE KEY", "PRIVATE KEY"), ("private key",)),
        ("/etc/ssl/a", PEM.format("RSA PRIVATE KEY", "RSA PRIVATE KEY"), ("private key",)),
        ("/etc/ssl/a", PEM.format("ENCRYPTED PRIVATE KEY", "x"), ("private key",)),
        ("/etc/ssl/a", PEM.format("OPENSSH PRIVATE KEY", "x"), ("private key",)),
        ("/etc/ssl/a", PEM.format("PUBLIC KEY", "PUBLIC KEY"), ()),
        ("/etc/ssl/a", PEM.format("CERTIFICATE", "CERTIFICATE"), ("certificate",)),
        ("/etc/ssl/a", "# a key\n" + PEM.format("EC PRIVATE KEY", "x") + PEM.format("CERTIFICATE", "x"), BOTH),
        ("/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAA", ("host key",)),
        ("/etc/ssh/ssh_host_rsa_key", PEM.format("OPENSSH PRIVATE KEY", "x"), ("host key", "private key")),
        ("/etc/shadow", "root:$y$j9T$abc$def:20000:0:99999:7:::\n", ("password hashes",)),
        ("/etc/nginx/htpasswd", "joe:$apr1$abcd$efgh\n", ("password hashes",)),
        ("/etc/shadow", "root:*:20000:0:99999:7:::\ndaemon:!:20000::::::\n", ()),
        ("/etc/app.conf", "listen = 1\npassword = geheim\n", ("secrets",)),
        ("/etc/app.conf", "listen = 1\n# here no password is given\n", ()),
        ("/etc/app.conf", "price = $5 a month\n", ()),
        ("/etc/empty", "", ()),
        ("/etc/wireguard/wg0.conf", "[Interface]\nPrivateKey = AAAA\n", ("secrets",)),
        ("/etc/apache2/users", "joe:{SHA}AAAA\n", ("password hashes",)),
        ("/etc/other.conf", "password = geheim\n", ("secrets",)),
        ("/etc/app.yml", "key: |\n  " + PEM.format("PRIVATE KEY", "x"), ("private key",)),
        ("/etc/app.json", '{"k": "' + PEM.format("EC PRIVATE KEY", "x").replace("\n", "\\n"), ("private key",)),
        ("/etc/app.yml", "crt: |\n  " + PEM.format("CERTIFICATE", "x"), ("certificate",)),
        ("/etc/gpg/a", PEM.format("PGP PRIVATE KEY BLOCK", "x"), ("private key",)),
        ("/etc/ssh/a", "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nA\n", ("private key",)),
        ("/etc/openvpn/ta", PEM.format("OpenVPN Static key V1", "x"), ("secrets",)),
        ("/etc/shadow", "joe:AAAAAAAAAAAAA:20000:0:99999:7:::\n", ("password hashes",)),
        ("/etc/shadow", "joe:!$6$abc$def:20000:0:99999:7:::\n", ("password hashes",)),
        ("/etc/nginx/htpasswd", "joe:AAAAAAAAAAAAA\n", ("password hashes",)),
        ("/etc/hosts.list", "http://example.com\n", ()),
        ("/root/.ssh/authorized_keys", "ssh-ed25519 AAAA joe\n", ("authorized keys",)),
        ("/etc/ssh/authorized_keys.d/joe", "ssh-ed25519 AAAA joe\n", ("authorized keys",)),
        ("/etc/ssh/authorized_keys/joe", "ssh-ed25519 AAAA joe\n", ("authorized keys",)),
        ("/root/.ssh/authorized_keys", "\n", ()),
        ("/etc/app.yml", "password: |\n  geheim\n", ("secrets",)),
        ("/etc/app.json", '{"a": "' + "x" * 9000 + '", "password": "geheim"}', ("secrets",)),
        # beside another kind
        ("/etc/app.pem", PEM.format("CERTIFICATE", "x") + "password = geheim\n", ("certificate", "secrets")),
        ("/etc/app.conf", "joe:$6$abc$def:1:\npassword = geheim\n", ("password hashes", "secrets")),
    ],
)
def test_kinds(path: str, content: str, what: tuple[str, ...]) -> None:
    assert found(path, content.encode()) == what


def test_patterns_are_those_of_its_own_component() -> None:
    assert found("/etc/app.conf", b"enable x\n") == ("secrets",)
    assert found("/etc/app.conf", b"enable x\n", "other") == ()


def test_paths_without_content_are_passed_over_and_the_rest_is_in_order() -> None:
    hashes = b"u:$6$abc$def:1\n"
    told = returning(["/b", "/a", "/folder"], {"/a": hashes, "/b": hashes}, {}, {})
    assert told == (Returning("/a", ("password hashes",)), Returning("/b", ("password hashes",)))
    assert "abc" not in str(told)


def test_bytes_that_are_no_text() -> None:
    assert found("/etc/blob", bytes(range(256)) * 64) == ()
