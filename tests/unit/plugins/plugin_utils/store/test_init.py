# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils import store as store_package
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    HoldfastError,
    PolicyError,
    RunAbandonedError,
    StoreError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store import connect, connect_expiry

LOCK = dt.datetime(2199, 1, 1, tzinfo=dt.UTC)


def url_of(path: Path) -> str:
    return path.as_uri()


def test_file_url_is_decoded(tmp_path: Path) -> None:
    root = tmp_path / "a b#c?ü"
    root.mkdir()
    store = connect(url_of(root))
    assert store.location == url_of(root)
    assert not store.enforced
    store.put_new("x", io.BytesIO(b"data"), lock_until=LOCK)
    assert [path.name.partition("@")[0] for path in root.iterdir() if path.is_file()] == ["x"]
    assert connect(url_of(root)).get("x") == b"data"


def test_the_folder_of_a_url_is_where_the_store_is(tmp_path: Path) -> None:
    assert store_package.folder_of(url_of(tmp_path / "a b")) == tmp_path / "a b"
    with pytest.raises(PolicyError):
        store_package.folder_of("s3://bucket/prefix")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("s3://key:pa55word@bucket/prefix", "no credentials"),
        ("/srv/pa55word", "does not start"),
        ("http://user:pa55word@host/x", "does not start"),
        ("", "does not start"),
        ("file://user:pa55word@host/srv", "no host"),
        ("file://localhost/srv", "no host"),
        ("file:srv/x", "relative"),
        ("file:", "relative"),
        ("file:///srv?pa55word=1", "no query"),
        ("file:///srv#x", "no query"),
        ("file:///srv%00x", "NUL"),
        ("file://[pa55word", "not a URL"),
        ("file://user:pa55word@host\u2100/srv", "not a URL"),  # urlsplit repeats the host part of this one
    ],
)
def test_other_urls_are_refused_and_not_repeated(url: str, why: str) -> None:
    with pytest.raises(PolicyError, match=why) as caught:
        connect(url, create=True)
    assert "pa55word" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_missing_root_names_url_and_remedy(tmp_path: Path) -> None:
    root = tmp_path / "store"
    for dry_run in (False, True):
        with pytest.raises(UnavailableError, match="repository state=present") as caught:
            connect(url_of(root), dry_run=dry_run)
        assert url_of(root) in caught.value.message
    assert not root.exists()


def test_create_makes_the_root_for_its_owner_alone(tmp_path: Path) -> None:
    root = tmp_path / "new" / "store"
    connect(url_of(root), create=True).probe()
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_create_over_a_file_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError):
        connect(url_of(tmp_path / "file"), create=True)


def test_root_that_cannot_be_looked_at_is_a_store_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", closed)
    with pytest.raises(StoreError, match="Permission denied"):
        connect(url_of(tmp_path))


def test_dry_run_of_create_makes_nothing_and_works(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = connect(url_of(root), create=True, dry_run=True)
    store.probe()
    store.put_new("x", io.BytesIO(b"data"), lock_until=LOCK)
    assert store.get("x") == b"data"
    assert (store.location, store.enforced) == (url_of(root), False)
    assert not root.exists()


def test_dry_run_puts_nothing(tmp_path: Path) -> None:
    connect(url_of(tmp_path)).put_new("x", io.BytesIO(b"theirs"), lock_until=LOCK)
    before = sorted(tmp_path.rglob("*"))
    store = connect(url_of(tmp_path), dry_run=True)
    store.put_new("x", io.BytesIO(b"mine"), lock_until=LOCK)
    assert store.get("x") == b"mine"
    assert connect(url_of(tmp_path)).get("x") == b"theirs"
    assert sorted(tmp_path.rglob("*")) == before


def test_may_write_guards_the_store(tmp_path: Path) -> None:
    def gone() -> None:
        raise RunAbandonedError("the controlling process is gone")

    store = connect(url_of(tmp_path), may_write=gone)
    with pytest.raises(HoldfastError) as caught:
        store.put_new("x", io.BytesIO(b"x"), lock_until=LOCK)
    assert caught.value.__class__ is RunAbandonedError
    assert list(store.list()) == []


def test_expiry_is_of_files_alone() -> None:
    with pytest.raises(PolicyError, match="lifecycle"):
        connect_expiry("s3://bucket/prefix")


def test_settings_of_s3_reach_the_store() -> None:
    with pytest.raises(PolicyError, match="not encrypted"):
        connect("s3://bucket/prefix", s3={"endpoint_url": "http://s3.example"})
    with pytest.raises(StoreError, match="CA bundle is not a file") as caught:
        connect("s3://bucket/prefix", s3={"aws_ca_bundle": "/nonexistent.pem"})
    assert caught.value.item == "/nonexistent.pem"
    assert connect("s3://bucket/prefix", dry_run=True).location == "s3://bucket/prefix"


def run(code: str, *options: str) -> str:
    package = store_package.__name__
    tree = Path(store_package.__file__ or "").parents[len(package.split("."))]
    answer = subprocess.run(
        [sys.executable, *options, "-c", f"import os, sys, {package} as s\n{code}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tree), *sys.path]) if not options else str(tree)},
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout


def test_what_a_worker_needed_is_loaded_before_the_next_one_is_forked() -> None:
    code = """
def worker(url):
    pid = os.fork()
    if pid == 0:
        print(url[:2], "botocore.session" in sys.modules, flush=True)
        s.connect(url, create=True)
        os._exit(0)
    os.waitpid(pid, 0)
for url in ("file:///", "file:///", "s3://bucket/x", "s3://bucket/x", "s3://bucket/x"):
    worker(url)
"""
    # the repository is known to workers alone; who does not use S3 is spared it
    assert run(code).split("\n")[:-1] == ["fi False", "fi False", "s3 False", "s3 True", "s3 True"]


def test_missing_library_is_named() -> None:
    code = """
sys.modules["botocore"] = None
try:
    s.connect("s3://bucket/x")
except Exception as e:
    print(type(e).__name__, e)
"""
    said = run(code)
    assert said.startswith("DependencyMissingError")
    assert "boto3" in said


def test_store_needs_the_standard_library_alone() -> None:
    # -S: without site-packages; the driver is loaded by connect, not by the import
    name = store_package.__name__
    assert run(f"print('{name}.file' in sys.modules); s.connect('file:///')", "-S") == "False\n"
