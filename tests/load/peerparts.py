"""Install the programs of the comparison into build/peer, and run them as context managers.

Debian packages are unpacked there, not installed, so no service starts and nothing outside changes.
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
from infra.local.launcher import answers, failure
from infra.local.settings import FIRST_PORT, HOST, CannotRun, is_free

FOLDER = ROOT / "build" / "peer"
PRETIX = FOLDER / "pretix"
OURS = FOLDER / "ours"
DEBIAN = FOLDER / "debian"
CLUSTER = FOLDER / "cluster"
READY = FOLDER / "ready"
WORKERS = os.cpu_count() or 1  # both sides are fastest with one worker per core
DYNOXIDE_PACKAGE = "@dynoxide/linux-x64@1.2.1"
DYNOXIDE = FOLDER / "package" / "dynoxide"
NOBODY = "nobody"  # PostgreSQL does not run as root
PATIENCE = 120.0  # seconds for a server to start on a busy machine
Command = list[str | Path]
ANNOUNCEMENT = f"""\
This installs, into {FOLDER.relative_to(ROOT)} and nowhere else, once (about 600 MB, two to six minutes):
  - pretix and gunicorn from PyPI, in one venv; our requirements and gunicorn, in another
  - PostgreSQL and Redis, unpacked from Debian packages if the machine lacks them
  - Dynoxide, a DynamoDB emulator on SQLite, from npm
  - an empty pretix database
It then runs them on {HOST} for a few minutes and stops them. `rm -r build/peer` removes all of it."""


def run(command: Command, **environ: str) -> str:
    """Run a program and return its output. Raise CannotRun with its last line if it fails."""
    process = subprocess.run(  # noqa: S603 - fixed programs
        command, env=os.environ | environ, cwd=ROOT, check=False, capture_output=True, text=True
    )
    if process.returncode:
        raise failure(f"run {' '.join(map(str, command[:4]))}", f"{process.stdout}\n{process.stderr}")
    return process.stdout


def program(name: str) -> Path:
    """Find a program of the system or of the unpacked packages. Raise CannotRun if there is none."""
    system_path = shutil.which(name)
    paths = [system_path] if system_path else []
    for root in (Path("/"), DEBIAN):
        paths += sorted(map(str, root.glob(f"usr/lib/postgresql/*/bin/{name}")), reverse=True)
        paths += map(str, root.glob(f"usr/bin/{name}"))
    if not paths:
        raise CannotRun(f"guichet: {name} is missing: run `rm -r build/peer`, then `make bench-peer` again")
    return Path(paths[0])


def libraries() -> dict[str, str]:
    """Return the environment variable for the libraries of the unpacked programs."""
    return {"LD_LIBRARY_PATH": ":".join(sorted({str(library.parent) for library in DEBIAN.glob("usr/lib/**/*.so*")}))}


def unprivileged() -> list[str]:
    """Return the prefix of a command that must not run as root."""
    return ["setpriv", f"--reuid={NOBODY}", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


@contextmanager
def installed() -> Iterator[None]:
    """Install everything if needed, and lock the folder. Raise CannotRun if another run has the lock."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotRun("guichet: another make bench-peer is running") from error
        if not (READY.exists() and DYNOXIDE.exists()):
            install()
            READY.touch()
        yield


def install() -> None:
    """Install everything from scratch."""
    if not shutil.which("npm"):
        raise CannotRun("guichet: make bench-peer needs Node.js: install the packages nodejs and npm")
    for old in (PRETIX, OURS, DEBIAN, CLUSTER, DYNOXIDE.parent):
        shutil.rmtree(old, ignore_errors=True)
    uv = Path(sys.executable).with_name("uv")
    our_packages: Command = [
        f"chalice=={version('chalice')}",
        "-r",
        ROOT / "requirements.txt",
    ]  # requirements.txt lacks Chalice, which adds itself to its packages
    pretix_packages: Command = ["pretix"]
    for venv, packages in ((PRETIX, pretix_packages), (OURS, our_packages)):
        run([uv, "venv", "--quiet", "--python", sys.executable, venv])
        run([uv, "pip", "install", "--quiet", "--python", venv / "bin" / "python", "gunicorn", *packages])
    archive = run(["npm", "pack", "--silent", "--pack-destination", FOLDER, DYNOXIDE_PACKAGE]).strip()
    run(["tar", "-xf", FOLDER / archive, "-C", FOLDER])
    unpack([package for package, name in (("postgresql", "initdb"), ("redis-server", "redis-server")) if lacks(name)])
    with scratch() as folder:
        cluster = folder / "cluster"
        cluster.mkdir()
        give_to_database_user(cluster)
        initdb: Command = [
            program("initdb"),
            "--auth=trust",
            "--username=pretix",
            "--encoding=UTF8",
            "--locale=C",
            cluster,
        ]
        run([*unprivileged(), *initdb], **libraries())
        with postgres(folder, cluster), redis(folder):
            run([PRETIX / "bin" / "python", "-m", "pretix", "migrate"], **pretix_settings(folder, 80))
            run([*unprivileged(), program("pg_ctl"), "stop", "-w", "-D", cluster], **libraries())
        shutil.copytree(cluster, CLUSTER)


def lacks(name: str) -> bool:
    """Return whether the system lacks a program."""
    return not (shutil.which(name) or list(Path("/").glob(f"usr/lib/postgresql/*/bin/{name}")))


def unpack(packages: list[str]) -> None:
    """Download these packages and their missing dependencies with apt-get, and unpack them."""
    if not packages:
        return
    downloads = DEBIAN / "packages"
    (downloads / "partial").mkdir(parents=True)
    get = ["apt-get", "install", "-qq", "--yes", "--download-only", "--no-install-recommends"]
    run([*get, "-o", f"Dir::Cache::archives={downloads}", "-o", "Debug::NoLocking=1", *packages])
    for package in sorted(downloads.glob("*.deb")):
        run(["dpkg", "-x", package, DEBIAN])


@contextmanager
def scratch() -> Iterator[Path]:
    """Create a temporary folder. Its path is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="guichet-peer-"))
    folder.chmod(0o755)  # the database user needs access
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def give_to_database_user(folder: Path) -> None:
    """Give a folder and its contents to the database user."""
    folder.chmod(0o700)
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, NOBODY, "nogroup")


@contextmanager
def serving(name: str, command: Command, folder: Path, ready: Callable[[], bool], **environ: str) -> Iterator[int]:
    """Run a server with a guard that ends it and its descendants if this program dies. Yield the guard's process id."""
    log, home = folder / f"{name}.log", folder / f"{name}.own"
    home.mkdir()
    guard: Command = [sys.executable, ROOT / "infra" / "local" / "process_guard.py", home]
    settings = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(home), "TMPDIR": str(folder)} | environ
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - fixed programs
            [*guard, *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=settings,
            cwd=ROOT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise failure(f"start {name}", log.read_text(errors="replace"))
            time.sleep(0.1)
        yield process.pid
    finally:
        process.communicate()  # closes the guard's stdin, at which it ends the server


def postgres(folder: Path, cluster: Path) -> AbstractContextManager[int]:
    """Run PostgreSQL on a socket in the cluster's folder. It does not wait for the disk, as our table does not."""
    options = ["listen_addresses=", f"unix_socket_directories={cluster}", "fsync=off", "max_connections=50"]
    command: Command = [
        *unprivileged(),
        program("postgres"),
        "-D",
        cluster,
        *(word for option in options for word in ("-c", option)),
    ]

    def ready() -> bool:
        check = subprocess.run(  # noqa: S603 - fixed programs
            [program("pg_isready"), "-q", "-h", cluster], env=os.environ | libraries(), check=False, timeout=30
        )
        return check.returncode == 0

    return serving("postgres", command, folder, ready, **libraries())


def redis(folder: Path) -> AbstractContextManager[int]:
    """Run Redis on a socket in this folder, without persistence."""
    socket = folder / "redis.sock"
    command: Command = [program("redis-server"), "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
    return serving("redis", command, folder, socket.exists, **libraries())


def dynoxide(folder: Path, port: int) -> AbstractContextManager[int]:
    """Run our table in memory."""
    return serving("dynoxide", [DYNOXIDE, "--port", str(port)], folder, lambda: answers(f"http://{HOST}:{port}/"))


def pretix_settings(folder: Path, port: int) -> dict[str, str]:
    """Write the settings of pretix's handbook: PostgreSQL, Redis for cache and sessions. Tasks run in the request."""
    (folder / "pretix").mkdir(exist_ok=True)
    (folder / "pretix.cfg").write_text(
        f"[pretix]\nurl=http://{HOST}:{port}\ndatadir={folder}/pretix\necb_rates=off\n"
        f"[database]\nbackend=postgresql\nname=postgres\nuser=pretix\nhost={folder}/cluster\n"
        f"[redis]\nlocation=unix://{folder}/redis.sock?db=0\nsessions=true\n",
        "utf-8",
    )
    return {"PRETIX_CONFIG_FILE": str(folder / "pretix.cfg")}


def database(folder: Path) -> Path:
    """Copy the empty pretix database to this folder."""
    cluster = folder / "cluster"
    shutil.copytree(CLUSTER, cluster)
    give_to_database_user(cluster)
    return cluster


def free_port() -> int:
    """Return a port on which nothing listens."""
    return next(port for port in range(FIRST_PORT + 100, FIRST_PORT + 200) if is_free(port))


def gunicorn(venv: Path, application: str, folder: Path, port: int, **environ: str) -> AbstractContextManager[int]:
    """Run an application behind gunicorn on this port."""
    options = ["--workers", str(WORKERS), "--bind", f"{HOST}:{port}", "--no-control-socket", "--timeout", "60"]
    command: Command = [venv / "bin" / "python", "-m", "gunicorn", application, *options]
    return serving(venv.name, command, folder, lambda: answers(f"http://{HOST}:{port}/"), **environ)
