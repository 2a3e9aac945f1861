"""Where a setting comes from, and what is said about a wrong one."""

import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from oslo_config import cfg, types

from mqcore import config
from mqcore.config import ServerSettings, Settings, environment_name, list_opts, load_settings
from mqcore.contract import Misconfigured
from mqcore.options import SERVER_GROUP
from mqcore.service.limits import ServiceLimits

MEMORY = {"MQCORE_STORAGE_URI": "memory://"}


@pytest.fixture(autouse=True)
def no_system_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine is configured to do must not matter."""
    monkeypatch.setattr(config, "SYSTEM_FILE", str(tmp_path / "absent" / "mqcore.conf"))


def load(
    file: Path | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    return load_settings(str(file) if file else None, flags, environ={**MEMORY, **(env or {})})


def write(folder: Path, text: str) -> Path:
    path = folder / "mqcore.conf"
    path.write_text(text, encoding="utf-8")
    return path


def refused(*args: object, **kwargs: object) -> str:
    with pytest.raises(Misconfigured) as caught:
        load(*args, **kwargs)  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_defaults_are_those_of_the_service_and_the_server() -> None:
    settings = load()
    assert settings.limits == ServiceLimits()
    assert settings.server == ServerSettings()
    assert (settings.log.level, settings.log.format) == ("info", "text")
    assert settings.signed_url_key is None
    assert settings.warnings == ()


def test_every_option_has_a_place_in_the_settings() -> None:
    fields = {f.name for f in dataclasses.fields(ServiceLimits)}
    fields |= {f.name for f in dataclasses.fields(ServerSettings)}
    elsewhere = {"auth_strategy", "pooling", "uri", "secret_key", "level", "format"}
    assert {opt.name for _, opts in list_opts() for opt in opts} == fields | elsewhere


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(tmp_path: Path) -> None:
    file = write(tmp_path, f"[{SERVER_GROUP}]\nworkers = 2\n")
    env = {"MQCORE_DRIVERS_TRANSPORT_WSGI_WORKERS": "3"}
    flags = {f"{SERVER_GROUP}.workers": "4"}
    found = [load(), load(file), load(file, env), load(file, env, flags)]
    assert [s.server.workers for s in found] == [1, 2, 3, 4]


def test_a_flag_that_was_not_given_changes_nothing() -> None:
    assert load(flags={f"{SERVER_GROUP}.workers": None, "storage.uri": None}) == load()


def test_every_option_can_be_set_from_the_environment_under_a_name_of_its_own() -> None:
    names = [environment_name(group, opt.name) for group, opts in list_opts() for opt in opts]
    assert len(set(names)) == len(names)
    assert {
        "MQCORE_STORAGE_URI",
        "MQCORE_TRANSPORT_MAX_MESSAGE_TTL",
        "MQCORE_DRIVERS_TRANSPORT_WSGI_PORT",
        "MQCORE_ADMIN_MODE",
        "MQCORE_SIGNED_URL_SECRET_KEY",
    } <= set(names)


def test_values_of_each_kind_are_read_from_the_file(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "[DEFAULT]\nadmin_mode = yes\nenable_checksum = true\n"
        "[transport]\nmax_message_ttl = 7200\nsubscriber_types = https, mailto\n"
        "client_id_uuid_safe = off\n[signed_url]\nsecret_key = k\n[log]\nformat = json\n",
    )
    settings = load(file)
    assert settings.server.admin_mode
    assert settings.limits.enable_checksum
    assert settings.limits.max_message_ttl == 7200
    assert settings.limits.subscriber_types == ("https", "mailto")
    assert settings.limits.client_id_uuid_safe == "off"
    assert settings.signed_url_key == "k"
    assert settings.log.format == "json"
    assert settings.config_file == str(file)


def test_a_dollar_sign_is_taken_as_it_is(tmp_path: Path) -> None:
    uri = "redis://:pa$word$@host/0"
    assert load_settings(environ={"MQCORE_STORAGE_URI": uri}).storage_uri == uri
    file = write(tmp_path, f"[storage]\nuri = {uri}\n")
    assert load_settings(str(file), environ={}).storage_uri == uri


def test_secrets_are_not_in_the_representation() -> None:
    settings = load(
        env={"MQCORE_SIGNED_URL_SECRET_KEY": "hush"}, flags={"storage.uri": "x://:hush@h"}
    )
    assert "hush" not in repr(settings)


@pytest.mark.parametrize("value", ["", "many", "59", "2147483648", "1.5", "9" * 5000])
def test_a_wrong_number_names_option_origin_and_range(value: str) -> None:
    text = refused(env={"MQCORE_TRANSPORT_MAX_MESSAGE_TTL": value})
    assert "[transport] max_message_ttl" in text
    assert "the environment variable MQCORE_TRANSPORT_MAX_MESSAGE_TTL" in text
    assert "a whole number from 60 to 2147483647" in text


def test_a_wrong_value_in_the_file_names_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "[DEFAULT]\nadmin_mode = perhaps\n")
    text = refused(file)
    assert "[DEFAULT] admin_mode" in text
    assert str(file) in text
    assert "true or false" in text


def test_a_wrong_flag_is_said_to_be_from_the_command_line() -> None:
    text = refused(flags={f"{SERVER_GROUP}.port": "70000"})
    assert "command line" in text
    assert "0 to 65535" in text


def test_a_wrong_choice_names_the_choices() -> None:
    assert "strict, off" in refused(env={"MQCORE_TRANSPORT_CLIENT_ID_UUID_SAFE": "lax"})
    assert "trust+http" in refused(env={"MQCORE_TRANSPORT_SUBSCRIBER_TYPES": "https,ftp"})


@pytest.mark.parametrize("value", ["keystone", "Keystone", " keystone ", "none"])
def test_an_authentication_that_does_not_exist_is_refused(value: str) -> None:
    assert "[DEFAULT] auth_strategy" in refused(env={"MQCORE_AUTH_STRATEGY": value})


def test_pooling_is_refused_as_long_as_there_are_no_pools(tmp_path: Path) -> None:
    text = refused(write(tmp_path, "[DEFAULT]\npooling = true\n"))
    assert "[DEFAULT] pooling" in text
    assert "not available yet" in text


@pytest.mark.parametrize(
    ("option", "value", "other"),
    [
        ("max_message_ttl", "600", "default_message_ttl"),
        ("default_message_delay", "901", "max_message_delay"),
        ("max_claim_ttl", "60", "default_claim_ttl"),
        ("default_claim_grace", "50000", "max_claim_grace"),
        ("min_length_client_id", "37", "max_length_client_id"),
    ],
)
def test_a_default_beyond_its_maximum_is_refused(option: str, value: str, other: str) -> None:
    text = refused(env={environment_name("transport", option): value})
    assert f"[transport] {option} = {value}" in text
    assert f"[transport] {other}" in text


def test_unknown_names_are_warned_about_with_the_likely_meaning(tmp_path: Path) -> None:
    file = write(tmp_path, "[transport]\nmax_mesage_ttl = 60\n[storages]\nurl = x\n[odd]\na = 1\n")
    warnings = load(file, {"MQCORE_STORAGE_URL": "x"}).warnings
    assert len(warnings) == 4
    assert "max_mesage_ttl is ignored; did you mean max_message_ttl?" in warnings[0]
    assert "[storages] is ignored; did you mean storage?" in warnings[1]
    assert "[odd] is ignored" in warnings[2]
    assert "did you mean MQCORE_STORAGE_URI?" in warnings[3]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path / 'no.conf'} cannot be read" in refused(tmp_path / "no.conf")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in refused(tmp_path)


@pytest.mark.parametrize("text", ["uri = x\n", "[storage\nuri = s3cret\n", "[storage]\ns3cret\n"])
def test_a_garbled_file_is_refused_by_line_without_showing_it(tmp_path: Path, text: str) -> None:
    said = refused(write(tmp_path, text))
    assert "cannot be understood: line" in said
    assert "s3cret" not in said


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mqcore.conf"
    file.write_bytes(b"[storage]\nuri = \xff\xfe\n")
    assert "not a text file" in refused(file)


def test_a_wrong_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = cfg.IntOpt("secret_key", secret=True)
    monkeypatch.setattr(config, "list_opts", lambda: [("signed_url", [secret])])
    text = refused(env={"MQCORE_SIGNED_URL_SECRET_KEY": "hush"})
    assert "hush" not in text


def test_the_file_is_found_by_its_variable_then_in_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = write(tmp_path, "[storage]\nuri = memory://named\n")
    system = tmp_path / "system.conf"
    system.write_text("[storage]\nuri = memory://system\n", encoding="utf-8")
    monkeypatch.setattr(config, "SYSTEM_FILE", str(system))
    variable = {"MQCORE_CONFIG_FILE": str(named)}
    assert load_settings(environ=variable).storage_uri == "memory://named"
    assert load_settings(environ={}).storage_uri == "memory://system"
    assert load_settings(str(system), environ=variable).storage_uri == "memory://system"


def test_without_a_store_it_is_a_private_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "my state"))
    uri = load_settings(environ={}).storage_uri
    folder = tmp_path / "my state" / "mqcore"
    assert uri == f"sqlite:///{str(folder).replace(' ', '%20')}/mqcore.db"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_private_folder_is_not_made_when_a_store_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    load()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_names_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with pytest.raises(Misconfigured, match=r"set \[storage\] uri"):
        load_settings(environ={})


def test_an_empty_store_is_not_the_default_one() -> None:
    assert load(flags={"storage.uri": ""}).storage_uri == ""


def test_every_number_has_a_range_and_every_option_a_text() -> None:
    for _, opts in list_opts():
        for opt in opts:
            assert opt.help
            if isinstance(opt.type, types.Integer):
                assert opt.type.min <= opt.default <= opt.type.max


def test_a_sample_that_is_switched_on_is_a_config_file_of_the_defaults(tmp_path: Path) -> None:
    from mqcore.cli import write_sample  # noqa: PLC0415

    sample = io.StringIO()
    write_sample(sample)
    lines = sample.getvalue().splitlines()
    names = {opt.name for _, opts in list_opts() for opt in opts}
    on = [line[1:] if line[1:].partition(" =")[0] in names else line for line in lines]
    settings = load_settings(str(write(tmp_path, "\n".join(on))), environ=MEMORY)
    assert settings.warnings == ()
    assert settings.limits == ServiceLimits()
    assert settings.server == ServerSettings()
