"""Settings: which source wins, and what a person is told when a value cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import config
from tools.config import SettingsFileInvalid, load
from tools.settings import BY_NAME, SETTINGS, SettingInvalid, Settings


@pytest.fixture
def user_file(own_settings: Path) -> Path:
    return own_settings


def test_without_any_source_everything_is_built_in() -> None:
    settings = load(environ={})
    assert (settings.port, settings.address, settings.scheme) == (8787, "127.0.0.1", "http")
    assert settings.root == Path("media").absolute()
    assert {settings.origin(item.name) for item in SETTINGS} == {"built in"}


def test_each_source_outranks_the_one_before(tmp_path: Path, user_file: Path) -> None:
    root = tmp_path / "root"
    (root / ".filmcan").mkdir(parents=True)
    user_file.write_text("port = 1\nthreads = 11\nquiet_s = 2\nlog_level = 'error'\n")
    (root / ".filmcan" / "config.toml").write_text("port = 2\nthreads = 12\nquiet_s = 3\n")
    environ = {"FILMCAN_PORT": "3", "FILMCAN_THREADS": "13", "FILMCAN_ROOT": str(root)}
    settings = load({"port": "4"}, environ=environ)
    assert (settings.port, settings.origin("port")) == (4, "--port")
    assert (settings.threads, settings.origin("threads")) == (13, "FILMCAN_THREADS")
    assert (settings.quiet_s, settings.origin("quiet_s")) == (3.0, str(root / ".filmcan" / "config.toml"))
    assert (settings.log_level, settings.origin("log_level")) == ("error", str(user_file))


def test_the_root_named_in_the_users_file_leads_to_the_roots_own_file(tmp_path: Path, user_file: Path) -> None:
    (tmp_path / "footage" / ".filmcan").mkdir(parents=True)
    (tmp_path / "footage" / ".filmcan" / "config.toml").write_text("case_collisions = 'refuse'\n")
    user_file.write_text("root = '../footage'\n")
    settings = load(environ={})
    assert settings.root == tmp_path / "footage"
    assert settings.case_collisions == "refuse"


def test_a_named_file_stands_alone(tmp_path: Path, user_file: Path) -> None:
    user_file.write_text("port = 1\n")
    named = tmp_path / "named.toml"
    named.write_text("threads = 20\n")
    for settings in (load(config_file=named, environ={}), load(environ={"FILMCAN_CONFIG": str(named)})):
        assert (settings.threads, settings.port) == (20, 8787)


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("MEDIA_SYNC_PROJECTS_ROOT", "/data/projects", "root", Path("/data/projects")),
        ("PROJECT_ROOT", "/data/projects", "root", Path("/data/projects")),
        ("MEDIA_SYNC_PORT", "9001", "port", 9001),
        ("PORT", "9001", "port", 9001),
        ("MEDIA_SYNC_HOST", "::1", "host", "::1"),
        ("MEDIA_SYNC_MAX_UPLOAD_MB", "4096", "max_upload_mb", 4096),
        ("FILMCAN_SOURCE_PARENTS", "/volumes, /mnt/nas/", "source_parents", (Path("/volumes"), Path("/mnt/nas"))),
        ("MEDIA_SYNC_CORS_ORIGINS", "http://a:1, http://b:2/", "cors_origins", ("http://a:1", "http://b:2")),
        ("MEDIA_SYNC_AUTO_REINDEX", "0", "auto_reindex", False),
        ("MEDIA_SYNC_AUTO_REINDEX", "False", "auto_reindex", False),
        ("MEDIA_SYNC_AUTO_REINDEX_INTERVAL_SECONDS", "90", "reindex_interval_s", 90.0),
    ],
)
def test_the_names_of_the_program_before_are_understood(variable: str, text: str, name: str, value: object) -> None:
    settings = load(environ={variable: text})
    assert (getattr(settings, name), settings.origin(name)) == (value, variable)


def test_filmcans_own_name_outranks_the_older_ones() -> None:
    environ = {"PORT": "1", "MEDIA_SYNC_PORT": "2", "FILMCAN_PORT": "3"}
    assert load(environ=environ).port == 3
    del environ["FILMCAN_PORT"]
    assert load(environ=environ).port == 2


def test_an_empty_variable_counts_as_silence() -> None:
    assert load(environ={"FILMCAN_PORT": "", "PORT": " "}).port == 8787


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "http"), ("port", "70000"), ("port", "-1"), ("port", "8787.0"),
        ("threads", "0"), ("max_upload_mb", "4 GiB"), ("open", "maybe"), ("watch", "2"),
        ("reindex_interval_s", "0"), ("reindex_interval_s", "nan"), ("quiet_s", "soon"),
        ("case_collisions", "rename"), ("reserve_bytes", "lots"), ("left_alone", "../other"), ("log_level", "loud"),
        ("source_parents", "volumes"),
    ],
)  # fmt: skip
def test_a_bad_value_names_the_setting_its_origin_and_the_remedy(name: str, text: str) -> None:
    variable = BY_NAME[name].variable
    with pytest.raises(SettingInvalid) as refusal:
        load(environ={variable: text})
    assert (refusal.value.name, refusal.value.origin) == (name, variable)
    assert text in str(refusal.value) and variable in str(refusal.value) and refusal.value.remedy


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("500MiB", 500 << 20), ("2 GiB", 2 << 30), ("2g", 2 << 30), ("1T", 1 << 40), ("auto", None)],
)
def test_sizes_are_written_as_people_say_them(text: str, size: int | None) -> None:
    assert load({"reserve_bytes": text}, environ={}).reserve_bytes == size


def test_a_value_in_a_file_may_have_the_wrong_type_for_its_setting(user_file: Path) -> None:
    for line in ("port = true", "host = 1", "left_alone = [1]", "threads = 8.5", "open = 'perhaps'"):
        user_file.write_text(line)
        with pytest.raises(SettingInvalid, match=str(user_file)):
            load(environ={})


def test_a_misspelt_setting_in_a_file_is_refused_with_the_right_name(user_file: Path) -> None:
    user_file.write_text("prot = 1\n")
    with pytest.raises(SettingsFileInvalid, match="did you mean root or port"):
        load(environ={})


def test_a_broken_or_missing_file_is_told_in_one_line(tmp_path: Path, user_file: Path) -> None:
    user_file.write_text("port = \n")
    with pytest.raises(SettingsFileInvalid, match=str(user_file)):
        load(environ={})
    with pytest.raises(SettingsFileInvalid, match="no such file"):
        load(config_file=tmp_path / "nowhere.toml", environ={})


def test_a_root_does_not_say_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / ".filmcan").mkdir()
    (tmp_path / ".filmcan" / "config.toml").write_text("root = '/elsewhere'\n")
    with pytest.raises(SettingsFileInvalid, match="remove the line"):
        load({"root": tmp_path}, environ={})


def test_misspelt_variables_are_found() -> None:
    environ = {"FILMCAN_PROT": "1", "FILMCAN_PORT": "1", "FILMCAN_CONFIG": "x", "HOME": "/"}
    assert config.unknown_variables(environ) == ["FILMCAN_PROT"]


def test_the_network_is_reached_only_when_it_is_said_openly() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.7", "studio.local"):
        with pytest.raises(SettingInvalid, match="--open"):
            load({"host": host}, environ={})
        assert load({"host": host, "open": True}, environ={}).address == host
    for host in ("127.0.0.1", "::1", "localhost", "127.0.0.9"):
        assert load({"host": host}, environ={}).address == host
    assert load({"open": True}, environ={}).address == "0.0.0.0"


def test_certificate_and_key_come_together(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="tls_key is needed"):
        load({"tls_cert": tmp_path / "cert.pem"}, environ={})
    with pytest.raises(SettingInvalid, match="tls_cert is needed"):
        load({"tls_key": tmp_path / "key.pem"}, environ={})
    assert load({"tls_cert": tmp_path / "c", "tls_key": tmp_path / "k"}, environ={}).scheme == "https"


def test_no_upload_limit_is_zero_and_a_limit_is_in_mebibytes() -> None:
    assert load(environ={}).max_upload_bytes is None
    assert load({"max_upload_mb": 3}, environ={}).max_upload_bytes == 3 << 20


def test_every_value_is_read_back_as_it_is_shown() -> None:
    settings = Settings(tls_cert=Path("/c"), tls_key=Path("/k"))
    for item in SETTINGS:
        value = getattr(settings, item.name)
        if item.show(value) != "":
            assert item.read(item.show(value), "test") == value
