"""filmcan serve"""

from __future__ import annotations

import errno
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tools.commands.verify import in_words
from tools.desk import DONE, Desk, Refused, at_desk, holds_a_root, make_root, sentence
from tools.settings import BY_NAME, SETTINGS, Setting, Settings

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
NOWHERE = "192.0.2.1"  # RFC 5737: an address nobody has; asking for the way there sends nothing


def _flags(run: Callable[..., int | None]) -> Callable[..., int | None]:
    """Every setting as a flag; what was given goes to the desk as `flags`."""

    def collected(folder: Path | None, **given: Any) -> int | None:
        flags = {name: given.pop(name) for name in BY_NAME if name != "root"}
        if folder is not None:
            flags["root"] = folder
        return run(flags=flags, **given)

    collected.__click_params__ = [*getattr(run, "__click_params__", []), *map(_flag, reversed(SETTINGS[1:]))]  # type: ignore[attr-defined]
    collected.__doc__ = run.__doc__
    return collected


def _flag(item: Setting) -> click.Option:
    if item.kind.is_switch:
        return click.Option([f"{item.flag}/--no-{item.flag[2:]}"], default=None, help=item.help)
    return click.Option(
        [item.flag], metavar=item.kind.word.upper().replace(", ", "|").replace(" ", "-"), help=item.help
    )


@click.command(short_help="Serve a folder over WebDAV")
@click.argument("folder", metavar="[ROOT]", required=False, type=click.Path(path_type=Path))
@_flags
@at_desk
def command(desk: Desk) -> int:
    """Serve the root over WebDAV until Ctrl-C. The folder is made when it does not exist.

    Only this computer can connect, unless you say --open: then everybody on the network can read and write without a
    password. While it serves, it takes in what other programs put into project folders.

    \b
    Examples:
      filmcan serve ~/Footage
      filmcan serve ~/Footage --open --port 9000
    """
    from tools.assemble import make_server, open_libraries
    from tools.logs import start_logging

    settings = desk.settings
    _seek_certificate(settings)
    make_root(settings.root)
    is_new = not holds_a_root(settings.root)
    start_logging(settings.log_level, settings.log_json)
    stop = _stop_signals()
    with open_libraries(settings) as libraries:
        library = libraries.primary
        server = make_server(libraries, settings)
        try:
            server.start()
        except OSError as error:
            raise Refused(_why_not(settings, error)) from error
        try:
            urls = addresses(settings, server.port)
            library.store.note_address(urls[0])
            _welcome(desk, library.root, urls, is_new)
            for stretch in library.store.damage:
                desk.warn(f"the journal is damaged ({in_words(stretch)}); stop, then run `filmcan verify`")
            stop.wait()
            desk.say("Stopping: uploads that run may end.")
        finally:
            server.stop()
    return DONE


def _seek_certificate(settings: Settings) -> None:
    """Refused when the files for https are not what they should be: what finds out later names neither of them."""
    if settings.tls_cert is None or settings.tls_key is None:
        return
    for name, file in (("tls_cert", settings.tls_cert), ("tls_key", settings.tls_key)):
        try:
            file.open("rb").close()
        except OSError as error:
            raise Refused(f"{name} cannot be read: {sentence(error)}") from error
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.tls_cert, settings.tls_key)
    except ssl.SSLError as error:
        pair = f"tls_cert {settings.tls_cert} and tls_key {settings.tls_key}"
        raise Refused(f"{pair} are not a certificate and its private key, both in PEM form ({error.reason or error})") from error


def _stop_signals() -> threading.Event:
    """Set at the first Ctrl-C or SIGTERM; a second one ends the process at once."""
    stop = threading.Event()

    def stopping(number: int, frame: object) -> None:
        for either in STOP_SIGNALS:
            signal.signal(either, signal.SIG_DFL)
        stop.set()

    for number in STOP_SIGNALS:
        signal.signal(number, stopping)
    return stop


def _why_not(settings: Settings, error: OSError) -> str:
    where = f"{settings.address} port {settings.port}"
    if error.errno == errno.EADDRINUSE or "in use" in str(error):
        return f"{where} is in use by another program; stop that one, or choose another port with --port"
    if error.errno == errno.EACCES:
        return f"{where} needs more rights than you have; choose a port above 1023 with --port"
    if error.errno in (errno.EADDRNOTAVAIL, getattr(socket, "EAI_NONAME", None)):
        return f"{settings.address} is no address of this computer; see `filmcan doctor`, or leave --host away"
    return f"cannot listen on {where}: {error.strerror or error}"


def addresses(settings: Settings, port: int) -> list[str]:
    """The URLs people can use, the one that always works on this computer first."""
    hosts = [settings.address]
    if settings.address in ("0.0.0.0", "::"):
        hosts = ["127.0.0.1", *_own_addresses()]
    shown = [f"[{host}]" if ":" in host else host for host in hosts]
    usual = {"http": 80, "https": 443}[settings.scheme]
    return [f"{settings.scheme}://{host}{'' if port == usual else f':{port}'}/dav/" for host in shown]


def _own_addresses() -> list[str]:
    """The address by which the network knows this computer, and its name there."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((NOWHERE, 9))
            found.append(probe.getsockname()[0])
        except OSError:
            pass  # no network at all
    name = socket.gethostname().partition(".")[0]
    return [*found, f"{name}.local"] if found and name else found


def _welcome(desk: Desk, root: Path, urls: list[str], is_new: bool) -> None:
    settings = desk.settings
    url = urls[1] if len(urls) > 1 else urls[0]
    rest = url.partition("://")[2]
    gvfs = "davs" if settings.scheme == "https" else "dav"
    desk.say(f"filmcan serves {root}")
    for address in urls:
        desk.say(f"  {address}")
    desk.say()
    if is_new:
        desk.say("This root is new: nothing is in it yet. If footage should be, stop, and look whether its disk is connected.")
    if settings.open:
        desk.say("Open: everybody on the network can read and write without a password.")
    else:
        desk.say("Only this computer can connect; with --open everybody on the network can, without a password.")
    desk.say()
    desk.say(f"  Browser   {url.removesuffix('dav/')}")
    desk.say(f"  Mac       Finder, Go, Connect to Server: {url}")
    desk.say(f"  Windows   net use F: {url}")
    desk.say(f"  Linux     gio mount {gvfs}://{rest}")
    if settings.open:
        desk.say(f"  Phone     a WebDAV app such as FE File Explorer, Owlfiles, VLC: {url}")
    desk.say(f"  Anything  curl -T clip.mov {url}P1-Wedding/ingest/originals/")
    desk.say()
    desk.say("Stop with Ctrl-C.")
    desk.answer({"urls": urls, "root": str(root), "open": settings.open, "pid": os.getpid()})
