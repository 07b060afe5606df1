"""The programs of the comparison, kept in build/peer, and run for as long as a block lasts.

Debian's packages are unpacked there, not installed: no service starts, and no server of the system is touched.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from pathlib import Path

from infra.deploy.package import ROOT
from infra.local.stack import FIRST_PORT, HOST, CannotRun, answers, cannot, is_free

KEPT = ROOT / "build" / "peer"
PRETIX = KEPT / "pretix"
OURS = KEPT / "ours"
DEBIAN = KEPT / "debian"
CLUSTER = KEPT / "cluster"
READY = KEPT / "ready"
WORKERS = os.cpu_count() or 1  # either side is fastest with one a core
TABLE = "@dynoxide/linux-x64@1.2.1"
DYNOXIDE = KEPT / "package" / "dynoxide"  # as the package has it
NOBODY = "nobody"  # PostgreSQL does not run as root
PATIENCE = 120.0  # seconds for a server to start on a busy machine
Command = list[str | Path]
WHAT = f"""\
This installs, into {KEPT.relative_to(ROOT)} and nowhere else, once (about 600 MB, two to six minutes):
  - pretix and gunicorn from PyPI, in a venv of their own; our own requirements and gunicorn, in another
  - PostgreSQL and Redis, unpacked from Debian's packages where the machine has none
  - Dynoxide, a table that speaks as DynamoDB does, on SQLite: one program, from npm
  - an empty pretix database
It then runs them on {HOST} for a few minutes. Whatever runs ends with it; `rm -r build/peer` removes the rest."""


def said(command: Command, **environ: str) -> str:
    """What a program that must succeed writes; CannotRun with its last line otherwise."""
    done = subprocess.run(  # noqa: S603 - fixed programs
        command, env=os.environ | environ, cwd=ROOT, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise cannot(f"run {' '.join(map(str, command[:4]))}", f"{done.stdout}\n{done.stderr}")
    return done.stdout


def program(name: str) -> Path:
    """A program of the system, else of the packages unpacked here; PostgreSQL's newest."""
    found = shutil.which(name)
    places = [found] if found else []
    for root in (Path("/"), DEBIAN):
        places += sorted(map(str, root.glob(f"usr/lib/postgresql/*/bin/{name}")), reverse=True)
        places += map(str, root.glob(f"usr/bin/{name}"))
    if not places:
        raise CannotRun(f"guichet: {name} is missing: rm -r build/peer, and run this again")
    return Path(places[0])


def libraries() -> dict[str, str]:
    """Where the unpacked programs find their libraries."""
    return {"LD_LIBRARY_PATH": ":".join(sorted({str(found.parent) for found in DEBIAN.glob("usr/lib/**/*.so*")}))}


def unprivileged() -> list[str]:
    """What goes before a program that refuses to run as root."""
    return ["setpriv", f"--reuid={NOBODY}", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


@contextmanager
def installed() -> Iterator[None]:
    """Everything in its place, and no second run beside this one."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotRun("guichet: another make bench-peer is running") from error
        if not (READY.exists() and DYNOXIDE.exists()):
            install()
            READY.touch()
        yield


def install() -> None:
    """Make all of it, from nothing."""
    if not shutil.which("npm"):
        raise CannotRun("guichet: bench-peer needs node: install the packages nodejs and npm")
    for old in (PRETIX, OURS, DEBIAN, CLUSTER, DYNOXIDE.parent):
        shutil.rmtree(old, ignore_errors=True)
    uv = Path(sys.executable).with_name("uv")
    own: Command = [
        f"chalice=={version('chalice')}",
        "-r",
        ROOT / "requirements.txt",
    ]  # in a Lambda, Chalice brings itself
    pretix: Command = ["pretix"]
    for venv, wanted in ((PRETIX, pretix), (OURS, own)):
        said([uv, "venv", "--quiet", "--python", sys.executable, venv])
        said([uv, "pip", "install", "--quiet", "--python", venv / "bin" / "python", "gunicorn", *wanted])
    packed = said(["npm", "pack", "--silent", "--pack-destination", KEPT, TABLE]).strip()
    said(["tar", "-xf", KEPT / packed, "-C", KEPT])
    unpack([package for package, name in (("postgresql", "initdb"), ("redis-server", "redis-server")) if lacks(name)])
    with scratch() as folder:
        cluster = folder / "cluster"
        cluster.mkdir()
        give(cluster)
        initdb: Command = [
            program("initdb"),
            "--auth=trust",
            "--username=pretix",
            "--encoding=UTF8",
            "--locale=C",
            cluster,
        ]
        said([*unprivileged(), *initdb], **libraries())
        with postgres(folder, cluster), redis(folder):
            said([PRETIX / "bin" / "python", "-m", "pretix", "migrate"], **pretix_settings(folder, 80))
            said([*unprivileged(), program("pg_ctl"), "stop", "-w", "-D", cluster], **libraries())
        shutil.copytree(cluster, CLUSTER)


def lacks(name: str) -> bool:
    """Whether the system has no such program."""
    return not (shutil.which(name) or list(Path("/").glob(f"usr/lib/postgresql/*/bin/{name}")))


def unpack(packages: list[str]) -> None:
    """Fetch these packages and what they need and the system lacks, by apt-get, and unpack them here."""
    if not packages:
        return
    fetched = DEBIAN / "packages"
    (fetched / "partial").mkdir(parents=True)
    get = ["apt-get", "install", "-qq", "--yes", "--download-only", "--no-install-recommends"]
    said([*get, "-o", f"Dir::Cache::archives={fetched}", "-o", "Debug::NoLocking=1", *packages])
    for package in sorted(fetched.glob("*.deb")):
        said(["dpkg", "-x", package, DEBIAN])


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder with a short name, for sockets, that goes away with the block."""
    folder = Path(tempfile.mkdtemp(prefix="guichet-peer-"))
    folder.chmod(0o755)  # the user of the database passes through
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def give(folder: Path) -> None:
    """Make a folder, and all in it, the database user's."""
    folder.chmod(0o700)
    if os.geteuid() == 0:
        for inside in (folder, *folder.rglob("*")):
            shutil.chown(inside, NOBODY, "nogroup")


@contextmanager
def serving(name: str, command: Command, folder: Path, ready: Callable[[], bool], **environ: str) -> Iterator[int]:
    """A server for as long as the block lasts, killed with all that it started if this program dies; its guard's id."""
    log, own = folder / f"{name}.log", folder / f"{name}.own"
    own.mkdir()
    guard: Command = [sys.executable, ROOT / "infra" / "guard.py", own]
    settings = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(own), "TMPDIR": str(folder)} | environ
    with log.open("wb") as out:
        running = subprocess.Popen(  # noqa: S603 - the same
            [*guard, *command],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            env=settings,
            cwd=ROOT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + PATIENCE
        while not ready():
            if running.poll() is not None or time.monotonic() > until:
                raise cannot(f"start {name}", log.read_text(errors="replace"))
            time.sleep(0.1)
        yield running.pid
    finally:
        running.communicate()  # closes its stdin: it ends the server


def postgres(folder: Path, cluster: Path) -> AbstractContextManager[int]:
    """PostgreSQL on a socket of this folder's cluster, and on no port; it waits for no disk, as our table does not."""
    options = ["listen_addresses=", f"unix_socket_directories={cluster}", "fsync=off", "max_connections=50"]
    command: Command = [
        *unprivileged(),
        program("postgres"),
        "-D",
        cluster,
        *(word for one in options for word in ("-c", one)),
    ]

    def ready() -> bool:
        asked = subprocess.run(  # noqa: S603 - the same
            [program("pg_isready"), "-q", "-h", cluster], env=os.environ | libraries(), check=False, timeout=30
        )
        return asked.returncode == 0

    return serving("postgres", command, folder, ready, **libraries())


def redis(folder: Path) -> AbstractContextManager[int]:
    """Redis on a socket in this folder, with nothing kept."""
    socket = folder / "redis.sock"
    command: Command = [program("redis-server"), "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
    return serving("redis", command, folder, socket.exists, **libraries())


def dynoxide(folder: Path, port: int) -> AbstractContextManager[int]:
    """Our table, kept in memory."""
    return serving("dynoxide", [DYNOXIDE, "--port", str(port)], folder, lambda: answers(f"http://{HOST}:{port}/"))


def pretix_settings(folder: Path, port: int) -> dict[str, str]:
    """As its handbook installs it: PostgreSQL, Redis for cache and sessions; tasks are done at once, in the request."""
    (folder / "pretix").mkdir(exist_ok=True)
    (folder / "pretix.cfg").write_text(
        f"[pretix]\nurl=http://{HOST}:{port}\ndatadir={folder}/pretix\necb_rates=off\n"
        f"[database]\nbackend=postgresql\nname=postgres\nuser=pretix\nhost={folder}/cluster\n"
        f"[redis]\nlocation=unix://{folder}/redis.sock?db=0\nsessions=true\n",
        "utf-8",
    )
    return {"PRETIX_CONFIG_FILE": str(folder / "pretix.cfg")}


def database(folder: Path) -> Path:
    """A copy of the empty pretix database in this folder."""
    cluster = folder / "cluster"
    shutil.copytree(CLUSTER, cluster)
    give(cluster)
    return cluster


def free_port() -> int:
    """One that nobody listens on."""
    return next(port for port in range(FIRST_PORT + 100, FIRST_PORT + 200) if is_free(port))


def gunicorn(venv: Path, application: str, folder: Path, port: int, **environ: str) -> AbstractContextManager[int]:
    """This application behind gunicorn, on this port."""
    options = ["--workers", str(WORKERS), "--bind", f"{HOST}:{port}", "--no-control-socket", "--timeout", "60"]
    command: Command = [venv / "bin" / "python", "-m", "gunicorn", application, *options]
    return serving(venv.name, command, folder, lambda: answers(f"http://{HOST}:{port}/"), **environ)
