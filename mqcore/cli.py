"""The command `mqcore`. Imports happen late: a command pays only for what it uses."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn, TextIO

from .bench.plan import add_options, plan_of
from .contract import Misconfigured, MQError, Schema

__all__ = ["main", "parse_address", "write_sample"]

INTERRUPTED = 130
LONGEST_TEST = 86_400


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"mqcore: {message}; see {self.prog} --help\n")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        sys.stdout.write(f"mqcore {version('mqcore')}\n")
        parser.exit(0)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0, 2 for a wrong command line or configuration, 1 for the rest."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # whoever read it has seen enough
        return 0
    except Exception as exc:
        if isinstance(exc, OSError):
            _drop_output()
        if arguments.debug:
            traceback.print_exception(exc)
        _complain(_described(exc))
        return 2 if isinstance(exc, Misconfigured) else 1
    return status


def _described(exc: Exception) -> str:
    if isinstance(exc, MQError | OSError):
        return str(exc)
    return f"unexpected {type(exc).__name__}: {exc} (--debug shows where)"


def _drop_output() -> None:
    """Let what is not written yet go nowhere, or Python complains about it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(text: str) -> None:
    sys.stderr.write(f"mqcore: {' '.join(text.split())}\n")


def _parser() -> argparse.ArgumentParser:
    shared = _Parser(add_help=False)
    shared.add_argument("--debug", action="store_true", help="show where an error comes from")
    parser = _Parser(
        prog="mqcore",
        description="Message queues over storage that already runs.",
        parents=[shared],
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    # The default of a sub-command would overwrite what was given before it.
    late = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    late.add_argument("--debug", action="store_true", help="show where an error comes from")

    serve = commands.add_parser("serve", parents=[late], help="serve the HTTP API")
    serve.add_argument("--config-file", metavar="FILE", help="read the options from this INI file")
    serve.add_argument("--uri", help="where the queues are, for example sqlite:////tmp/q.db")
    serve.add_argument("--bind", metavar="HOST:PORT", help="where to listen")
    serve.add_argument("--workers", metavar="N", help="how many processes serve requests")
    serve.set_defaults(run=_serve)

    config = commands.add_parser("config", parents=[late], help="about the configuration")
    topics = config.add_subparsers(required=True, metavar="TOPIC", parser_class=_Parser)
    sample = topics.add_parser(
        "sample", parents=[late], help="print a config file with every option and its default"
    )
    sample.set_defaults(run=_config_sample)

    drivers = commands.add_parser("drivers", parents=[late], help="list the storage drivers")
    drivers.add_argument("--json", action="store_true", help="as a JSON object")
    drivers.set_defaults(run=_drivers)

    schema = commands.add_parser("db", parents=[late], help="about the tables of a store")
    steps = schema.add_subparsers(required=True, metavar="ACTION", parser_class=_Parser)
    for action, run, words in (
        ("upgrade", _db_upgrade, "bring the tables to this version; stop all servers first"),
        ("version", _db_version, "say which version the tables are of"),
    ):
        step = steps.add_parser(action, parents=[late], help=words)
        step.add_argument("uri", metavar="URI", nargs="?", help="else that of the configuration")
        step.add_argument("--config-file", metavar="FILE", help="read the URI from this INI file")
        step.set_defaults(run=run)

    suite = commands.add_parser(
        "conformance", parents=[late], help="test a storage driver and report what holds"
    )
    suite.add_argument("uri", metavar="URI", help="a store of the driver, made for tests only")
    suite.add_argument("--json", metavar="FILE", help="write the whole report to this file, too")
    suite.add_argument("-k", dest="keyword", default="", metavar="EXPR", help="as pytest has it")
    suite.add_argument(
        "--group", action="append", default=[], metavar="NAME", help="only this group of tests"
    )
    suite.add_argument(
        "--timeout", type=_seconds, default=60, metavar="SECONDS", help="for each test; default 60"
    )
    suite.set_defaults(run=_conformance)

    measure = commands.add_parser(
        "bench", parents=[late], help="measure a store, its driver and a server on it"
    )
    add_options(measure)
    measure.set_defaults(run=_bench)
    return parser


def _serve(arguments: argparse.Namespace) -> int:
    from .config import load_settings
    from .options import SERVER_GROUP

    host, port = parse_address(arguments.bind) if arguments.bind is not None else (None, None)
    settings = load_settings(
        arguments.config_file,
        {
            "storage.uri": arguments.uri,
            f"{SERVER_GROUP}.bind": host,
            f"{SERVER_GROUP}.port": port,
            f"{SERVER_GROUP}.workers": arguments.workers,
        },
    )
    from .server import serve

    return serve(settings)


def _db_upgrade(arguments: argparse.Namespace) -> int:
    return _about_schema(arguments, lambda schema, uri: schema.upgrade(uri))


def _db_version(arguments: argparse.Namespace) -> int:
    return _about_schema(arguments, lambda schema, uri: schema.version(uri))


def _about_schema(arguments: argparse.Namespace, ask: Callable[[Schema, str], str]) -> int:
    from .config import load_settings
    from .contract import StoreUri
    from .loader import schema_of

    uri = load_settings(arguments.config_file, {"storage.uri": arguments.uri}).storage_uri
    schema = schema_of(uri)
    said = "no tables that would need an upgrade" if schema is None else ask(schema, uri)
    sys.stdout.write(f"{StoreUri(uri)}: {said}\n")
    return 0


def parse_address(text: str) -> tuple[str, str]:
    """Split `HOST:PORT`; an IPv6 address stands in brackets."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    if not colon or not host or not port or (":" in host and not bracketed):
        raise Misconfigured(
            f"--bind {text!r}: write HOST:PORT, for example 127.0.0.1:8888 or [::1]:8888"
        )
    return host, port


def _config_sample(_: argparse.Namespace) -> int:
    write_sample(sys.stdout)
    return 0


def write_sample(output: TextIO) -> None:
    """Write a config file with every option, its help text and its default."""
    from oslo_config import cfg, generator

    conf = cfg.ConfigOpts()
    generator.register_cli_opts(conf)
    conf(args=["--namespace", "mqcore"], default_config_files=[], default_config_dirs=[])
    generator.generate(conf, output)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= LONGEST_TEST:
        raise argparse.ArgumentTypeError(f"write a number of seconds up to {LONGEST_TEST}")
    return seconds


def _conformance(arguments: argparse.Namespace) -> int:
    try:
        from .conformance.command import certify
        from .conformance.events import Target
    except ModuleNotFoundError as exc:
        if (exc.name or "mqcore").startswith("mqcore"):
            raise
        raise Misconfigured(
            f"the conformance suite needs the Python library {exc.name!r}, which is not "
            "installed; run: pip install 'mqcore[conformance]'"
        ) from exc
    from functools import partial

    from .checked import CheckedDriver
    from .contract import StoreUri
    from .loader import bare_opener, without_secrets

    # Every memory:// is another store, and the suite needs many handles on one.
    uri = "memory://conformance" if arguments.uri == "memory://" else arguments.uri
    return certify(
        Target(str(StoreUri(arguments.uri)), partial(bare_opener, uri), CheckedDriver),
        clean=partial(without_secrets, uri=uri),
        groups=arguments.group,
        keyword=arguments.keyword,
        timeout=arguments.timeout,
        json_file=arguments.json,
    )


def _bench(arguments: argparse.Namespace) -> int:
    from .bench.command import bench

    return bench(plan_of(arguments), json_file=arguments.json, plots=arguments.plots)


def _drivers(arguments: argparse.Namespace) -> int:
    from .inventory import as_json, as_text

    sys.stdout.write(as_json() if arguments.json else as_text())
    return 0
