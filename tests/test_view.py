"""The first wall: no configuration that a parser sees names anything outside its source."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

from pipeline import kinds, manifest
from pipeline.errors import ExportError, IntegrityError
from pipeline.exporters import _beside, _tokenizer
from pipeline.spec import Model
from pipeline.steps import _configuration, _view, export
from pipeline.steps._configuration import clean, leads_out

SECRET = "onlyoutside"  # noqa: S105 - a token of a vocabulary
VOCABULARY = "\n".join(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", SECRET)) + "\n"
CONFIG = "tokenizer_config.json"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A vocabulary that is no part of any source."""
    path = tmp_path / "outside" / "vocab.txt"
    path.parent.mkdir()
    path.write_text(VOCABULARY)
    return path


@pytest.fixture
def source(tiny_bert: Path, tmp_path: Path) -> Path:
    """A copy of the tiny BERT that may be changed."""
    return Path(shutil.copytree(tiny_bert, tmp_path / "source"))


def names(source: Path) -> list[str]:
    return [entry.path for entry in manifest.of_folder(source)]


def view(source: Path, *allow: str) -> tuple[Path, tuple[str, ...]]:
    """The view of a source with all its files, and what it says was removed."""
    out = source.parent / "view"
    notes = _view.make(source, names(source), out, allow=allow)
    assert all(note.isprintable() for note in notes)
    return out, notes


def refusal(source: Path, *allow: str) -> str:
    with pytest.raises(ExportError) as raised:
        view(source, *allow)
    assert str(raised.value).isprintable()
    return str(raised.value)


def change(path: Path, **fields: object) -> None:
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(before | fields))


def model_of(source: Path, *allow: str) -> Model:
    fields = {"format": "transformers", "task": "feature-extraction", "options": {}}
    texts = {"calibration": "c", "validation": "v"}
    return Model(name="m", source=f"file:{source}", allow=allow, **fields, **texts)  # type: ignore[arg-type]


def cleaned(fields: object, file: str = CONFIG, *others: str) -> Any:
    """What is left of a configuration in a source with these other files."""
    content, _ = clean(json.dumps(fields).encode(), file, {file, *others})
    return json.loads(content)


# What parsers see


def test_a_view_holds_the_files_of_the_lock_and_no_other(source: Path, tmp_path: Path) -> None:
    (source / "not in the lock.json").write_text("{}")
    listed = [name for name in names(source) if name != "not in the lock.json"]

    notes = _view.make(source, listed, tmp_path / "view")

    seen = [path for path in (tmp_path / "view").rglob("*") if not path.is_dir()]
    assert sorted(p.relative_to(tmp_path / "view").as_posix() for p in seen) == listed
    assert all(p.readlink() == source / p.relative_to(tmp_path / "view") for p in seen)
    assert notes == ()


def test_a_view_leads_to_the_file_itself_where_a_source_is_made_of_links(
    source: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    (source / "config.json").rename(cache)
    (source / "config.json").symlink_to(cache)

    _view.make(source, ["config.json"], tmp_path / "view")

    assert (tmp_path / "view" / "config.json").readlink() == cache


def test_a_file_that_the_lock_lists_and_the_source_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"config\.json: missing"):
        _view.make(tmp_path, ["config.json"], tmp_path / "view")


def test_the_source_itself_is_never_changed(source: Path) -> None:
    change(source / CONFIG, special_tokens_map_file="/somewhere")
    before = manifest.of_folder(source)

    _, notes = view(source)

    assert len(notes) == 1
    assert manifest.of_folder(source) == before


NAMING = {
    "vocab_file": ("tokenizer_config.json", lambda path: {"vocab_file": path}),
    "vocab": ("tokenizer_config.json", lambda path: {"vocab": path}),
    "special_tokens_map": ("special_tokens_map.json", lambda path: {"vocab_file": path}),
}


@pytest.mark.parametrize("how", NAMING)
def test_a_vocabulary_from_elsewhere_is_read_by_transformers_and_not_through_a_view(
    how: str, source: Path, outside: Path
) -> None:
    file, naming = NAMING[how]
    (source / "tokenizer.json").unlink()
    (source / "vocab.txt").write_text(VOCABULARY.replace(SECRET, "inside"))
    change(source / "tokenizer_config.json", tokenizer_class="BertTokenizer")
    change(source / file, **naming(str(outside)))

    folder, notes = view(source)

    by_source, by_view = (
        transformers.AutoTokenizer.from_pretrained(path, local_files_only=True).get_vocab()
        for path in (source, folder)
    )
    assert SECRET in by_source
    assert SECRET not in by_view
    assert "inside" in by_view
    assert notes == (f"{file}: {next(iter(naming('')))}: {str(outside)!r}",)


def test_a_vocabulary_may_be_the_first_argument_of_a_tokenizer_too(
    source: Path, outside: Path
) -> None:
    (source / "tokenizer.json").unlink()
    change(source / CONFIG, tokenizer_class="BertTokenizer", init_inputs=[str(outside)])

    by_source = transformers.AutoTokenizer.from_pretrained(source, local_files_only=True)

    assert SECRET in by_source.get_vocab()
    assert refusal(source).startswith(f"{CONFIG}: init_inputs: {str(outside)!r}: not in the source")


def test_weights_from_elsewhere_are_read_by_transformers_and_refused_by_a_view(
    source: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    (source / "model.safetensors").rename(tmp_path / "model.safetensors")
    tensors = load_file(tmp_path / "model.safetensors")
    where = f"../{source.name}/../model.safetensors"
    index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, where)}
    (source / "model.safetensors.index.json").write_text(json.dumps(index))

    loaded = transformers.AutoModel.from_pretrained(source, local_files_only=True)

    assert loaded.state_dict().keys() >= tensors.keys()
    assert refusal(source) == (
        f"model.safetensors.index.json: weight_map: {where!r}: "
        "not in the source: want a file beside the index, of its kind"
    )


def test_a_chat_template_does_not_choose_where_it_is_saved(source: Path, tmp_path: Path) -> None:
    templates = [{"name": "default", "template": "/"}, {"name": "../../x", "template": "y"}]
    change(source / CONFIG, chat_template=templates)
    (tmp_path / "a" / "b").mkdir(parents=True)

    folder, notes = view(source)

    tokenizer = transformers.AutoTokenizer.from_pretrained(source, local_files_only=True)
    tokenizer.save_pretrained(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "x.jinja").exists()
    assert notes == (f"{CONFIG}: chat_template.name: '../../x'",)
    assert json.loads((folder / CONFIG).read_text())["chat_template"][0] == templates[0]


def test_what_lies_beside_the_ir_is_the_view_and_not_links_to_the_source(
    source: Path, tmp_path: Path
) -> None:
    change(source / CONFIG, special_tokens_map_file="/Users/x/special_tokens_map.json")
    folder, _ = view(source)

    _beside.copy(folder, model_of(source), tmp_path / "beside")

    copies = [path for path in (tmp_path / "beside").rglob("*") if not path.is_dir()]
    assert {path.name for path in copies} >= {CONFIG, "tokenizer.json", "config.json"}
    assert not any(path.is_symlink() for path in copies)
    assert all(
        path.read_bytes() == (folder / path.relative_to(tmp_path / "beside")).read_bytes()
        for path in copies
    )


def test_modules_are_found_in_a_view_and_one_outside_is_refused(source: Path) -> None:
    task = kinds.load("task", "feature-extraction")

    folder, _ = view(source)
    by_view, by_source = (task.resolve(model_of(p), p) for p in (folder, source))
    shutil.rmtree(folder)
    modules = json.loads((source / "modules.json").read_text())
    modules[1]["path"] = "/1_Pooling"
    (source / "modules.json").write_text(json.dumps(modules))

    assert (source / "2_Normalize").exists() is False
    assert by_view == by_source
    assert refusal(source).startswith("modules.json: path: '/1_Pooling': leads out")


def test_no_key_of_free_text_is_read_as_a_file(source: Path, outside: Path) -> None:
    (source / "tokenizer.json").unlink()
    keys = ("extra_special_tokens", "task_specific_params", "prompts", "content", "template")
    for file in (CONFIG, "special_tokens_map.json"):
        named = dict.fromkeys(keys, {"vocab_file": str(outside), "vocab": str(outside)})
        change(source / file, tokenizer_class="BertTokenizer", **named)

    tokenizer = transformers.AutoTokenizer.from_pretrained(source, local_files_only=True)

    assert SECRET not in tokenizer.get_vocab()


def test_an_export_of_a_view_has_the_bytes_of_an_export_of_its_source(
    source: Path, tmp_path: Path
) -> None:
    folder, _ = view(source)

    for path in (source, folder):
        export.write_ir(model_of(source), path, tmp_path / f"{path.name}-ir")

    by_source, by_view = (manifest.of_folder(tmp_path / f"{n}-ir") for n in ("source", "view"))
    assert by_view == by_source


# What goes and what stays


def test_a_cleaned_configuration_is_what_its_author_would_have_saved_without_the_key(
    source: Path, tmp_path: Path
) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, local_files_only=True)
    tokenizer.save_pretrained(source)
    without = (source / CONFIG).read_bytes()
    fields = json.loads(without)
    keys = {"special_tokens_map_file": "/Users/x/map.json", "name_or_path": "/Users/x/model"}
    (source / CONFIG).write_text(
        json.dumps(fields | keys, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    )

    folder, notes = view(source)

    assert (folder / CONFIG).read_bytes() == without
    assert notes == (
        f"{CONFIG}: name_or_path: '/Users/x/model'",
        f"{CONFIG}: special_tokens_map_file: '/Users/x/map.json'",
    )


@pytest.mark.parametrize("indent", [None, 0, 1, 2, 4, "\t"])
@pytest.mark.parametrize("separators", [None, (",", ":"), (", ", ": ")])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize(("newline", "end"), [("\n", ""), ("\n", "\n"), ("\r\n", "\r\n")])
def test_every_usual_style_of_json_is_kept(
    indent: int | str | None,
    separators: tuple[str, str] | None,
    ascii_only: bool,
    newline: str,
    end: str,
) -> None:
    without = {"pad": "\u2581", "sizes": [1, 2.5, 1e-12], "more": {"a": None, "b": []}}

    def saved(fields: object) -> bytes:
        style: Any = {"indent": indent, "separators": separators, "ensure_ascii": ascii_only}
        return (json.dumps(fields, **style).replace("\n", newline) + end).encode()

    content, removed = clean(saved({"cache_dir": "/x", **without}), CONFIG, {CONFIG})

    assert [thing.key for thing in removed] == ["cache_dir"]
    assert content == saved(without)


@pytest.mark.parametrize(
    "path",
    [
        "/", "/etc/passwd", "~/x", "~", "..", "../x", "a/../../x", "a/..", "..\\x", "a\\..\\x",
        "C:\\x", "c:/x", "\\\\host\\share", "file:///etc/passwd", "FILE:x",
    ],
)  # fmt: skip
def test_a_string_that_leads_out_goes_from_wherever_it_stands(path: str) -> None:
    for left, fields in {
        '{"a": {}}': {"a": {"backbone": path}},
        '{"a": ["b"]}': {"a": [path, "b"]},
        '{"a": [[{}]]}': {"a": [[{"adapter_path": path}]]},
        '{"text_config": {"_name_or_path": "org/name"}}':
            {"text_config": {"_name_or_path": "org/name", "vision": path}},
    }.items():  # fmt: skip
        assert cleaned(fields) == json.loads(left)


@pytest.mark.parametrize(
    "fields",
    [
        {"id2label": {"0": "/m/09x0r", "1": "~"}, "label2id": {"/m/09x0r": 0}},
        {"label_names": ["/m/09x0r"], "label_descriptions": {"/m/09x0r": "/speech"}},
        {"unk_token": "/", "mask_token": {"content": "/", "__type": "AddedToken"}},
        {"added_tokens_decoder": {"0": {"content": "/", "special": True}}},
        {"additional_special_tokens": ["/", "~", {"content": ".."}]},
        {"extra_special_tokens": {"image_token": "/image"}},
        {"chat_template": "/{{ messages }}"},
        {"chat_template": [{"name": "default", "template": "/{{ messages }}"}]},
        {"prompts": {"query": "/q/../ "}, "prefix": "~ ", "stop_strings": ["/", "../"]},
        {"task_specific_params": {"summarization": {"prefix": "/summarize "}}},
        {"vocab": [["/", -1.5]], "merges": [["/", "."], ["..", "/"]]},
        {"_name_or_path": "org/name", "name_or_path": "./here", "license": "https://x/../y"[:9]},
        {"pattern": "\\w+", "list": [1, None, True, 2.5], "dtype": "float32"},
        {"special_tokens_map_file": None, "fast_tokenizer_files": []},
        {"auto_map": {"AutoModel": "modeling.Model", "AutoTokenizer": [None, "tokenizing.T"]}},
        ["a", {"b": {}}, None],
        None,
    ],
)
def test_what_is_text_or_stays_inside_is_left_alone(fields: object) -> None:
    content = json.dumps(fields).encode()

    assert clean(content, CONFIG, {CONFIG}) == (content, [])


@pytest.mark.parametrize("key", ["vocab_file", "tokenizer_file", "fast_tokenizer_files", "vocab"])
def test_a_key_that_holds_a_file_must_name_one_of_the_source(key: str) -> None:
    there, beside, away = "vocab.txt", "0_Transformer/spiece.model", "data/vocab.txt"
    many = key.endswith("s")

    for value, stays in (
        (there, True),
        (f"./{there}", True),
        ("spiece.model", True),
        (away, False),
    ):
        fields = {key: [value] if many else value}
        left = cleaned(fields, f"0_Transformer/{CONFIG}", there, beside)
        assert (left == fields) is stays


def test_code_of_another_repository_goes_because_no_commit_pins_it() -> None:
    fields = {
        "auto_map": {"AutoModel": "other/repo--modeling.M", "AutoConfig": "configuring.C"},
        "text_config": {"auto_map": {"AutoConfig": "sub/configuring.C"}},
        "custom_pipelines": {"x": {"impl": "other/repo--pipeline.P", "type": "text"}},
    }

    assert cleaned(fields, "config.json") == {
        "auto_map": {"AutoConfig": "configuring.C"},
        "text_config": {"auto_map": {}},
        "custom_pipelines": {"x": {"type": "text"}},
    }


def test_of_keys_that_are_written_twice_only_the_last_is_left(source: Path) -> None:
    text = '{"model_type": "bert", "vocab_file": "/x", "a": {"b": 1, "b": 2}, "vocab_file": null}'
    (source / CONFIG).write_text(text)

    folder, notes = view(source)

    assert (folder / CONFIG).read_text().count("vocab_file") == 1
    assert json.loads((folder / CONFIG).read_text()) == json.loads(text)
    assert notes == (f"{CONFIG}: b: 1", f"{CONFIG}: vocab_file: '/x'")


def test_a_removed_value_is_shown_in_one_printable_line(source: Path) -> None:
    change(source / CONFIG, **{"a\n\x1b[31m": "/x\n\x1b[31m" + "y" * 10_000})

    _, (note,) = view(source)

    assert note.isprintable()
    assert len(note) < 200


def test_half_of_a_surrogate_pair_survives_the_cleaning() -> None:
    content = b'{"a" : "\\ud800", "cache_dir": "/x"}'

    left, _ = clean(content, CONFIG, {CONFIG})

    assert json.loads(left) == {"a": "\ud800"}


def test_data_is_not_searched_for_paths(source: Path) -> None:
    (source / "vocab.json").write_text('{"/": 0, "..": 1}')
    (source / "unigram.json").write_text('{"not": "/json"')

    _, notes = view(source)

    assert notes == ()


def test_an_index_is_searched_even_if_it_is_called_as_data_is(source: Path) -> None:
    name = "tokenizer.0.safetensors.index.json"
    (source / name).write_text('{"weight_map": {"x": "/etc/passwd"}}')

    assert refusal(source).startswith(f"{name}: weight_map: '/etc/passwd'")


# What is needed


def sharded(source: Path, *values: str, index: str = "model.safetensors.index.json") -> None:
    weight_map = {f"tensor{number}": value for number, value in enumerate(values)}
    (source / index).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


@pytest.mark.parametrize("value", ["model-00001-of-00001.safetensors", "/x", "../x", "vocab.txt"])
def test_an_index_that_is_loaded_must_name_shards_of_the_source(value: str, source: Path) -> None:
    (source / "model.safetensors").unlink()
    (source / "vocab.txt").write_text("a pickle, or no shard at all")
    sharded(source, value)

    assert refusal(source).startswith(
        f"model.safetensors.index.json: weight_map: {value!r}: not in"
    )


@pytest.mark.parametrize("index", ["model.safetensors.index.json", "pytorch_model.bin.index.json"])
def test_an_index_beside_a_whole_checkpoint_is_only_cleaned(index: str, source: Path) -> None:
    sharded(source, "gone-1.bin", "/x", "/x", "../y", index=index)

    folder, notes = view(source)

    assert json.loads((folder / index).read_text()) == {"metadata": {}, "weight_map": {}}
    assert notes == tuple(f"{index}: weight_map: {v!r}" for v in ("gone-1.bin", "/x", "../y"))


def test_an_index_whose_shards_are_all_there_is_left_alone(source: Path) -> None:
    (source / "model.safetensors").rename(source / "model-00001-of-00001.safetensors")
    sharded(source, "model-00001-of-00001.safetensors")

    folder, notes = view(source)

    assert (folder / "model.safetensors.index.json").is_symlink()
    assert notes == ()


@pytest.mark.parametrize("key", ["vocab_file", "tokenizer_file", "merges_file", "source_spm"])
def test_a_vocabulary_that_was_the_only_one_is_refused(key: str, source: Path) -> None:
    (source / "tokenizer.json").unlink()
    change(source / CONFIG, **{key: "/outside/vocab.txt"})

    assert refusal(source) == (
        f"{CONFIG}: {key}: '/outside/vocab.txt': not in the source, which has no vocabulary: "
        "want tokenizer.json beside it"
    )


def test_every_vocabulary_that_transformers_knows_counts_as_one() -> None:
    folder = Path(transformers.__file__).parent
    entry = re.compile(r'"(\w*vocab_file|vocab|tokenizer_file|\w*spm\w*)": "([\w.-]+\.[\w.]+)"')
    known = {
        name
        for path in folder.glob("**/tokenization_*.py")
        for _, name in entry.findall(path.read_text())
    }

    assert len(known) > 10
    assert [n for n in sorted(known) if not _view._match(n, _view._VOCABULARIES)] == []


def test_a_removed_map_of_special_tokens_needs_no_vocabulary(source: Path) -> None:
    (source / "tokenizer.json").unlink()
    change(source / CONFIG, special_tokens_map_file="/x")

    _, notes = view(source)

    assert notes == (f"{CONFIG}: special_tokens_map_file: '/x'",)


def test_code_of_another_repository_is_refused_where_code_may_run(source: Path) -> None:
    change(source / "config.json", auto_map={"AutoModel": "other/repo--modeling.M"})

    _, notes = view(source)
    shutil.rmtree(source.parent / "view")

    assert notes == ("config.json: auto_map.AutoModel: 'other/repo--modeling.M'",)
    assert refusal(source, "remote_code").startswith(f"{notes[0]}: want code of the source itself")


@pytest.mark.parametrize("value", ["/x/model.safetensors", "elsewhere.safetensors"])
def test_weights_that_a_configuration_names_must_be_in_the_source(value: str, source: Path) -> None:
    change(source / "config.json", transformers_weights=value)

    assert refusal(source).startswith(f"config.json: transformers_weights: {value!r}: not in")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "Expecting property name"),
        (b"\xff\xfe{}", "invalid start byte"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"1" * 5000, "digits"),
        (b"", "Expecting value"),
    ],
)
def test_what_is_not_json_is_refused_by_its_name(content: bytes, said: str, source: Path) -> None:
    (source / "1_Pooling" / "config.json").write_bytes(content)

    message = refusal(source)

    assert message.startswith("1_Pooling/config.json: not JSON: ")
    assert said in message


def test_a_configuration_that_is_too_large_is_not_even_read(source: Path) -> None:
    with (source / "config.json").open("r+b") as file:
        file.truncate(_view.MAX_CONFIGURATION_BYTES + 1)

    assert "config.json: 67108865 bytes: want a configuration of at most" in refusal(source)


def test_a_configuration_of_which_too_much_would_go_is_refused(source: Path) -> None:
    many = [f"/{number}" for number in range(_configuration.MAX_REMOVED + 1)]
    change(source / "config.json", many=many)

    assert "config.json: 1001 values lead out" in refusal(source)


def test_a_tokenizer_without_a_vocabulary_is_refused(source: Path, tmp_path: Path) -> None:
    (source / "tokenizer.json").unlink()
    (tmp_path / "ir").mkdir()

    with pytest.raises(ExportError, match=r"has no tokens but \['\[CLS\]', .*want tokenizer\.json"):
        _tokenizer.export(source, model_of(source), tmp_path / "ir")


# For any configuration

PATHS = st.sampled_from(["/x", "../x", "~", "C:/x", "file:x", "x", "org/name", "vocab.txt", ".."])
FILES = ["vocab_file", "fast_files", "vocab", "init_inputs"]
KEYS = st.sampled_from(["a", "auto_map", "weight_map", "chat_template", *FILES])
TEXTS = st.sampled_from(["unk_token", "id2label", "prompts", "content", "template"])
CONFIGURATIONS = st.recursive(
    st.none() | st.integers() | st.booleans() | PATHS | st.text(max_size=4),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(KEYS | TEXTS, below, max_size=4),
    max_leaves=25,
)


def strings(fields: object, key: str = "") -> Iterator[str]:
    """Every string of a configuration that is not free text."""
    if isinstance(fields, str):
        yield fields
    for name, value in fields.items() if isinstance(fields, dict) else ():
        tokens = name in ("vocab", "merges") and not isinstance(value, str)
        template = name == "chat_template" and isinstance(value, str)
        if not tokens and not template and not _configuration._TEXT.fullmatch(name):
            yield from strings(value, name)
    for value in fields if isinstance(fields, list) else ():
        yield from strings(value, key)


@given(CONFIGURATIONS)
def test_nothing_but_free_text_leads_out_of_a_cleaned_configuration(fields: object) -> None:
    content, _ = clean(json.dumps(fields).encode(), CONFIG, {"vocab.txt"})

    assert [text for text in strings(json.loads(content)) if leads_out(text)] == []


@given(CONFIGURATIONS)
def test_cleaning_what_is_clean_changes_no_byte(fields: object) -> None:
    content, _ = clean(json.dumps(fields, indent=3).encode(), CONFIG, {"vocab.txt"})

    assert clean(content, CONFIG, {"vocab.txt"}) == (content, [])
