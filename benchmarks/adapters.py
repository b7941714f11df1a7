"""Those who ask from a cell, too: what is installed, and which cells make them do it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import places  # before the harness
from cells import first_shown_ms, run
from support.kernel import Kernel

if TYPE_CHECKING:
    from support.kernel import CellRun, RunningCell

START_TIMEOUT_S = 180.0
ANSWER_TIMEOUT_S = 240.0


@dataclass(frozen=True)
class Adapter:
    """Cells and variables with ``{url}`` for the base URL of the service, ``{prompt}`` in ``ask``.

    ``requirements`` are those of an environment, the peer first; none mean this one.
    After ``forget`` the next answer is asked for without history.
    """

    name: str
    requirements: tuple[str, ...]
    load: str
    ask: str
    point: str = "pass"
    forget: str = "pass"
    env: dict[str, str] = field(default_factory=dict)


OURS = Adapter(
    name="g4f_magic",
    requirements=(),
    load="%load_ext g4f_magic",
    ask="%%chat -p {url} -m test --new\n{prompt}",
)
JUPYTER_AI = Adapter(
    name="jupyter-ai-magic-commands 0.0.4",
    requirements=("jupyter-ai-magic-commands==0.0.4",),
    load="%load_ext jupyter_ai_magic_commands",
    point="%ai alias test openai/test --api-base {url} --api-key-name OPENAI_API_KEY",
    ask="%%ai test\n{prompt}",
    forget="%ai reset",
    # It would fetch a list of prices when it is imported, and wait where there is no network.
    env={"OPENAI_API_KEY": "none", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
)
CELLMAGE = Adapter(
    name="Cellmage 0.9.7",
    requirements=("cellmage[langchain]==0.9.7",),  # without langchain there is no %%llm
    load="%load_ext cellmage",
    ask="%%llm -m test --no-history\n{prompt}",
    env={"CELLMAGE_API_BASE": "{url}", "CELLMAGE_API_KEY": "none"},
)
CHATLAB = Adapter(
    name="chatlab 2.1.1",
    requirements=("chatlab==2.1.1",),
    load="import chatlab",
    point="chat = chatlab.Chat(base_url='{url}', api_key='none', model='test')",
    ask="await chat('{prompt}')",
    forget="chat.clear_history()",
)
PEERS = (JUPYTER_AI, CELLMAGE, CHATLAB)


class Asker:
    """One of them in a kernel of its own, pointed at a service."""

    def __init__(self, adapter: Adapter, kernel: Kernel, url: str) -> None:
        self.kernel = kernel
        self._adapter = adapter
        self._url = url
        run(kernel, adapter.load, timeout=START_TIMEOUT_S)
        run(kernel, adapter.point.replace("{url}", url))

    def ask(self, prompt: str) -> CellRun:
        """The cell that showed an answer, without history; `RuntimeError` where none was shown."""
        run(self.kernel, self._adapter.forget)
        done = run(self.kernel, self._cell(prompt), timeout=ANSWER_TIMEOUT_S)
        first_shown_ms(done)  # some print what went wrong, and end as if nothing had
        return done

    def start(self, prompt: str) -> RunningCell:
        """The same cell, still running."""
        run(self.kernel, self._adapter.forget)
        return self.kernel.start(self._cell(prompt))

    def _cell(self, prompt: str) -> str:
        return self._adapter.ask.replace("{url}", self._url).replace("{prompt}", prompt)


def kernel_of(adapter: Adapter, url: str = "") -> Kernel:
    """A kernel that has it, with nothing loaded; what it writes stays in ``build``.

    `CannotBeHadError` where its environment cannot be made.
    """
    env = {name: value.replace("{url}", url) for name, value in adapter.env.items()}
    if not adapter.requirements:
        return Kernel(env)
    python = places.peer_python(*adapter.requirements)
    return Kernel({**env, "HOME": str(places.PEERS), "PYTHONPATH": ""}, python=str(python))
