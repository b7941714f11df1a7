"""Writes docs/providers.md from the table of services: ``python docs/make_providers.py``."""  # noqa: INP001  # a script

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from g4f_magic.providers.aichat import Aichat
from g4f_magic.providers.openai import OpenaiChat
from g4f_magic.providers.plugins import GROUP
from g4f_magic.providers.presets import HOSTED, LOCAL_SERVERS, Preset

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PAGE = Path(__file__).with_name("providers.md")

OPENAI = Preset(
    OpenaiChat.name,
    OpenaiChat.api_base,
    title="OpenAI",
    site="https://platform.openai.com/api-keys",
    note="Make a key; `OPENAI_BASE_URL` leads to another address.",
    api_key_env=OpenaiChat.api_key_env,
    default_model=OpenaiChat.default_model,
)

TEXT = """\
<!-- Written by docs/make_providers.py from the tables in g4f_magic/providers: do not edit. -->
# Providers

Name one with `-p NAME`, or in front of a model: `-m NAME:MODEL`. Any other server that speaks
OpenAI's chat-completions dialect is asked by its base URL: `-p https://host/v1 -m MODEL`, with its
key in `G4F_API_KEY`. Only open, documented APIs are spoken to.

A key goes into its variable before Jupyter starts, or with `%env NAME=…` in a cell. Where no
default model is given, the first that the service lists is asked; `-m` names another.

Where nothing names a provider, the first of these services whose variable is set is asked, OpenAI
first and the others in the order below; then Ollama or LM Studio, if one of them listens; then the
demo. A variable in italics chooses nobody by itself, as it is often set for something else: name
that provider with `-p`.

## Services

{services}

## Servers on your machine

No key is needed. A server that listens elsewhere is asked by its URL: `-p http://host:port/v1`.

{servers}

`OLLAMA_HOST` is read as Ollama itself reads it: a host, with or without scheme and port;
`0.0.0.0` and `[::]` mean this machine. It is read anew for each prompt.

## Others

| provider | `-p` | how to get going |
| --- | --- | --- |
| Demo | `demo` | Nothing: it answers in this process, and says that it is a demo. |
| Aichat | `aichat` | See below. |

Aichat was made for `{aichat}`, which no longer answers. It asks another service of that kind
where `G4F_PROVIDER=aichat` stands beside its address in `G4F_API_BASE`; in Python `Aichat.url` or
`Client(provider=Aichat, api_base=…)` names it.

## From other packages

A package brings a provider by an entry point in the group `{group}`; the name of the entry point
is the name for `-p`:

```toml
[project.entry-points."{group}"]
acme = "acme_g4f:Acme"
```

What it points to is mostly a subclass of `OpenaiTemplate`:

```python
from g4f_magic.providers import OpenaiTemplate


class Acme(OpenaiTemplate):
    name = "acme"
    api_base = "https://api.acme.example/v1"
    api_key_env = "ACME_API_KEY"
    needs_auth = True
    default_model = "acme-large"
```

It is imported when it is first asked for, and never chosen by its key alone. A name in the tables
above stays with the provider there. `g4f_magic.providers.broken_plugins()` tells which plugins
cannot be used, and why.
"""


def page() -> str:
    """Return the page as the tables have it now."""
    services = [
        [
            f"[{preset.title}]({preset.site})",
            f"`{preset.name}`",
            _variable(preset),
            f"`{preset.default_model}`" if preset.default_model else "",
            preset.note,
        ]
        for preset in (OPENAI, *HOSTED)
    ]
    servers = [
        [
            f"[{preset.title}]({preset.site})",
            f"`{preset.name}`",
            f"`{preset.api_base}`",
            preset.note,
        ]
        for preset in LOCAL_SERVERS
    ]
    return TEXT.format(
        services=_table(
            ["service", "`-p`", "key in", "default model", "how to get going"], services
        ),
        servers=_table(["server", "`-p`", "asked at", "how to get going"], servers),
        aichat=Aichat.url,
        group=GROUP,
    )


def _variable(preset: Preset) -> str:
    marked = f"`{preset.api_key_env}`"
    return marked if preset.is_chosen_by_key else f"*{marked}*"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
