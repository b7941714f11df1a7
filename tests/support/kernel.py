"""A real ipykernel, driven over its sockets as a front end would."""

from __future__ import annotations

import ast
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from support.cell_run import CellError, CellRun, Message
from support.environment import clean_environment, quiet_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from support.outputs import Output

__all__ = ["CellError", "CellRun", "Kernel", "Message", "RunningCell"]

START_TIMEOUT_S = 20.0
START_TRIES = 3
PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


class RunningCell:
    """A cell that was sent; read on with `until` or `finish`."""

    def __init__(self, kernel: Kernel, run: CellRun) -> None:
        self._kernel = kernel
        self.run = run

    def until(self, predicate: Callable[[list[Output]], object], timeout: float = 20.0) -> CellRun:
        """Returns when the shown outputs satisfy ``predicate``.

        ``AssertionError`` when the cell ends before, or after ``timeout``.
        """
        run = self.run
        self._kernel.read_until(lambda: run.is_done or predicate(run.outputs), timeout)
        if not predicate(run.outputs):
            message = f"the cell ended with other outputs: {run.outputs}"
            raise AssertionError(message)
        return run

    def finish(self, timeout: float = 60.0) -> CellRun:
        """Waits for the end of the cell; never raises for an error in it."""
        self._kernel.read_until(lambda: self.run.is_done, timeout)
        return self.run


class Kernel:
    """A kernel process of its own, without keys, proxies or the user's profile.

    ``env`` is added to the cleaned environment. ``cwd`` is a temporary folder
    unless given, ``python`` the interpreter that runs it and
    ``under`` a command that starts the process. It is killed at the
    end, but asked to go where coverage is measured (variables ``COVERAGE_*``),
    so that the figures get written.
    """

    def __init__(
        self,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        python: str = sys.executable,
        under: Sequence[str] = (),
    ) -> None:
        self._under = under
        self._folder = tempfile.TemporaryDirectory(prefix="kernel-", ignore_cleanup_errors=True)
        self._python = python
        self.home = Path(self._folder.name)
        self.cwd = Path(cwd) if cwd is not None else self.home / "work"
        own = {"IPYTHONDIR": str(self.home / "ipython"), "G4F_HOME": str(self.home / "g4f")}
        quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "JUPYTER_PLATFORM_DIRS": "1"}
        self.env = clean_environment() | own | quiet | dict(env or {})
        #: Published with no parent or with one that no cell of ours is.
        self.other_messages: list[Message] = []
        self._on_message: Callable[[Message], object] | None = None
        self._runs: dict[str, CellRun] = {}
        self._replies: dict[str, dict[str, Any]] = {}
        self._context = zmq.Context()

    def __enter__(self) -> Kernel:
        """Starts the process and returns when it answers."""
        self.cwd.mkdir(parents=True, exist_ok=True)
        spec = self.home / "kernels" / "tested"
        spec.mkdir(parents=True)
        argv = [*self._under, self._python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        argv += ["--HistoryManager.hist_file=:memory:", "--log-level=ERROR"]
        description = {"argv": argv, "display_name": "Tested", "language": "python"}
        (spec / "kernel.json").write_text(json.dumps(description))
        self.manager = KernelManager(
            kernel_name="tested",
            kernel_spec_manager=KernelSpecManager(
                kernel_dirs=[str(spec.parent)], ensure_native_kernel=False
            ),
            connection_file=str(self.home / "connection.json"),
            cache_ports=False,
            **dict(zip(PORTS, quiet_ports(len(PORTS)), strict=True)),
        )
        self.manager.start_kernel(env=self.env, cwd=str(self.cwd))
        self._connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the process and removes its folder."""
        self._disconnect()
        is_measured = any(name.startswith("COVERAGE_") for name in self.env)
        self.manager.shutdown_kernel(now=not is_measured)
        self._context.term()
        self._folder.cleanup()

    def run(
        self,
        code: str,
        cell_id: str | None = None,
        timeout: float = 60.0,
        on_message: Callable[[Message], object] | None = None,
    ) -> CellRun:
        """Runs a cell to its end; ``on_message`` sees each iopub message of it."""
        self._on_message = on_message
        try:
            run = self.start(code, cell_id, may_abort=False).finish(timeout)
            if run.is_aborted:  # by an error before it: ipykernel 6 goes on aborting for a moment
                run = self.start(code, cell_id, may_abort=False).finish(timeout)
            return run
        finally:
            self._on_message = None

    def start(
        self,
        code: str,
        cell_id: str | None = None,
        *,
        may_abort: bool = True,
        subshell: str = "",
    ) -> RunningCell:
        """Sends a cell and returns at once; several may be queued, or run in a subshell.

        With ``may_abort`` an error in it aborts the queued ones, and with ipykernel 6 also
        what is sent shortly after.
        """
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
        content |= {"allow_stdin": False, "stop_on_error": may_abort}
        metadata = {} if cell_id is None else {"cellId": cell_id, "deletedCells": []}
        message_id = self.send("execute_request", content, metadata, subshell=subshell)
        run = self._runs[message_id] = CellRun(message_id)
        return RunningCell(self, run)

    def open_subshell(self) -> str:
        """Opens a second line of execution, which ipykernel 7 has; returns its name."""
        session, connection = self.manager.session, self.manager.get_connection_info()
        with self._context.socket(zmq.DEALER) as control:
            control.linger = 0
            control.connect(f"tcp://{connection['ip']}:{connection['control_port']}")
            session.send(control, session.msg("create_subshell_request", {}))
            assert control.poll(20_000), "the kernel does not answer"
            name: str = self._decode(control.recv_multipart())["content"]["subshell_id"]
            return name

    def send(
        self,
        kind: str,
        content: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        *,
        subshell: str = "",
    ) -> str:
        """Sends any shell message (a ``comm_msg``, say); returns its id."""
        session = self.manager.session
        message = session.msg(kind, dict(content), metadata=dict(metadata or {}))
        message["header"] |= {"subshell_id": subshell} if subshell else {}
        session.send(self._shell, message)
        message_id: str = message["header"]["msg_id"]
        return message_id

    def request(
        self, kind: str, content: Mapping[str, Any], timeout: float = 20.0
    ) -> dict[str, Any]:
        """Sends a request (``complete_request``, ``inspect_request``) and returns the reply."""
        message_id = self.send(kind, content)
        self.read_until(lambda: message_id in self._replies, timeout)
        return self._replies.pop(message_id)

    def value(self, expression: str, timeout: float = 20.0) -> Any:
        """The value of a Python literal that ``expression`` gives in the kernel."""
        content = {"code": "", "silent": True, "store_history": False, "allow_stdin": False}
        expressions = {"value": f"repr({expression})"}
        reply = self.request(
            "execute_request", {**content, "user_expressions": expressions}, timeout
        )
        found = reply["user_expressions"]["value"]
        if found["status"] != "ok":
            message = f"{expression}: {found['ename']}: {found['evalue']}"
            raise AssertionError(message)
        return ast.literal_eval(ast.literal_eval(found["data"]["text/plain"]))

    def interrupt(self) -> None:
        """Sends SIGINT, as the ■ of a front end does."""
        self.manager.interrupt_kernel()

    def restart(self, *, now: bool = True) -> None:
        """Kills the process, or asks it to go, and starts a new one in the same folder."""
        self._disconnect()
        self.manager.restart_kernel(now=now)
        self._connect()

    def read_until(self, predicate: Callable[[], object], timeout: float) -> None:
        """Reads both sockets until ``predicate()`` is true; `AssertionError` if it never is."""
        end = time.monotonic() + timeout
        while not predicate():
            left = end - time.monotonic()
            if left <= 0 or not self.manager.is_alive():
                state = "alive" if self.manager.is_alive() else "dead"
                shown = [run.outputs for run in self._runs.values() if not run.is_done]
                message = (
                    f"not reached in {timeout} s, kernel {state}; unfinished cells show {shown}"
                )
                raise AssertionError(message)
            self._read_one(min(left, 0.5))

    def _read_one(self, timeout: float) -> None:
        ready = dict(self._poller.poll(int(timeout * 1000)))
        if self._iopub in ready:
            self._take_published(self._iopub.recv_multipart())
        elif self._shell in ready:  # after the outputs, so that a reply never overtakes them
            reply = self._decode(self._shell.recv_multipart())
            self._take_reply(reply["parent_header"].get("msg_id", ""), reply["content"])

    def _decode(self, frames: list[bytes]) -> dict[str, Any]:
        session = self.manager.session
        message: dict[str, Any] = session.deserialize(session.feed_identities(frames)[1])
        return message

    def _take_published(self, frames: list[bytes]) -> None:
        at, size_bytes = time.perf_counter(), sum(map(len, frames))
        raw = self._decode(frames)
        parent_id = raw["parent_header"].get("msg_id", "")
        kind, content = raw["header"]["msg_type"], raw["content"]
        message = Message(kind, content, raw["metadata"], at, size_bytes, parent_id)
        run = self._runs.get(parent_id)
        if kind == "update_display_data":  # it reaches every cell that shows this display
            for other in self._runs.values():
                other.folded.update(content)
        if run is None:
            self.other_messages.append(message)
            return
        run.take(message)
        if run.is_done:
            run.finished_at = run.finished_at or at
        if self._on_message is not None:
            self._on_message(message)

    def _take_reply(self, parent_id: str, content: dict[str, Any]) -> None:
        if parent_id not in self._runs:
            self._replies[parent_id] = content
            return
        run = self._runs[parent_id]
        run.reply = content
        if run.is_done:
            run.finished_at = time.perf_counter()

    def _connect(self) -> None:
        """Returns when the kernel answers; a new process gets a new try.

        Now and then ipykernel 7.0 to 7.3 says that it is ready and answers no more.
        """
        for _ in range(START_TRIES):
            self._open_sockets()
            if self._is_ready():
                return
            self._disconnect()
            self.manager.cleanup_connection_file()
            for name, port in zip(PORTS, quiet_ports(len(PORTS)), strict=True):
                setattr(self.manager, name, port)  # another program may have taken the last ones
            self.manager.restart_kernel(now=True)
        message = f"the kernel did not start within {START_TRIES} times {START_TIMEOUT_S} s"
        raise AssertionError(message)

    def _open_sockets(self) -> None:
        connection = self.manager.get_connection_info()
        address = f"tcp://{connection['ip']}"
        self._iopub = self._context.socket(zmq.SUB)
        self._iopub.subscribe(b"")
        self._iopub.rcvhwm = 0
        self._shell = self._context.socket(zmq.DEALER)
        self._shell.sndtimeo = 5000  # milliseconds; where another program listens, none takes it
        self._poller = zmq.Poller()
        for socket, port in (
            (self._iopub, connection["iopub_port"]),
            (self._shell, connection["shell_port"]),
        ):
            socket.linger = 0
            socket.connect(f"{address}:{port}")
            self._poller.register(socket, zmq.POLLIN)

    def _is_ready(self) -> bool:
        """Asks until both the reply and a published status come through."""
        end = time.monotonic() + START_TIMEOUT_S
        asked: set[str] = set()
        heard = False
        while not heard:
            try:
                asked.add(self.send("kernel_info_request", {}))
            except zmq.Again:
                return False
            heard = self._listen(asked, 0.5)
            if time.monotonic() > end or not self.manager.is_alive():
                return False
        # Whatever else was asked is answered before the next request.
        if not self._answers(max(5.0, end - time.monotonic())):
            return False
        self._replies.clear()
        self.other_messages.clear()
        return True

    def _answers(self, within_s: float) -> bool:
        """Asks once; tells whether there was a reply."""
        try:
            self.request("kernel_info_request", {}, within_s)
        except AssertionError:
            return False
        return True

    def _listen(self, asked: set[str], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._read_one(0.05)
            idle = any(message.parent_id in asked for message in self.other_messages)
            if idle and asked & self._replies.keys():
                return True
        return False

    def _disconnect(self) -> None:
        self._iopub.close(0)
        self._shell.close(0)
