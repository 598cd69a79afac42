# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import time

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.redaction import (
    LINE_CHARACTERS,
    LONG,
    MASK,
    Blocks,
    Redactor,
    is_private,
    visible,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SECRET = "hunter2Zq9x7Lw3"

# as secrets stand in files, each with SECRET for what must not be seen
SPELLINGS = (
    "password = {}",
    "DB_PASSWORD={}",
    "    api_key: '{}'",
    'export AWS_SECRET_ACCESS_KEY="{}"',
    '{{"user": "app", "password": "{}", "port": 1}}',
    "secret-token => {} and more words",
    "  PrivateKey = {}",
    "psk={}",
    '<property name="password" value="{}"/>',
    "<dbPassword>{}</dbPassword>",
    'secret "{}";',
    "exec app --db-password {} --verbose",
    "exec app --token={}",
    "machine-password {}",
    "requirepass {}",
    "rocommunity {} 10.0.0.0/8",
    "0 1 * * * root mysqldump --all -p{} > /var/dump",
    "sshpass -p {} ssh host",
    "curl -u app:{} https://api",
    "curl --user app:{} https://api",
    "root:$6$salt${}:19000:0:99999:7:::",
    "ann:$y$j9T$x${}",
    "web:$apr1${}",
    "userPassword: {{SSHA}}{}",
    "'SCRAM-SHA-256${}'",
    "Authorization: Basic {}",
    'proxy_set_header Authorization "Basic {}";',
    "header: Bearer {}",
    "Cookie: session={}",
    "url = https://app:{}@db.example.org/x",
    "postgresql://app:p/@{}@db/x",
    "AGE-SECRET-KEY-1{}",
    "ghp_{}abcdefghijkl",
    "xoxb-{}",
    "proxy_set_header X-Api-Key {};",
    "http-request set-header X-Api-Key {} if app",
    "RequestHeader set X-Auth-Token {} env=app",
    "fastcgi_param DB_PASSWORD {};",
    "SetEnv API_TOKEN {}",
    "DB_PASS {}",
    "Define DB_PASS {}",
    "define('DB_PASSWORD', '{}');",
    "define('AUTH_KEY',         '{}');",
    "define( 'NONCE_SALT', '{}' );",
    "$cfg['blowfish_secret'] = '{}';",
    "neighbor 192.0.2.1 password 7 {}",
    "enable secret 5 {}",
    "username joe privilege 15 password 0 {}",
    "tacacs-server host 192.0.2.1 key 7 {}",
    "server 192.0.2.1 key {}",
    "ip ospf message-digest-key 1 md5 {}",
    "community {}",
    "snmp-server community {} RO",
    "com2sec app default {}",
    "trapsink 192.0.2.1 {}",
    "createUser joe SHA {} AES {}",
    'createUser -e 0x80 "joe doe" SHA-256 {}',
    "password {} other",
    "password other {}",
    "machine api.example.org login joe password {} port 1",
    "root:{:.13}:20000:0:99999:7:::",
)
BLOCKS = (
    "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n{}\nb3Bl\n-----END OPENSSH PRIVATE KEY-----",
    "  key: |\n    -----BEGIN RSA PRIVATE KEY-----\n    {}\n    -----END RSA PRIVATE KEY-----",
    '"key": "-----BEGIN EC PRIVATE KEY-----\\n{}\\n-----END EC PRIVATE KEY-----\\n"',
    "-----BEGIN OpenVPN Static key V1-----\n{}",
    "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: x\n{}\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{}\n-----END PGP PRIVATE KEY BLOCK-----",
    "PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 14\n{}\nPrivate-MAC: 00",
    "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY----- -----BEGIN PRIVATE KEY-----\n{}",
    "password: |\n    {}",
    "  db_password: >-\n\n      first\n\n     {}",
    "  api-key: !!str |2 # why\n            first\n            {}",
    "secret: |\n    -----BEGIN PRIVATE KEY-----\nx\n{}",
)
BEGINNINGS = ("", "  ", "\t", "# ", "- ", "export ")
ENDS = ("", " ", " # why", ";", "\r", '"')
# what reads alike and is no secret
HARMLESS = (
    "PasswordAuthentication no",
    "PermitRootLogin prohibit-password",
    "password  [success=1 default=ignore]  pam_unix.so obscure use_authtok try_first_pass yescrypt",
    "password requisite pam_pwquality.so retry=3",
    "passwd:         files systemd",
    "PASS_MAX_DAYS   99999",
    "ann ALL=(root) NOPASSWD: ALL",
    "export SYSTEMD_NSS_BYPASS_BUS=1",
    "#KerberosOrLocalPasswd yes",
    "log_passwords = true",
    '"credentials_enable_service": false,',
    "AuthorizedKeysFile .ssh/authorized_keys",
    "root:x:0:0:root:/root:/bin/bash",
    "listen 8080 ssl;",
    "server unix:/run/php.sock;",
    "proxy_pass http://127.0.0.1:8080;",
    "cookie SRV insert indirect",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI ann@example.org",
    "deb https://deb.example.org/debian bookworm main",
    "password yes",
    "  secret off; # why",
    "# the password of a user is asked for again",
    "-password  optional  pam_gnome_keyring.so",
    "password include system-auth",
    "password    required        pam_unix.so sha512 shadow",
    "auth required pam_unix.so use_first_pass nullok",
    "fastcgi_pass unix:/run/php.sock;",
    "ProxyPass /app http://127.0.0.1:8080/",
    "set community 65000:100 additive",
    "  match community 65000:100",
    "  neighbor 192.0.2.1 send-community both",
    "ip bgp-community new-format",
    " set extcommunity rt 65000:100 additive",
    "  if community matches-any CUSTOMERS then",
    "community CUSTOMERS members 65000:100;",
    "   route-policy RP-PASS in",
    "no password strength-check",
    "  hello-password keychain ISIS",
    "password encryption aes",
    "    permissions [ view secret ];",
    "aaa authorization exec default group tacacs+ local",
    "        authorization read-only;",
    "        set authorization enable",
    "pass in on em0 proto tcp",
    "  /etc/passwd r,",
    "server_tokens off;",
    "server 192.0.2.1 iburst",
    "http://example.com:8080/x:1:2",
)


def masked(text: str, *secrets: str) -> list[str]:
    lines = text.split("\n")
    blocks = Blocks.of(lines)
    return [blocks.masked(place, Redactor(secrets)) for place in range(len(lines))]


@pytest.mark.parametrize("spelling", [*SPELLINGS, *BLOCKS])
def test_what_software_in_general_calls_a_secret_is_masked(spelling: str) -> None:
    shown = masked(f"before = 1\n{spelling.format(SECRET, SECRET)}")
    assert shown[0] == "before = 1"
    assert SECRET[:13] not in "\n".join(shown)
    assert MASK in "\n".join(shown[1:])


@pytest.mark.parametrize("line", HARMLESS)
def test_what_only_reads_alike_is_shown(line: str) -> None:
    assert masked(line) == [line]


@pytest.mark.parametrize("spelling", [*SPELLINGS, *BLOCKS])
def test_a_secret_shows_nowhere_however_its_line_begins_and_ends(spelling: str) -> None:
    for indent, behind in itertools.product(BEGINNINGS, ENDS):
        text = f"listen = 1\n{indent}{spelling.format(SECRET, SECRET)}{behind}\n# end"
        assert SECRET[:13] not in "\n".join(masked(text)), (indent, behind)


@settings(max_examples=200)
@given(
    spelling=st.sampled_from([*SPELLINGS, *BLOCKS]),
    before=st.lists(st.text("abc =:#'\"\t-_", max_size=20), max_size=4),
    after=st.lists(st.text("abc =:#'\"\t-_", max_size=20), max_size=4),
    indent=st.sampled_from(BEGINNINGS),
    behind=st.sampled_from(ENDS),
)
def test_a_secret_shows_nowhere_whatever_stands_around_it(
    spelling: str, before: list[str], after: list[str], indent: str, behind: str
) -> None:
    text = "\n".join([*before, f"{indent}{spelling.format(SECRET, SECRET)}{behind}", *after])
    assert SECRET[:13] not in "\n".join(masked(text))


def test_only_the_secret_of_a_line_is_masked_and_its_length_is_not_told() -> None:
    redactor = Redactor((r"^enable \d+ (?P<secret>\S+)",))
    assert redactor.line("enable 15 x # why") == f"enable 15 {MASK} # why"
    assert redactor.line(f"enable 15 {SECRET * 3} # why") == f"enable 15 {MASK} # why"


def test_of_a_directive_all_that_follows_is_masked_and_no_more() -> None:
    redactor = Redactor()
    assert redactor.line("password hunter2secret other") == f"password {MASK}"
    assert redactor.line("snmp-server community hunter2secret RO") == f"snmp-server community {MASK}"
    assert redactor.line("neighbor 192.0.2.1 password 7 0822") == f"neighbor 192.0.2.1 password {MASK}"
    assert redactor.line("proxy_set_header X-Api-Key abc;") == f"proxy_set_header X-Api-Key {MASK}"
    for set_to in ("SetEnv API_TOKEN", "Define DB_PASS", "setenv DB_PASS", "  fastcgi_param DB_PASS"):
        assert redactor.line(f"{set_to} abc def") == f"{set_to} {MASK}"
    # in a comment what reads like prose is shown
    assert redactor.line("#password abc other") == f"#password {MASK}"
    assert redactor.line("# password hunter2secret other") == f"# password {MASK}"
    assert redactor.line("# password rules are strict here") == "# password rules are strict here"
    # an assignment shows its sign
    assert redactor.line("secret = abc") == f"secret = {MASK}"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "api_key",
            "accessKey",
            "auth.key",
            "client key",
            "ENCRYPTION_KEY",
            "LOGGED_IN_KEY",
            "master-key",
            "NONCE_KEY",
        ),
        *("private_key", "pre-shared-key", "presharedkey", "SECRET_KEY", "shared_key", "signing_key"),
        *("AUTH_SALT", "logged-in-salt", "NONCE_SALT"),
    ],
)
def test_keys_are_known_however_their_names_are_joined(name: str) -> None:
    assert Redactor().line(f"{name} = abc") == f"{name} = {MASK}"


def test_a_scalar_of_yaml_ends_where_lines_stand_no_deeper() -> None:
    for head in ("password: |", "- password: >", "# password: |2-"):
        lead = "# " if head.startswith("#") else "  "
        shown = masked(f"a: 1\n{head}\n{lead}  one\n\n{lead}  two: x\n{lead[:1].strip()}b: 2\nc: 3")
        assert shown == [
            "a: 1",
            f"{head[: head.index(':')]}: {MASK}",
            MASK,
            MASK,
            MASK,
            f"{lead[:1].strip()}b: 2",
            "c: 3",
        ]
    # in a list the next key of the same entry stands deeper than the line, and no deeper than the key
    assert masked("- password: |\n    x\n  b: 2")[1:] == [MASK, "  b: 2"]
    # what is no secret is no block
    assert masked("script: |\n  echo") == ["script: |", "  echo"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_is_masked_is_among_the_candidates(spelling: str) -> None:
    line = spelling.format(SECRET, SECRET)
    text = f"before = 1\n{line}\nafter = 2"
    assert Redactor().masks(line)
    assert list(Redactor().candidates(text)) == [line]
    assert Redactor().candidates("before = 1\nafter = 2") == ()
    assert list(Redactor(("^after",)).candidates(text)) == [line, "after = 2"]


def test_a_long_line_is_judged_in_pieces() -> None:
    for before in (0, 2040, 4090, 9000):
        assert Redactor().masks(f"{'x' * before} password={SECRET} {'x' * 9000}")
    assert not Redactor().masks("x" * 20000)


def test_a_pattern_without_the_group_masks_the_line() -> None:
    assert Redactor(("^enable",)).line("enable 15") == MASK
    # one whose group has no part in the match as well
    assert Redactor(("(?P<secret>x)|enable",)).line("enable 15") == MASK


def test_every_secret_of_a_line_is_masked() -> None:
    assert Redactor((r"k=(?P<secret>\w+)",)).line("k=one, k=two") == f"k={MASK}, k={MASK}"
    # and overlapping ones once
    assert Redactor(("(?P<secret>abc)", "(?P<secret>bcd)")).line("xabcdx") == f"x{MASK}x"


def test_a_group_that_matches_nothing_masks_nothing() -> None:
    assert Redactor((r"k=(?P<secret>\w*)",)).line("k= and more") == "k= and more"


def test_the_words_that_are_masked_in_a_text_are_known() -> None:
    redactor = Redactor((r"^enable secret \d (?P<secret>\S+)", "^all of it"))
    text = 'enable secret 9 $9$hunter2\ninterface eth0\npassword = "s3cret"; # x\nall of it swordfish\n'
    key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n"
    found = redactor.values(text + key)
    assert {"$9$hunter2", "s3cret", "swordfish", "MC4CAQAw"} <= found
    assert found.isdisjoint({"interface", "eth0", "enable", "all", "9"})


def test_a_long_line_is_not_shown_at_all() -> None:
    # behind any place to cut it at may stand what a pattern knows the secret by
    assert Redactor().line("x" * LINE_CHARACTERS) == "x" * LINE_CHARACTERS
    assert Redactor().line("x" * (LINE_CHARACTERS + 1)) == LONG
    assert masked(f"-----BEGIN PRIVATE KEY-----\n{'x' * 5000}\nx")[1:] == [LONG, MASK]


def test_a_block_begins_in_a_long_line_too() -> None:
    assert masked(f"{'x' * 5000} -----BEGIN PRIVATE KEY-----\n{SECRET}") == [LONG, MASK]


def test_public_blocks_are_shown() -> None:
    for what in ("CERTIFICATE", "PUBLIC KEY", "CERTIFICATE REQUEST", "X509 CRL", "DH PARAMETERS"):
        text = f"-----BEGIN {what}-----\nMIIB\n-----END {what}-----"
        assert masked(text) == text.split("\n")


def test_of_what_is_public_nothing_is_masked_though_it_looks_random() -> None:
    lines = ["MIIBCAKCAQEAmV0+Uw2bLmsi81VcUaAoA4cihZ7o7ph1wCEAc9+1u65Wkm3gu5BD", "Y7k9OsMYLMQ="]
    for lead in ("", "  ", "# ", " * "):
        text = [f"{lead}-----BEGIN CERTIFICATE-----", *(f"{lead}{line}" for line in lines)]
        ended = [*text, f"{lead}-----END CERTIFICATE-----"]
        assert masked("\n".join(ended)) == ended
        # and what follows is looked at again, whether it ends or not
        for before in (ended, text):
            assert masked("\n".join([*before, "key = Vq8kZt3Lm5wXr2Nb7Yc4Gd9Hs1Jf", lines[0]]))[-2:] == [
                f"key = {MASK}",
                MASK,
            ]
    armoured = [
        "-----BEGIN PGP PUBLIC KEY BLOCK-----",
        "Version: 1",
        "",
        lines[0],
        "-----END PGP PUBLIC KEY BLOCK-----",
    ]
    assert masked("\n".join(armoured)) == armoured


def test_what_a_secret_of_kubernetes_holds_is_masked_whatever_it_is_called() -> None:
    document = ["kind: Secret", "metadata:", "  name: app", "data:", "  colour: cmVk", "stringData:", "  tone: loud"]
    hidden = [*document[:4], MASK, "stringData:", MASK]
    others = ["kind: ConfigMap", "data:", "  colour: red"]
    assert masked("\n".join(document)) == hidden
    # its kind may stand last, and other documents beside it
    assert masked("\n".join([*document[1:], "kind: Secret"])) == [*hidden[1:], "kind: Secret"]
    assert masked("\n".join([*others, "---", *document, "---", *others])) == [*others, "---", *hidden, "---", *others]
    spelled = ["{", '  "kind": "Secret",', '  "data": {', '    "colour": "cmVk"', "  }", "}"]
    assert masked("\n".join(spelled)) == [*spelled[:3], MASK, *spelled[4:]]
    for line in ('{"kind":"Secret","data":{"colour":"cmVk"}}', '{"data":{"colour":"cmVk"},"kind":"Secret"}'):
        assert "cmVk" not in masked(line)[0]


def test_what_stands_below_a_name_for_secrets_is_masked_and_what_follows_is_shown() -> None:
    for text, hidden in (
        (["password:", "  joe", "port: 1"], [1]),
        (["tokens:", "- one", "-  two", "port: 1"], [1, 2]),
        (["- name: DB_PASSWORD", "  value: >", "    one", "    two", "- name: LANG", "  value: C"], [1, 2, 3]),
        (["<name>db.password</name>", "<value>one</value>", "<final>true</final>"], [1]),
    ):
        assert masked("\n".join(text)) == [MASK if place in hidden else line for place, line in enumerate(text)]
    for harmless in (
        ["credentials:", "  username: joe", "  file: /etc/x"],
        ["secrets:", "  app: {file: ./x}"],
        ["- name: LANG", "  value: C"],
        ["password:", "port: 1"],
    ):
        assert masked("\n".join(harmless)) == harmless


@pytest.mark.parametrize(
    "text",
    [
        "kind: Secret\ndata:\n" * 20_000,
        "password:\n  x\n" * 20_000,
        "password:\n" + "  x\n" * 40_000,
        f"-----BEGIN CERTIFICATE-----\n{'/' * 195}é.a\n" * 4_000,
        f"kind: Secret{' ' * 1_000_000}x",
        f"password:\n  a{' ' * 1_000_000}b",
    ],
    ids=["secrets", "heads", "values", "certificates", "kind", "value"],
)
def test_a_large_text_full_of_what_blocks_begin_with_is_done_with(text: str) -> None:
    # a second or less; one that takes quadratic time takes minutes
    lines = text.splitlines()
    began = time.process_time()
    Blocks.of(lines)
    assert time.process_time() - began < 10


def test_an_element_named_for_secrets_hides_the_lines_within_it() -> None:
    text = ["<auth-user-pass>", "joe", "hunter2", "</auth-user-pass>", "verb 3"]
    assert masked("\n".join(text)) == [text[0], MASK, MASK, MASK, "verb 3"]
    assert masked("<dbPassword\n  hunter2")[0] == "<dbPassword"
    assert masked("<empty-password/>\nverb 3") == ["<empty-password/>", "verb 3"]


def test_what_follows_a_block_is_shown() -> None:
    text = "a = 1\n-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\nb = 2"
    assert masked(text) == ["a = 1", "-----BEGIN PRIVATE KEY-----", MASK, MASK, "b = 2"]


def test_lines_of_a_block_differ_all_where_one_does() -> None:
    def keys(body: str) -> list[object]:
        return Blocks.of(f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\nb".split("\n")).keys()

    one, same, other = keys("AA\nBB"), keys("AA\nBB"), keys("AA\nCC")
    assert one == same
    assert [left == right for left, right in zip(one, other, strict=True)] == [False, False, False, False, True]


@pytest.mark.parametrize(
    "piece",
    [
        "password",
        "-",
        "://",
        "a",
        "mysql ",
        "<password ",
        "-----BEGIN ",
        " ",
        "$6$",
        "server ",
        "key ",
        ":",
        "password: ",
        "header ",
        "define(",
        "user x ",
        "jdbc:a:b/",
        "/webhooks/",
        '"kind":"Secret"',
        "@tcp(a:",
        "lftp -u ",
        "snmpget ",
        "echo ",
        "name: ",
        "snmp-server host ",
        "sqlplus a/",
        "<name>a</name><value>",
        "auth a:",
        "snmp-server user ",
        "Aa1",
        "=",
    ],
)
def test_a_line_full_of_what_patterns_look_for_is_done_with(piece: str) -> None:
    # one that takes exponential time would not end
    assert Redactor().line((piece * LINE_CHARACTERS)[:LINE_CHARACTERS])


def test_a_pattern_that_is_none_is_a_policy_error() -> None:
    with pytest.raises(PolicyError, match="no regular expression"):
        Redactor(("(",))


@pytest.mark.parametrize(
    ("path", "private"),
    [
        ("/etc/ssh/ssh_host_ed25519_key", True),
        ("/etc/ssh/ssh_host_ed25519_key.pub", False),
        ("/etc/shadow", True),
        ("/etc/gshadow-", True),
        ("/etc/passwd", False),
        ("/etc/ssl/private/x.pem", True),
        ("/etc/ssl/certs/x.pem", False),
        ("/etc/app/tls.KEY", True),
        ("/root/.ssh/id_ed25519", True),
        ("/root/.ssh/authorized_keys", False),
        ("/etc/ppp/chap-secrets", True),
        ("/etc/krb5.keytab", True),
        ("/root/.netrc", True),
        ("/etc/secrets.d/readme", False),
        ("/etc/postfix/sasl_passwd", True),
        ("/etc/exim4/passwd.client", True),
        ("/var/lib/rabbitmq/.erlang.cookie", True),
        ("/etc/pgbouncer/userlist.txt", True),
        ("/etc/keyboard", False),
        ("/etc/ntp/keys", True),
        ("/etc/apt/keys", False),
        ("/etc/corosync/authkey", True),
        ("/root/.google_authenticator", True),
        ("/var/lib/bind/Kexample.+008+1.private", True),
    ],
)
def test_files_that_are_secrets_are_known_by_name(path: str, private: bool) -> None:
    assert is_private(path) is private


@given(st.text(st.characters(), max_size=40))
def test_nothing_that_a_terminal_would_obey_is_left(text: str) -> None:
    shown = visible(text)
    assert all(one == "\t" or one.isprintable() for one in shown)
    shown.encode("utf-8")
    assert visible(shown) == shown


def test_bytes_that_are_no_text_and_unseen_characters_are_spelled_out() -> None:
    assert visible("a\x1b[2Jb") == "a\\x1b[2Jb"
    assert visible(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf\\xe9"
    assert visible("a\u202eb\u200bc\n\r\x7f\x9b") == "a\\u202eb\\u200bc\\n\\r\\x7f\\x9b"
    assert visible("väl\t\U000e0001") == "väl\t\\U000e0001"
