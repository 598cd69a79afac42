# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a configuration may be shown: secrets masked, and nothing that a terminal would obey.

A mask is the same whatever it hides. Of lines that no pattern knows nobody can tell whether they hold a secret, but for
words that look drawn by lot. What a component declares as ``secrets`` adds to what is known of software in general.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterator, Sequence

from ..errors import PolicyError
from .entropy import random_spans

MASK = "<secret>"
LONG = "<long line>"
# a longer line is not shown at all: what a pattern needs to know a secret by may stand behind the place of a cut
LINE_CHARACTERS = 4096
# a value of so few characters stands everywhere
_FEW = 3
# components of this data class show no content
SECRET_CLASS = "secret"

_GROUP = "secret"
# those with a salt beside are WordPress's
_KEY = (
    r"(?:(?:account|api|app|access|auth|client|cookie|encryption|hmac|jwt|logged[-_]in|master|nonce|plaintext|principal"
    r"|priv(?:ate|acy)|pre-?shared|secret|session|shared|signing|wep)[-_. ]?key|(?:auth|logged[-_]in|nonce)[-_]salt)"
)
_WORD = (
    r"(?:(?<!no)pass(?:wor[dt]|wd|phrase|code)|(?<!by)pass(?![a-z])|pwd|secret|token|credential|community|psk"
    rf"|bind[-_]?pw|rootpw|[-_.]pw(?![a-z])|(?<!use_)authtok(?!_type)|{_KEY})"
)
# what is on or off is no secret
_SWITCH = r"(?!(?:false|no|none|null|off|on|true|yes)\s*[,;]?\s*(?:#.*)?$)"
# nsswitch.conf(5) spells its first line like an assignment of a password
_NO_ACCOUNTS = r"(?!passwd:\s+(?:compat|db|files|ldap|nis|sss|systemd|winbind)\b)"
# pam.conf(5) calls a kind of rule so
_NO_RULE = (
    r"(?!(?:include|substack)\s+[\w-]+\s*$|(?:\[[^\]]{0,200}\]|optional|required|requisite|sufficient)\s+\S*pam_)"
)
# routers demand of passwords that they are strong, and name key chains where others have a password
_NO_DEMAND = r"(?!(?:(?:complexity|encryption|keychain)\s+\S+|strength-check|\];?)\s*$)"
# their policies speak of communities that are no secrets
_NO_POLICY = r"(?!\s+(?:(?:add|delete|in|matches-[a-z]+)\s+[^\s;]|[^\s;]+\s+members\s))"
# an assignment has its own pattern, which shows the sign
_VALUE = rf"(?![=:]){_SWITCH}{_NO_RULE}{_NO_DEMAND}"
# what AAA, SNMP and Junos call authorization is a right, and no header
_NO_RIGHT = r"(?!\s*[\"']?(?:commands?|console|disable|enable|exec|info|list|login|permit|read-(?:only|write)|r[ow])\b)"
# a name that ends in a word for secrets, as a directive that takes one; nginx's proxy_pass and the like take an address
_DIRECTIVE = (
    r"[\w.-]{0,40}?(?:(?<!no)passw(?:or)?d|passphrase|(?:[-_]|require|root)pw|secret|token|credential|psk"
    rf"|(?<!set )(?<!match )(?<!ext)(?<!bgp-)(?<!send-)community6?{_NO_POLICY}"
    r"|(?<!fastcgi)(?<!first)(?<!grpc)(?<!memcached)(?<!proxy)(?<!uwsgi)(?<!scgi)[-_]pass(?!\s+(?:in|out)\s*$)"
    rf"|{_KEY}|authentication-key|message-digest-key|key-string)\d?[\"']?"
)
# the same as a word in the middle of a line; routing protocols set and match communities that are none
_WITHIN = (
    rf"(?<![\w./-])(?:passw(?:or)?d|passphrase|secret|psk|(?<!set )(?<!match )community{_NO_POLICY}|authentication-key"
    r"|message-digest-key|key-string|pre-?shared-(?:key|secret)|(?:plaintext|privacy|shared)-key)"
)
# what stands close to the sign of a comment is more often a directive
_PROSE = r"\s*(?:#+|;+|//+)\s"
# in a comment: one word, or what has a digit beside a letter, is taken for a secret; the rest for prose
_TOLD = r"(?:[^\s;,]+[;,]?\s*(?:#.*)?$|(?=.{0,100}?(?:[A-Za-z]\d|\d[A-Za-z]))\S.*)"
# directives whose first argument is a name, and whose second is its value
_SETS = (
    r"(?:arg|define|env|set(?!\s+(?:ext|send-)?community\b)|set-?env|[\w-]{0,40}(?:add|set)[-_]header|[\w-]{0,40}_param"
    r"|(?:request)?header\s+(?:always\s+)?(?:add|append|set))"
)
_SETTING = rf"[\"'$]?[\w.-]{{0,40}}?{_WORD}[\w.-]{{0,40}}[\"']?"
# between the word and the sign of an assignment, as in $cfg['db_password_2'] = and in <property name="password" value=
_MORE = r"[\w.\]-]{0,40}[\"'\])]{0,3}(?:\s+value)?"
# 8, 9 and 14 are those of routers; what Junos has under 9 is soon turned back
_CRYPT = r"\$(?:y|gy|7|2[abxy]?|6|5|1|3|8|9|14|md5|sha1|apr1|argon2[di]{1,2}|scrypt|pbkdf2[\w-]*)\$"
_WORD_HINTS = ("pass", "pw", "secret", "token", "credential", "community", "psk", "authtok")
# names of keys, spelled without what stands between their words
_KEY_HINTS = (
    *("accountkey", "apikey", "appkey", "accesskey", "authkey", "clientkey", "cookiekey", "encryptionkey", "hmackey"),
    *("jwtkey", "loggedinkey", "masterkey", "noncekey", "plaintextkey", "principalkey", "privacykey", "privatekey"),
    *("secretkey", "sessionkey", "sharedkey", "signingkey", "wepkey"),
    *("authenticationkey", "digestkey", "keystring"),
    *("authsalt", "loggedinsalt", "noncesalt"),
)
# How secrets are spelled whatever the software: assignments, options, directives, hashes, headers, URLs, known tokens.
# Before them what a line has in lower case that one of them matches: most lines need no pattern.
_KNOWN = tuple(
    (hints, tuple(re.compile(pattern) for pattern in patterns))
    for hints, patterns in (
        (
            (*_WORD_HINTS, *_KEY_HINTS),
            (
                rf"(?i){_NO_ACCOUNTS}{_WORD}{_MORE}\s*(?:=>|:=|[=:])\s*(?P<secret>{_SWITCH}\S.*)",
                rf"(?i){_WORD}[\w.-]{{0,40}}\s+(?P<secret>[\"'].+)",
                rf"(?i){_WORD}[\w.-]{{0,40}}[\"']\s*,\s*(?P<secret>{_SWITCH}\S.*)",
                rf"(?i)<[\w.:-]{{0,40}}{_WORD}[\w.:-]{{0,40}}(?:\s[^<>]*)?>(?P<secret>[^<]+)",
                rf"(?i)(?<!\w)--?[\w-]{{0,40}}?{_WORD}[\w-]{{0,40}}(?:=|\s+)(?P<secret>{_NO_RULE}\S.*)",
                rf"(?i)^(?!{_PROSE})\s*(?:[#;/!-]+\s*|export\s+)?{_DIRECTIVE}\s+(?P<secret>{_VALUE}\S.*)",
                rf"(?i)^(?!{_PROSE}).*?{_WITHIN}\s+(?P<secret>{_VALUE}\S.*)",
                rf"(?i)(?:^|[\s#;]){_DIRECTIVE}\s+(?P<secret>{_VALUE}{_TOLD})",
                rf"(?i)(?:^|[\s#;]){_SETS}\s+{_SETTING}\s+(?P<secret>{_VALUE}\S.*)",
            ),
        ),
        (
            ("key ", "key\t"),
            (
                (
                    r"(?i)^[\s#!;-]*(?:export\s+)?[\w-]{0,40}?(?:host|peer|server(?:-private)?|failover)"
                    r"\s(?:.*?\s)??key\s+(?P<secret>\S.*)"
                ),
                r"(?i)\bisakmp\s+key\s+(?P<secret>\S.*)",
                # of a server of AAA, on a line of its own; a number is that of a key in a chain
                r"^ key (?:\d )?(?!\d+$)(?P<secret>[^\s;:=\"'{]+)$",
                r"(?i)^\s*set\s+\S*key\s+ENC\s+(?P<secret>\S.*)",
                # as nsupdate(1) has it
                r"(?i)^\s*key\s+(?:hmac-[\w-]+:)?\S+\s+(?P<secret>[A-Za-z0-9+/]{16,}={0,2})\s*$",
            ),
        ),
        (
            ("pass", "pw", "psk", "masterauth"),
            (
                r"(?i)(?:^|[^\w-])(?:auth_pass|bindpw|masterauth|requirepass|rootpw(?:modpw)?|wpa-psk)\s+(?P<secret>\S.*)",
            ),
        ),
        (
            (
                *("com2sec", "createuser", "usmuser", "trapsink", "trap2sink", "informsink"),
                *("snmp-server user", "snmp-server host"),
            ),
            (
                # what snmpd and snmptrapd read
                r"(?i)\b(?:createUser(?:\s+-e\s+\S+)?\s+(?:\"[^\"]*\"|\S+)|usmUser)\s+(?P<secret>\S.*)",
                r"(?i)\bcom2sec6?\s+(?:-Cn\s+\S+\s+)?\S+\s+\S+\s+(?P<secret>\S.*)",
                r"(?i)\b(?:trap2?|inform)sink\s+\S+\s+(?P<secret>\S.*)",
                r"(?i)\bsnmp-server user\s.*?\sauth\s+\S+\s+(?P<secret>\S.*)",
                r"(?i)\bsnmp-server host\s(?:.*?\s)?(?:informs|traps|2c|version 1)\s+(?!version\s)(?P<secret>\S.*)",
            ),
        ),
        # options of net-snmp's commands, and of the directives that take them
        (
            ("snmp", "proxy -", "trapsess", "informsess"),
            (r"(?:\bsnmp\w*|^\s*(?:proxy|trapsess|informsess))\s(?:.*?\s)?-[cAX]\s*(?P<secret>\S.*)",),
        ),
        (("snmp community",), (r"\bsnmp community (?:add|set)\s(?:.*?\s)?name=(?P<secret>\S+)",)),
        # Cisco's HSRP, GLBP and VRRP, PAN-OS, Huawei and HPE
        (
            ("standby", "glbp", "vrrp"),
            (r"(?i)\b(?:glbp|standby|vrrp)\s+\d+\s+authentication\s+(?:text\s+)?(?!md5\s)(?P<secret>\S.*)",),
        ),
        (("phash",), (r"\bphash\s+(?P<secret>\S.*)", r"<phash>(?P<secret>[^<]+)")),
        (("<pre-shared-key>",), (r"<pre-shared-key>\s*<key>(?P<secret>[^<]+)",)),
        (("cipher ", "simple "), (r"(?i)\b(?:cipher|simple)\s+(?P<secret>(?:%|\$\w\$)\S+)",)),
        (
            (" -u", "\t-u", "--user", "--proxy-user"),
            (r"(?:\s-u ?|--user[= ]|--proxy-user[= ])[^\s:]+:(?P<secret>\S+)",),
        ),
        (("mariadb", "mysql"), (r"\b(?:mariadb|mysql)\S*\s(?:.*\s)?-p(?P<secret>\S+)",)),
        (("sshpass",), (r"\bsshpass\s+-p\s*(?P<secret>\S+)",)),
        (("lftp",), (r"\blftp\s(?:.*?\s)?-u\s*[^\s,]+,(?P<secret>\S+)",)),
        (("ipmitool",), (r"\bipmitool\s(?:.*?\s)?-P\s*(?P<secret>\S+)",)),
        # Samba's commands, and those that take a password by a letter of their own
        ((" -u", "\t-u"), (r"\s-U\s*[\"']?[^\s%\"']+%(?P<secret>\S+)",)),
        (("redis-cli",), (r"\bredis-cli\s(?:.*?\s)?-a\s*(?P<secret>\S+)",)),
        (("mongo",), (r"\bmongo\w*\s(?:.*?\s)?-p\s*(?P<secret>[^\s-]\S*)",)),
        (("docker login", "podman login"), (r"\b(?:docker|podman)\s+login\s(?:.*?\s)?-p\s*(?P<secret>\S+)",)),
        (("mosquitto_",), (r"\bmosquitto_[pr]\w+\s(?:.*?\s)?-P\s*(?P<secret>\S+)",)),
        (("sqlcmd", "bcp "), (r"\b(?:sqlcmd|bcp)\s(?:.*?\s)?-P\s*(?P<secret>\S+)",)),
        (
            ("sqlplus", "expdp", "impdp", "rman "),
            (r"\b(?:sqlplus|expdp|impdp|rman)\s(?:.*?\s)?\w+/(?P<secret>[^\s@/]+)",),
        ),
        (("openssl",), (r"\bopenssl\s+(?:aes|enc|des)\S*\s(?:.*?\s)?-k\s+(?P<secret>\S+)",)),
        (("7z", "zip "), (r"\b7z[ar]?\s(?:.*?\s)?-p(?P<secret>\S+)", r"\bzip\s(?:.*?\s)?-P\s*(?P<secret>\S+)")),
        (("freerdp",), (r"\s/p:(?P<secret>\S+)",)),
        (("useradd", "usermod"), (r"\buser(?:add|mod)\s(?:.*?\s)?-p\s*(?P<secret>\S+)",)),
        # what is written to a command that reads a password
        (
            ("chpasswd", "sudo -", "--stdin"),
            (
                r"\b(?:echo|printf)\s+(?P<secret>[^|]+?)\s*\|\s*(?:\S*sudo\s.*?-S\b|\S*chpasswd|\S*passwd\s.*?--stdin)",
                r"\bchpasswd\b[^<]*<<<\s*(?P<secret>\S.*)",
            ),
        ),
        (("ldapsearch", "ldapmodify", "ldapadd"), (r"\bldap[a-z]+\s(?:.*?\s)?-w\s*(?P<secret>[^\s-]\S*)",)),
        # as dig(1) has it
        ((" -y ",), (r"\s-y\s+(?:hmac-[\w-]+:)?[\w.-]+:(?P<secret>\S+)",)),
        # MySQL, CREATE USER
        (("identified",), (r"(?i)\bidentified\s+(?:with\s+\S+\s+)?(?:as|by)\s+(?P<secret>\S.*)",)),
        # a user and what proves it, joined by a colon
        (
            ("auth ", "user=", "user =", "login="),
            (
                r"(?i)\bauth\s+[^\s:/()]+:(?P<secret>[^\s/]\S*)",
                r"(?i)(?:^|[\s_-])(?:login|user)\s*=\s*[\"']?[^\s:\"'=/]+:(?!\d+\b)(?P<secret>[^\s/]\S*)",
            ),
        ),
        (("@tcp(", "@unix("), (r"[\w.-]+:(?P<secret>\S+?)@(?:tcp|unix)\(",)),
        (("basicauth",), (r"(?i)^\s*BasicAuth\s+\S+\s+(?P<secret>\S+)",)),
        (("sqlconnectinfo",), (r"(?i)\bSQL\w*ConnectInfo\s+\S+\s+\S+\s+(?P<secret>\S+)",)),
        (("allow ",), (r"^\s*allow\s+[^\s:/.]+:(?P<secret>[^\s/]\S*)",)),
        (("register",), (r"(?i)^\s*register\s*=>?\s*[^\s:]+:(?P<secret>[^@\s]+)@",)),
        # Kafka's and ZooKeeper's JAAS
        (
            ("user_", "superdigest"),
            (
                r"\buser_(?!(?:agent|attr|dir|file|filter|group|home|id|name|object)\w*)[\w-]+=\"(?P<secret>[^\"]+)\"",
                r"superDigest=[^\s:]+:(?P<secret>[^\s\"']+)",
            ),
        ),
        # Redis's ACL
        (("user ",), (r"(?i)^\s*user\s+\S+\s(?:.*?\s)?[#<>!](?=\S{4})(?P<secret>\S.*)",)),
        # as ipsec.secrets(5) has them
        (
            (": ecdsa", ": eap", ": ntlm", ": pin", ": psk", ": rsa", ": xauth"),
            (r"(?:^|\s):\s*(?:EAP|NTLM|PIN|PSK|XAUTH)\s+(?P<secret>\S.*)",),
        ),
        # Network UPS Tools, upsmon.conf(5), and Nagios's resource.cfg
        (("monitor ",), (r"^\s*MONITOR\s+\S+\s+\d+\s+\S+\s+(?P<secret>\S+)",)),
        (("$user",), (r"^\s*\$USER\d+\$=(?P<secret>[^/\s].*)",)),
        (("secure_link_md5",), (r"\bsecure_link_md5\s+(?P<secret>\S.*)",)),
        (("clear-text",), (r"\bclear-text\s*=\s*[\"'](?P<secret>[^\"']+)",)),
        # XML, which has the name of a property in an element of its own, or behind the value
        (
            ("<value>", "value="),
            (
                rf"(?i)<name>[^<]{{0,80}}?{_WORD}[^<]{{0,40}}</name>\s*<value>(?P<secret>[^<]+)",
                rf"(?i)<\w+\s+value=\"(?P<secret>[^\"]+)\"\s+(?:key|name)=\"[\w.:-]{{0,40}}?{_WORD}[\w.:-]{{0,40}}\"",
            ),
        ),
        # Consul and Nomad, Docker, kubeadm
        (
            ('encrypt"', "encrypt =", "encrypt=", '"auth"', "certificatekey"),
            (
                r"\bencrypt\"?\s*[:=]\s*[\"'](?P<secret>[^\"']+)",
                r"\"auth\"\s*:\s*\"(?P<secret>[^\"]+)",
                r"\bcertificateKey\"?\s*:\s*\"?(?P<secret>[0-9a-f]{32,})",
            ),
        ),
        # crypt(5), "AVAILABLE HASHING METHODS", and those of Apache, OpenLDAP, PostgreSQL and GRUB
        (
            (
                *("$y$", "$gy$", "$7$", "$2", "$6$", "$5$", "$1$", "$3$", "$8$", "$9$", "$14$"),
                *("$md5$", "$sha1$", "$apr1$"),
                *("$argon2", "$scrypt$", "$pbkdf2"),
            ),
            (rf"(?P<secret>{_CRYPT}[^\s:\"']+)",),
        ),
        (
            (
                *("{sha", "{ssha", "{md5", "{smd5", "{crypt", "{pbkdf2", "{plain", "{cleartext", "{cram-md5"),
                *("scram-sha-", "grub.pbkdf2.", "md5"),
            ),
            (
                r"(?i)\{(?:S?SHA\d*|S?MD5|CRYPT|PBKDF2[\w-]*|(?:SHA\d*|MD5)-CRYPT|PLAIN|CLEARTEXT|CRAM-MD5)\}(?P<secret>\S+)",
                r"(?:SCRAM-SHA-\d+\$|grub\.pbkdf2\.|\bmd5(?=[0-9a-f]{32}\b))(?P<secret>\S+)",
            ),
        ),
        (
            ("authorization", "cookie", "bearer"),
            (
                rf"(?i)\b(?<!aaa )authorization[\"']?(?:\s*[:=]\s*|\s+{_NO_RIGHT})(?P<secret>\S.*)",
                r"(?i)\bcookie[\"']?\s*[:=]\s*(?P<secret>\S.*)",
                r"(?i)\bbearer\s+(?P<secret>\S+)",
            ),
        ),
        # a Secret of Kubernetes in one line
        (
            ('"secret"',),
            (
                r"\"kind\"\s*:\s*\"Secret\".*?\"(?:d|stringD)ata\"\s*:\s*\{(?P<secret>[^}]+)",
                r"\"(?:d|stringD)ata\"\s*:\s*\{(?P<secret>[^}]+)\}.*?\"kind\"\s*:\s*\"Secret\"",
            ),
        ),
        # a user who is that long, and has a digit, is a token
        (("://",), (r"://[^\s/:@]*:(?P<secret>\S+)@", r"://(?=[^\s/:@]{0,100}\d)(?P<secret>[^\s/:@]{20,})@")),
        (("jdbc:",), (r"\bjdbc:[^\s/@]+:[^\s/:@]+/(?P<secret>[^@\s/]+)@",)),
        (
            ("auth=", "sig=", "key="),
            (r"(?i)[?&](?:auth|sig|[a-z_-]{0,20}key)=(?P<secret>[^&\s\"'<>]+)",),
        ),
        # addresses that are secrets
        (
            ("hooks.slack.com", "/webhook", "api.telegram.org"),
            (
                r"hooks\.slack\.com/(?P<secret>\S+)",
                r"/(?:api/)?webhooks?(?:b2)?/(?P<secret>[\w@-]{15,}\S*)",
                r"api\.telegram\.org/bot(?P<secret>\S+)",
            ),
        ),
        (
            ("akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
            (r"(?P<secret>\b(?:AKIA|ASIA)[A-Z0-9]{16}|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,})",),
        ),
        (
            ("xox", "sk_", "hvb.", "hvs.", "hvr.", "aiza"),
            (
                r"(?P<secret>\bxox[abeoprs]-[\w-]{10,}|\bsk_(?:live|test)_\w{10,}|\bhv[bsr]\.[\w-]{20,}|\bAIza[\w-]{30,})",
            ),
        ),
        (
            (
                "sg.",
                "pypi-",
                "npm_",
                "glrt-",
                "gldt-",
                "gocspx-",
                "dckr_pat_",
                "dop_v1_",
                "tskey-",
                "shpat_",
                "rk_live_",
            ),
            (
                r"(?P<secret>\bSG\.[\w-]{16,}\.[\w-]{16,}|\bpypi-[\w-]{16,}|\bnpm_\w{30,}|\bgl[dr]t-[\w-]{16,})",
                r"(?P<secret>\bGOCSPX-[\w-]{10,}|\bdckr_pat_[\w-]{16,}|\bdop_v1_\w{30,}|\btskey-[\w-]{16,})",
                r"(?P<secret>\bshpat_\w{16,}|\brk_live_\w{10,})",
            ),
        ),
        (
            ("eyj", "age-secret-key-"),
            (r"(?P<secret>\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*|(?i:AGE-SECRET-KEY-1\w+))",),
        ),
    )
)
# flat, since most lines are asked for each of them and have none
_BY_HINT = tuple((hint, number) for number, (hints, _patterns) in enumerate(_KNOWN) for hint in hints)
_BLOCK_HINTS = ("begin ", "private-lines:")
# without those that another is part of
_ALL_HINTS = {*_BLOCK_HINTS, *(hint for hints, _patterns in _KNOWN for hint in hints)}
_HINTS = tuple(one for one in sorted(_ALL_HINTS) if not any(other in one for other in _ALL_HINTS - {one}))
# DES, in a line of passwd(5) or shadow(5)
_DES = re.compile(r":!{0,2}(?P<secret>[./0-9A-Za-z]{13}):\d*:\d*:")
# the head of a YAML block scalar (YAML 1.2, 8.1) that is a secret: it stands on the deeper lines that follow
_SCALAR = re.compile(rf"(?i){_WORD}[\w.-]{{0,40}}[\"']?\s*:\s+(?:[!&]\S*\s+){{0,2}}[|>][-+]?\d?[-+]?\s*(?:#.*)?$")
# FortiOS calls a community its name, which only the head of the table tells from other names
_TABLE = re.compile(r"\s*config system snmp community\s*$")
_INDENT = re.compile(r"\s*")
# of a head in a comment, or in a list, the key says how deep it stands
_LEAD = re.compile(r"\s*(?:#+\s*)?(?:-\s+)*")
# RFC 7468, and what writes like it: what is not known to be public is taken for a private key
_BEGIN = re.compile(r"-{4,5} ?BEGIN (?P<what>[^-\r\n]{1,64}?) ?-{4,5}|^Private-Lines:")
_END = re.compile(r"-{4,5} ?END [^-\r\n]{1,64}-{4,5}")
_PUBLIC = re.compile(
    r"(?:TRUSTED |X509 |NEW )?CERTIFICATE(?: REQUEST)?|X509 CRL|PKCS7|CMS|(?:DH|EC) PARAMETERS"
    r"|(?:RSA |SSH2 )?PUBLIC KEY|PGP (?:PUBLIC KEY BLOCK|SIGNATURE)|SSH SIGNATURE"
)
# RFC 7468 has lines of 64 characters, which others indent or comment out
_PUBLIC_CHARACTERS = 200
# a line of what is public: base64, or what PGP says before it, in a comment or in quotes as well
_OF_PUBLIC = re.compile(r"\W*?-{4,5} ?(?:BEGIN|END) .*|\W*+(?:[A-Za-z0-9+/]*+={0,2}+\W*+|[A-Z][\w-]{0,40}: .*)$")
# OpenVPN calls so what holds a user and a password
_ELEMENT = re.compile(
    rf"(?i)\s*<(?P<name>[\w.:-]{{0,40}}(?:auth-user-pass|{_WORD})[\w.:-]{{0,40}})(?:\s[^<>]*)?(?<!/)>\s*$"
)
_KIND = re.compile(r"\s*(?:-\s+)?[\"']?kind[\"']?\s*:\s*[\"']?Secret[\"']?\s*(?:,|#.*)?$")
_DATA = re.compile(r"\s*(?:-\s+)?[\"']?(?:d|stringD)ata[\"']?\s*:\s*(?:\{\s*(?P<values>[^\s#].*)?|&\S+\s*)?(?:#.*)?$")
# a name for secrets whose value stands on the lines that follow, and a line that is a value and no other key
_AHEAD = re.compile(rf"(?i){_WORD}[\w.-]{{0,40}}[\"']?\]?(?:\s*(?:=>|:=|[=:])\s*[(\[\\]?|\s+\\)$")
_VALUES = re.compile(r"\s*(?:-\s+)?(?:\"[^\"]*\"|'[^']*'|[^\s#;\"'<>{}()\[\]:=,][^\s:=]*)$")
# the name of what has its value on the next line, as in the environment of a container, and in Hadoop's XML
_NAMED = re.compile(
    rf"(?i)\s*(?:-\s+)?(?:[\"']?name[\"']?\s*:\s*[\"']?|<name>)[\w.-]{{0,80}}?{_WORD}[\w.-]{{0,40}}"
    r"(?:[\"']?\s*,?|</name>)$"
)
_NAMED_VALUE = re.compile(r"\s*(?:[\"']?value[\"']?\s*:|<value>)")
# files that are secrets by what they are
_PRIVATE = re.compile(
    r"(?i)/ssh_host_[^/]*_key$|/id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?$|/g?shadow-?$|/private/"
    r"|\.(?:jks|kdbx|key|keys|keystore|keytab|p12|pfx|ppk|private|psk)$|(?:secret|credential)[^/]*$"
    r"|/\.?(?:authkeys?|erlang\.cookie|google_authenticator|htpasswd|netrc|ntp/keys|opasswd|pgpass|smbpasswd)$"
    r"|/\.?vault-token$"
    r"|/(?:pam_radius_auth\.conf|passwd\.client|passwd-s3fs|sasl_passwd|psk\.txt|userlist\.txt)$"
)


def is_private(path: str) -> bool:
    """Whether a file holds secrets by its name, so that nothing of it is shown."""
    return bool(_PRIVATE.search(path))


def visible(text: str) -> str:
    """*text* as a terminal may have it: what it would obey, and what nobody sees, is spelled out.

    Bytes that are no UTF-8 show as ``\\xff``. A tab stays a tab.
    """
    if text.isprintable() and text.isascii():
        return text
    return "".join(one if one == "\t" or one == " " or one.isprintable() else _spelled(one) for one in text)


def _spelled(character: str) -> str:
    code = ord(character)
    # a byte that was decoded with surrogateescape
    code = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code
    if code <= 0xFF:
        return {"\n": "\\n", "\r": "\\r"}.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


@dataclasses.dataclass(frozen=True)
class Redactor:
    """Masks the secrets in a component's texts.

    ``secrets`` are the component's own patterns: of a matching line the group ``secret`` is masked, or all of it.
    ``wholly`` says that nothing of its content is shown.
    """

    secrets: tuple[str, ...] = ()
    wholly: bool = False
    _patterns: tuple[re.Pattern[str], ...] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            own = tuple(re.compile(pattern) for pattern in self.secrets)
        except (re.error, OverflowError, RecursionError) as e:
            raise PolicyError(
                f"a pattern of secrets is no regular expression ({e})",
                item="secrets",
                remedy="Give one that Python's re takes; its group named secret is what is masked.",
            ) from e
        object.__setattr__(self, "_patterns", own)

    def line(self, text: str, *, public: bool = False) -> str:
        """A line that stands in no block of a private key, with its secrets masked.

        :param public: it is part of a certificate or of a public key, which looks as random as a secret.
        """
        if len(text) > LINE_CHARACTERS:
            return LONG
        shown, last = [], 0
        for start, end in _merged(self._spans(text, public=public)):
            shown += [text[last:start], MASK]
            last = end
        return "".join((*shown, text[last:]))

    def candidates(self, text: str) -> Sequence[str]:
        """The lines of a text that may hold what is masked, or begin a block; to ask of every line takes far longer."""
        hinted = _hinted(text)
        there = [hint for hint in _HINTS if hint in hinted]
        if not there and not self._patterns and not _DES.search(text) and not _has_random(text):
            return ()
        return [line for line in text.splitlines() if self._is_candidate(line, there)]

    def _is_candidate(self, line: str, hints: Sequence[str]) -> bool:
        if len(line) > LINE_CHARACTERS or _DES.search(line) or any(own.search(line) for own in self._patterns):
            return True
        hinted = _hinted(line)
        return any(hint in hinted for hint in hints) or _has_random(line)

    def values(self, text: str) -> set[str]:
        """The words that are masked in a text: who is told of one of its lines may be shown such a word alone.

        Those of fewer than four characters are left out: they stand everywhere.
        """
        lines = text.splitlines()
        found: set[str] = set()
        blocks = Blocks.of(lines)
        for place, (line, number) in enumerate(zip(lines, blocks.numbers, strict=True)):
            if number is not None and not blocks.heads(place):
                found.update(line.split())
            elif len(line) <= LINE_CHARACTERS:
                for start, end in _merged(self._spans(line, public=place in blocks.public)):
                    words = line[start:end].split()
                    # of a line that is masked as a whole the first word says what it is
                    found.update((words[1:] or words) if end - start == len(line) else words)
        return {bare for word in found if len(bare := word.strip("\"'`,;:()[]")) > _FEW}

    def masks(self, text: str) -> bool:
        """Whether anything of a line that stands in no block is masked; one that is too long is judged in pieces."""
        half = LINE_CHARACTERS // 2
        pieces = [text[at : at + LINE_CHARACTERS] for at in range(0, max(len(text) - half, 1), half)]
        return any(next(self._spans(piece), None) is not None for piece in pieces)

    def _spans(self, text: str, *, public: bool = False) -> Iterator[tuple[int, int]]:
        for pattern in self._patterns:
            yield from _spans(pattern, text)
        yield from _spans(_DES, text)
        if not public:
            yield from random_spans(text)
        hinted = _hinted(text)
        for number in {number for hint, number in _BY_HINT if hint in hinted}:
            for pattern in _KNOWN[number][1]:
                yield from _spans(pattern, text)


def _has_random(text: str) -> bool:
    return next(random_spans(text), None) is not None


def _hinted(text: str) -> str:
    """What hints are looked for in: lower case, and where a key is named again without what stands between words."""
    folded = text.casefold()
    if "key" not in folded and "salt" not in folded:
        return folded
    return f"{folded}\n{folded.replace('-', '').replace('_', '').replace('.', '').replace(' ', '')}"


def _spans(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    for match in pattern.finditer(text):
        span = match.span(_GROUP) if _GROUP in pattern.groupindex else (-1, -1)
        # a line that matches without its group is masked like one of a pattern that has none
        if span == (-1, -1):
            yield 0, len(text)
        elif span[0] < span[1]:
            yield span


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Which lines of a text belong to which block that hides a key; lines are told by their place.

    ``public`` are the places of lines that certificates and public keys stand on.
    """

    lines: Sequence[str]
    numbers: Sequence[int | None]
    public: frozenset[int] = frozenset()

    @classmethod
    def of(cls, lines: Sequence[str]) -> Blocks:
        """Find the blocks.

        PEM and the like, where one that does not end goes on to the end; YAML's scalars; what an element with a name
        for secrets encloses; and what a Secret of Kubernetes holds.
        """
        numbers: list[int | None] = []
        public = set()
        heads = _heads_of_secrets(lines)
        ahead = _values_ahead(lines)
        pem = is_public = False
        last = -1
        within: _Scalar | _Element | None = None
        count = 0
        for place, line in enumerate(lines):
            if within is not None and not within.holds(line):
                within = None
            begun = pem or within is not None or place <= last
            pem = pem or _begins(line) is not None
            if not begun:
                last = ahead.get(place, -1)
                within = _Scalar.at(line) if place in heads else _Scalar.headed(line) or _Element.headed(line)
                count += pem or within is not None or place <= last
            numbers.append(count if begun or pem or within is not None or place <= last else None)
            pem = pem and not _ends(line)
            if within is not None and within.ends(line):
                within = None
            is_public = is_public and len(line) <= _PUBLIC_CHARACTERS and bool(_OF_PUBLIC.match(line))
            if is_public or "BEGIN " in line:
                is_public = _is_public_after(line, is_public=is_public)
                if is_public:
                    public.add(place)
        return cls(lines, numbers, frozenset(public))

    def keys(self) -> list[object]:
        """What lines are compared by: all lines of a block differ where one does, so that a diff tells no more."""
        whole: dict[int, list[str]] = {}
        for line, number in zip(self.lines, self.numbers, strict=True):
            if number is not None:
                whole.setdefault(number, []).append(line)
        digests = {number: hashlib.sha256(_bytes(lines)).digest() for number, lines in whole.items()}
        within: dict[int, int] = dict.fromkeys(whole, 0)
        keys: list[object] = []
        for line, number in zip(self.lines, self.numbers, strict=True):
            if number is None:
                keys.append(line)
            else:
                keys.append((digests[number], within[number]))
                within[number] += 1
        return keys

    def heads(self, place: int) -> bool:
        """Whether the line at *place* names what its block holds, and is shown but for secrets of its own."""
        line = self.lines[place]
        return self._is_first(place) and _begins(line) is None and _beside(line) is None

    def _is_first(self, place: int) -> bool:
        return place == 0 or self.numbers[place - 1] != self.numbers[place]

    def masked(self, place: int, redactor: Redactor) -> str:
        """The line at *place* as it may be shown."""
        line, number = self.lines[place], self.numbers[place]
        if number is None:
            return redactor.line(line, public=place in self.public)
        if len(line) > LINE_CHARACTERS:
            return LONG
        first = self._is_first(place)
        begin = _begins(line) if first else None
        beside = _beside(line) if first else None
        if beside is not None:
            return f"{line[:beside]}{MASK}"
        if begin is None:
            return redactor.line(line) if first else MASK
        return f"{redactor.line(line[: begin.start()])}{begin[0]}{MASK if line[begin.end() :].strip() else ''}"


@dataclasses.dataclass(frozen=True)
class _Scalar:
    """A YAML block scalar that is a secret, or a table: how deep its head stands, and whether that is in a comment."""

    depth: int
    comment: bool

    @classmethod
    def at(cls, line: str) -> _Scalar:
        """What stands deeper than a line, whatever that is."""
        lead = _LEAD.match(line)
        return cls(lead.end() if lead else 0, comment=False)

    @classmethod
    def headed(cls, line: str) -> _Scalar | None:
        if len(line) > LINE_CHARACTERS:
            return None
        if not (("|" in line or ">" in line) and _SCALAR.search(line)) and not _TABLE.match(line):
            return None
        lead = _LEAD.match(line)
        return cls(lead.end() if lead else 0, line.lstrip().startswith("#"))

    def holds(self, line: str) -> bool:
        """Whether a line that follows belongs to it: an empty one does, and a deeper one."""
        lead = (_LEAD if self.comment else _INDENT).match(line)
        return not line.strip() or (lead is not None and lead.end() > self.depth)

    def ends(self, line: str) -> bool:
        """Whether a line is the last of it, which only the next one tells."""
        return False


@dataclasses.dataclass(frozen=True)
class _Element:
    """An element with a name for secrets whose text stands on lines of its own, as in OpenVPN's and in XML files."""

    name: str

    @classmethod
    def headed(cls, line: str) -> _Element | None:
        if "<" not in line or len(line) > LINE_CHARACTERS:
            return None
        head = _ELEMENT.match(line)
        return None if head is None else cls(head["name"])

    def holds(self, line: str) -> bool:
        """Whether a line that follows belongs to it."""
        return True

    def ends(self, line: str) -> bool:
        """Whether a line is the last of it."""
        return f"</{self.name}>" in line


def _heads_of_secrets(lines: Sequence[str]) -> frozenset[int]:
    """Where the values of a Secret of Kubernetes begin: they have any name, and may stand before its kind."""
    found: set[int] = set()
    heads: list[int] = []
    depths: set[int] = set()
    for place, line in enumerate((*lines, "---")):
        if line.startswith("---"):
            found.update(at for at in heads if _lead_of(lines[at]) in depths)
            heads, depths = [], set()
        elif len(line) > LINE_CHARACTERS:
            continue
        elif "Secret" in line and _KIND.match(line.rstrip()):
            depths.add(_lead_of(line))
        elif _DATA.match(line):
            heads.append(place)
    return frozenset(found)


def _beside(line: str) -> int | None:
    """Where the values of a Secret of Kubernetes begin that stand beside their key."""
    data = _DATA.match(line)
    return None if data is None or not data["values"] else data.start("values")


def _values_ahead(lines: Sequence[str]) -> dict[int, int]:
    """Lines that name a secret whose value stands below them, each with the last line of that."""
    found: dict[int, int] = {}
    last = -1
    for place, line in enumerate(lines[:-1]):
        depth, below, bare = _lead_of(line), lines[place + 1].rstrip(" \t\r,;\\"), line.rstrip()
        if place <= last or max(len(bare), len(below)) > LINE_CHARACTERS:
            continue
        if (
            bare.endswith((":", "=", ">", "(", "[", "\\"))
            and _AHEAD.search(bare)
            and _VALUES.match(below.rstrip(" \t,;\\"))
        ):
            last = _last_deeper(lines, place, depth, items=True)
        elif "name" in line and _NAMED.match(bare) and _NAMED_VALUE.match(below):
            last = _last_deeper(lines, place + 1, _lead_of(below))
        if last > place:
            found[place] = last
    return found


def _last_deeper(lines: Sequence[str], place: int, depth: int, *, items: bool = False) -> int:
    """The last of the lines after one that stand deeper than it does, or are items of its list."""
    last = place
    for at in range(place + 1, len(lines)):
        indent = len(lines[at]) - len(lines[at].lstrip())
        if lines[at].strip():
            if indent <= depth and not (items and indent == depth and lines[at].lstrip().startswith("- ")):
                break
            last = at
    return last


def _lead_of(line: str) -> int:
    lead = _LEAD.match(line)
    return lead.end() if lead else 0


def _is_public_after(line: str, *, is_public: bool) -> bool:
    """Whether a line is part of what is known to be public, or begins it; its last line needs no more."""
    begins = [match for match in _BEGIN.finditer(line) if not _is_hidden(match)]
    return (is_public or bool(begins)) and _begins(line) is None and not _END.search(line)


def _begins(line: str) -> re.Match[str] | None:
    """Where a block begins that is not known to be public, or one of several in a line."""
    if "BEGIN " not in line and not line.startswith("Private-Lines:"):
        return None
    return next(filter(_is_hidden, _BEGIN.finditer(line)), None)


def _ends(line: str) -> bool:
    """Whether the last block that a line touches ends in it."""
    begin = max((match.end() for match in filter(_is_hidden, _BEGIN.finditer(line))), default=0)
    return any(match.start() >= begin for match in _END.finditer(line))


def _bytes(lines: Sequence[str]) -> bytes:
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _is_hidden(match: re.Match[str]) -> bool:
    return not _PUBLIC.fullmatch(match["what"] or "")


def _merged(spans: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
