"""Where a setting comes from, what may be saved, and that a saved value can say nothing but itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

import studio.settings as settings_module
from studio.errors import ConfigError
from studio.settings import EDITABLE, Settings, load_settings, save_setting


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that the environment names, with no `.env` of the machine's owner beside the code."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("STUDIO_HOME", str(folder))
    monkeypatch.setattr(settings_module, "ROOT", tmp_path)
    return folder


def test_a_default_holds_where_nobody_says_otherwise(home: Path) -> None:
    assert load_settings().hub == "huggingface"


def test_the_saved_file_wins_over_the_default(home: Path) -> None:
    (home / "studio.env").write_text("STUDIO_HUB=modelscope\n")
    assert load_settings().hub == "modelscope"


def test_the_owners_file_wins_over_the_saved_one(home: Path, tmp_path: Path) -> None:
    (home / "studio.env").write_text("STUDIO_HUB=modelscope\n")
    (tmp_path / ".env").write_text("STUDIO_HUB=https://owner.example\n")
    assert load_settings().hub == "https://owner.example"


def test_the_environment_wins_over_every_file(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "studio.env").write_text("STUDIO_HUB=modelscope\n")
    (tmp_path / ".env").write_text("STUDIO_HUB=https://owner.example\n")
    monkeypatch.setenv("STUDIO_HUB", "https://mirror.example")
    assert load_settings().hub == "https://mirror.example"


def test_a_home_named_in_the_owners_file_is_where_settings_are_saved_and_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STUDIO_HOME", raising=False)
    monkeypatch.setattr(settings_module, "ROOT", tmp_path)
    (tmp_path / ".env").write_text(f"STUDIO_HOME={tmp_path / 'elsewhere'}\n")
    (tmp_path / "elsewhere").mkdir()
    before = load_settings()
    assert before.home == tmp_path / "elsewhere"
    assert save_setting(before, "lang", "zh").lang == "zh"


@pytest.mark.parametrize("name", ["host", "port", "home", "database_url", "nothing"])
def test_only_editable_settings_can_be_saved(home: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        save_setting(load_settings(), name, "1")
    assert (caught.value.key, caught.value.field) == ("error.settings.not_editable", name)
    assert not (home / "studio.env").exists()


def test_a_saved_setting_holds_from_then_on(home: Path) -> None:
    after = save_setting(load_settings(), "device", "cpu")
    assert after.device == "cpu"
    assert load_settings().device == "cpu"


def test_saving_again_replaces_the_line_and_keeps_the_others(home: Path) -> None:
    save_setting(load_settings(), "lang", "zh")
    save_setting(load_settings(), "hub", "modelscope")
    save_setting(load_settings(), "lang", "en")
    assert sorted((home / "studio.env").read_text().splitlines()) == ["STUDIO_HUB=modelscope", "STUDIO_LANG=en"]


def test_what_the_environment_fixes_cannot_be_saved(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_DEVICE", "cpu")
    with pytest.raises(ConfigError) as caught:
        save_setting(load_settings(), "device", "cuda")
    assert caught.value.key == "error.settings.fixed_by_environment"
    assert caught.value.params == {"name": "STUDIO_DEVICE"}


@pytest.mark.parametrize(("name", "value"), [("device", "tpu"), ("lang", "fr"), ("hub", "example.com"), ("hub", "ftp://a")])
def test_a_value_that_is_not_allowed_is_refused_and_not_written(home: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        save_setting(load_settings(), name, value)
    assert (caught.value.key, caught.value.field) == ("error.settings.invalid", name)
    assert caught.value.params == {"name": name, "value": value}
    assert not (home / "studio.env").exists()


@pytest.mark.parametrize("value", ["https://a.example\nSTUDIO_HOST=0.0.0.0", "https://a.example #b", "https://a\rx", "http://"])
def test_a_hub_is_one_address_and_smuggles_no_second_setting_in(home: Path, value: str) -> None:
    """Only hub, device and lang may be saved; a line break in one of them would set any other, the host among them."""
    with pytest.raises(ConfigError) as caught:
        save_setting(load_settings(), "hub", value)
    assert caught.value.key == "error.settings.invalid"
    assert load_settings().host == "127.0.0.1"


@pytest.mark.parametrize(
    ("given", "kept", "endpoint"),
    [
        ("huggingface", "huggingface", "https://huggingface.co"),
        (" https://hf-mirror.com/ ", "https://hf-mirror.com", "https://hf-mirror.com"),
        ("http://127.0.0.1:8080/hub", "http://127.0.0.1:8080/hub", "http://127.0.0.1:8080/hub"),
    ],
)
def test_a_hub_is_a_known_name_or_an_address(tmp_path: Path, given: str, kept: str, endpoint: str) -> None:
    made = Settings(home=tmp_path, hub=given)
    assert (made.hub, made.hub_endpoint) == (kept, endpoint)


@pytest.mark.parametrize("hub", ["", "HuggingFace ", "hf-mirror.com", "javascript:alert(1)", "file:///etc/passwd"])
def test_another_hub_is_refused(tmp_path: Path, hub: str) -> None:
    with pytest.raises(ValidationError):
        Settings(home=tmp_path, hub=hub)


def test_the_home_is_absolute_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert Settings(home=Path("somewhere")).home == tmp_path / "somewhere"
    assert Settings(home=Path("~/studio")).home == tmp_path / "me" / "studio"


def test_a_ready_home_has_its_folders_and_keeps_its_keys_to_itself(tmp_path: Path) -> None:
    made = Settings(home=tmp_path / "new").ready()
    expected = {"uploads", "snapshots", "models", "runs", "jobs", "exports", "engines", "keys", "tmp"}
    assert {path.name for path in made.home.iterdir()} == expected
    assert (made.home / "keys").stat().st_mode & 0o777 == 0o700


def test_paths_are_stored_relative_to_the_home_and_never_outside_it(settings: Settings, tmp_path: Path) -> None:
    assert settings.relative(settings.home / "runs" / "a") == "runs/a"
    with pytest.raises(ValueError):
        settings.relative(settings.home / "runs" / ".." / ".." / "b")


def test_the_database_is_a_file_in_the_home_unless_a_url_says_otherwise(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).url == f"sqlite:///{tmp_path / 'studio.db'}"
    for given in ("postgresql://a:b@db/studio", "postgres://a:b@db/studio", "postgresql+pg8000://a:b@db/studio"):
        assert Settings(home=tmp_path, database_url=given).url == "postgresql+pg8000://a:b@db/studio"


def test_every_editable_setting_exists() -> None:
    assert set(EDITABLE) <= set(Settings.model_fields)
